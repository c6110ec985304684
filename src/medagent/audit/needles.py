"""Thousands of byte strings looked for at once: their first six bytes as a number, looked up at every place of a text.

How much a string must say to be looked for: a digit counts log2(10) bits, a letter log2(26). Under 24 bits (seven
digits, five letters) a text of some megabytes would hold it by chance, and it is not looked for: a bare year, a day of
a month, an age, a ZIP code of five, a house number, a first name of five letters. From 24 to 36 bits it counts only
where it begins and ends as a whole number or word does; from 36 bits on anywhere. What is left to chance: in random
letters and digits `chance` hits a byte; in text that is all numbers, one in 10^8 for each number of eight digits and
each value that has eight (dates; all other numbers have nine or more). One in 43 UUIDs begins with such a number.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST_BITS = 24.0
ANYWHERE_BITS = 36.0
_KEY_BYTES = 6
_SHORT_NUMBER = 9
"""Dates, social security numbers, ZIP codes: in megabytes of digests some pieces of digits make each of them."""
_TABLE_BITS = 22
_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_CHUNK = 1 << 20
_DIGIT, _LETTER = 1, 2

_CLASS = np.zeros(256, dtype=np.uint8)
_CLASS[list(b"0123456789")] = _DIGIT
_CLASS[list(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")] = _LETTER
_CLASS[128:] = _LETTER


def bits(text: bytes) -> float:
    """What a text says if each of its digits and letters were drawn at random; other signs say nothing."""
    kinds = _CLASS[np.frombuffer(text, dtype=np.uint8)]
    return int((kinds == _DIGIT).sum()) * math.log2(10) + int((kinds == _LETTER).sum()) * math.log2(26)


@dataclass(frozen=True, slots=True, kw_only=True)
class Needle:
    """A byte string and the number under which its finder knows it."""

    text: bytes
    owner: int
    whole: bool
    """It counts only between the borders of numbers and words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whose needle was found, and from where to where in the bytes before any were dropped."""

    owner: int
    start: int
    stop: int


class Needles:
    """Byte strings of at least `LEAST_BITS` (shorter ones are left out), each with the owners that look for it."""

    def __init__(self, texts: Mapping[bytes, Iterable[int]]) -> None:
        self._by_key: dict[bytes, list[Needle]] = {}
        self._chance = 0.0
        for text, owners in texts.items():
            says = bits(text) if text.isascii() else 8.0 * len(text)
            if says < LEAST_BITS or len(text) < _KEY_BYTES:
                continue
            self._chance += 36.0 ** -len(text)
            found = [Needle(text=text, owner=owner, whole=says < ANYWHERE_BITS) for owner in owners]
            self._by_key.setdefault(text[:_KEY_BYTES], []).extend(found)
        self._table = np.zeros(1 << _TABLE_BITS, dtype=np.bool_)
        keys = np.frombuffer(b"".join(self._by_key), dtype=np.uint8)
        self._table[self._hashed(keys)[::_KEY_BYTES]] = True

    @property
    def chance(self) -> float:
        """How many hits a place of random letters and digits, without case, can be expected to give: at most this."""
        return self._chance

    def places(self, text: bytes, raw: bytes, dropped: bytes) -> Iterator[Place]:
        """Where needles stand in `text`, which is `raw` without the bytes `dropped`; borders are those of `raw`."""
        kept: _Kept | None = None
        for start in range(0, max(len(text) - _KEY_BYTES + 1, 0), _CHUNK):
            piece = np.frombuffer(text, dtype=np.uint8)[start : start + _CHUNK + _KEY_BYTES - 1]
            for offset in np.flatnonzero(self._table[self._hashed(piece)]):
                at = start + int(offset)
                for needle in self._by_key.get(text[at : at + _KEY_BYTES], ()):
                    if not text.startswith(needle.text, at):
                        continue
                    kept = _Kept.of(raw, dropped) if kept is None else kept
                    if needle.whole and not kept.is_whole(at, needle.text, raw):
                        continue
                    first, last = kept.places[at], kept.places[at + len(needle.text) - 1]
                    yield Place(owner=needle.owner, start=int(first), stop=int(last) + 1)

    @staticmethod
    def _hashed(text: NDArray[np.uint8]) -> NDArray[np.uint64]:
        """For every place the hash of the six bytes that begin there."""
        places = max(len(text) - _KEY_BYTES + 1, 0)
        key = np.zeros(places, dtype=np.uint64)
        for offset in range(_KEY_BYTES):
            key <<= np.uint64(8)
            key |= text[offset : offset + places]
        key *= _SPREAD
        key >>= np.uint64(64 - _TABLE_BITS)
        return key


@dataclass(frozen=True, slots=True)
class _Kept:
    """Where the bytes that are kept stood, and before which of them (and behind the last) a number may begin."""

    places: NDArray[np.intp]
    borders: NDArray[np.bool_]

    @classmethod
    def of(cls, raw: bytes, dropped: bytes) -> _Kept:
        kinds = _CLASS[np.frombuffer(raw, dtype=np.uint8)]
        keep = np.ones(256, dtype=np.bool_)
        keep[list(dropped)] = False
        places = np.flatnonzero(keep[np.frombuffer(raw, dtype=np.uint8)])
        border = np.ones(len(places) + 1, dtype=np.bool_)
        kept = kinds[places]
        border[1:-1] = (np.diff(places) > 1) | (kept[1:] != kept[:-1]) | (kept[1:] == 0)
        return cls(places, border)

    def is_whole(self, at: int, needle: bytes, raw: bytes) -> bool:
        """Whether it stands between borders; a short number also without a letter inside: digests are full of those."""
        end = at + len(needle)
        if not (self.borders[at] and self.borders[end]):
            return False
        if len(needle) > _SHORT_NUMBER or not needle.isdigit():
            return True
        inside = np.frombuffer(raw, dtype=np.uint8)[self.places[at] : self.places[end - 1]]
        return not bool((_CLASS[inside] == _LETTER).any())
