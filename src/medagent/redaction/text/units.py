"""What was said, however it was written: words, letters and numbers, each with its place in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

from medagent.redaction.policy import REDACTED

WORD, LETTER, NUMBER, MIXED, SIGN, GONE = "w", "l", "n", "m", "p", "x"
"""Kinds of a unit: letters, one letter, digits, letters with digits, anything else, a placeholder."""
PLAIN, SPOKEN, REPEATED, CARDINAL, ORDINAL = "", "spoken", "repeated", "cardinal", "ordinal"
"""How a number came: as written, in words, as `double two`, with hundreds, as a first or 1st."""
EXPLAINED, ACCENTED = "explained", "accented"
"""How a letter or a word came: `s as in sam`, with accents."""

_PIECE = re.compile(rf"{REDACTED}|(?:[^\W_][\u0300-\u036f]*)+(?:['’](?:[^\W\d_][\u0300-\u036f]*)+)*|[^\w\s]|_")
_ASCII_PIECE = re.compile(rf"{REDACTED}|[a-zA-Z0-9]+(?:'[a-zA-Z]+)*|[^\w\s]|_")
_LOWERED_PIECE = re.compile(
    r"([a-z]{2,}+)(?![0-9]|'[a-z])|([0-9]++)(?![a-z]|'[a-z])|([a-z])(?![a-z0-9]|'[a-z])|([a-z0-9]+(?:'[a-z]+)*)|"
    rf"({REDACTED.lower()})|[^\w\s]|_"
)
_ENDS = frozenset(",.?!;:")
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
    """One thing that was said: in plain lower case or as digits, and where it stands, in code points."""

    norm: str
    kind: str
    start: int
    end: int
    how: str = PLAIN


def pieces(text: str) -> list[Unit]:
    """The text cut into units, in one pass; numbers in words are still words."""
    if text.isascii():
        lowered = text.lower()
        if lowered.count(REDACTED.lower()) == text.count(REDACTED):
            return _plain_pieces(lowered)
    found: list[Unit] = []
    new = tuple.__new__
    for match in (_ASCII_PIECE if text.isascii() else _PIECE).finditer(text):
        raw = match.group()
        start, end = match.span()
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
        found.append(new(Unit, (norm, kind, start, end, how)))
    return found


def _plain_pieces(lowered: str) -> list[Unit]:
    """The same of what most texts are, ASCII whose every placeholder is ours, in half the time."""
    found: list[Unit] = []
    new, add, find = tuple.__new__, found.append, lowered.find
    chunks = lowered.split()
    is_tight = len(lowered) == sum(map(len, chunks)) + len(chunks) - 1
    at = -1
    for chunk in chunks:
        begin = at + 1 if is_tight else find(chunk, at + 1)
        at = begin + len(chunk)
        if chunk.isalpha():
            add(new(Unit, (chunk, WORD if at - begin > 1 else LETTER, begin, at, PLAIN)))
            continue
        if chunk[-1] in _ENDS and (word := chunk[:-1]).isalpha():
            last = at - 1
            add(new(Unit, (word, WORD if last - begin > 1 else LETTER, begin, last, PLAIN)))
            add(new(Unit, (chunk[-1], SIGN, last, at, PLAIN)))
            continue
        if "'" in chunk and chunk.replace("'", "").isalpha() and all(chunk.split("'")):
            add(new(Unit, (chunk, WORD, begin, at, PLAIN)))
            continue
        for match in _LOWERED_PIECE.finditer(lowered, begin, at):
            group = match.lastindex
            start, end = match.span()
            if group == 4:
                norm, kind, how = _folded(match[0])
            elif group == 5:
                norm, kind, how = "", GONE, PLAIN
            else:
                norm, kind, how = match[0], _KINDS[group or 0], PLAIN
            add(new(Unit, (norm, kind, start, end, how)))
    return found


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
        norm = unicodedata.normalize("NFKD", norm.replace("μ", "mc"))
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
