"""Records of a spool file: length, CRC-32 and content, one behind another."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medagent.proof import Json

_FRAME = struct.Struct("<II")
LARGEST_RECORD = 1 << 20
"""Bytes of a record's content; a larger length is damage."""


@dataclass(frozen=True, slots=True)
class SpoolRecord:
    """One operation on a call: its name, its arguments, and the body of a span."""

    operation: str
    arguments: Mapping[str, Json] = field(default_factory=dict)
    body: bytes = b""

    def encoded(self) -> bytes:
        """Return the record as it is written."""
        head = json.dumps({"operation": self.operation, **self.arguments}, separators=(",", ":")).encode()
        content = head + b"\n" + self.body
        return _FRAME.pack(len(content), zlib.crc32(content)) + content


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """The whole records at the start of some bytes, and the bytes that they take.

    `is_damaged` is set where a whole record follows whose checksum or form is wrong: no later one can be read.
    """

    records: Sequence[SpoolRecord]
    size: int
    is_damaged: bool = False


def decode(data: bytes) -> Decoded:
    """Return the whole records at the start of some bytes; a last one that is incomplete is not read."""
    records: list[SpoolRecord] = []
    at = 0
    while at + _FRAME.size <= len(data):
        length, checksum = _FRAME.unpack_from(data, at)
        if length > LARGEST_RECORD:
            return Decoded(records=records, size=at, is_damaged=True)
        end = at + _FRAME.size + length
        if end > len(data):
            break
        content = data[at + _FRAME.size : end]
        record = _parsed(content) if zlib.crc32(content) == checksum else None
        if record is None:
            return Decoded(records=records, size=at, is_damaged=True)
        records.append(record)
        at = end
    return Decoded(records=records, size=at)


def _parsed(content: bytes) -> SpoolRecord | None:
    head, _, body = content.partition(b"\n")
    try:
        arguments: dict[str, Any] = json.loads(head)
        operation = arguments.pop("operation")
    except (ValueError, KeyError, AttributeError):
        return None
    return SpoolRecord(operation, arguments, body)
