"""Words that are nearly a name: a slip of the keyboard, or another spelling of the same sound."""

from __future__ import annotations

import re

_NO_SLIP = 4
_ONE_SLIP = 7
_SOUNDS = (
    (re.compile(r"^(?:kn|gn|pn)"), "n"),
    (re.compile(r"^wr"), "r"),
    (re.compile(r"^ps"), "s"),
    (re.compile(r"^x"), "s"),
    (re.compile(r"ph|v"), "f"),
    (re.compile(r"gh(?=[^aeiouy]|$)"), ""),
    (re.compile(r"tch|sch|sh|cz|ch|tj|zh"), "S"),
    (re.compile(r"dg(?=[eiy])|g(?=[eiy])|j"), "J"),
    (re.compile(r"c(?=[eiy])|z"), "s"),
    (re.compile(r"ck|c|q"), "k"),
    (re.compile(r"x"), "ks"),
    (re.compile(r"th"), "t"),
    (re.compile(r"[hw]"), ""),
)
_VOWELS = re.compile(r"[aeiouy]+")
_TWICE = re.compile(r"(.)\1+")


def is_near(word: str, name: str, *, is_same_sound: bool) -> bool:
    """Tell whether a word is a known name with a slip (none up to 4 letters, one to 7, two from 8) or has its sound."""
    slips = 0 if len(name) <= _NO_SLIP else 1 if len(name) <= _ONE_SLIP else 2
    if abs(len(word) - len(name)) <= slips and _distance(word, name, slips) <= slips:
        return True
    return is_same_sound and len(word) >= 3 and abs(len(word) - len(name)) <= 3


def sound(word: str) -> str:
    """Return the consonants as they are heard, with a mark for a vowel at the beginning; nothing of it is kept."""
    for spelling, heard in _SOUNDS:
        word = spelling.sub(heard, word)
    return _TWICE.sub(r"\1", "a" + _VOWELS.sub("", word[1:]) if word[:1] in "aeiouy" else _VOWELS.sub("", word))


def _distance(one: str, two: str, most: int) -> int:
    """Return how many letters were changed, left out, added or swapped with a neighbour; `most` + 1 for more."""
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, 1):
        last, before_last = row, before
        row = [i]
        for j, b in enumerate(two, 1):
            cost = min(row[-1] + 1, last[j] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == two[j - 2] and one[i - 2] == b:
                cost = min(cost, before_last[j - 2] + 1)
            row.append(cost)
        before = last
        if min(row) > most:
            return most + 1
    return row[-1]
