"""Closed lists that come from code: classes and codes of errors, time zones of tzdata.

`error_types.txt` is written by `scripts/build_error_types.py`. A policy adds members of its own under `lists`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib import resources
from zoneinfo import available_timezones


@cache
def error_types() -> frozenset[str]:
    """Return the classes of exceptions and the codes of providers that a trace may name."""
    file = resources.files("medagent.redaction") / "error_types.txt"
    lines = file.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@cache
def time_zones() -> frozenset[str]:
    """Return the names of all time zones of tzdata."""
    return frozenset(available_timezones())


CODE_LISTS: Mapping[str, Callable[[], frozenset[str]]] = {"error_types": error_types, "time_zones": time_zones}
"""The name of a list, and what reads it at its first use."""


def is_in_code(name: str, value: str) -> bool:
    """Tell whether a list of code has a member; False for a name that is not a list of code."""
    read = CODE_LISTS.get(name)
    return read is not None and value in read()
