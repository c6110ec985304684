"""Texts of public sets with the identifiers that their own annotation names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from bench.redaction.score import ADDRESS, DATE, EMAIL, ID, NAME, PHONE, PLACE, Planted

URL, WEEKDAY = "url", "weekday"
PROMISED = (NAME, ADDRESS, PLACE, PHONE, EMAIL, DATE, ID, URL)
"""Kinds that count together; weekdays are counted apart, because Safe Harbor names dates, not weekdays alone."""

Place: TypeAlias = tuple[int, int]
"""Start and end in code points."""

_MONTHS = "january february march april may june july august september october november december"
_MONTH = re.compile(
    rf"\b(?:{'|'.join(m for m in _MONTHS.split() if m not in ('march', 'may'))}|(?<![.?!] )March|(?<![.?!] )May)\b",
    re.IGNORECASE,
)
_WEEKDAY = re.compile(r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?(?:['’]s)?(?![^\W_])", re.IGNORECASE)
_HOLIDAY = re.compile(
    r"\b(?:christmas(?: eve)?|easter|thanksgiving|halloween|new year(?:['’]?s)?(?: eve)?|valentine['’]?s(?: day)?"
    r"|memorial day|labor day|independence day|st\.? patrick['’]?s(?: day)?|ramadan|diwali|hanukkah)\b",
    re.IGNORECASE,
)
_ORDINAL = (
    r"(?:\d{1,2}(?:st|nd|rd|th)|(?:twenty|thirty)?[ -]?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
    r"|tenth|eleventh|twelfth|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth)"
)
_DAY = re.compile(rf"\b{_ORDINAL}\b", re.IGNORECASE)
_FULL_MONTH = re.compile(
    rf"\b(?:{_MONTHS.replace(' ', '|')}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b", re.IGNORECASE
)
_FIGURES = re.compile(r"\d{1,4}[-/.]\d{1,2}(?:[-/.]\d{2,4})?")


class MissingSetError(Exception):
    """A public set has no local copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One text of a public set.

    `unscored` are places that count neither as an identifier nor as a word to keep: names of organisations, products
    and works, and what the set's annotation does not decide.
    """

    dialogue: str
    text: str = field(repr=False)
    parts: tuple[Planted, ...]
    unscored: tuple[Place, ...] = ()
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicSet:
    """Where a set is had, its language, and how its texts are read; `is_dialogue`: people wrote its sentences."""

    name: str
    repository: str
    licence: str
    needs: str
    read: Callable[[Path], Iterable[Case]]
    language: str = "en"
    is_dialogue: bool = True

    @property
    def directory(self) -> str:
        """Return the directory that `git clone` makes of the repository."""
        return self.repository.rpartition("/")[2]


def cases(chosen: PublicSet, data: Path) -> list[Case]:
    """Read all texts of a set.

    Args:
        chosen: The set.
        data: The directory that holds the local copies, each under its repository's name.

    Returns:
        The set's texts, in its own order.

    Raises:
        MissingSetError: The local copy is not there, or lacks the files that are read.
    """
    root = data / chosen.directory
    if not list(root.glob(chosen.needs)):
        raise MissingSetError(
            f"{chosen.name}: no {chosen.needs} in {root}, expected a local copy: "
            f"git clone https://github.com/{chosen.repository} {root}"
        )
    return list(chosen.read(root))


def words(text: str) -> list[str]:
    """Return the words of a list that is written as a text."""
    return text.split()


def half_of(dialogue: str) -> str:
    """Return the half, `a` or `b`, of a dialogue: kinds are looked at in `a` alone."""
    return "ab"[hashlib.sha256(dialogue.encode()).digest()[0] & 1]


def case(dialogue: str, text: str, parts: Iterable[Planted], unscored: Iterable[Place] = ()) -> Case:
    """Return a case, with weekdays added and months and holidays that no annotation names left unscored."""
    found = sorted(set(parts), key=lambda part: part.start)
    open_places = [*unscored]
    for match in _WEEKDAY.finditer(text):
        if not _overlaps(match.span(), found):
            found.append(Planted(WEEKDAY, *match.span()))
    for pattern in (_MONTH, _HOLIDAY):
        open_places += [match.span() for match in pattern.finditer(text) if not _overlaps(match.span(), found)]
    return Case(dialogue=dialogue, text=text, parts=tuple(found), unscored=tuple(open_places))


def date_kind(value: str) -> str | None:
    """Return `date`, `weekday`, or nothing for a day that is named from today (`tomorrow`, `in two days`)."""
    if _FULL_MONTH.search(value) or _FIGURES.search(value):
        return DATE
    if _WEEKDAY.search(value):
        return WEEKDAY
    return DATE if _DAY.search(value) else None


def mentions(text: str, value: str) -> Iterator[Place]:
    """Yield each place where a value occurs as whole words, in any case."""
    if len(value) > 2:
        pattern = rf"(?<![^\W_]){re.escape(value)}(?![^\W_])"
        yield from (match.span() for match in re.finditer(pattern, text, re.IGNORECASE))


def elsewhere(text: str, values: Iterable[str], parts: Iterable[Planted]) -> list[Place]:
    """Return places of values that are annotated elsewhere in the dialogue but not here."""
    annotated = list(parts)
    return [place for value in values for place in mentions(text, value) if not _overlaps(place, annotated)]


def planted(kinds: Mapping[str, str], label: str, start: int, end: int) -> Planted | None:
    """Return an identifier, or nothing for a label that names none."""
    return Planted(kinds[label], start, end) if label in kinds else None


def _overlaps(place: Place, parts: Iterable[Planted]) -> bool:
    return any(place[0] < part.end and part.start < place[1] for part in parts)
