"""Runs of digits, written or said: which are a quantity, and which point at somebody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import CODE_LABELS, HOMOPHONES, JOINING, MEASURED, QUANTITIES, RECORD_WORDS
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading, begins_with
from medagent.redaction.text.slashes import is_day_and_month, is_part_or_score
from medagent.redaction.text.units import CARDINAL, LETTER, NUMBER, ORDINAL, REPEATED, SIGN, SPOKEN, WORD, Unit

SHORTEST = 4
_JOINING_SIGNS = "-.()/,+:#–—*'’"
_WIDEST_GAP = 3
_LONGEST_PREFIX = 6
_LOOK_BACK = 8
_BEHIND_LABEL = frozenset((":", "#", "-", "–", "—", ".", "no", "num", "number", "id", "is", "'s", "’s"))
_CALLED = frozenset(("123", "321", "911", "411", "988", "999", "112", "111", "101"))
_FINEST_PART = 16
_COUNTED = frozenset(("day", "week", "stage", "step", "cycle", "phase", "part", "bun", "max", "min", "dose", "normal"))
_MEASURED_LINKS = frozenset(
    ("is", "was", "of", "are", "were", "at", ":", "=", "'s", "now", "about", "around", "≥", "≤", ">", "<", "~", "±")
)
_NO_NAMES = (Kind.ORDINARY, Kind.CLINICAL, Kind.ALSO_A_NAME)
_CURRENCIES = frozenset("$£€")
_LAST_HOUR = 23
_ASKED_TO = frozenset(("call", "text", "reach", "ring"))
_HALVES = frozenset(("am", "pm", "a", "p", "o'clock", "hours"))
_COMING = frozenset(
    ("arriving", "arrives", "arrive", "leaving", "leaves", "departing", "departs", "depart", "landing", "boarding")
)
_HOTTEST = 7
"""The last digit of the highest temperature that is said: `one oh seven`."""
_CODED = frozenset(
    ("number", "code", "digits", "zip", "extension", "room", "address", "live", "lives", "ends", "ending")
)
_MINUTES = 60
"""Behind `1:` so many or more are a dilution: `1:160`, `1:1000`."""
_SCALE_AFTER = frozenset(("being", "is", "as", "was", "means", "meaning"))
_NUMBERED = frozenset(("phq", "gad", "covid", "omega", "il", "cd", "ca", "sf", "eq", "factor", "type", "ages"))
_DAY_BEFORE = frozenset(("on", "since", "dated", "dob", "lmp", "admitted", "discharged"))
_ON_MEDICINE = frozenset(
    ("am", "is", "are", "was", "i'm", "he's", "she's", "been", "put", "him", "her", "me", "and", "or")
)
"""Behind one of these, `on two fifty` is a dose."""
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


@begins_with(NUMBER)
def digit_runs(reading: Reading) -> Iterator[Span]:
    """Every run that is not a quantity: four digits or more, three that were said one by one, a day and a month.

    Behind the name of a code any number is one: `MRN-619` may be all that was heard of it.
    """
    units = reading.units
    done = -1
    for at in reading.of_kind(NUMBER):
        if at <= done or units[at].how == ORDINAL:
            continue
        _keep_measured(reading, at)
        numbers = [at]
        while not _is_in_a_name(units, numbers) and (following := _next_number(units, numbers)) is not None:
            numbers.append(following)
        done = numbers[-1]
        if _is_labelled(units, at) or not _is_quantity(units, numbers):
            first = numbers[0]
            while first > 0 and is_sign(units[first - 1], "+(#") and units[first - 1].end == units[first].start:
                first -= 1
            yield first - 2 * _is_prefixed(units, numbers), done, _category(units, numbers)


def _keep_measured(reading: Reading, at: int) -> None:
    """Make a word of the clinic of what is measured right before a number: `pulse was 94`, which is no person."""
    back = at - 1
    while back >= max(0, at - _WIDEST_GAP) and reading.norms[back] in _MEASURED_LINKS:
        back -= 1
    if (
        back >= 0
        and (reading.norms[back] in MEASURED or reading.norms[back] in _COUNTED)
        and reading.kinds[back] in _NO_NAMES
    ):
        reading.kinds[back] = Kind.CLINICAL
        reading.terms.add(back)


def _is_in_a_name(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Return whether a number belongs to the name of a test or a thing: `PHQ-9 14/27`, `covid-19`."""
    at = numbers[0]
    if at < 2 or len(numbers) > 1 or units[at - 1].norm != "-" or units[at - 1].end != units[at].start:
        return False
    return units[at - 2].norm in _NUMBERED


