"""Result of a tool, read as fields and an outcome; a result that cannot be read is `unreadable`.

A tool's result comes as plain values (`ToolValue`, made on the session's thread) or as the text that the framework told
the model: JSON, what Python prints of a value, or words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from medagent.snake_case import snake_case
from medagent.telemetry.python_repr import NotReadableError, parse_repr

OUTCOMES = ("ok", "refused", "failed", "timeout", "cancelled")
"""Outcomes that a tool may state under `outcome` of its result, in any case."""
UNREADABLE = "unreadable"
FAILURES = frozenset({"failed", "timeout", UNREADABLE})
"""Outcomes of a tool's run that count as a failure."""

_OUTCOME, _OUTPUT = "outcome", "output"
_LONGEST_JSON = 4_000_000
_LONGEST_REPR = 100_000
"""Python's parser holds every other thread: 0.1 s for this many characters."""
_DEEPEST_TEXT = 3
_IS_VALUE = re.compile(
    r"[\[{(]|b?['\"]|[A-Za-z_][\w.]*\([^)]|[A-Za-z_]\w*=[^\s=]"
    r"|<[A-Za-z_][\w.<>]* (?:object|at 0x|\S+ at 0x)|<[A-Za-z_]\w*\.\w+: "
)
"""The beginning of a text that is a value, and not words for the model."""
_IS_WORDS = re.compile(r"[\[(][\w\s]+[\])]\s*\w|['\"][^'\"]*['\"],?\s+\w|\w+\([^()]*\)\s*\w")
"""The beginning of a sentence that happens to begin as a value does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolValue:
    """A returned value as JSON has it: mappings with string keys, lists, strings, numbers, booleans, None.

    Without `is_whole` a part of it could not be read, or there was too much of it.
    """

    value: object = field(repr=False)
    is_whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """A tool's result: its fields, and the outcome that it states; `is_whole` as in `ToolValue`."""

    fields: dict[str, object] = field(repr=False)
    outcome: str
    is_whole: bool = True


def read_result(text: str | None, returned: ToolValue | None = None) -> ToolResult:
    """Read what a tool returned.

    Args:
        text: what the framework told the model of it; None where it told nothing.
        returned: the value itself, where it is known.

    Returns:
        The fields of a mapping; anything else stands under `output`. A result that states no outcome is `ok`: the tool
        returned, and nothing in its result is another outcome.
    """
    if returned is None or (returned.value is None and not returned.is_whole):
        return _read_text(text, 0)
    if isinstance(returned.value, str):
        return _read_text(returned.value, 0)
    read = _read_value(returned.value, is_whole=returned.is_whole)
    if returned.is_whole:
        return read
    again = _read_text(text, 0)
    is_value = again.fields.keys() >= read.fields.keys() and not isinstance(again.fields.get(_OUTPUT), str)
    return again if again.is_whole and again.fields and is_value else read


def stated(fields: Mapping[str, object], name: str) -> object:
    """Return the value that has a name in any spelling; None where there is none, or several."""
    keys = _keys_of(fields, name)
    return fields[keys[0]] if len(keys) == 1 else None


def read_arguments(text: str) -> dict[str, object]:
    """Read what a model sends to a tool; anything but an object stands under `output`, where a policy can name it."""
    found = _parsed(text.strip()) if text.strip() else ToolValue(value={})
    value = text if found is None else found.value
    return dict(value) if isinstance(value, Mapping) else {_OUTPUT: value}


def _read_text(text: str | None, depth: int) -> ToolResult:
    if text is None or not text.strip():
        return ToolResult(fields={}, outcome="ok")
    bare = text.strip("\ufeff \t\r\n")
    found = _parsed(bare)
    if found is not None:
        value = found.value
        if isinstance(value, str) and value != text and depth < _DEEPEST_TEXT:
            return _read_text(value, depth + 1)
        if isinstance(value, str):
            return _read_words(value)
        return _read_value(value, is_whole=found.is_whole)
    if _IS_VALUE.match(bare) and not _IS_WORDS.match(bare):
        return ToolResult(fields={_OUTPUT: text}, outcome=UNREADABLE, is_whole=False)
    return _read_words(text)


def _parsed(text: str) -> ToolValue | None:
    """Return the value that a text writes, None where it writes none that can be read."""
    if len(text) > _LONGEST_JSON:
        return None
    try:
        return ToolValue(value=json.loads(text))
    except (ValueError, RecursionError):
        pass
    if len(text) > _LONGEST_REPR or not _IS_VALUE.match(text):
        return None
    try:
        return ToolValue(value=parse_repr(text))
    except NotReadableError:
        return None


def _read_words(text: str) -> ToolResult:
    """Words for the model are no outcome, unless they are nothing else."""
    stated = text.strip().lower()
    return ToolResult(fields={_OUTPUT: text}, outcome=stated if stated in OUTCOMES else "ok")


def _read_value(value: object, *, is_whole: bool) -> ToolResult:
    if not isinstance(value, Mapping):
        fields: dict[str, object] = {} if value is None else {_OUTPUT: value}
        return ToolResult(fields=fields, outcome="ok" if is_whole else UNREADABLE, is_whole=is_whole)
    fields = dict(value)
    keys = _keys_of(fields, _OUTCOME)
    if not keys:
        return ToolResult(fields=fields, outcome="ok" if is_whole else UNREADABLE, is_whole=is_whole)
    said = fields[keys[0]] if len(keys) == 1 else None
    word = said.strip().lower() if isinstance(said, str) else ""
    outcome = word if word in OUTCOMES else UNREADABLE
    told = fields | dict.fromkeys(keys, outcome)
    return ToolResult(fields=told, outcome=outcome, is_whole=is_whole and outcome == word)


def _keys_of(fields: Mapping[str, object], name: str) -> list[str]:
    """Return the keys that have a name in any spelling."""
    return [key for key in fields if key == name or (isinstance(key, str) and snake_case(key) == name)]
