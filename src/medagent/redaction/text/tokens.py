"""What was said, whatever way it was written: words, letters and digits, each with its place in the text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from medagent.redaction.policy import REDACTED

BREAK = "\0"
"""Stands for a placeholder in a token list: nothing matches across it."""


def _words(line: str) -> list[str]:
    return line.split()


_PIECE = re.compile(rf"{REDACTED}|(?:[^\W\d_][\u0300-\u036f]*)+(?:['’](?:[^\W\d_][\u0300-\u036f]*)+)*|\d")
_ORDINAL_ENDING = ("st", "nd", "rd", "th")
_UNITS = _words("zero one two three four five six seven eight nine")
_TEENS = _words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = _words("twenty thirty forty fifty sixty seventy eighty ninety")
_ORDINALS = _words(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth"
)
_UNIT = {word: n for n, word in enumerate(_UNITS)} | {word: n for n, word in enumerate(_ORDINALS[:9], 1)}
_WHOLE = (
    {word: n for n, word in enumerate(_TEENS, 10)}
    | {word: n for n, word in enumerate(_ORDINALS[9:], 10)}
    | {"twentieth": 20, "thirtieth": 30}
)
_TEN = {word: n for n, word in enumerate(_TENS, 2)}
_REPEATS = {"double": 2, "triple": 3}
_SPELLED_AS = (("as", "in"), ("like", "in"), ("as",), ("like",), ("for",))
_SILENT = frozenset(_words("dot point at underscore dash hyphen minus slash plus space comma period and the of is"))
MONTHS = _words("january february march april may june july august september october november december")
_MONTH = {name: name for name in MONTHS} | {name[:3]: name for name in MONTHS} | {"sept": "september"}


@dataclass(frozen=True, slots=True)
class Token:
    """A normalised piece of a text and where it stands, in code points; a digit is a token of its own."""

    norm: str
    start: int
    end: int


def tokenise(text: str) -> list[Token]:
    """Lower-case words without accents or possessives, spelled letters, and digits, spoken numbers as digits."""
    return _spoken(_pieces(text))


def blank_out(text: str, spans: Iterable[tuple[int, int]]) -> tuple[str, int]:
    """Put `<REDACTED>` for the spans (code points), overlapping or touching ones as one; says how many it put."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and not text[merged[-1][1] : start].strip():
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    for start, end in reversed(merged):
        text = text[:start] + REDACTED + text[end:]
    return text, len(merged)


def _pieces(text: str) -> list[Token]:
    pieces: list[Token] = []
    for match in _PIECE.finditer(text):
        raw, start, end = match.group(), match.start(), match.end()
        if raw == REDACTED:
            norm = BREAK
        elif raw.isdecimal():
            norm = str(int(raw))
        else:
            norm = plain_word(raw)
            previous = pieces[-1] if pieces else None
            if norm in _ORDINAL_ENDING and previous and previous.norm.isdigit() and previous.end == start:
                pieces[-1] = Token(previous.norm, previous.start, end)
                continue
        pieces.append(Token(norm, start, end))
    return pieces


def plain_word(word: str) -> str:
    """A word in lower case, without accents, apostrophes and a possessive's ending."""
    bare = re.sub(r"['’]s?$", "", word.casefold()) if len(word) > 2 else word.casefold()
    decomposed = unicodedata.normalize("NFKD", bare)
    return "".join(sign for sign in decomposed if sign.isalpha())


def _spoken(pieces: list[Token]) -> list[Token]:
    tokens: list[Token] = []
    at = 0
    while at < len(pieces):
        used = _repeated(pieces, at, tokens) or _spelled(pieces, at, tokens) or _number(pieces, at, tokens)
        if not used:
            piece = pieces[at]
            if piece.norm not in _SILENT:
                tokens.append(Token(_MONTH.get(piece.norm, piece.norm), piece.start, piece.end))
            used = 1
        at += used
    return tokens


def _repeated(pieces: list[Token], at: int, tokens: list[Token]) -> int:
    """`double two`, `triple l`."""
    times = _REPEATS.get(pieces[at].norm)
    if times is None or at + 1 == len(pieces):
        return 0
    sign = pieces[at + 1].norm
    digit = _digit(sign)
    if digit is None and len(sign) != 1:
        return 0
    tokens += [Token(digit or sign, pieces[at].start, pieces[at + 1].end)] * times
    return 2


def _spelled(pieces: list[Token], at: int, tokens: list[Token]) -> int:
    """`s as in sam`: one letter, which takes the words that explain it with it."""
    letter = pieces[at].norm
    if len(letter) != 1 or not letter.isalpha():
        return 0
    for phrase in _SPELLED_AS:
        last = at + len(phrase) + 1
        if last < len(pieces) and tuple(p.norm for p in pieces[at + 1 : last]) == phrase:
            explains = pieces[last].norm
            if explains.startswith(letter) and len(explains) > 1:
                tokens.append(Token(letter, pieces[at].start, pieces[last].end))
                return last + 1 - at
    return 0


def _number(pieces: list[Token], at: int, tokens: list[Token]) -> int:
    """Spoken numbers as digits: `nineteen eighty two` is 1982, `two thousand and five` 2005, `oh` 0."""
    word, start = pieces[at].norm, pieces[at].start
    following = [piece.norm for piece in pieces[at + 1 : at + 4]]
    if word.isdigit() and len(word) == 1:
        tokens.append(pieces[at])
        return 1
    if following[:1] == ["thousand"] and _UNIT.get(word):
        skip = 3 if following[1:2] == ["and"] else 2
        rest, used = _below_hundred(pieces, at + skip)
        digits = str(_UNIT[word] * 1000 + (rest or 0))
        used = skip + used if rest is not None else 2
    elif word == "o" and not (_is_number(following[:1]) or _is_number([t.norm for t in tokens[-1:]])):
        return 0
    elif (digit := _digit(word)) is not None:
        digits, used = digit, 1
    else:
        number, used = _below_hundred(pieces, at)
        if number is None:
            return 0
        digits = str(number)
    tokens += [Token(digit, start, pieces[at + used - 1].end) for digit in digits]
    return used


def _below_hundred(pieces: list[Token], at: int) -> tuple[int | None, int]:
    """The number from 1 to 99 that is spoken here and how many words it takes."""
    word = pieces[at].norm if at < len(pieces) else ""
    if word in _WHOLE:
        return _WHOLE[word], 1
    if word in _TEN:
        unit = _UNIT.get(pieces[at + 1].norm, 0) if at + 1 < len(pieces) else 0
        return (_TEN[word] * 10 + unit, 2) if unit else (_TEN[word] * 10, 1)
    return (_UNIT[word], 1) if _UNIT.get(word) else (None, 0)


def _digit(word: str) -> str | None:
    if word in ("oh", "o", "nought"):
        return "0"
    if word in _UNIT:
        return str(_UNIT[word])
    return word if len(word) == 1 and word.isdigit() else None


def _is_number(words: list[str]) -> bool:
    return any(word in _TEN or word in _WHOLE or _digit(word) is not None for word in words)
