"""Two numbers with a slash between them: a day and a month, a pressure, a fraction, a score of some scale."""

from __future__ import annotations

from collections.abc import Sequence

from medagent.redaction.text.cues import MEASURED, QUANTITIES, words
from medagent.redaction.text.units import LETTER, NUMBER, SIGN, WORD, Unit

_ALWAYS = frozenset(("24/7", "20/20", "50/50", "15/15"))
_VISION = frozenset((10, 15, 16, 20, 25, 30, 32, 40, 50, 60, 63, 70, 80, 100, 125, 150, 160, 200, 300, 400, 800))
_VISIONS = _VISION | {5, 6, 7, 9, 12, 18, 24, 36}
_TIME_BEFORE = words(
    """on since until till by before after from through thru dated date due admitted admit discharged discharge seen
    called call began begun started start placed removed given done visit visits appt appts appointment appointments
    lmp onset effective dob scheduled returned return last next refilled filled home hospitalized again expires exp
    expired happened here ordered sent reviewed drawn collected performed repeated labs lab mri ct echo xray
    ultrasound cxr ekg biopsy colonoscopy mammogram surgery bloodwork procedure operation scan clinic office consult
    followup f/u fu update resulted received stopped changed increased decreased born birthday seen again er ed
    admission note therapy injury accident incident loss shot vaccine vaccinated booster period saw week starting
    ending a1c"""
)
"""A day is behind one of these."""
_TIME_FOR_SURE = words("on since until till by before after dated lmp due through")
"""Behind one of these also where the sentence speaks of a scale."""
_SCALED = words(
    """pain scale scaled rated rate rates rating score scored scores grade graded strength power motor pulse pulses
    reflex reflexes dtr dtrs edema vision acuity mmse moca phq gad gcs apgar apgars murmur grip ratio half cut
    quarter dose vas nrs od os ou va tone effort level intensity severity take takes taking about x day week cycle
    session fraction part page step stage try tab tabs give gave use"""
)
"""A score or a part is behind one of these."""
_PART_AFTER = QUANTITIES | words(
    """murmur strength systolic diastolic tab tabs cup inch tsp tbsp teaspoon tablespoon of way dose grip bilaterally
    throughout intact ago vision acuity eye eyes pain at strong murmurs holosystolic in a an as is tbs pint gallon
    ounce mile hour"""
)
_SURE_PART_AFTER = _PART_AFTER - {"in", "at", "is", "a", "as"}
_DURATIONS = frozenset(("7", "12", "52"))
"""Denominators by which British notes give days, months and weeks: `2/52`."""
_TWO_SCORES = words("apgar apgars")
"""Of these a slash parts two scores."""
_SCALES = words("2 3 4 5 6 8 10 12 15 16 20 21 24 27 28 30 40 50 60 100")
_LOOK = 6
_RANGES = words("to and or thru through - –")
_MOVES = words("moved bumped pushed rescheduled postponed delayed rebooked booked until")
_SHORTEST_RANGE = 4
_ON_SCALES = words("mmse moca scale strength vision gcs phq gad nihss mms slums")
_SILENT = words("about around the uh um : - ( ~ was is were approx roughly")
_FINEST_SCALE, _FINEST_PART = 100, 16
_COMMON = frozenset((2, 3, 4, 5, 10))
"""Denominators of parts and scales that need no other word."""


