"""The identifiers that this call has met, and how they are found again in a text, however they are said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date

from medagent.redaction.policy import Category
from medagent.redaction.text.tokens import MONTHS, Token, blank_out, plain_word, tokenise
from medagent.redaction.text.vocabulary import ordinary_words

_TITLES = frozenset(
    ("mr", "mrs", "ms", "miss", "mx", "dr", "doctor", "prof", "professor", "sir", "madam", "jr", "sr", "md")
)
_GENERIC = frozenset(("street", "road", "avenue", "drive", "lane", "court", "place", "square", "boulevard", "highway"))
_PHONE_TAILS = (10, 9, 7, 4)
_SHORTEST_DIGITS = 4
_WHOLE_DIGITS = 7
_WHOLE_JOINED = 7
_NOBODY = frozenset(
    ("unknown", "none", "null", "nil", "n/a", "na", "not given", "not provided", "not known", "anonymous", "withheld")
)
"""What a model writes where it was told nothing: no identifier, and a word that others may need."""
_WORD = re.compile(r"[^\W_]+")
_NAME_GAP = re.compile(r"[^\w'’\u0300-\u036f]+|[\d_]+")
_MAIL_PARTS = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A raw value that must not leave, and what it is."""

    category: Category
    value: str = field(repr=False)


class KnownValues:
    """What a call has learned of its caller: grows only, lives in memory, is dropped with the call."""

    def __init__(self) -> None:
        self._values: dict[tuple[Category, str], None] = {}
        self._forms: dict[str, None] = {}
        self._wholes: list[_Whole] = []

    def __repr__(self) -> str:
        return f"KnownValues(learned={len(self._values)})"

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[tuple[Category, str]]:
        """Category and value of everything learned, in the order it came."""
        return iter(tuple(self._values))

    def learn(self, identifiers: Iterable[Identifier]) -> None:
        """Take in identifiers; what is known already changes nothing."""
        for identifier in identifiers:
            key = (identifier.category, identifier.value)
            plain = identifier.value.strip().casefold()
            if plain and plain not in _NOBODY and key not in self._values:
                self._wholes.append(_Whole.of(identifier.value))
                self._forms |= dict.fromkeys(_forms(identifier))
                self._values[key] = None

    def scrub(self, text: str) -> tuple[str, int]:
        """The text with `<REDACTED>` for every known value in any form, and how many places that were."""
        if not self._forms:
            return text, 0
        tokens = tokenise(text)
        return blank_out(text, _matches(tokens, tuple(self._forms)))


    def stands_in(self, kept: str) -> bool:
        """Whether a known value stands whole in a value that would be kept, as words, joined, or as its digits."""
        if not self._wholes:
            return False
        value = _Whole.of(kept)
        return any(whole.is_part_of(value) for whole in self._wholes)


@dataclass(frozen=True, slots=True)
class _Whole:
    """A value as its plain words and its digits: what is left when writing is not looked at."""

    words: tuple[str, ...] = field(repr=False)
    digits: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> _Whole:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
        return cls(tuple(_WORD.findall(plain)), "".join(c for c in text if c.isdigit()))

    def is_part_of(self, other: _Whole) -> bool:
        size, joined = len(self.words), "".join(self.words)
        if size and any(other.words[at : at + size] == self.words for at in range(len(other.words) - size + 1)):
            return True
        if len(joined) >= _WHOLE_JOINED and joined in "".join(other.words):
            return True
        return len(self.digits) >= _WHOLE_DIGITS and self.digits[-10:] in other.digits


def _matches(tokens: list[Token], forms: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Where a form stands as a run of whole tokens, whatever was between them."""
    joined = "".join(token.norm for token in tokens)
    begins: dict[int, Token] = {}
    ends: dict[int, Token] = {}
    at = 0
    for token in tokens:
        if token.norm:
            begins[at] = token
            at += len(token.norm)
            ends[at] = token
    for form in forms:
        found = joined.find(form)
        while found >= 0:
            first, last = begins.get(found), ends.get(found + len(form))
            if first and last:
                yield first.start, last.end
            found = joined.find(form, found + 1)


def _forms(identifier: Identifier) -> Iterator[str]:
    """Every way to say a value, as its tokens joined."""
    value = identifier.value
    whole = _joined(value)
    yield from _long_enough([whole], 2)
    match identifier.category:
        case Category.NAME:
            yield from _name_parts(value)
        case Category.PHONE:
            digits = _digits(value)
            yield from _long_enough([digits, *(digits[-tail:] for tail in _PHONE_TAILS)], _SHORTEST_DIGITS)
        case Category.EMAIL:
            local = value.partition("@")[0]
            yield from _long_enough([_joined(local)], 2)
            yield from _long_enough([_joined(part) for part in _MAIL_PARTS.findall(local)], 3)
        case Category.DATE_OF_BIRTH:
            yield from _date_forms(value)
        case Category.ADDRESS:
            yield from _long_enough([_joined(part) for part in value.split(",")], 3)
            yield from (word for word in map(plain_word, re.findall(r"[^\W\d_]{4,}", value)) if word not in _GENERIC)
        case _:
            yield from _long_enough([_digits(value)], _SHORTEST_DIGITS)


def _joined(value: str) -> str:
    return "".join(token.norm for token in tokenise(value))


def _digits(value: str) -> str:
    return "".join(token.norm for token in tokenise(value) if token.norm.isdigit())


def _long_enough(forms: Iterable[str], least: int) -> Iterator[str]:
    return (form for form in forms if len(form) >= least)


def _name_parts(value: str) -> Iterator[str]:
    """Each part, and its plural: speech recognition writes a possessive without its apostrophe."""
    for part in _NAME_GAP.split(value):
        norm = plain_word(part)
        if len(norm) >= 2 and norm not in _TITLES:
            yield from _long_enough([_joined(part)], 1)
            if f"{norm}s" not in ordinary_words():
                yield f"{norm}s"


def _date_forms(value: str) -> Iterator[str]:
    """A date in the orders of any country, month as number or name, year whole, short or left out."""
    try:
        day = date.fromisoformat(value.strip()[:10])
    except ValueError:
        return
    years = (f"{day.year}", f"{day.year % 100:02}")
    months = {f"{day.month}", f"{day.month:02}"}
    days = {f"{day.day}", f"{day.day:02}"}
    name = MONTHS[day.month - 1]
    for d in days:
        yield f"{name}{d}"
        yield f"{d}{name}"
        for year in years:
            yield f"{name}{d}{year}"
            yield f"{d}{name}{year}"
            for m in months:
                yield f"{m}{d}{year}"
                yield f"{d}{m}{year}"
    for d in days:
        for m in months:
            yield f"{years[0]}{m}{d}"
