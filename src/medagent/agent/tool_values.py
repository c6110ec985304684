"""Values that tools return, copied as plain ones while the tool's host cannot change them yet.

It runs on the session's event loop: it calls no method that a host wrote, and looks at a bounded number of values.
"""

from __future__ import annotations

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Set
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import islice
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from livekit.agents import Agent, llm
from pydantic import BaseModel, RootModel

from medagent.telemetry.tool_result import ToolValue

MOST_VALUES = 1_000
"""Values that are copied of one result; a longer one is read from its text, which the worker thread does."""
_PLAIN = (str, int, float, bool, type(None))
_DEEPEST = 60
_LARGEST_WHOLE = 2**53
_LONGEST_INT = 10_000


def copied(returned: object) -> ToolValue:
    """Return a copy of what a tool returned, agents that it hands over to left out."""
    try:
        if isinstance(returned, llm.ToolResult):
            returned = returned.output
        copy = _Copy()
        value = copy.of(_without_agents(returned), 0)
        return ToolValue(value=value, is_whole=copy.is_whole)
    except Exception:  # noqa: BLE001  # an object of a host may raise anything where it is looked at
        return ToolValue(value=None, is_whole=False)


def _without_agents(returned: object) -> object:
    """Return what is told to the model: as LiveKit does, a list or tuple without the agent in it."""
    if isinstance(returned, Agent):
        return None
    if type(returned) in (list, tuple, set, frozenset) and isinstance(returned, list | tuple | set | frozenset):
        others = [item for item in returned if not isinstance(item, Agent)]
        if len(others) < len(returned):
            return others[0] if len(others) == 1 else others or None
    return returned


class _Copy:
    def __init__(self) -> None:
        self.is_whole = True
        self._left = MOST_VALUES

    def of(self, value: object, depth: int) -> object:
        self._left -= 1
        if self._left < 0 or depth > _DEEPEST:
            self.is_whole = False
            return None
        kind = type(value)
        if kind is str or kind is bool or kind is float or value is None:
            return value
        if kind is dict:
            return self._mapping(value, depth)
        if kind is list or kind is tuple:
            return [self.of(item, depth + 1) for item in self._some(value)]
        if isinstance(value, Enum):
            return self.of(value.value, depth + 1)
        if isinstance(value, int) and value.bit_length() > _LONGEST_INT:
            self.is_whole = False
            return None
        for kinds, plain in _SCALARS:
            if isinstance(value, kinds):
                return plain(value)
        if (fields := _fields(value)) is not None:
            return self._mapping(fields, depth)
        if isinstance(value, Set | Sequence | deque):
            return [self.of(item, depth + 1) for item in self._some(value)]
        self.is_whole = False
        return None

    def _mapping(self, fields: Mapping[Any, object] | object, depth: int) -> object:
        if not isinstance(fields, Mapping):  # the root of a model that is no object
            return self.of(fields, depth + 1)
        items = [(self._key(key, number), item) for number, (key, item) in enumerate(self._some(fields.items()))]
        made: dict[str, object] = dict.fromkeys(key for key, _ in items)
        for key, item in sorted(items, key=lambda one: type(one[1]) not in _PLAIN):  # what is short is not cut off
            is_named = key == "outcome" and isinstance(item, Enum) and not isinstance(item.value, str)
            made[key] = self.of(item.name if is_named and isinstance(item, Enum) else item, depth + 1)
        return made

    def _key(self, key: object, number: int) -> str:
        if type(key) is str:
            return key
        plain = key.value if isinstance(key, Enum) else key
        if isinstance(plain, str):
            return str.__str__(plain)
        if isinstance(plain, int | float | date | time | UUID | None):
            return str(plain)
        self.is_whole = False
        return str(number)

    def _some(self, items: Any) -> list[Any]:
        """Return as many items as may still be looked at."""
        if len(items) > self._left:
            self.is_whole = False
        return list(islice(items, max(0, self._left)))


def _fields(value: object) -> Any:
    """Return the fields of an object that declares them, without its computed ones; None for any other object."""
    if isinstance(value, RootModel):
        return value.root
    if isinstance(value, BaseModel):
        return {**vars(value), **(value.__pydantic_extra__ or {})}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, SimpleNamespace):
        return vars(value)
    kind = type(value)
    if isinstance(value, tuple):
        return dict(zip(kind._fields, value, strict=False)) if hasattr(kind, "_fields") else None  # a named tuple
    if dataclasses.is_dataclass(kind):
        names = [field.name for field in dataclasses.fields(kind)]
    elif hasattr(kind, "__attrs_attrs__"):
        names = [attribute.name for attribute in kind.__attrs_attrs__]
    elif isinstance(declared := getattr(kind, "__struct_fields__", None), tuple):
        names = list(declared)
    else:
        return None
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _number(value: Any) -> int | float:
    if isinstance(value, Decimal) and not value.is_finite():
        return math.nan if value.is_nan() else math.copysign(math.inf, value)
    return int(value) if abs(value) < _LARGEST_WHOLE and value == int(value) else float(value)


_SCALARS: Sequence[tuple[tuple[type, ...], Callable[[Any], object]]] = (
    ((str,), str.__str__),
    ((int,), int.__int__),
    ((float,), float.__float__),
    ((complex, UUID, PurePath), str),
    ((Decimal, Fraction), _number),
    ((datetime,), datetime.isoformat),
    ((date,), date.isoformat),
    ((time,), time.isoformat),
    ((timedelta,), timedelta.total_seconds),
    ((bytes, bytearray, memoryview), lambda value: bytes(value).decode("utf-8", "replace")),
)
"""Kinds of values without parts, and how each is written; their own methods, never those of a host's subclass."""
