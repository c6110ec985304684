"""What bytes may be wrapped in, taken off: escapes, base64 at every alignment, hex, compression, UTF-16.

Text wrappings are taken off a text wherever they stand in it, whole or not; what comes out is often only noise, in
which nothing is found. A wrapping that ends early gives what came out of it so far.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from urllib.parse import unquote_to_bytes

import numpy as np
import zstandard
from numpy.typing import NDArray

from medagent.errors import MedagentError

_REACH = 512
_LARGEST = 64 << 20
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})|([\"'\\/bfnrt]))")
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")
_LINES = re.compile(rb"[A-Za-z0-9+/_\-]{40,}(?:\r?\n[ \t]*[A-Za-z0-9+/_\-]+)+")
_HEX = re.compile(rb"[0-9a-fA-F]{12,}|(?<![0-9a-fA-F])(?:[0-9a-fA-F]{2}[: \-]){5,}[0-9a-fA-F]{2}")
_NOT_HEX = bytes(byte for byte in range(256) if byte not in b"0123456789abcdefABCDEF")
_GZIP = re.compile(rb"\x1f\x8b\x08")
_ZLIB = re.compile(rb"[\x08\x18\x28\x38\x48\x58\x68\x78][\x00-\xff]", re.DOTALL)
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd")
_UTF16 = re.compile(rb"(?:[^\x00]\x00){5,}[^\x00]?", re.DOTALL)
_NAMED = {ord("b"): "\b", ord("f"): "\f", ord("n"): "\n", ord("r"): "\r", ord("t"): "\t"}

_SIXTY_FOUR: Final = np.full(256, 64, dtype=np.uint8)
_SIXTY_FOUR[list(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")] = np.arange(64)
_SIXTY_FOUR[list(b"-_")] = (62, 63)
_PRINTED: Final = np.zeros(256, dtype=np.bool_)
_PRINTED[[*b"\t\n\r", *range(0x20, 0x7F)]] = True


class TooMuchError(MedagentError):
    """A compressed document grows beyond what can be searched; nothing may be concluded from it."""


def readable(data: bytes) -> bytes:
    """What of it is UTF-8 text: all of it, or each stretch of three bytes or more, in a line of its own."""
    try:
        data.decode()
    except UnicodeDecodeError:
        pass
    else:
        return data
    signs = np.frombuffer(data, dtype=np.uint8)
    further = (signs & 0xC0) == 0x80
    of_two = (signs >= 0xC2) & (signs < 0xE0) & _shifted(further, -1)
    of_three = (signs >= 0xE0) & (signs < 0xF0) & _shifted(further, -1) & _shifted(further, -2)
    text = _PRINTED[signs] | of_two | _shifted(of_two, 1) | of_three | _shifted(of_three, 1) | _shifted(of_three, 2)
    begins = text & _shifted(text, -1) & _shifted(text, -2)
    keep = begins | _shifted(begins, 1) | _shifted(begins, 2)
    return np.where(keep, signs, ord("\n")).astype(np.uint8)[keep | _shifted(keep, 1)].tobytes()


def json_escapes(text: bytes) -> Iterator[bytes]:
    r"""`\u00eb`, `\/`, `\n` in JSON, `\xeb` in what Python prints: as signs, and as the bytes that they may print."""
    if near := _near(text, _ESCAPE):
        yield _ESCAPE.sub(_escaped, near)
        yield _ESCAPE.sub(_escaped_byte, near)


def url_escapes(text: bytes) -> Iterator[bytes]:
    """`%C3%AB`, as in a query or a form."""
    if near := _near(text, _PERCENT):
        yield unquote_to_bytes(near)


def base64(text: bytes) -> Iterator[bytes]:
    """Runs of the standard or the URL's alphabet, folded or not, decoded at each of the four places to begin."""
    unfolded = _LINES.sub(lambda match: match.group().translate(None, b" \t\r\n"), text)
    signs = _SIXTY_FOUR[np.frombuffer(unfolded, dtype=np.uint8)]
    for begin in range(min(4, len(signs))):
        if decoded := _decoded(signs[begin:]):
            yield decoded


