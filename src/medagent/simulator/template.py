"""`${…}` in a scenario: the person, what was before the call, a tool's last result, a day counted from today."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import JsonValue

_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TODAY = re.compile(r"today(?:([+-]\d{1,4})d)?")
_TOLD = re.compile(r"\bToday is [^()\n]{1,60}\((\d{4}-\d\d-\d\d)\)")


class UnresolvedError(LookupError):
    """A `${…}` has no value in this call: the tool it names was not called or did not return it."""


def references(template: JsonValue) -> Iterator[str]:
    """Return what a template refers to, without `${` and `}`."""
    match template:
        case str():
            yield from _REFERENCE.findall(template)
        case list():
            yield from (each for item in template for each in references(item))
        case dict():
            yield from (each for item in template.values() for each in references(item))


def is_day(reference: str) -> bool:
    """Return whether it is a day counted from today."""
    return _TODAY.fullmatch(reference) is not None


def today_in(instructions: str) -> date | None:
    """Return the day that instructions call today, as a model reads it; None where they do not name it so."""
    found = _TOLD.findall(instructions)
    try:
        return date.fromisoformat(found[-1]) if found else None
    except ValueError:
        return None


def head_of(reference: str, names: Container[str]) -> str:
    """Return the longest of the names with which a reference begins, as a tool's may hold dots; else its first part."""
    parts = reference.split(".")
    heads = (".".join(parts[:count]) for count in range(len(parts), 0, -1))
    return next((head for head in heads if head in names), parts[0])


def resolve(
    template: JsonValue, *, person: Mapping[str, str], results: Mapping[str, Any], today: date | None = None
) -> Any:
    """Put values into `${…}`; one that is the whole template keeps its type. Raises `UnresolvedError`.

    `results` holds each tool's last result under its name, and under "given" what was before the call. `today` is
    the day that the model was told; without it, the day in UTC.
    """
    if isinstance(template, list):
        return [resolve(item, person=person, results=results, today=today) for item in template]
    if isinstance(template, dict):
        return {key: resolve(item, person=person, results=results, today=today) for key, item in template.items()}
    if not isinstance(template, str):
        return template
    if whole := _REFERENCE.fullmatch(template):
        return _look_up(whole[1], person, results, today)
    return _REFERENCE.sub(lambda match: str(_look_up(match[1], person, results, today)), template)


def _look_up(reference: str, person: Mapping[str, str], results: Mapping[str, Any], today: date | None) -> Any:
    if counted := _TODAY.fullmatch(reference):
        first = datetime.now(UTC).date() if today is None else today
        return (first + timedelta(days=int(counted[1] or 0))).isoformat()
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