def _is_prefixed(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Whether a code begins with letters: those of `RF-8821934` go with its digits, though anybody knows `RF`."""
    at = numbers[0]
    if at < 2 or sum(len(units[one].norm) for one in numbers) <= SHORTEST:
        return False
    letters, sign, digits = units[at - 2 : at + 1]
    touching = letters.end == sign.start and sign.end == digits.start
    return touching and is_sign(sign, "-") and letters.kind in (WORD, LETTER) and len(letters.norm) <= _LONGEST_PREFIX


def _is_labelled(units: Sequence[Unit], at: int) -> bool:
    """Return whether the name of a code is before a number, with nothing between them but what joins the two."""
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
            if _is_pair_done(units, numbers, at) or _is_rated(units, numbers, at):
                return None
            if homophone and not (len(numbers) >= 2 and _is_single(units[last]) and _is_single(unit)):
                return None
            return at
        if unit.kind == WORD and unit.norm in HOMOPHONES:
            homophone = True
        elif not ((unit.kind == SIGN and unit.norm in _JOINING_SIGNS) or unit.norm in JOINING):
            return None
    return None


def _is_pair_done(units: Sequence[Unit], numbers: list[int], at: int) -> bool:
    """Return whether a comma or a bracket ends `120/80` or `(5/9)`, so that the number behind it is another one."""
    if units[at - 1].norm not in (",", ")") or units[at - 1].end == units[at].start:
        return False
    if len(numbers) > 1 and units[numbers[-1] - 1].norm in ("point", "."):
        return True
    if len(numbers) != 2:
        return False
    return units[numbers[1]].start - units[numbers[0]].end == 1 and units[numbers[0] + 1].norm in ("/", ":")


def _is_rated(units: Sequence[Unit], numbers: list[int], at: int) -> bool:
    """Return whether a colon and a gap part a scale from what was said of it: `scale 1-10: 8`."""
    if units[at - 1].norm not in (":", ",") or units[at - 1].end == units[at].start:
        return False
    return any(unit.norm in ("scale", "scales") for unit in units[max(0, numbers[0] - _WIDEST_GAP) : numbers[0]])


def _is_single(unit: Unit) -> bool:
    return len(unit.norm) == 1


def _is_quantity(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Return whether a run is a count, a measurement or a time of day."""
    said = [units[at].norm for at in numbers]
    between = [_between(units, a, b) for a, b in pairwise(numbers)]
    total = sum(map(len, said))
    if _is_price(units, numbers[0]) or _is_clock(units, numbers, said) or (len(said) == 1 and total < SHORTEST):
        return True
    if len(said) == 1:
        return _is_large_quantity(units, numbers[0])
    if len(said) == 2 and between[0] in ("/", "slash"):
        touching = between[0] == "slash" or units[numbers[1]].start - units[numbers[0]].end == 1
        if is_day_and_month(units, *numbers):
            return False
        return total < SHORTEST or (touching and max(map(len, said)) < SHORTEST and is_part_or_score(units, *numbers))
    if _is_mixed_number(said, between) or _is_day_said(units, numbers, between) is False:
        return True
    if _is_day_said(units, numbers, between):
        return False
    if len(said) > 2 and between.count("to") == 1 and _before_quantity(units, numbers[-1]) and total <= 2 * SHORTEST:
        return True
    if total < SHORTEST:
        if said[0] == "0" and total == 2 and _near(units, numbers[0], -1) in _YEAR_BEFORE:
            return False
        return _is_fever(units, numbers) or not _is_said_one_by_one(units, numbers)
    if len(said) == 2:
        return _is_pair(units, numbers, said, between[0])
    if between == [","] * len(between) and all(len(group) == 3 for group in said[1:]) and len(said[0]) <= 3:
        return _before_quantity(units, numbers[-1])
    points = [at for at, sign in enumerate(between) if sign in ("point", ".")]
    if len(points) == 1 and all(sign in ("", "point", ".") for sign in between):
        whole, part = "".join(said[: points[0] + 1]), "".join(said[points[0] + 1 :])
        return between[points[0]] == "point" and len(whole) <= 3 and int(whole) < 200 and len(part) <= 2
    return False


def _is_price(units: Sequence[Unit], at: int) -> bool:
    """Return whether the sign of a currency touches a number: `$2,150`."""
    return at > 0 and units[at - 1].norm in _CURRENCIES and units[at - 1].end == units[at].start


def _is_clock(units: Sequence[Unit], numbers: list[int], said: list[str]) -> bool:
    """`ten oh five am`, `arriving fourteen twenty five`."""
    if len(said) not in (2, 3) or not 1 <= int(said[0]) <= _LAST_HOUR or any(len(one) > 2 for one in said):
        return False
    if any(units[at].how != SPOKEN for at in numbers) or numbers[-1] - numbers[0] > len(said) + 1:
        return False
    minutes = "".join(said[1:])
    if len(minutes) != 2 or int(minutes) >= 60:
        return False
    if _near(units, numbers[-1], 1) in _HALVES or _near(units, numbers[0], -1) in _COMING:
        return True
    if len(said) != 3 or said[1] != "0" or _near(units, numbers[0], -1) not in _CLOCK_BEFORE:
        return False
    before = units[max(0, numbers[0] - _LOOK_BACK) : numbers[0]]
    return not any(unit.norm in RECORD_WORDS or unit.norm in _CODED or unit.norm in _ASKED_TO for unit in before)


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
    if said in (["50", "50"], ["20", "20"]) or (sign == ":" and one == "1" and touching and other >= _MINUTES):
        return True
    if max(len(one), len(two)) > 3:
        return False
    match sign:
        case "." | "point" if touching or sign == "point":
            return value < 200 and (len(two) <= 2 or (value == 0 and _before_quantity(units, numbers[-1])))
        case ":" if touching:
            return value < 24 and len(two) == 2 and other < 60
        case "," if touching and len(two) == 3:
            return _before_quantity(units, numbers[-1])
        case "," if not touching and len(one) == len(two) == 2 and one not in ("19", "20"):
            return True
        case "-" | "–" | "to" | ",":
            return _before_quantity(units, numbers[-1]) or (sign != "," and _is_measured(units, numbers))
        case "":
            if value < other and _before_quantity(units, numbers[-1]) and not one.startswith("0"):
                return True  # `fifteen twenty minutes`
            clock = 1 <= value <= 12 and len(two) == 2 and other < 60 and units[numbers[1]].how == SPOKEN
            return clock and (
                _near(units, numbers[0], -1) in _CLOCK_BEFORE or _near(units, numbers[-1], 1) in _CLOCK_AFTER
            )
        case _:
            return False


def _is_measured(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Return whether a measured thing is before a number in the same clause: `pressure was one oh five over sixty`."""
    for at in range(numbers[0] - 1, max(-1, numbers[0] - 1 - _LOOK_BACK), -1):
        if units[at].norm in MEASURED:
            return True
        if units[at].kind == SIGN and units[at].norm in ".?!;":
            return False
    return False


def _is_said_one_by_one(units: Sequence[Unit], numbers: list[int]) -> bool:
    """`five five five`, which nobody says of a count."""
    digits = "".join(units[at].norm for at in numbers)
    ways = {units[at].how for at in numbers}
    if REPEATED in ways and len(numbers) >= 2:
        return True
    return len(numbers) >= 3 and digits not in _CALLED and ways == {SPOKEN}


def _is_fever(units: Sequence[Unit], numbers: list[int]) -> bool:
    """Whether `one oh three` is a temperature: it is measured, or may be one and nothing before it names a code."""
    if len(numbers) != 3 or units[numbers[0]].norm != "1" or units[numbers[1]].norm != "0":
        return False
    if _is_measured(units, numbers):
        return True
    before = units[max(0, numbers[0] - _LOOK_BACK) : numbers[0]]
    return int(units[numbers[-1]].norm) <= _HOTTEST and not any(
        u.norm in RECORD_WORDS or u.norm in _CODED for u in before
    )


def _is_mixed_number(said: list[str], between: list[str]) -> bool:
    """`37 1/2`, `1-1/2`: a whole number and a part; `0.5-1.0`: from one to another."""
    if between.count("point") == 1 and sum(map(len, said)) < SHORTEST and between[0] == "point":
        return True
    if between in ([".", "-", "."], [".", "to", "."], [".", "–", "."]):
        return max(map(len, said)) <= 2
    if len(said) != 3 or between[1] != "/" or between[0] not in ("", "-", "and"):
        return False
    return len(said[0]) <= 2 and 0 < int(said[1]) < int(said[2]) <= _FINEST_PART


def _is_day_said(units: Sequence[Unit], numbers: list[int], between: list[str]) -> bool | None:
    """`on three fourteen`, `since 3-14`: a month and a day behind a word of time; None where the words do not decide.

    False for what is said of a scale: `one to ten, ten being the worst`.
    """
    if len(numbers) != 2:
        return None
    one, two = (int(units[at].norm) for at in numbers)
    after, before = _near(units, numbers[-1], 1), _near(units, numbers[0], -1)
    if one == two and between[0] in ("", ",") and (after in _SCALE_AFTER or before == "to"):
        return False
    if between[0] not in ("", "-", ".") or before not in _DAY_BEFORE or not (1 <= one <= 12 and 1 <= two <= 31):
        return None
    if between[0] == "" and units[numbers[1]].how != SPOKEN:
        return None
    if after in QUANTITIES or after in ("to", "liters", "or") or _near(units, numbers[0], -2) in _ON_MEDICINE:
        return None
    return True


def _between(units: Sequence[Unit], one: int, two: int) -> str:
    return " ".join(unit.norm for unit in units[one + 1 : two])


def _before_quantity(units: Sequence[Unit], at: int) -> bool:
    return _near(units, at, 1) in QUANTITIES


def _near(units: Sequence[Unit], at: int, step: int) -> str:
    at += step
    return units[at].norm if 0 <= at < len(units) else ""


def _category(units: Sequence[Unit], numbers: list[int]) -> Category:
    """Return what a run is, by the words before it, else by its length."""
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
