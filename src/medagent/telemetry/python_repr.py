"""Reader of what Python prints of a value; nothing of the text is ever executed.

It reads literals, the usual classes of the standard library (times, `Decimal`, `UUID`, containers), members of an
enumeration, and any object that is printed as `Name(field=value)`: the last as a mapping of its fields.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Any

_ENUM_MEMBER = re.compile(
    r"<[A-Za-z_][\w.]{0,100}: "
    r"(?P<value>'(?:[^'\\\n]|\\.){0,200}'|\"(?:[^\"\\\n]|\\.){0,200}\"|-?\d{1,20}(?:\.\d{1,20})?)>"
)
_FIELDS = re.compile(r"[A-Za-z_]\w*=")
_NAMES: Mapping[str, object] = {"nan": math.nan, "inf": math.inf, "NaN": math.nan, "Infinity": math.inf}
_TIMES: Mapping[str, Callable[..., Any]] = {"datetime": datetime, "date": date, "time": time, "timedelta": timedelta}
_OF_TEXT = frozenset({"Decimal", "UUID", "PosixPath", "PurePosixPath", "Path", "SecretStr", "Fraction"})
_OF_ITEMS = frozenset({"set", "frozenset", "deque", "list", "tuple", "dict_values", "dict_keys"})
_MAPPINGS = frozenset({"OrderedDict", "defaultdict", "Counter", "dict", "mappingproxy"})
_DEEPEST = 60


class NotReadableError(Exception):
    """A text writes no value that can be read."""


def parse_repr(text: str) -> object:
    """Return the value that Python printed.

    Args:
        text: `repr` or `str` of a value, at most some 100,000 characters.

    Returns:
        The value as JSON has it; a set is a list, a time its ISO 8601 form, an object a mapping of its fields.

    Raises:
        NotReadableError: It is no such text.
    """
    plain = _ENUM_MEMBER.sub(lambda found: found["value"], text)
    if _FIELDS.match(plain):
        plain = f"_({_separated(plain)})"
    try:
        return _value(ast.parse(plain, mode="eval").body, 0)
    except (SyntaxError, ValueError, TypeError, OverflowError, RecursionError, MemoryError):
        raise NotReadableError from None


def _separated(text: str) -> str:
    """Put commas between the fields that pydantic prints with blanks: `a=1 b='x'`."""
    parts, depth, quote, begun, at = [], 0, "", 0, 0
    while at < len(text):
        char = text[at]
        if quote:
            if char == "\\":
                at += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == " " and depth == 0 and _FIELDS.match(text, at + 1):
            parts.append(text[begun:at])
            begun = at + 1
        at += 1
    return ",".join((*parts, text[begun:]))


def _value(node: ast.expr, depth: int) -> object:
    if depth > _DEEPEST:
        raise NotReadableError
    match node:
        case ast.Constant(value=bytes() as value):
            return value.decode("utf-8", "replace")
        case ast.Constant(value=str() | int() | float() | bool() | None as value):
            return value
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_value(item, depth + 1) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {_key(key, depth): _value(item, depth + 1) for key, item in zip(keys, values, strict=True)}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            number = _value(operand, depth + 1)
            if isinstance(number, int | float):
                return -number if isinstance(sign, ast.USub) else number
        case ast.Name(id=name) if name in _NAMES:
            return _NAMES[name]
        case ast.Attribute(attr=member) if member.isupper():  # a member of an enumeration, as `str` prints it
            return member
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return _object(name, node, depth + 1)
    raise NotReadableError


def _key(node: ast.expr | None, depth: int) -> str:
    if node is None:
        raise NotReadableError
    key = _value(node, depth + 1)
    return key if isinstance(key, str) else str(key)


def _object(name: str, node: ast.Call, depth: int) -> object:
    if any(isinstance(argument, ast.Starred) for argument in node.args):
        raise NotReadableError
    if name in _TIMES:
        return _time(name, node, depth)
    given = [_value(argument, depth) for argument in node.args[name == "defaultdict" :]]
    if name in _OF_TEXT and len(given) == 1:
        return _number(str(given[0])) if name == "Decimal" else given[0]
    if name in _MAPPINGS or name in _OF_ITEMS:
        inside = given[0] if given else []
        if name in _MAPPINGS and isinstance(inside, list):
            return {str(key): item for key, item in inside}
        return inside
    fields = {word.arg: _value(word.value, depth) for word in node.keywords if word.arg is not None}
    if given or len(fields) != len(node.keywords):
        raise NotReadableError
    return fields


def _time(name: str, node: ast.Call, depth: int) -> object:
    """Read a time; one in a zone that is no fixed distance from UTC is read without it."""
    numbers = [_value(argument, depth) for argument in node.args]
    words = {str(word.arg): _value(word.value, depth) for word in node.keywords if word.arg != "tzinfo"}
    if not all(isinstance(number, int | float) for number in (*numbers, *words.values())):
        raise NotReadableError
    made = _TIMES[name](*numbers, **words)
    if isinstance(made, timedelta):
        return made.total_seconds()
    zone = next((_zone(word.value, depth) for word in node.keywords if word.arg == "tzinfo"), None)
    return str((made if zone is None else made.replace(tzinfo=zone)).isoformat())


def _zone(node: ast.expr, depth: int) -> timezone | None:
    match node:
        case ast.Attribute(attr="utc"):
            return UTC
        case ast.Call(func=ast.Attribute(attr="timezone") | ast.Name(id="timezone"), args=[distance, *_]):
            seconds = _value(distance, depth)
            return timezone(timedelta(seconds=seconds)) if isinstance(seconds, int | float) else None
    return None


def _number(text: str) -> object:
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
