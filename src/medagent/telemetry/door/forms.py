"""How a known value may stand in a text: plain, in any grouping, spoken, spelled, escaped, encoded; dates in any way.

The redactor has its own idea of all this. Nothing is shared between the two: what one is blind to, the other may see.
"""

from __future__ import annotations

import base64
import binascii
import html
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import unquote

from medagent.telemetry.door.parts import KnownPart

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_NUMBERS = {word: number for number, word in enumerate((*_ONES, *_TEENS))}
_NUMBERS |= {word: 10 * number for number, word in enumerate(_TENS, start=2)} | {"oh": 0, "o": 0, "nought": 0}
_ORDINALS = {"first": 1, "second": 2, "third": 3, "fifth": 5, "eighth": 8, "ninth": 9, "twelfth": 12}
_ORDINALS |= {f"{word}th": number for word, number in _NUMBERS.items()}
_ORDINALS |= {f"{word[:-1]}ieth": number for word, number in _NUMBERS.items() if word.endswith("y")}
_TIMES = {"double": 2, "triple": 3, "treble": 3}
_SCALES = {"hundred": 100, "thousand": 1000}
_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_MONTH = {name: number for number, name in enumerate(_MONTHS, start=1)}
_MONTH |= {name[:3]: number for name, number in _MONTH.items()} | {"sept": 9}
_NUMERAL = re.compile(r"(\d+)(?:st|nd|rd|th)?")
_CENTURIES = (19, 20)
_HALVES = ("19", "20")
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһԛԝвнкмтАВЕКМНОРСТХУІЈЅαορνικτυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧ",
    "aeopcyxijsdhqwbhkmtABEKMHOPCTXYIJSaopviktuxyABEZHIKMNOPTYX",
)
_ESCAPING = re.compile(r"[\\%&]")
_ESCAPED = re.compile(r"\\(?:u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2}))")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}")
_HEX = re.compile(r"[0-9a-fA-F]{14,}")
_WORD = re.compile(r"[^\W_]+")
_NO_DIGIT = re.compile(r"[^0-9]+")
_APOSTROPHE = re.compile("['’]")
_SHORTEST_DIGITS = 7
_SHORTEST_JOINED = 7
_SHORTEST_PART = 3
_SHORTEST_WORD = 2
_SHORTEST_COUNT = 5
_LONGEST_DIGITS = 10
_NOT_A_NAME = frozenset({"mrs", "miss", "prof", "professor", "doctor", "sir", "madam"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A text as it is compared: its words, letters and digits in every way of reading it; made once for a text."""

    rows: tuple[tuple[tuple[str, ...], frozenset[str]], ...]
    joined: tuple[str, ...]
    digits: tuple[str, ...]
    spelled: str
    dates: frozenset[date]

    @classmethod
    def of(cls, text: str) -> Reading:
        """Read a text."""
        plain, decoded = _unescaped(text), list(_decoded(text))
        rows = [words(one) for one in plain]
        closed = [words(without_apostrophes(one)) for one in plain if _APOSTROPHE.search(one)]
        numbers = [_numbers(row) for row in rows]
        told = [*rows, *(other for row, other in zip(rows, numbers, strict=True) if other != row)]
        return cls(
            rows=tuple((tuple(row), frozenset(row)) for row in (*told, *closed)),
            joined=tuple(dict.fromkeys("".join(row) for row in (*told, *map(words, decoded)))),
            digits=tuple(dict.fromkeys((*map(digits_of, (*plain, *decoded)), *map(_digits_among, numbers)))),
            spelled="".join(word for word in rows[-1] if len(word) == 1),
            dates=frozenset(found for row in numbers for found in _dates(row)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A known value reduced to what is compared: its words, plain and case-folded, its digits alone, its dates."""

    category: str
    words: tuple[str, ...]
    parts: frozenset[str]
    joined: str
    digits: str
    hidden: tuple[str, ...]
    dates: frozenset[date]
    part: KnownPart
    """What of it must stand in no kept value, not even as a piece."""

    @classmethod
    def of(cls, category: str, value: str) -> Form:
        """Reduce a value; `hidden` is how it could stand in a row of hexadecimal digits."""
        row, closed = tuple(words(value)), words(without_apostrophes(value))
        joined, tail = "".join(row), digits_of(value)[-_LONGEST_DIGITS:]
        parts = frozenset(word for word in closed if len(word) >= _SHORTEST_PART)
        parts = parts - _NOT_A_NAME if category == "name" else frozenset()
        dates = Reading.of(value).dates if category == "date_of_birth" else frozenset()
        return cls(
            category=category,
            words=row,
            parts=parts,
            joined=joined,
            digits=digits_of(value),
            hidden=(
                *((tail,) if len(tail) == _LONGEST_DIGITS else ()),
                *((joined.encode().hex(),) if len(joined) >= _SHORTEST_JOINED else ()),
            ),
            dates=dates,
            part=KnownPart.of(digits=digits_of(value), dates=dates, names=parts, words=closed),
        )

    def is_day(self, value: str) -> bool:
        """Whether an ISO date or time is on this very day."""
        return any(value.startswith(day.isoformat()) for day in self.dates)

    def is_in_id(self, plain: str) -> bool:
        """Whether an id or hash, as bare hexadecimal, holds it as digits or text; a short one is there by chance."""
        return any(form in plain for form in self.hidden)

    def stands_in(self, text: Reading, *, free: bool) -> bool:
        """Its words in a row or turned, letters or digits in any grouping, its date; in free text a part of a name."""
        size, joined = len(self.words), self.joined
        shortest = _SHORTEST_COUNT if joined.isdigit() else _SHORTEST_WORD
        if len(joined) >= shortest and any(
            self.words[0] in among and self.words == row[place : place + size]
            for row, among in text.rows
            for place in range(len(row) - size + 1)
        ):
            return True
        if len(joined) >= _SHORTEST_JOINED and (
            any(joined in one for one in text.joined)
            or (len(set(self.words)) > 1 and any(among.issuperset(self.words) for _, among in text.rows))
        ):
            return True
        if len(self.digits) >= _SHORTEST_DIGITS and any(self.digits[-_LONGEST_DIGITS:] in one for one in text.digits):
            return True
        if not self.dates.isdisjoint(text.dates):
            return True
        return free and (
            any(not self.parts.isdisjoint(among) for _, among in text.rows)
            or any(part in text.spelled for part in self.parts)
        )


def words(text: str) -> list[str]:
    """The words of a text: letters and digits, without case, accents, width or the disguise of another alphabet."""
    if text.isascii():
        return _WORD.findall(text.lower())
    plain = unicodedata.normalize("NFKD", text.translate(_LOOKALIKES))
    plain = "".join(_numeral(c) for c in plain if not unicodedata.combining(c)).casefold()
    return _WORD.findall(plain)


def digits_of(text: str) -> str:
    """The digits of a text in any script's numerals."""
    return _NO_DIGIT.sub("", text) if text.isascii() else "".join(_numeral(c) for c in text if c.isdigit())


def _numeral(sign: str) -> str:
    return sign if sign.isascii() or not sign.isdigit() else str(unicodedata.digit(sign))


def without_apostrophes(text: str) -> str:
    """The text with what stands on both sides of an apostrophe as one word."""
    return _APOSTROPHE.sub("", text)


def _unescaped(text: str) -> list[str]:
    """The text, and what it says once its escapes are undone, where it has some."""
    if not _ESCAPING.search(text):
        return [text]
    return [text, html.unescape(unquote(_ESCAPED.sub(lambda match: chr(int(match[1] or match[2], 16)), text)))]


def _decoded(text: str) -> Iterator[str]:
    """What long words hold if they are base64, at any of its alignments, or hexadecimal: mostly noise."""
    for match in _BASE64.finditer(text):
        token = match[0].replace("-", "+").replace("_", "/")
        for start in range(4):
            whole = token[start : start + (len(token) - start) // 4 * 4]
            rest = token[start + len(whole) :]
            padded = whole + (rest + "=" * (4 - len(rest)) if len(rest) > 1 else "")
            yield base64.b64decode(padded).decode("latin-1")
    for match in _HEX.finditer(text):
        for start in range(2):
            pairs = match[0][start:]
            yield binascii.unhexlify(pairs[: len(pairs) // 2 * 2]).decode("latin-1")


def _digits_among(row: Sequence[str]) -> str:
    return "".join(word for word in row if word.isdigit())


def _numbers(row: Sequence[str]) -> list[str]:
    """The words with every number, spoken or not, in digits: `double five` is 55, `nineteen hundred two` is 1902."""
    out: list[str] = []
    place = 0
    while place < len(row):
        word = row[place]
        place += 1
        if word in _TIMES and place < len(row) and _NUMBERS.get(row[place], 10) < 10:
            out.append(str(_NUMBERS[row[place]]) * _TIMES[word])
            place += 1
        elif word in _SCALES and out and out[-1].isdigit():
            place += place < len(row) and row[place] == "and"
            below, place = _below_hundred(row, place)
            out.append(str(int(out.pop()) * _SCALES[word] + (below or 0)))
        elif (number := _below_hundred(row, place - 1))[0] is not None:
            out.append(str(number[0]))
            place = number[1]
        elif match := _NUMERAL.fullmatch(word):
            out.append(digits_of(match[1]))
        else:
            out.append(word)
    return out


def _below_hundred(row: Sequence[str], place: int) -> tuple[int | None, int]:
    """The spoken number that begins at a place, and where it ends."""
    word = row[place] if place < len(row) else ""
    number = _NUMBERS.get(word, _ORDINALS.get(word))
    if number is None:
        return None, place
    following = row[place + 1] if place + 1 < len(row) else ""
    unit = _NUMBERS.get(following, _ORDINALS.get(following, 0))
    if word in _TENS and 0 < unit < 10:
        return number + unit, place + 2
    return number, place + 1


def _dates(row: Sequence[str]) -> Iterator[date]:
    """Every date that three neighbours among numbers and months may be; a year may have two digits, or halves."""
    items = [word for word in row if word.isdigit() or word in _MONTH]
    if len(items) < 2 and not any(len(item) == 8 for item in items):
        return
    rows = [items]
    for index, (first, second) in enumerate(itertools.pairwise(items)):
        if first in _HALVES and second.isdigit():
            rows.append([*items[:index], first + second.zfill(2), *items[index + 2 :]])
    for one in rows:
        for index in range(len(one) - 2):
            yield from _dates_of(one[index : index + 3])
    for item in items:
        if len(item) == 8:
            yield from _dates_of((item[:4], item[4:6], item[6:]))
            yield from _dates_of((item[:2], item[2:4], item[4:]))


def _dates_of(three: Sequence[str]) -> Iterator[date]:
    for year, month, day in itertools.permutations(three):
        if not (year.isdigit() and day.isdigit() and len(day) <= 2 and len(year) in (2, 4)):
            continue
        years = (int(year),) if len(year) == 4 else tuple(100 * century + int(year) for century in _CENTURIES)
        months = (_MONTH[month],) if month in _MONTH else (int(month),) if len(month) <= 2 else ()
        for one, other in itertools.product(years, months):
            try:
                yield date(one, other, int(day))
            except ValueError:
                continue
