"""The shapes a kept value may have: KEEP is typed, and what has not its shape does not leave."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TypeAlias

from medagent.proof import Json
from medagent.redaction.linear_pattern import LinearPattern
from medagent.redaction.lists import CODE_LISTS, is_in_code

Rosters: TypeAlias = Mapping[str, Collection[str]]

ROSTERS = ("doctors", "locations")
LONGEST_VALUE = 256
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(Z|[+-]\d{2}:(00|15|30|45))?", re.ASCII)
_MILLISECONDS = re.compile(r"(:\d{2}:\d{2})\.\d{3}", re.ASCII)
_YEARS = range(2000, 2100)
_OLDEST = 89
_UUID = LinearPattern("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHA256 = LinearPattern("[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A string of at most `max_length` code points that a pattern matches whole, in linear time."""

    regex: LinearPattern
    max_length: int = LONGEST_VALUE

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is such a string."""
        return type(value) is str and len(value) <= self.max_length and self.regex.fits(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """An ISO 8601 date and time to the second, aware or local, in this century: a date of birth is mostly none.

    Milliseconds are for a machine's own clock only: a model could write digits there that are no time. With
    `days_before` and `days_after` it is near the call: an appointment lies ahead, an admission or a birth behind.
    """

    or_date: bool = False
    milliseconds: bool = False
    days_before: int | None = None
    days_after: int | None = None

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is such a time, or a bare date where that is allowed."""
        if type(value) is not str or len(value) > LONGEST_VALUE:
            return False
        second = _MILLISECONDS.sub(r"\1", value, count=1) if self.milliseconds else value
        if not (_DATETIME.fullmatch(second) or (self.or_date and _DATE.fullmatch(value))):
            return False
        try:
            return datetime.fromisoformat(value).year in _YEARS
        except ValueError:
            return False

    def is_near(self, value: str, at_us: int) -> bool:
        """Whether a value that fits lies so near a time (microseconds since the Unix epoch, UTC); days are whole."""
        if self.days_before is None or self.days_after is None:
            return True
        away = (date.fromisoformat(value[:10]) - datetime.fromtimestamp(at_us / 1e6, UTC).date()).days
        return -self.days_before <= away <= self.days_after


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
class ListMember:
    """A value of a closed list: one of code, one that the application gives, and what the policy adds to it.

    A list that is neither of code nor given has the policy's members alone.
    """

    name: str
    added: frozenset[str] = frozenset()

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Tell whether the value is on the list, letter for letter."""
        if type(value) is not str:
            return False
        return value in self.added or value in rosters.get(self.name, ()) or is_in_code(self.name, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A string that the operator's settings or code give, and that no caller, model, tool or provider can write.

    It is compared with what the call knows as a whole: the caller Tim does not hide the model gpt-realtime.
    """

    regex: LinearPattern
    max_length: int = LONGEST_VALUE

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Tell whether the pattern matches the value whole."""
        return type(value) is str and len(value) <= self.max_length and self.regex.fits(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Boolean:
    """True or False, and no word or number that stands for one."""

    def fits(self, value: object, rosters: Rosters) -> bool:
        """Whether the value is one of the two."""
        return type(value) is bool


Shape: TypeAlias = Pattern | Moment | Number | OneOf | Member | ListMember | Setting | Boolean

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
        case Pattern() | Setting():
            length: dict[str, Json] = {"max_length": shape.max_length} if shape.max_length != LONGEST_VALUE else {}
            return {"pattern" if isinstance(shape, Pattern) else "setting": shape.regex.pattern, **length}
        case Moment():
            days: dict[str, Json] = {"days_before": shape.days_before, "days_after": shape.days_after}
            return {"moment": days | {"or_date": True} if shape.or_date else days}
        case Number():
            return {"number": {"min": shape.min, "max": shape.max, "integer": shape.integer}}
        case OneOf():
            return {"enum": sorted(shape.values)}
        case Member():
            return {"roster": shape.roster}
        case ListMember():
            added: dict[str, Json] = {"with": sorted(shape.added)} if shape.added else {}
            return {"list": shape.name, **added}
        case _:
            return repr(shape)


def is_sayable(shape: Shape | None) -> bool:
    """Tell whether a person could have said such a value: a pattern that is neither a UUID nor a SHA-256.

    Such a value is kept only without any part of what the call knows (four digits in a row, three letters of a name).
    """
    return isinstance(shape, Pattern) and shape not in (PLAIN["uuid"], PLAIN["sha256"])


def is_closed(shape: Shape | None) -> bool:
    """Tell whether the value is a member of a list or roster: it is compared whole with whole values of the call."""
    return isinstance(shape, Member | ListMember)


def members(shape: Shape | None) -> frozenset[str]:
    """Return the members that the policy or code gives a closed shape; none for any other shape."""
    match shape:
        case OneOf():
            return shape.values
        case ListMember():
            return shape.added | (CODE_LISTS[shape.name]() if shape.name in CODE_LISTS else frozenset())
        case _:
            return frozenset()


def year_of(value: object, at_us: int | None = None) -> str | None:
    """The year of an ISO date, date and time, or year; None for anything else.

    None too for a year that tells, at a time in microseconds since the Unix epoch, of an age over 89 (45 CFR
    164.514(b)(2)(i)(C)).
    """
    year = _year(value)
    if year is None or (at_us is not None and datetime.fromtimestamp(at_us / 1e6, UTC).year - int(year) > _OLDEST):
        return None
    return year


def _year(value: object) -> str | None:
    if type(value) is not str or len(value) > LONGEST_VALUE:
        return None
    if re.fullmatch(r"(19|20)\d{2}", value, re.ASCII):
        return value
    if not (_DATE.fullmatch(value[:10]) and re.fullmatch(r"([T ][0-9:.]+(Z|[+-][0-9:]+)?)?", value[10:])):
        return None
    try:
        return str(date.fromisoformat(value[:10]).year)
    except ValueError:
        return None
