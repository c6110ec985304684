"""`${…}` in a scenario: the person, what stood before the call, a tool's last result, a day counted from today."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import JsonValue

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TODAY = re.compile(r"today(?:([+-]\d{1,4})d)?")


class UnresolvedError(LookupError):
    """A `${…}` has no value in this call: the tool it names was not called or did not return it."""


def references(template: JsonValue) -> Iterator[str]:
    """What a template refers to, without `${` and `}`."""
    match template:
        case str():
            yield from _REFERENCE.findall(template)
        case list():
            yield from (each for item in template for each in references(item))
        case dict():
            yield from (each for item in template.values() for each in references(item))


def is_day(reference: str) -> bool:
    """Whether it is a day counted from today."""
    return _TODAY.fullmatch(reference) is not None


def head_of(reference: str, names: Container[str]) -> str:
    """Return the longest of the names with which a reference begins, as a tool's may hold dots; else its first part."""
    parts = reference.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((head for head in heads if head in names), parts[0])


def resolve(template: JsonValue, *, person: Mapping[str, str], results: Mapping[str, Any]) -> Any:
    """Put values into `${…}`; one that is the whole template keeps its type. Raises `UnresolvedError`.

    `results` holds each tool's last result under its name, and under "given" what stood before the call.
    """
    if isinstance(template, list):
        return [resolve(item, person=person, results=results) for item in template]
    if isinstance(template, dict):
        return {key: resolve(item, person=person, results=results) for key, item in template.items()}
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
