"""No word of a text stays in the process once its call is over."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import medagent.redaction

MAY_REMEMBER = {
    "medagent.redaction.raw._mention",  # keys that a policy names
    "medagent.redaction.text.guard._is_judged",  # one sign
    "medagent.redaction.text.reading._facts_of",  # the shipped lists
}


def cached() -> Iterator[tuple[str, int]]:
    """Yield each function of the package that remembers, with the number of its parameters."""
    for info in pkgutil.walk_packages(medagent.redaction.__path__, "medagent.redaction."):
        module = importlib.import_module(info.name)
        for name, value in vars(module).items():
            if hasattr(value, "cache_info") and value.__module__ == info.name:
                yield f"{info.name}.{name}", len(inspect.signature(value).parameters)


def test_no_function_of_a_text_remembers_what_it_saw() -> None:
    """A cache of the process would hold callers' names beyond their call."""
    found = dict(cached())
    assert {name for name, parameters in found.items() if parameters} <= MAY_REMEMBER
    assert len(found) > 4
