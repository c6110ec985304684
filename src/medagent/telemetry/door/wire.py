"""Read a body as its receiver will: inflated, part by part, strictly, so that nothing hides between the values."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson
import zstandard

from medagent.errors import DoorError, OversizedError
from medagent.proof import Json

_MULTIPART = re.compile(r"multipart/form-data; boundary=([0-9a-f]{32})")
_PART = re.compile(
    rb'\r\nContent-Disposition: form-data; name="(?P<name>[0-9a-z_.\-]+)"'
    rb"\r\nContent-Type: application/json"
    rb"\r\nContent-Length: (?P<length>0|[1-9][0-9]*)"
    rb"\r\n\r\n(?P<data>.*)\r\n",
    re.DOTALL,
)
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_PLAIN_GZIP_HEADER = b"\x1f\x8b\x08\x00"  # no file name, comment or extra field


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One value of a body; `name` is its part's, None where the body is one document."""

    name: str | None
    value: Json = field(repr=False)


def decode(body: bytes, *, content_type: str, content_encoding: str | None, limit: int) -> list[Document]:
    """Every document of a body of at most `limit` bytes, inflated; raises `DoorError` on any form it does not know."""
    if len(body) > limit:
        raise OversizedError("exit: the body is larger than its destination takes")
    inflated = inflate(body, content_encoding, limit)
    if content_type == "application/json":
        return [Document(name=None, value=strict_json(inflated, "body"))]
    if content_type == "application/x-ndjson":
        return _lines(inflated)
    if content_type == "application/x-protobuf":
        from medagent.telemetry.door.protobuf import named_documents  # noqa: PLC0415  # 40 ms, and only OTLP needs it

        return [Document(name=name, value=value) for name, value in named_documents(inflated)]
    multipart = _MULTIPART.fullmatch(content_type)
    if multipart is None:
        raise DoorError("exit: the body's content type is not one that the door reads")
    return _multipart(inflated, multipart[1].encode())


def inflate(body: bytes, content_encoding: str | None, limit: int) -> bytes:
    """The body without its compression; raises `DoorError` on an unknown one, on trailing bytes and over `limit`."""
    decoders: dict[str | None, Callable[[bytes, int], bytes]] = {
        None: lambda plain, _: plain,
        "identity": lambda plain, _: plain,
        "gzip": _gzip,
        "deflate": _deflate,
        "zstd": _zstd,
    }
    decoder = decoders.get(content_encoding)
    if decoder is None:
        raise DoorError("exit: the body's content encoding is not one that the door reads")
    try:
        inflated = decoder(body, limit)
    except (zlib.error, zstandard.ZstdError):
        raise DoorError("exit: the body is not in its content encoding") from None
    if len(inflated) > limit:
        raise OversizedError("exit: the inflated body is larger than its destination takes")
    return inflated


def strict_json(text: bytes | str, where: str) -> Json:
    """A JSON text in its one compact form: another holds doubled keys, spare digits or spaces, where a value can hide.

    Raises `DoorError` that names `where`.
    """
    try:
        value: Json = orjson.loads(text)
        compact = orjson.dumps(value)
    except ValueError:  # what orjson's own errors are; their text quotes the input
        raise DoorError(f"exit: {where} is not JSON") from None
    if compact != (text.encode() if isinstance(text, str) else text):
        raise DoorError(f"exit: {where} is not JSON in its compact form")
    return value


def _lines(body: bytes) -> list[Document]:
    """One JSON object a line, each without the `_id` that names it."""
    *lines, rest = body.split(b"\n")
    if rest:
        raise DoorError("exit: the last line has no end")
    found = []
    for number, line in enumerate(lines):
        value = strict_json(line, f"line {number}")
        if not isinstance(value, dict) or not isinstance(value.get("_id"), str):
            raise DoorError(f"exit: line {number} is no object with an `_id`")
        found.append(Document(name=str(value.pop("_id")), value=value))
    return found


def _multipart(body: bytes, boundary: bytes) -> list[Document]:
    before, *parts = body.split(b"--" + boundary)
    if before or len(parts) < 2 or parts.pop() != b"--\r\n":
        raise DoorError("exit: there are bytes before, after or instead of the body's parts")
    return [_part(part, f"part {number}") for number, part in enumerate(parts)]


def _part(part: bytes, where: str) -> Document:
    match = _PART.fullmatch(part)
    if match is None:
        raise DoorError(f"exit: {where} is a file, has headers of its own, or is no part at all")
    if int(match["length"]) != len(match["data"]):
        raise DoorError(f"exit: {where} is not as long as it says")
    return Document(name=match["name"].decode("ascii"), value=strict_json(match["data"], where))


def _gzip(body: bytes, limit: int) -> bytes:
    if not body.startswith(_PLAIN_GZIP_HEADER):
        raise DoorError("exit: the gzip header holds more than a header")
    return _zlib(body, limit, zlib.MAX_WBITS | 16)


def _deflate(body: bytes, limit: int) -> bytes:
    return _zlib(body, limit, zlib.MAX_WBITS)


def _zlib(body: bytes, limit: int, wbits: int) -> bytes:
    stream = zlib.decompressobj(wbits)
    inflated = stream.decompress(body, limit + 1)
    if len(inflated) <= limit and (not stream.eof or stream.unused_data):
        raise DoorError("exit: the compressed body is cut off or has bytes behind its end")
    return inflated


def _zstd(body: bytes, limit: int) -> bytes:
    if not body.startswith(_ZSTD_MAGIC):
        raise DoorError("exit: the body is not in its content encoding")
    with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(body)) as reader:
        inflated = reader.read(limit + 1)
    if len(inflated) > limit:
        return inflated
    frame = zstandard.ZstdDecompressor().decompressobj()
    frame.decompress(body)
    if not frame.eof or frame.unused_data:
        raise DoorError("exit: the compressed body is cut off or has bytes behind its end")
    return inflated
