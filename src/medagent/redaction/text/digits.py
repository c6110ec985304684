"""Runs of digits, written or said: which are a quantity, and which point at somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import CODE_LABELS, HOMOPHONES, JOINING, QUANTITIES, RECORD_WORDS
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import CARDINAL, LETTER, NUMBER, ORDINAL, REPEATED, SIGN, SPOKEN, WORD, Unit

SHORTEST = 4
_JOINING_SIGNS = "-.()/,+:#–—*'’"
_WIDEST_GAP = 3
_LONGEST_PREFIX = 3
_LOOK_BACK = 8
_BEHIND_LABEL = frozenset((":", "#", "-", "–", "—", ".", "no", "num", "number", "id", "is", "'s", "’s"))
_CALLED = frozenset(("911", "411", "988", "999", "112", "111", "101"))
_FRACTIONS = frozenset(("1/2", "1/3", "1/4", "3/4", "2/3", "24/7", "20/20", "50/50"))
_SCALES = frozenset(("5", "10"))
_CLOCK_BEFORE = frozenset(("at", "around", "about", "by", "until", "till", "before", "after", "between", "from"))
_CLOCK_AFTER = frozenset(("am", "pm", "o'clock", "a", "p", "in"))
_YEAR_BEFORE = frozenset(
    ("in", "since", "from", "until", "year", "of", "late", "early", "by", "till", "before", "after")
)
_OF = {
    "phone": Category.PHONE,
    "mrn": Category.MRN,
    "date": Category.DATE_OF_BIRTH,
    "id": Category.IDENTIFIER,
    "address": Category.ADDRESS,
}


def digit_runs(reading: Reading) -> Iterator[Span]:
    """Every run that is not a quantity: four digits or more, three that were said one by one, a day and a month.

    Behind the name of a code any number is one: `MRN-619` may be all that was heard of it.
    """
    units = reading.units
    done = -1
    for at in reading.of_kind(NUMBER):
        if at <= done or units[at].how == ORDINAL:
            continue
        numbers = [at]
        while (following := _next_number(units, numbers)) is not None:
            numbers.append(following)
        done = numbers[-1]
        if _is_labelled(units, at) or not _is_quantity(units, numbers):
            first = numbers[0]
            while first > 0 and is_sign(units[first - 1], "+(#") and units[first - 1].end == units[first].start:
                first -= 1
            yield first - 2 * _is_prefixed(units, numbers), done, _category(units, numbers)


def _is_prefixed(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Whether a code begins with letters: those of `RF-8821934` go with its digits, though anybody knows `RF`."""
    at = numbers[0]
    if at < 2 or sum(len(units[one].norm) for one in numbers) <= SHORTEST:
        return False
    letters, sign, digits = units[at - 2 : at + 1]
    touching = letters.end == sign.start and sign.end == digits.start
    return touching and is_sign(sign, "-") and letters.kind in (WORD, LETTER) and len(letters.norm) <= _LONGEST_PREFIX


def _is_labelled(units: Sequence[Unit], at: int) -> bool:
    """Whether the name of a code stands before a number, with nothing between them but what joins the two."""
    back = at - 1
    while back >= max(0, at - _WIDEST_GAP) and units[back].norm in _BEHIND_LABEL:
        back -= 1
    return back >= 0 and units[back].norm in CODE_LABELS


def _next_number(units: Sequence[Unit], numbers: list[int]) -> int | None:
    """The number that goes on from the last one, across what joins two groups of one number."""
    last = numbers[-1]
    homophone = False
    for at in range(last + 1, min(last + 2 + _WIDEST_GAP, len(units))):
        unit = units[at]
        if unit.kind == NUMBER:
            if unit.how == ORDINAL:
                return None
            if homophone and not (len(numbers) >= 2 and _is_single(units[last]) and _is_single(unit)):
                return None
            return at
        if unit.kind == WORD and unit.norm in HOMOPHONES:
            homophone = True
        elif not ((unit.kind == SIGN and unit.norm in _JOINING_SIGNS) or unit.norm in JOINING):
            return None
    return None


def _is_single(unit: Unit) -> bool:
    return len(unit.norm) == 1


