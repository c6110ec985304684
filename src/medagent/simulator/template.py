"""`${…}` in a scenario: the person, what stood before the call, a tool's last result, a day counted from today."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

Value: TypeAlias = str | int | float | bool | None

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TODAY = re.compile(r"today(?:([+-]\d{1,4})d)?")


class UnresolvedError(LookupError):
    """A `${…}` has no value in this call: the tool it names was not called or did not return it."""


def references(template: Value) -> Iterator[str]:
    """What a template refers to, without `${` and `}`."""
    yield from _REFERENCE.findall(template) if isinstance(template, str) else ()


def is_day(reference: str) -> bool:
    """Whether it is a day counted from today."""
    return _TODAY.fullmatch(reference) is not None


def head_of(reference: str, names: Container[str]) -> str:
    """Return the longest of the names with which a reference begins, as a tool's may hold dots; else its first part."""
    parts = reference.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((head for head in heads if head in names), parts[0])


def resolve(template: Value, *, person: Mapping[str, str], results: Mapping[str, Any]) -> Any:
    """Put values into `${…}`; one that is the whole template keeps its type. Raises `UnresolvedError`.

    `results` holds each tool's last result under its name, and under "given" what stood before the call.
    """
    if not isinstance(template, str):
        return template
    if whole := _REFERENCE.fullmatch(template):
        return _look_up(whole[1], person, results)
    return _REFERENCE.sub(lambda match: str(_look_up(match[1], person, results)), template)


def _look_up(reference: str, person: Mapping[str, str], results: Mapping[str, Any]) -> Any:
    if today := _TODAY.fullmatch(reference):
        return (datetime.now(UTC).date() + timedelta(days=int(today[1] or 0))).isoformat()
    head = head_of(reference, results)
    path = reference[len(head) + 1 :].split(".") if len(reference) > len(head) else []
    value: Any = person if head == "person" else results.get(head)
    try:
        for part in path:
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (KeyError, IndexError, ValueError, TypeError):
        raise UnresolvedError(reference) from None
    if value is None or isinstance(value, list | dict):
        raise UnresolvedError(reference)
    return value
