"""Parts of known values inside a value that would be kept: four digits in a row, three letters of a name.

The egress filter looks for the same parts (`telemetry/door/parts.py`) with code of its own: nothing is shared between
the two on purpose, so that one finds what the other misses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from itertools import pairwise, permutations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import MONTH_OF, MONTHS
from medagent.redaction.text.forms import Identifier
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import NUMBER, WORD, Unit

PART_DIGITS = 4
"""So many digits in a row of a known number or date are a part of it."""
PART_LETTERS = 3
"""So many letters in a row of a name are a part of it: a surname is cut to the length of an id."""
_PLACES = (Category.ADDRESS, Category.PLACE)
_SHORTEST_NUMBER = 7
_LONGEST_NUMBER = 16
_SHORTEST_WHOLE = 5
_MOST_ITEMS = 24
_TITLES = frozenset(
    ("mr", "mrs", "ms", "miss", "mx", "dr", "doctor", "prof", "professor", "sir", "madam", "jr", "sr", "md", "phd")
)
_WORDS = re.compile(r"[^\W_]+")
_GAPS = re.compile(r"[\W_]+")
_DIGIT_RUNS = re.compile(rf"[0-9]{{{PART_DIGITS},}}")
_LETTER_RUNS = re.compile(rf"[^\W\d_]{{{PART_LETTERS},}}")
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
)
_TWINS = str.maketrans(
    "аеорсухіјѕԁһԛԝвнкмтαορνικτυχγβεζη",
    "aeopcyxijsdhqwbhkmtaopviktuxybezh",
)
_CAPITAL_TWINS = str.maketrans("АВЕКМНОРСТХУІЈЅΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEKMHOPCTXYIJSABEZHIKMNOPTYX")
"""Letters of other alphabets that look like Latin ones, small and capital."""
_HALF_YEARS = ("19", "20")


class Parts:
    """All parts of what a call knows; grows only."""

    def __init__(self) -> None:
        self._windows: set[str] = set()
        self._letters: set[str] = set()
        self._places: set[str] = set()
        self._wholes: set[tuple[str, ...]] = set()
        self._numbers: set[str] = set()
        self._days: set[date] = set()

    def learn(self, identifier: Identifier, names: Iterable[str]) -> None:
        """Add the parts of one known value; `names` are the words of it by which somebody is named."""
        value = identifier.value
        read = units(value)
        spoken = "".join(unit.norm for unit in read if unit.kind == NUMBER)
        written = "".join(filter(str.isdigit, fold(value)))
        rows = [spoken, written]
        if identifier.category is Category.DATE_OF_BIRTH:
            days = days_in(read)
            self._days |= days
            orders = {order for day in days for order in _orders(day)}
            rows += orders
            self._numbers |= {order.lstrip("0") for order in orders if len(order.lstrip("0")) >= _SHORTEST_NUMBER}
        for row in rows:
            self._windows.update(_windows(row, PART_DIGITS))
        shortest, longest = len(written) - _SHORTEST_NUMBER + 1, len(written) - _LONGEST_NUMBER
        self._numbers |= {written[at:] for at in range(max(0, longest), max(0, shortest))}
        if len(written.lstrip("0")) >= _SHORTEST_WHOLE:
            self._numbers |= {written, written.lstrip("0")}
        for name in map(fold, names):
            if identifier.category in _PLACES:
                self._places.add(name)
            else:
                self._letters.update(_windows(name, PART_LETTERS))
        self._wholes |= whole_names(value)

    def stand_in(self, text: str) -> bool:
        """Tell whether a part stands in a text, also inside a longer word and across signs."""
        if not (self._windows or self._letters or self._places):
            return False
        bare = _GAPS.sub("", fold(text))
        for run in _DIGIT_RUNS.findall(bare):
            if not self._windows.isdisjoint(_windows(run, PART_DIGITS)):
                return True
        for run in _LETTER_RUNS.findall(bare):
            if not self._letters.isdisjoint(_windows(run, PART_LETTERS)) or any(name in run for name in self._places):
                return True
        return self.have_day_in(text)

    def have_day_in(self, text: str) -> bool:
        """Tell whether a known day stands in a text, with its month as a number or a name."""
        return bool(self._days) and not self._days.isdisjoint(days_in(units(_parted(text))))

    def are_whole(self, member: str) -> bool:
        """Tell whether a member of a list is a known value as a whole, titles, order and accents aside."""
        return bool(self._wholes) and not self._wholes.isdisjoint(whole_names(member))

    def have_number(self, number: float) -> bool:
        """Tell whether a number is a known number, or seven digits or more at its end, a decimal point left out."""
        if not self._numbers:
            return False
        if number == number // 1:
            return str(abs(int(number))) in self._numbers
        digits = repr(abs(number)).replace(".", "")
        return len(digits) >= _SHORTEST_NUMBER and digits in self._numbers

    def have_day(self, moment: str) -> bool:
        """Tell whether an ISO date or time is on a known day."""
        if not self._days:
            return False
        try:
            return date.fromisoformat(moment[:10]) in self._days
        except ValueError:
            return False


def fold(text: str) -> str:
    """Return a text in lower case, without accents, widths, other scripts' digits and letters that only look Latin."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKD", text.translate(_CAPITAL_TWINS).casefold())
    signs = (_digit(sign) for sign in plain if not unicodedata.combining(sign))
    return "".join(signs).translate(_LETTERS).translate(_TWINS)