def _is_quantity(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Whether a run is a count, a measurement or a time of day."""
    said = [units[at].norm for at in numbers]
    between = [_between(units, a, b) for a, b in pairwise(numbers)]
    total = sum(map(len, said))
    if len(said) == 1:
        return total < SHORTEST or _is_large_quantity(units, numbers[0])
    if total < SHORTEST:
        if said[0] == "0" and total == 2 and _near(units, numbers[0], -1) in _YEAR_BEFORE:
            return False
        return not _is_said_one_by_one(units, numbers) and not _is_day_and_month(said, between)
    if len(said) == 2:
        return _is_pair(units, numbers, said, between[0])
    if between == [","] * len(between) and all(len(group) == 3 for group in said[1:]) and len(said[0]) <= 3:
        return _before_quantity(units, numbers[-1])
    points = [at for at, sign in enumerate(between) if sign in ("point", ".")]
    if len(points) == 1 and all(sign in ("", "point", ".") for sign in between):
        whole, part = "".join(said[: points[0] + 1]), "".join(said[points[0] + 1 :])
        return between[points[0]] == "point" and len(whole) <= 3 and int(whole) < 200 and len(part) <= 2
    return False


def _is_large_quantity(units: Sequence[Unit], at: int) -> bool:
    unit = units[at]
    if len(unit.norm) == SHORTEST and _before_quantity(units, at):
        return True
    if unit.how != CARDINAL or not unit.norm.endswith("00"):
        return False
    return not (1900 <= int(unit.norm) <= 2100 and at > 0 and units[at - 1].norm in _YEAR_BEFORE)


def _is_pair(units: Sequence[Unit], numbers: list[int], said: list[str], sign: str) -> bool:
    """Two groups of four digits or more: a blood pressure, a decimal, a time, a range with a unit."""
    one, two = said
    value, other = int(one), int(two)
    touching = units[numbers[1]].start - units[numbers[0]].end <= 1
    if max(len(one), len(two)) > 3:
        return False
    match sign:
        case "/" if touching:
            return (50 <= value <= 300 and 20 <= other <= 200 and value > 31) or f"{one}/{two}" in _FRACTIONS
        case "." | "point" if touching or sign == "point":
            return value < 200 and len(two) <= 2
        case ":" if touching:
            return value < 24 and len(two) == 2 and other < 60
        case "," if touching and len(two) == 3:
            return _before_quantity(units, numbers[-1])
        case "-" | "–" | "to" | ",":
            return _before_quantity(units, numbers[-1])
        case "":
            clock = 1 <= value <= 12 and len(two) == 2 and other < 60 and units[numbers[1]].how == SPOKEN
            return clock and (
                _near(units, numbers[0], -1) in _CLOCK_BEFORE or _near(units, numbers[-1], 1) in _CLOCK_AFTER
            )
        case _:
            return False


def _is_said_one_by_one(units: Sequence[Unit], numbers: list[int]) -> bool:
    """`five five five`, which nobody says of a count."""
    digits = "".join(units[at].norm for at in numbers)
    ways = {units[at].how for at in numbers}
    if REPEATED in ways and len(numbers) >= 2:
        return True
    return len(numbers) >= 3 and digits not in _CALLED and ways == {SPOKEN}


def _is_day_and_month(said: list[str], between: list[str]) -> bool:
    """`3/14`, but not `1/2` and not `7/10`."""
    if len(said) != 2 or between[0] not in ("/", "slash"):
        return False
    one, two = int(said[0]), int(said[1])
    if f"{one}/{two}" in _FRACTIONS or said[1] in _SCALES:
        return False
    return (1 <= one <= 12 and 1 <= two <= 31) or (1 <= two <= 12 and 1 <= one <= 31)


def _between(units: Sequence[Unit], one: int, two: int) -> str:
    return " ".join(unit.norm for unit in units[one + 1 : two])


def _before_quantity(units: Sequence[Unit], at: int) -> bool:
    return _near(units, at, 1) in QUANTITIES


def _near(units: Sequence[Unit], at: int, step: int) -> str:
    at += step
    return units[at].norm if 0 <= at < len(units) else ""


def _category(units: Sequence[Unit], numbers: list[int]) -> Category:
    """What a run is, by the words before it, else by its length."""
    for at in range(numbers[0] - 1, max(-1, numbers[0] - 1 - _LOOK_BACK), -1):
        if kind := RECORD_WORDS.get(units[at].norm):
            return _OF[kind]
    said = [units[at].norm for at in numbers]
    total = sum(map(len, said))
    if [len(group) for group in said] == [3, 2, 4]:
        return Category.IDENTIFIER
    if said[0] == "0" and total == 2:
        return Category.DATE_OF_BIRTH
    if total == 4 and 1900 <= int("".join(said)) <= 2099:
        return Category.DATE_OF_BIRTH
    if len(said) == 3 and total <= 8 and _between(units, numbers[0], numbers[1]) in ("/", "-", ".", "slash", "dash"):
        return Category.DATE_OF_BIRTH
    if len(said) == 2 and total <= 4 and _between(units, numbers[0], numbers[1]) in ("/", "slash"):
        return Category.DATE_OF_BIRTH
    return Category.PHONE if 7 <= total <= 15 else Category.IDENTIFIER