def hexadecimal(text: bytes) -> Iterator[bytes]:
    """Runs of hex digits, with or without signs between the pairs, at both places to begin."""
    for begin in (0, 1):
        runs = (match.group().translate(None, _NOT_HEX)[begin:].decode() for match in _HEX.finditer(text))
        if decoded := b"\n".join(bytes.fromhex(run[: len(run) // 2 * 2]) for run in runs):
            yield decoded


def gzip(data: bytes) -> Iterator[bytes]:
    """Every gzip stream in it."""
    for match in _GZIP.finditer(data):
        yield from _inflated(data, match.start(), zlib.MAX_WBITS | 16)


def deflate(data: bytes) -> Iterator[bytes]:
    """Every zlib stream in it."""
    for match in _ZLIB.finditer(data):
        if int.from_bytes(match.group(), "big") % 31 == 0:
            yield from _inflated(data, match.start(), zlib.MAX_WBITS)


def zstd(data: bytes) -> Iterator[bytes]:
    """Every Zstandard frame in it."""
    for match in _ZSTD.finditer(data):
        frame, found = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj(), bytearray()
        try:
            for start in range(match.start(), len(data), 1 << 14):
                found += frame.decompress(data[start : start + (1 << 14)])
                _check(len(found))
                if frame.eof:
                    break
        except zstandard.ZstdError:
            pass
        if found:
            yield bytes(found)


def utf16(data: bytes) -> Iterator[bytes]:
    """Stretches in which every second byte is null, in either order of bytes."""
    stretches = [match.group()[::2] for match in _UTF16.finditer(data)]
    if stretches:
        yield "\n".join(stretch.decode("latin-1") for stretch in stretches).encode()


OF_TEXT: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "json": json_escapes,
    "url": url_escapes,
    "base64": base64,
    "hex": hexadecimal,
}
OF_BYTES: Mapping[str, Callable[[bytes], Iterator[bytes]]] = {
    "gzip": gzip,
    "zlib": deflate,
    "zstd": zstd,
    "utf16": utf16,
}


def _near(text: bytes, sign: re.Pattern[bytes]) -> bytes:
    """The text around each sign, a line for each stretch."""
    stretches: list[list[int]] = []
    for match in sign.finditer(text):
        if stretches and match.start() - _REACH <= stretches[-1][1]:
            stretches[-1][1] = match.end() + _REACH
        else:
            stretches.append([max(match.start() - _REACH, 0), match.end() + _REACH])
    return b"\n".join(text[start:end] for start, end in stretches)


def _escaped(match: re.Match[bytes]) -> bytes:
    number, byte, sign = match.groups()
    if sign:
        return _NAMED.get(sign[0], sign.decode()).encode()
    return chr(int(number or byte, 16)).encode("utf-8", "replace")


def _escaped_byte(match: re.Match[bytes]) -> bytes:
    number = int(match[1] or match[2] or b"100", 16)
    return bytes([number]) if number < 256 else _escaped(match)


def _decoded(signs: NDArray[np.uint8]) -> bytes:
    """Groups of four signs as three bytes; what is no base64 gives one group of nulls."""
    padded = np.concatenate([signs, np.full(-len(signs) % 4 + 4, 64, dtype=np.uint8)]).reshape(-1, 4)
    good = padded < 64
    begun = good[:, 0] & good[:, 1]
    whole = begun & good[:, 2] & good[:, 3]
    before, behind = _shifted(whole, 1), _shifted(begun, -1)
    keep = (whole & (before | behind)) | (begun & before)
    if not keep.any():
        return b""
    rows = keep | _shifted(keep, 1)
    groups = np.where(good & keep[:, None], padded, 0)[rows]
    out = np.empty((len(groups), 3), dtype=np.uint8)
    out[:, 0] = (groups[:, 0] << 2) | (groups[:, 1] >> 4)
    out[:, 1] = (groups[:, 1] << 4) | (groups[:, 2] >> 2)
    out[:, 2] = (groups[:, 2] << 6) | groups[:, 3]
    return out.tobytes()


def _shifted(flags: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    """The flags moved by some places, towards the end where `by` is positive; what moves in is false."""
    moved = np.zeros_like(flags)
    if by > 0:
        moved[by:] = flags[:-by]
    else:
        moved[:by] = flags[-by:]
    return moved


def _inflated(data: bytes, start: int, wbits: int) -> Iterator[bytes]:
    stream, found = zlib.decompressobj(wbits), bytearray()
    try:
        for at in range(start, len(data), 1 << 14):
            rest = data[at : at + (1 << 14)]
            while rest:
                found += stream.decompress(rest, 1 << 20)
                _check(len(found))
                rest = stream.unconsumed_tail
            if stream.eof:
                break
    except zlib.error:
        pass
    if found:
        yield bytes(found)


def _check(size: int) -> None:
    if size > _LARGEST:
        raise TooMuchError(f"a compressed document holds more than {_LARGEST >> 20} MiB")
