"""Dates, weekdays and ages over 89, written or said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import MONTH_OF, QUANTITIES, WEEKDAYS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import NUMBER, ORDINAL, SIGN, Unit

_BORN = words("born birth birthday dob")
DATE_WORDS = WEEKDAYS | _BORN | MONTH_OF.keys()
"""One of these, or a number, stands in every date."""
_ALSO_WORDS = frozenset(("may", "march", "mar", "sep", "jan", "dec"))
_MONTH_FOLLOWS = words(
    "in of since last next this by until early late mid from month around before after during through till"
)
_SKIPPED = frozenset((",", ".", "-", "/", "the", "of", "in", "year", "and", "um", "uh", "–", "'"))
_LONGEST = 8
_CENTURIES = frozenset(("18", "19", "20"))
_AGE_AFTER = words("year years yo y/o yr yrs yearold")
_AGE_BEFORE = words("age aged turned turning turns")
_AGE_LINKS = words("of is was at about")
_DAY_ENDS = words("at of in and or for when i we if but so is was would works with to please um uh")


def dates(reading: Reading) -> Iterator[Span]:
    """Months with what belongs to them, weekdays, days of a month, years after a birth, ages of 90 and more."""
    units = reading.units
    for at in reading.places_of(DATE_WORDS):
        norm = units[at].norm
        if norm in WEEKDAYS:
            yield at, at, Category.DATE_OF_BIRTH
        elif norm in _BORN:
            yield from _born(units, at)
        else:
            first, last = _day_before(units, at), _day_and_year_after(units, at)
            if norm not in _ALSO_WORDS or (first, last) != (at, at) or _is_month(units, at):
                yield first, last, Category.DATE_OF_BIRTH
    for at in reading.of_kind(NUMBER):
        unit = units[at]
        if unit.how == ORDINAL:
            yield from _day_alone(units, at)
        elif len(unit.norm) <= 3 and int(unit.norm) >= 90 and _is_age(units, at):
            yield at, at, Category.AGE


def _is_month(units: Sequence[Unit], at: int) -> bool:
    return units[at].norm != "may" or (at > 0 and units[at - 1].norm in _MONTH_FOLLOWS)


def _day_before(units: Sequence[Unit], at: int) -> int:
    """The first unit of `the third of` before a month."""
    back = at - 1
    while back >= 0 and at - back <= 3 and units[back].norm in (",", "-", "/", ".", "of", "the"):
        back -= 1
    if back < 0 or at - back > 3 or not _is_day(units[back]):
        return at
    return back - 1 if back > 0 and units[back - 1].norm == "the" else back


def _day_and_year_after(units: Sequence[Unit], at: int) -> int:
    """The last number that belongs to a month: a day, then a year in one or two numbers."""
    last, said = at, list[str]()
    for ahead in range(at + 1, min(at + 1 + _LONGEST, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER and len(unit.norm) <= 4 and not _is_whole(said):
            if unit.how != ORDINAL and ahead + 1 < len(units) and units[ahead + 1].norm in QUANTITIES:
                break
            last = ahead
            said.append(unit.norm)
        elif unit.norm not in _SKIPPED:
            break
    return last


def _is_whole(said: list[str]) -> bool:
    """Whether these numbers are a day and a year already, or a year alone."""
    if not said or len(said) == 1:
        return bool(said) and len(said[0]) == 4
    years = said[1:]
    return len(years[0]) == 4 or (len(years[0]) == 2 and years[0] not in _CENTURIES) or len("".join(years)) >= 4


def _day_alone(units: Sequence[Unit], at: int) -> Iterator[Span]:
    """`the fifteenth`, `the third of the fourth`: a day of some month, where no thing is being counted."""
    back = at > 0 and units[at - 1].norm == "the"
    nexts = [unit.norm for unit in units[at + 1 : at + 4]]
    after = 1 + nexts.index("the") + 1 if nexts[:2] == ["of", "the"] else 2 if nexts[:1] == ["of"] else 0
    if after and at + after < len(units) and _is_day(units[at + after]) and units[at + after].how == ORDINAL:
        yield at, at + after, Category.DATE_OF_BIRTH
    elif back and int(units[at].norm) in range(4, 32):
        following = units[at + 1] if at + 1 < len(units) else None
        if following is None or following.kind == SIGN or following.norm in _DAY_ENDS:
            yield at, at, Category.DATE_OF_BIRTH


def _born(units: Sequence[Unit], at: int) -> Iterator[Span]:
    """`born in eighty two`, `birthday is three three`: the numbers that follow soon."""
    for ahead in range(at + 1, min(at + 6, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER and (ahead + 1 == len(units) or units[ahead + 1].norm not in QUANTITIES):
            last = ahead
            while last + 1 < len(units) and last < ahead + 8 and _goes_on(units[last + 1]):
                last += 1
            yield ahead, last, Category.DATE_OF_BIRTH
            return


def _goes_on(unit: Unit) -> bool:
    return unit.kind == NUMBER or unit.norm in (",", "-", "/", ".", "of", "the", "slash", "dash")


def _is_day(unit: Unit) -> bool:
    return unit.kind == NUMBER and len(unit.norm) <= 2 and 1 <= int(unit.norm) <= 31


def _is_age(units: Sequence[Unit], at: int) -> bool:
    nexts = [unit.norm for unit in units[at + 1 : at + 6]]
    if nexts[:1] == ["-"]:
        nexts = nexts[1:]
    before = at - 1
    while before >= max(0, at - 5) and (units[before].kind == SIGN or units[before].norm in _AGE_LINKS):
        before -= 1
    return (
        (before >= 0 and units[before].norm in _AGE_BEFORE)
        or (nexts[:1] != [] and nexts[0] in _AGE_AFTER and ("old" in nexts[1:4] or nexts[1:3] == ["of", "age"]))
        or nexts[:1] in (["yo"], ["y/o"])
        or nexts[:2] == ["y", "o"]
        or nexts[:3] in (["y", "/", "o"], ["y", ".", "o"])
    )
