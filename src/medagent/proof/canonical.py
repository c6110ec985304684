"""One byte form for one content (RFC 8785), so that a stranger's digest equals ours."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import rfc8785

Json: TypeAlias = str | int | float | bool | Sequence["Json"] | Mapping[str, "Json"] | None
JsonObject: TypeAlias = Mapping[str, Json]

GENESIS = "0" * 64
"""What stands for "the one before" in front of the first span of a chain."""


def canonical(value: Json) -> bytes:
    """The RFC 8785 bytes of a JSON value; raises `ValueError` on what JSON cannot hold (NaN, integers over 2**53)."""
    return rfc8785.dumps(value)


def digest(value: Json) -> str:
    """The lower-case SHA-256 of the canonical form, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
