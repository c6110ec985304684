"""What was said, however it was written: words, letters and numbers, each with its place in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from medagent.redaction.policy import REDACTED

WORD, LETTER, NUMBER, MIXED, SIGN, GONE = "w", "l", "n", "m", "p", "x"
"""Kinds of a unit: letters, one letter, digits, letters with digits, anything else, a placeholder."""
PLAIN, SPOKEN, REPEATED, CARDINAL, ORDINAL = "", "spoken", "repeated", "cardinal", "ordinal"
"""How a number came: as written, in words, as `double two`, with hundreds, as a first or 1st."""
EXPLAINED, ACCENTED = "explained", "accented"
"""How a letter or a word came: `s as in sam`, with accents."""

_PIECE = re.compile(rf"{REDACTED}|(?:[^\W_][\u0300-\u036f]*)+(?:['’](?:[^\W\d_][\u0300-\u036f]*)+)*|[^\w\s]|_")
_LOWERED_PIECE = re.compile(
    r"([a-z]{2,}+)(?![0-9]|'[a-z])|([0-9]++)(?![a-z]|'[a-z])|([a-z])(?![a-z0-9]|'[a-z])|([a-z0-9]+(?:'[a-z]+)*)|"
    rf"({REDACTED.lower()})|[^\w\s]|_"
)
_ENDS = frozenset(",.?!;:")
_LOWERED_REDACTED = REDACTED.lower()
_KINDS = (SIGN, WORD, NUMBER, LETTER)
"""Of a lowered piece by the group that it matched; the fourth wants a closer look, the fifth is a placeholder."""
_ORDINAL = re.compile(r"(\d{1,3})(?:st|nd|rd|th)", re.ASCII)
_FRACTIONS = "½¼¾⅓⅔⅛⅜⅝⅞"
_SMALL = f"{_FRACTIONS}⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"
_LONGEST_INDEXED = 3
"""Letters before a small digit that are a unit or a formula (`SpO₂`); a longer word has a footnote."""
_MICRO = frozenset(("mcg", "mcl", "mcm", "mcmol", "mcu"))
_POSSESSIVE = re.compile(r"['’]s?$")


class Unit(NamedTuple):
    """One thing that was said: in plain lower case or as digits, and where it is, in code points."""

    norm: str
    kind: str
    start: int
    end: int
    how: str = PLAIN


def pieces(text: str) -> list[Unit]:
    """The text cut into units, in one pass; numbers in words are still words."""
    lowered = text.lower()
    if text.isascii():
        is_plain = lowered.count(_LOWERED_REDACTED) == text.count(REDACTED)
    elif len(lowered) == len(text):
        is_plain = False
    else:
        return list(_each_piece(text, 0, len(text)))
    found: list[Unit] = []
    new, add, find = tuple.__new__, found.append, lowered.find
    chunks = lowered.split()
    is_tight = len(lowered) == sum(map(len, chunks)) + len(chunks) - 1
    at = -1
    for chunk in chunks:
        begin = at + 1 if is_tight else find(chunk, at + 1)
        at = begin + len(chunk)
        if not (is_plain or (chunk.isascii() and "<" not in chunk)):
            found += _each_piece(text, begin, at)
        elif chunk.isalpha():
            add(new(Unit, (chunk, WORD if at - begin > 1 else LETTER, begin, at, PLAIN)))
        elif chunk[-1] in _ENDS and (word := chunk[:-1]).isalpha():
            last = at - 1
            add(new(Unit, (word, WORD if last - begin > 1 else LETTER, begin, last, PLAIN)))
            add(new(Unit, (chunk[-1], SIGN, last, at, PLAIN)))
        elif "'" in chunk and chunk.replace("'", "").isalpha() and all(chunk.split("'")):
            add(new(Unit, (chunk, WORD, begin, at, PLAIN)))
        elif chunk == _LOWERED_REDACTED:
            add(new(Unit, ("", GONE, begin, at, PLAIN)))
        else:
            found += _lowered_pieces(lowered, begin, at)
    return found


def _lowered_pieces(lowered: str, begin: int, end: int) -> Iterator[Unit]:
    """Yield the units of a part that is ASCII, in small letters, and whose every placeholder is ours."""
    new = tuple.__new__
    for match in _LOWERED_PIECE.finditer(lowered, begin, end):
        group = match.lastindex
        start, stop = match.span()
        if group == 4:
            norm, kind, how = _folded(match[0])
        elif group == 5:
            norm, kind, how = "", GONE, PLAIN
        else:
            norm, kind, how = match[0], _KINDS[group or 0], PLAIN
        yield new(Unit, (norm, kind, start, stop, how))


def _each_piece(text: str, begin: int, end: int) -> Iterator[Unit]:
    """Yield the units of any part."""
    new = tuple.__new__
    for match in _PIECE.finditer(text, begin, end):
        raw = match.group()
        start, stop = match.span()
        if raw.isascii() and raw.isalpha():
            norm, kind, how = raw.lower(), WORD if len(raw) > 1 else LETTER, PLAIN
        elif raw.isdecimal():
            norm, kind, how = raw, NUMBER, PLAIN
        elif raw == REDACTED:
            norm, kind, how = "", GONE, PLAIN
        elif not raw[0].isalnum():
            norm, kind, how = raw, SIGN, PLAIN
        else:
            norm, kind, how = _folded(raw)
        yield new(Unit, (norm, kind, start, stop, how))


def plain_word(word: str) -> str:
    """A word in lower case, without accents, apostrophes and a possessive's ending."""
    decomposed = unicodedata.normalize(
        "NFKD", _POSSESSIVE.sub("", word.casefold()) if len(word) > 2 else word.casefold()
    )
    return "".join(sign for sign in decomposed if sign.isalnum())


def merged(text: str, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Spans (code points) in order, overlapping ones and ones with nothing but space between them as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def blank_out(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, int]:
    """Put one `<REDACTED>` for each of the merged spans; says how many it put."""
    gone = merged(text, spans)
    left: list[str] = []
    at = 0
    for start, end in gone:
        left += (text[at:start], REDACTED)
        at = end
    return "".join([*left, text[at:]]), len(gone)


def _folded(raw: str) -> tuple[str, str, str]:
    """Anything that is not plain ASCII letters or digits: accents, apostrophes, letters with digits, small digits."""
    norm, how = raw.casefold().replace("’", "'"), PLAIN
    if not norm.isascii():
        bare = norm.rstrip(_SMALL)
        if bare != norm:
            if all(sign in _FRACTIONS for sign in norm[len(bare) :]):
                return _folded(bare) if bare else (norm, SIGN, PLAIN)
            if bare == "10":
                return _folded(bare)
            if len(bare) > _LONGEST_INDEXED and bare.isalpha():
                return _folded(bare)
        how = ACCENTED
        norm = unicodedata.normalize("NFKD", norm.replace("μ", "mc") if len(norm) > 1 else norm)
        norm = "".join(sign for sign in norm if not unicodedata.combining(sign))
        if norm.isdecimal():
            return norm, NUMBER, PLAIN
        if norm in _MICRO:
            how = PLAIN
    elif norm.isdecimal():
        return norm, NUMBER, PLAIN
    if ordinal := _ORDINAL.fullmatch(norm):
        return ordinal[1], NUMBER, ORDINAL
    if norm.replace("'", "").isalpha():
        return norm, WORD if len(norm) > 1 else LETTER, how
    return norm, MIXED, PLAIN
