"""How a text is read when a value is looked for: the same reading makes the haystack and what is looked for in it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from medagent.audit.english import ALPHABET, DIGITS, ORDINALS, TEENS, TENS

_NUMBERS = {word: number for number, word in enumerate((*DIGITS, *TEENS))} | {"oh": 0, "nought": 0}
_TENS = {word: 10 * number for number, word in enumerate(TENS, 2)}
_ORDINALS = {word: number for number, word in enumerate(ORDINALS, 1)} | {"thirtieth": 30}
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_CALLED = {word: word[0] for word in (*ALPHABET, "alfa", "juliett", "whisky", "x-ray")}


def _one_of(words: Iterable[str]) -> str:
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


_GAP = r"[^a-z0-9]{1,8}"
_ONES = _one_of(word for word, number in _NUMBERS.items() if number < 10)
_UNDER_TWENTY, _DECADE, _NTH = _one_of(_NUMBERS), _one_of(_TENS), _one_of(_ORDINALS)
_SMALL = rf"(?:{_DECADE}{_GAP}(?:{_ONES}|{_NTH})|{_DECADE}|{_UNDER_TWENTY}|{_NTH})"
_NUMBER = re.compile(
    rf"(?<![a-z])(?:"
    rf"(?P<times>{_one_of(_TIMES)}){_GAP}(?P<again>{_ONES}|\d)"
    rf"|(?P<many>{_SMALL}|a){_GAP}(?P<unit>hundred|thousand)(?:{_GAP}(?:and{_GAP})?(?P<rest>{_SMALL})(?!{_GAP}{_ONES}))?"
    rf"|(?P<small>{_SMALL})"
    rf"|(?P<o>o)(?={_GAP}(?:{_ONES}(?![a-z])|\d))"
    rf")(?![a-z])"
)
_WORD = re.compile(r"[a-z]+")
_LETTER = re.compile(
    rf"(?<![a-z0-9])(?:"
    rf"(?P<times>{_one_of(_TIMES)}){_GAP}(?P<again>[a-z])(?![a-z0-9])"
    rf"|(?P<letter>[a-z]){_GAP}(?:(?:as|like){_GAP}in|as|for|like){_GAP}[a-z]+"
    rf"|(?P<called>{_one_of(_CALLED)})(?![a-z0-9])"
    rf")"
)
_UNSEEN = re.compile(
    "[\u0300-\u036f\u00ad\u034f\u061c\u115f\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
)
_PLAIN_LETTERS = str.maketrans(
    {"ø": "o", "Ø": "o", "ł": "l", "Ł": "l", "đ": "d", "Đ": "d", "æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ı": "i"}
)
_ALL = bytes(range(256))
_DIGIT = frozenset(b"0123456789")
_ALPHA = frozenset(b"abcdefghijklmnopqrstuvwxyz") | frozenset(range(128, 256))
NOT_ALNUM = bytes(sorted(frozenset(_ALL) - _DIGIT - _ALPHA))
NOT_DIGITS = bytes(sorted(frozenset(_ALL) - _DIGIT))
NOT_LETTERS = bytes(sorted(frozenset(_ALL) - _ALPHA))


def fold(text: str) -> str:
    """Without case, accents, widths and invisible signs."""
    if text.isascii():
        return text.lower()
    folded = _UNSEEN.sub("", unicodedata.normalize("NFKD", text)).translate(_PLAIN_LETTERS)
    return _UNSEEN.sub("", unicodedata.normalize("NFKD", folded.casefold()))


def spoken(folded: str) -> str:
    """Numbers that stand in words in figures: `double five oh twenty one` → `55 0 21`."""
    return _NUMBER.sub(_figures, folded)


def spelled(folded: str) -> str:
    """Letters that are said by a word as letters: `m as in mike, alpha, double l` → `m, a, ll`."""
    return _LETTER.sub(_letters, folded)


def alnum(folded: str) -> bytes:
    """Letters and digits alone."""
    return folded.encode("utf-8", "replace").translate(None, NOT_ALNUM)


def _figures(match: re.Match[str]) -> str:
    if match["times"]:
        again = match["again"]
        return f" {str(_NUMBERS.get(again, again)) * _TIMES[match['times']]} "
    if match["o"]:
        return " 0 "
    if match["small"]:
        return f" {_small(match['small'])} "
    many = 1 if match["many"] == "a" else _small(match["many"])
    value = many * (100 if match["unit"] == "hundred" else 1000) + (_small(match["rest"]) if match["rest"] else 0)
    return f" {value} "


def _small(words: str) -> int:
    return sum(
        _NUMBERS[word] if word in _NUMBERS else _TENS[word] if word in _TENS else _ORDINALS[word]
        for word in _WORD.findall(words)
    )


def _letters(match: re.Match[str]) -> str:
    if match["times"]:
        return f" {match['again'] * _TIMES[match['times']]} "
    return f" {match['letter'] or _CALLED[match['called']]} "
