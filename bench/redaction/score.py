"""What is left of an identifier: a judge of its own, which shares no word and no rule with the layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

NAME, ADDRESS, PLACE, PHONE, EMAIL, DATE, ID = "name", "address", "place", "phone", "e-mail", "date", "id"
_SPELLED = 2
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+")
_DIGITS = dict.fromkeys(
    ["zero", "oh", "o", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple"], 1
)
_DIGITS |= dict.fromkeys(
    ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"], 2
)
_DIGITS |= dict.fromkeys(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
_NUMBERS = frozenset(_DIGITS) | frozenset(
    [
        "hundred",
        "thousand",
        "first",
        "second",
        "third",
        "fourth",
        "fifth",
        "sixth",
        "seventh",
        "eighth",
        "ninth",
        "tenth",
        "eleventh",
        "twelfth",
        "thirteenth",
        "fourteenth",
        "fifteenth",
        "sixteenth",
        "seventeenth",
        "eighteenth",
        "nineteenth",
        "twentieth",
        "thirtieth",
    ]
)
_NOBODY = {
    NAME: [
        "mr",
        "mrs",
        "ms",
        "miss",
        "dr",
        "doctor",
        "mister",
        "the",
        "and",
        "of",
        "de",
        "la",
        "von",
        "van",
        "der",
        "da",
        "di",
        "del",
        "s",
        "as",
        "in",
        "like",
        "for",
        "double",
        "with",
    ],
    EMAIL: [
        "at",
        "dot",
        "com",
        "org",
        "net",
        "edu",
        "co",
        "uk",
        "underscore",
        "dash",
        "hyphen",
        "email",
        "mail",
        "is",
        "the",
        "a",
        "my",
    ],
    DATE: ["the", "of", "on", "at", "in", "and", "day", "year", "s", "th", "st", "nd", "rd", "a"],
    ADDRESS: [
        "street",
        "st",
        "avenue",
        "ave",
        "road",
        "rd",
        "drive",
        "dr",
        "lane",
        "ln",
        "court",
        "ct",
        "place",
        "pl",
        "way",
        "circle",
        "boulevard",
        "blvd",
        "terrace",
        "square",
        "highway",
        "apartment",
        "apt",
        "suite",
        "ste",
        "unit",
        "floor",
        "flat",
        "box",
        "po",
        "p",
        "o",
        "number",
        "north",
        "south",
        "east",
        "west",
        "n",
        "e",
        "w",
        "the",
        "of",
        "in",
        "and",
        "at",
        "zip",
        "code",
        "s",
        "by",
        "corner",
        "um",
        "uh",
    ],
    PLACE: ["the", "of", "and"],
}


@dataclass(frozen=True, slots=True)
class Planted:
    """An identifier in a text, in code points."""

    kind: str
    start: int
    end: int


def left_of(text: str, planted: Planted, gone: Sequence[tuple[int, int]]) -> list[str]:
    """The words of an identifier that tell something and stand in no span that was taken away."""
    tokens = [(match.group().casefold(), match.start()) for match in _TOKEN.finditer(text, planted.start, planted.end)]
    kept = [(word, not any(start <= at < end for start, end in gone)) for word, at in tokens]
    if planted.kind in (PHONE, ID):
        return _digits_left(kept)
    neutral = _NOBODY.get(planted.kind, [])
    left = [word for word, stays in kept if stays and word not in neutral]
    spelled = sum(len(word) == 1 for word in left) >= _SPELLED
    return left if spelled or planted.kind != NAME else [word for word in left if len(word) > 1]


def _digits_left(kept: list[tuple[str, bool]]) -> list[str]:
    """Runs of four digits or more, in figures or words."""
    left: list[str] = []
    for stays, group in groupby(kept, key=lambda item: item[1]):
        words = [word for word, _ in group]
        if stays and sum(len(w) if w.isdigit() else _DIGITS.get(w, 0) for w in words) >= 4:
            left += words
    return left


def is_number_word(word: str) -> bool:
    """Whether a word says a number."""
    return word in _NUMBERS
