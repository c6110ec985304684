"""One byte form for one content (RFC 8785), so that a stranger's digest equals ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

import orjson
import rfc8785

Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]

_SAFE = 2**53
_LEAST, _MOST = 1e-4, 1e15
"""From the one to below the other every serialiser writes a float's shortest digits without an exponent."""
GENESIS = "0" * 64
"""What stands for "the one before" in front of the first span of a chain."""


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of a JSON value; raises `ValueError` on what JSON cannot hold (NaN, integers over 2**53)."""
    with suppress(_NotSimpleError, orjson.JSONEncodeError):
        return orjson.dumps(_simple(value), option=orjson.OPT_SORT_KEYS)  # several times faster, the same bytes
    return rfc8785.dumps(value)


def digest(value: Json) -> str:
    """The lower-case SHA-256 of the canonical form, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


class _NotSimpleError(Exception):
    """A key whose order, or a number whose form, is in question."""


def _simple(value: Any) -> Any:
    """The same value as any sound serialiser gives RFC 8785's bytes of it; raises where there is none."""
    kind = type(value)
    if kind is str or kind is bool or value is None or (kind is int and -_SAFE < value < _SAFE):
        return value
    if kind is float:
        if _LEAST <= abs(value) < _MOST or not value:
            return int(value) if value.is_integer() else value  # a whole number is written without a point
    elif kind is dict:
        if all(type(key) is str and key.isascii() for key in value):
            return {key: _simple(inner) for key, inner in value.items()}
    elif kind is list or kind is tuple:
        return [_simple(inner) for inner in value]
    raise _NotSimpleError