def is_day_and_month(units: Sequence[Unit], at: int, last: int) -> bool:
    """Return whether two numbers with a slash between them, at the units `at` and `last`, are a date without a year.

    A day and a month, a month and a year: by a zero before a digit, a word of time before it, or because it is neither
    a score, nor a part, nor a pressure.
    """
    one, two = units[at].norm, units[last].norm
    if not _may_be_date(one, two) or f"{one}/{two}" in _ALWAYS:
        return False
    if _has_before(units, at, _TWO_SCORES):
        return False
    if _is_to_day(units, at):
        return True
    before = _before(units, at)
    after = units[last + 1].norm if last + 1 < len(units) else ""
    if (len(one) == 2 and one[0] == "0") or (len(two) == 2 and two[0] == "0") or len(two) == 4:
        return True
    is_part = int(one) <= int(two)
    if two in _DURATIONS and (
        after in ("ago", "hx", "history", "later", "old", "post", "time") or before in ("for", "x", "in", "over")
    ):
        return False
    if (
        before not in _TIME_BEFORE
        and _norm(units, at - 2) in ("last", "next")
        and not (is_part and int(two) in _COMMON)
    ):
        return True
    if before in _TIME_BEFORE:
        if is_part and before not in _TIME_FOR_SURE and two in _SCALES and _is_scaled(units, at):
            return False
        return not (is_part and after in _SURE_PART_AFTER)
    if is_part and (after in _PART_AFTER or _is_on_scale(units, last) or (two in _SCALES and _is_scaled(units, at))):
        return False
    return not (is_part and int(two) in _COMMON)


def _is_to_day(units: Sequence[Unit], at: int) -> bool:
    """Return whether a day is before and `to`, `and` between, as in `from 2/19 to 3/5`; or it is moved to one."""
    if not at or units[at - 1].norm not in _RANGES:
        return False
    if at >= _SHORTEST_RANGE and units[at - 3].norm == "/" and units[at - 4].kind == units[at - 2].kind == NUMBER:
        return is_day_and_month(units, at - 4, at - 2)
    return units[at - 1].norm == "to" and any(unit.norm in _MOVES for unit in units[max(0, at - 4) : at])


def is_part_or_score(units: Sequence[Unit], at: int, last: int) -> bool:
    """Return whether two numbers with a slash between them are a pressure, an acuity, a score or a part."""
    one, two = int(units[at].norm), int(units[last].norm)
    if _has_before(units, at, _TWO_SCORES) or (50 <= one <= 300 and 20 <= two <= 200 and one > two // 2):
        return True
    if (one in (20, 6) and two in _VISIONS) or f"{one}/{two}" in _ALWAYS:
        return True
    if _is_on_scale(units, last):
        return True
    return one <= two <= _FINEST_SCALE and (_is_scaled(units, at) or _measured(units, at) or two <= _FINEST_PART)


def _may_be_date(one: str, two: str) -> bool:
    if len(one) > 2:
        return False
    first, second = int(one), int(two)
    if len(two) == 4:
        return 1 <= first <= 12 and 1900 <= second <= 2100
    if len(two) > 2:
        return False
    day = (1 <= first <= 12 and 1 <= second <= 31) or (1 <= second <= 12 and 1 <= first <= 31)
    return day or (1 <= first <= 12 and len(two) == 2)


def _is_on_scale(units: Sequence[Unit], last: int) -> bool:
    """`18/30 on MMSE`, `4/5 on strength`."""
    return any(unit.norm in _ON_SCALES for unit in units[last + 1 : last + 4])


def _before(units: Sequence[Unit], at: int) -> str:
    """The word before a number, over fillers and signs that say nothing."""
    back = at - 1
    while back >= max(0, at - 3) and units[back].norm in _SILENT:
        back -= 1
    if back < 0 or units[back].kind not in (WORD, LETTER):
        return ""
    return units[back].norm


def _is_scaled(units: Sequence[Unit], at: int) -> bool:
    """Return whether a word of a scale or a part is before, in the same sentence."""
    return _has_before(units, at, _SCALED)


def _measured(units: Sequence[Unit], at: int) -> bool:
    return _has_before(units, at, MEASURED)


def _has_before(units: Sequence[Unit], at: int, among: frozenset[str]) -> bool:
    for back in range(at - 1, max(-1, at - 1 - _LOOK), -1):
        if units[back].kind == SIGN and units[back].norm in ".?!;" and units[back].end < units[back + 1].start:
            return False
        if units[back].norm in among:
            return True
    return False


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""
