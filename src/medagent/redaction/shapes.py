"""The shapes a kept value may have: KEEP is typed, and what has not its shape does not leave."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias

from medagent.proof import Json

Rosters: TypeAlias = Mapping[str, Collection[str]]

ROSTERS = ("doctors", "locations")
_LONGEST = 256
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:(00|15|30|45))?", re.ASCII)
_MILLISECONDS = re.compile(r"(:\d{2}:\d{2})\.\d{3}", re.ASCII)
_YEARS = range(2000, 2100)
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A string that a regular expression matches whole (ASCII classes, at most 256 code points)."""

    regex: re.Pattern[str]

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is such a string."""
        return type(value) is str and len(value) <= _LONGEST and self.regex.fullmatch(value) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An ISO 8601 date and time to the second, aware or local, in this century: a date of birth is mostly none.

    Milliseconds are for a machine's own clock only: a model could write digits there that are no time.
    """

    or_date: bool = False
    milliseconds: bool = False

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is such a time, or a bare date where that is allowed."""
        if type(value) is not str or len(value) > _LONGEST:
            return False
        second = _MILLISECONDS.sub(r"\1", value, count=1) if self.milliseconds else value
        if not (_DATETIME.fullmatch(second) or (self.or_date and _DATE.fullmatch(value))):
            return False
        try:
            return datetime.fromisoformat(value).year in _YEARS
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A finite number from `min` to `max`, both included; True is not 1."""

    min: float
    max: float
    integer: bool

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is such a number."""
        if type(value) is int:
            return self.min <= value <= self.max
        return type(value) is float and not self.integer and math.isfinite(value) and self.min <= value <= self.max


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOf:
    """One of a few words that the policy lists."""

    values: frozenset[str]

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is one of them."""
        return type(value) is str and value in self.values


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A name on the clinic's own roster, letter for letter; a roster that nobody gave has no members."""

    roster: str

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is on the roster."""
        return type(value) is str and value in rosters.get(self.roster, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean:
    """True or False, and no word or number that stands for one."""

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is one of the two."""
        return type(value) is bool


Shape: TypeAlias = Pattern | Moment | Number | OneOf | Member | Boolean

PLAIN: Mapping[str, Shape] = {
    "datetime": Moment(),
    "date_or_datetime": Moment(or_date=True),
    "timestamp": Moment(milliseconds=True),
    "boolean": Boolean(),
    "uuid": Pattern(regex=_UUID),
    "sha256": Pattern(regex=_SHA256),
}
"""The shapes that a single word names."""


def describe(shape: Shape) -> Json:
    """The shape as a policy writes it, so that a digest or a diff sees a change of it."""
    match shape:
        case Pattern() | Moment() | Boolean() if shape in PLAIN.values():
            return next(word for word, plain in PLAIN.items() if plain == shape)
        case Pattern():
            return {"pattern": shape.regex.pattern}
        case Number():
            return {"number": {"min": shape.min, "max": shape.max, "integer": shape.integer}}
        case OneOf():
            return {"enum": sorted(shape.values)}
        case Member():
            return {"roster": shape.roster}
        case _:
            return repr(shape)


def is_sayable(shape: Shape | None) -> bool:
    """Whether a person could have said such a value: names and patterns; not numbers, times, fixed words, hashes."""
    return isinstance(shape, Pattern | Member) and shape not in (PLAIN["uuid"], PLAIN["sha256"])


def year_of(value: object) -> str | None:
    """The year of an ISO date, date and time, or year; None for anything else."""
    if type(value) is not str or len(value) > _LONGEST:
        return None
    if re.fullmatch(r"(19|20)\d{2}", value, re.ASCII):
        return value
    if not (_DATE.fullmatch(value[:10]) and re.fullmatch(r"([T ][0-9:.]+(Z|[+-][0-9:]+)?)?", value[10:])):
        return None
    try:
        return str(date.fromisoformat(value[:10]).year)
    except ValueError:
        return None
