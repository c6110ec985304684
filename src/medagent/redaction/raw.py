"""Reads raw values of any type at any depth, JSON inside strings too: to learn from them, never to pass them on."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache

from medagent.snake_case import latin

_MOST_VALUES = 10_000
_BEGINS_JSON = ("{", "[", '"')
_LONGEST_JSON = 100_000
_DEEPEST_NAMES = 16
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
    return _NOT_ALNUM.sub("", latin(unicodedata.normalize("NFKC", key).casefold()))


def members(raw: object) -> Iterator[tuple[str | None, object]]:
    """Every value at any depth with its own key (None in a list); `UnreadableError` comes last, after all the rest."""
    return ((key, value) for key, _, value in placed_members(raw))


def placed_members(raw: object) -> Iterator[tuple[str | None, tuple[str, ...], object]]:
    """As `members`, and between key and value the names that each stands in, outermost first."""
    unread = False
    stack: list[tuple[str | None, tuple[str, ...], object]] = [(None, (), raw)]
    for _ in range(_MOST_VALUES):
        if not stack:
            break
        key, within, value = stack.pop()
        yield key, within, value
        match value:
            case str():
                read, parsed = _json_inside(value)
                unread |= not read
                below = _below(within, key) if parsed else ()
                stack.extend((None, below, item) for item in parsed)
            case None | bool() | int() | float():
                pass
            case _Pairs():
                below = _below(within, key)
                stack.extend((name, below, item) for name, item in value)
            case list() | tuple():
                below = _below(within, key)
                stack.extend((None, below, item) for item in value[:_MOST_VALUES])
            case Mapping():
                below = _below(within, key)
                for name, item in value.items():
                    unread |= not isinstance(name, str)
                    stack.append((name if isinstance(name, str) else None, below, item))
            case _:
                unread = True
    if unread or stack:
        raise UnreadableError


def _below(within: tuple[str, ...], key: str | None) -> tuple[str, ...]:
    """The names that stand around what is in a value; of a very deep one the innermost."""
    return within if key is None else (*within[-_DEEPEST_NAMES:], key)


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
    if type(raw) is str and not raw.lstrip().startswith(_BEGINS_JSON):
        yield raw
        return
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
    if not text.lstrip().startswith(_BEGINS_JSON):
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
