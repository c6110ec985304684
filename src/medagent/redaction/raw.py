"""Reads raw values of any type at any depth, JSON inside strings too: to learn from them, never to pass them on."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

_MOST_VALUES = 10_000
_LONGEST_JSON = 100_000
_NOT_ALNUM = re.compile(r"[\W_]+")


class UnreadableError(Exception):
    """A raw value cannot be read to its end: too many values, a type that JSON has not, JSON that does not parse."""


class _Pairs(list[tuple[str, object]]):
    """An object of a JSON string with all its keys, repeated ones too."""


def plain_key(key: str) -> str:
    """A key without its spelling: `Patient-ID`, `patientId` and `patient_id` are one."""
    quick = key.replace("_", "").lower()
    if quick.isascii() and quick.isalnum():
        return quick
    return _NOT_ALNUM.sub("", unicodedata.normalize("NFKC", key).casefold())


def members(raw: object) -> Iterator[tuple[str | None, object]]:
    """Every value at any depth with its own key (None in a list); `UnreadableError` comes last, after all the rest."""
    unread = False
    stack: list[tuple[str | None, object]] = [(None, raw)]
    for _ in range(_MOST_VALUES):
        if not stack:
            break
        key, value = stack.pop()
        yield key, value
        match value:
            case str():
                read, parsed = _json_inside(value)
                unread |= not read
                stack.extend(parsed)
            case None | bool() | int() | float():
                pass
            case _Pairs():
                stack.extend(value)
            case list() | tuple():
                stack.extend((None, item) for item in value[:_MOST_VALUES])
            case Mapping():
                for name, item in value.items():
                    unread |= not isinstance(name, str)
                    stack.append((name if isinstance(name, str) else None, item))
            case _:
                unread = True
    if unread or stack:
        raise UnreadableError


def holds_key(raw: object, keys: frozenset[str]) -> bool:
    """Whether one of the plain keys stands anywhere with a value that is not null; True for what cannot be read."""
    mention = _mention(keys)
    try:
        for key, value in members(raw):
            if value is not None and key is not None and plain_key(key) in keys:
                return True
            if isinstance(value, str) and mention.search(value):
                return True
    except UnreadableError:
        return True
    return False


def scalars(raw: object) -> Iterator[str]:
    """Every string and number at any depth as a string; what cannot be read is left out."""
    try:
        for _, value in members(raw):
            if isinstance(value, str):
                yield str.__str__(value)
            elif type(value) in (int, float):
                yield str(value)
    except (UnreadableError, ValueError):
        return


def _json_inside(text: str) -> tuple[bool, list[tuple[None, object]]]:
    """Whether a string could be read, and what JSON object, list or string it holds, if any."""
    if not text.lstrip().startswith(("{", "[", '"')):
        return True, []
    if len(text) > _LONGEST_JSON:
        return False, []
    try:
        return True, [(None, json.loads(text, object_pairs_hook=_Pairs))]
    except (ValueError, RecursionError):
        return False, []


@cache
def _mention(keys: frozenset[str]) -> re.Pattern[str]:
    """One of the keys with a colon or an equals sign, as in a text that holds a piece of JSON."""
    spelled = "|".join(r"[\W_]?".join(key) for key in sorted(keys))
    return re.compile(rf"(?i)(?<![a-z0-9])({spelled})[\\\"']*\s*[:=]")