def whole_names(text: str) -> set[tuple[str, ...]]:
    """Return the words of a name in one order, without titles and initials; `O'Day` is one word, and two."""
    found = set()
    for one in {text, text.replace("'", "").replace("’", "")}:
        words = [word for word in _WORDS.findall(fold(one)) if word not in _TITLES]
        found.add(tuple(sorted([word for word in words if len(word) > 1] or words)))
    return found - {()}


def days_in(read: Sequence[Unit]) -> set[date]:
    """Return every date that numbers and months beside each other may be, in any order of day, month and year."""
    items = [
        MONTH_OF.get(unit.norm, unit.norm)
        for unit in read
        if unit.kind == NUMBER or (unit.kind == WORD and unit.norm in MONTH_OF)
    ]
    del items[_MOST_ITEMS:]  # what is longer is no date, and its readings grow with the square
    if not items:
        return set()
    rows = [items, *_joined_years(items)]
    found = {day for row in rows for at in range(len(row) - 2) for day in _dates(row[at : at + 3])}
    digits = "".join(item for item in items if item.isdigit())
    for run in {*items, digits}:
        found |= {day for three in _split(run) for day in _dates(three)}
    return found


def _joined_years(items: Sequence[str]) -> Iterator[list[str]]:
    """Yield the items with two numbers as one: `19 82` as a year, `0 3` as a day or month."""
    joined: list[str] = []
    for item in items:
        if joined and item.isdigit() and (joined[-1] in _HALF_YEARS or (joined[-1] == "0" and len(item) == 1)):
            joined[-1] += item.zfill(2) if joined[-1] in _HALF_YEARS else item
        else:
            joined.append(item)
    if len(joined) < len(items):
        yield joined
    for at, (first, second) in enumerate(pairwise(items)):
        if first in _HALF_YEARS and second.isdigit() and len(second) <= 2:
            yield [*items[:at], first + second.zfill(2), *items[at + 2 :]]


def _split(run: str) -> Iterator[tuple[str, str, str]]:
    if not run.isdigit():
        return
    if len(run) == 8:
        yield run[:4], run[4:6], run[6:]
        yield run[:2], run[2:4], run[4:]
    elif len(run) == 6:
        yield run[:2], run[2:4], run[4:]


def _dates(three: Sequence[str]) -> Iterator[date]:
    for year, month, day in permutations(three):
        if not (year.isdigit() and day.isdigit()) or len(day) > 2 or len(year) not in (2, 4):
            continue
        if month in MONTHS:
            number = MONTHS.index(month) + 1
        elif month.isdigit() and len(month) <= 2:
            number = int(month)
        else:
            continue
        for whole in (int(year),) if len(year) == 4 else (1900 + int(year), 2000 + int(year)):
            try:
                yield date(whole, number, int(day))
            except ValueError:
                continue


def _orders(day: date) -> Iterator[str]:
    """Yield a date as one row of digits in any order, the year with two or four, day and month with one or two."""
    for year in (f"{day.year:04}", f"{day.year % 100:02}"):
        for month in {f"{day.month:02}", f"{day.month}"}:
            for number in {f"{day.day:02}", f"{day.day}"}:
                yield from ("".join(order) for order in permutations((year, month, number)))


def _windows(text: str, size: int) -> Iterable[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _parted(text: str) -> str:
    """Return a text with a gap between letters and digits: `14MAR82` is read as three."""
    return re.sub(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])", " ", text)


def _digit(sign: str) -> str:
    return sign if sign.isascii() or not sign.isdigit() else str(unicodedata.digit(sign))
