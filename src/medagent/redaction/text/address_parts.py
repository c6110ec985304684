"""Corners, and rooms behind a street, as parts of an address."""

from __future__ import annotations

from collections.abc import Sequence

from medagent.redaction.text.address_words import (
    ABBREVIATED,
    ADDRESSED,
    ALL_ROOMS,
    AT_CORNER,
    AT_CORNER_ONLY,
    AT_CORNER_OR_BETWEEN,
    BEFORE_CROSSING,
    COUNTED,
    CROSSED,
    CROSSED_PREPOSITIONS,
    CROSSING_WORDS,
    CROSSINGS_ANYWHERE,
    INNS,
    LINKED_OR_SURE_ROOMS,
    LONE_STREETS,
    LONGEST_ADDRESSED,
    LONGEST_ROAD,
    MEETS,
    NERVES,
    NO_CORNER,
    NO_CROSSINGS,
    ROOM_LINKS,
    ROOMS_ONLY_BESIDE,
    SIDES_OF_HOUSES,
    SMALL_OR_BREATH,
    SMALL_WORDS,
    STREET_NAMES,
    UNITS,
    WIDEST_CORNER,
)
from medagent.redaction.text.cues import (
    FILLERS,
    FUNCTION,
    ROOMS,
    SIDES,
    STATES,
    STREETS_WITH_NUMBER,
)
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit


def met(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`fifth at main`, `spring meets main`: a street's name, and another or an ordinal before it."""
    if norm_at(units, at + 1) in MEETS and at + 2 < len(units) and is_crossing(units[at + 2]):
        one, two = at, at + 2
        sure = units[two].how == ORDINAL or units[at + 1].norm != "at"
    elif at > 1 and norm_at(units, at - 1) == "at" and units[at - 2].how == ORDINAL:
        one, two, sure = at - 2, at, at == 2 or units[at - 3].norm in AT_CORNER or units[at - 3].kind == SIGN
    else:
        return None
    return (one, two) if sure and ends_address(units, two + 1) else None


def is_numbered(units: Sequence[Unit], at: int) -> bool:
    """Return whether a cardinal number is here."""
    return 0 <= at < len(units) and units[at].kind == NUMBER and units[at].how != ORDINAL


def is_owned(units: Sequence[Unit], at: int) -> bool:
    """Return whether an article or a possessive is here."""
    return at >= 0 and units[at].norm in ("the", "my", "his", "her", "our", "their", "a")


def corner(reading: Reading, at: int) -> tuple[int, int] | None:
    """`at fifth and main`, `on park and market`: two names of streets behind a preposition, or an ordinal and one."""
    units = reading.units
    one, two = at - 1 - (at > 1 and norm_at(units, at - 1) == ","), at + 1
    while two < len(units) and units[two].norm in FILLERS:
        two += 1
    if one < 0 or two >= len(units):
        return None
    ordinal = units[one].how == ORDINAL or units[two].how == ORDINAL
    known = is_crossing(units[one]), is_crossing(units[two]) or units[two].norm == "high"
    if _is_corner_of_words(reading, one, two):
        return one, two
    if not (all(known) or (any(known) and is_unknown(reading, two if known[0] else one))):
        return None
    first = one - (one > 0 and units[one - 1].norm in SIDES)
    behind = first > 0 and units[first - 1].norm in AT_CORNER
    begins = first == 0 or units[first - 1].kind == SIGN or norm_at(units, first - 1) in FILLERS
    sure = all(known) and ordinal and first > 0 and not is_owned(units, first - 1)
    begins = begins and (ordinal or (all(known) and two + 1 == len(units)))
    if not (behind or begins or sure) or not ends_address(units, two + 1):
        return None
    if any(unit.norm in NO_CORNER for unit in units[max(0, first - 4) : first]):
        return None
    street = (
        two + 2 if norm_at(units, two + 1) in ("on", "of", "at") and norm_at(units, two + 2) in STREET_NAMES else two
    )
    if units[one].kind == units[two].kind == NUMBER and street == two:
        return None
    return first, street


def corner_of(units: Sequence[Unit], begin: int) -> tuple[int, int] | None:
    """Find `the corner of fifth and main` and `the corner of the old mill and vine`, not `the corner of my eye`."""
    for at in range(begin + 1, min(begin + WIDEST_CORNER, len(units))):
        if units[at].norm not in ("and", "&", "at"):
            continue
        sides = units[begin:at]
        sides = [unit for unit in sides if unit.norm not in FILLERS]
        if not sides or any(unit.norm in SMALL_WORDS or unit.kind not in (WORD, NUMBER, GONE) for unit in sides):
            return None
        last = at + 1
        while norm_at(units, last) in FILLERS:
            last += 1
        while (
            last + 1 < len(units)
            and last < at + 2
            and units[last + 1].kind == WORD
            and units[last + 1].norm not in SMALL_OR_BREATH
        ):
            last += 1
        return (begin, last) if last < len(units) and units[last].norm not in FUNCTION else None
    named = begin < len(units) and is_crossing(units[begin]) and ends_address(units, begin + 1)
    return (begin, begin) if named else None


def _is_corner_of_words(reading: Reading, one: int, two: int) -> bool:
    """Return whether ordinary words are streets: `on coral and ninth`, `at plain and forest`, `at Shell & Brook`."""
    units = reading.units
    if one == 0 and two + 1 == len(units):
        return {units[one].norm, units[two].norm} <= CROSSINGS_ANYWHERE and units[one].norm != units[two].norm
    begin = one
    while begin > 1 and units[begin - 1].norm in FILLERS:
        begin -= 1
    before = norm_at(units, begin - 1)
    if before not in AT_CORNER_OR_BETWEEN or not ends_address(units, two + 1):
        return False
    if any(norm_at(units, at) in NO_CROSSINGS for at in (one, two)):
        return False
    words_only = units[one].kind == units[two].kind == WORD
    if words_only and _are_crossing_words(units, one, two, before):
        return True
    if before not in AT_CORNER_ONLY:
        return False
    if not words_only:
        numbered = two if units[one].kind == WORD else one
        other = one + two - numbered
        return units[numbered].how == ORDINAL and units[other].kind == WORD
    if units[two].norm in LONE_STREETS and units[two - 1].norm != ",":
        return True
    written = reading.text[units[one].start].isupper() and reading.text[units[two].start].isupper()
    return written and units[two - 1].norm == "&"


def _are_crossing_words(units: Sequence[Unit], one: int, two: int, before: str) -> bool:
    """Return whether two words by which streets are called are a corner: `at summer and center`."""
    pair = {units[one].norm, units[two].norm}
    if (
        not pair <= CROSSING_WORDS
        or len(pair) < 2
        or any(unit.norm in NO_CORNER for unit in units[max(0, one - 5) : one])
    ):
        return False
    if before in BEFORE_CROSSING:
        return True
    lived = any(unit.norm in CROSSED for unit in units[max(0, one - 6) : one - 1])
    return before in CROSSED_PREPOSITIONS and (lived or bool(pair & CROSSINGS_ANYWHERE))


def is_unknown(reading: Reading, at: int) -> bool:
    """Return whether a word goes anyway: a placeholder, or one that no list has."""
    return reading.units[at].kind == GONE or reading.kinds[at] is Kind.UNKNOWN


def is_crossing_at(units: Sequence[Unit], at: int) -> bool:
    """Return whether a street's name or an ordinal is here."""
    return at < len(units) and is_crossing(units[at])


def is_crossing(unit: Unit) -> bool:
    """Return whether a unit is a street's name or an ordinal."""
    return unit.norm in STREET_NAMES or (unit.kind == NUMBER and unit.how == ORDINAL)


def is_addressed(units: Sequence[Unit], at: int) -> bool:
    """Return whether words before a number say that it is where somebody lives."""
    return any(unit.norm in ADDRESSED for unit in units[max(0, at - LONGEST_ADDRESSED) : at])


def ends_address(units: Sequence[Unit], at: int) -> bool:
    """Return whether an address may end before this unit."""
    if at >= len(units):
        return True
    unit = units[at]
    return unit.kind in (SIGN, GONE) or unit.norm in SMALL_WORDS or unit.norm in FILLERS or unit.norm in STATES


def norm_at(units: Sequence[Unit], at: int) -> str:
    """Return the unit at this place, empty outside the text."""
    return units[at].norm if 0 <= at < len(units) else ""


def room_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`apartment 4 b`, `suite 321`, `box 104`: the first and last unit of what says which, None where nothing does."""
    norm, before = units[at].norm, norm_at(units, at - 1)
    if norm == "#" and not _is_behind_street(units, at):
        return None
    if norm in ("no", "number", "floor") or (norm == "box" and before not in ("o", "po", "office", ".")):
        return None
    begin = _room_begin(units, at)
    if not begin:
        return None
    if units[begin].how == ORDINAL or (begin > at + 2 and norm not in LINKED_OR_SURE_ROOMS):
        return None
    following = units[begin + 1] if begin + 1 < len(units) else None
    if norm not in ("apartment", "apt", "suite") and following and following.norm in COUNTED:
        return None
    lettered = following is not None and following.kind == LETTER and following.norm not in ("a", "i")
    last = begin + lettered
    if norm == "room" and not (before == "dorm" or _has_near(units, last + 1, INNS)):
        return None
    plain = units[begin].kind == NUMBER and len(units[begin].norm) == 1 and not lettered
    if (
        norm in ("building", "bldg")
        and plain
        and not (_is_behind_street(units, at) or _has_near(units, last + 1, ROOMS))
    ):
        return None
    if (
        norm == "unit"
        and plain
        and not (
            _is_behind_street(units, at)
            or (
                (before in UNITS or at == 0)
                and (ends_address(units, last + 1) or norm_at(units, last + 1) in SIDES_OF_HOUSES)
            )
        )
    ):
        return None
    if norm in ROOMS_ONLY_BESIDE and (
        before in NERVES or not (_is_beside_rooms(units, at, last) or is_addressed(units, at))
    ):
        return None
    return begin, last


def _room_begin(units: Sequence[Unit], at: int) -> int:
    """Return where a number or a letter begins behind the word for a room, over what is said between; 0 for none."""
    norm, begin = units[at].norm, at + 1
    if norm == "lot" and norm_at(units, at - 1) in ("a", "whole", "an", "quite"):
        return 0
    while begin < min(at + LONGEST_ROAD, len(units)) and units[begin].norm in ROOM_LINKS:
        is_end = units[begin].norm == "." and (norm not in ABBREVIATED or units[begin].start > units[begin - 1].end)
        if is_end:
            return 0
        begin += 1
    if begin >= len(units) or units[begin].kind not in (NUMBER, MIXED, LETTER):
        return 0
    return 0 if units[begin].norm in ("a", "i") and not _is_at_end(units, begin + 1) else begin


def _is_at_end(units: Sequence[Unit], at: int) -> bool:
    return at >= len(units) or units[at].kind == SIGN


def _is_beside_rooms(units: Sequence[Unit], at: int, last: int) -> bool:
    """Return whether another part of an address is right before or behind `block 4`."""
    if _has_near(units, last + 1, ALL_ROOMS):
        return True
    back = at - 1 - (at > 1 and units[at - 1].norm == ",")
    if back < 1:
        return False
    return units[back].kind == GONE or (
        units[back].kind in (NUMBER, MIXED, LETTER) and units[back - 1].norm in ALL_ROOMS
    )


def _has_near(units: Sequence[Unit], at: int, among: frozenset[str]) -> bool:
    return any(unit.norm in among for unit in units[at : at + 4])


def _is_behind_street(units: Sequence[Unit], at: int) -> bool:
    """Return whether `#4` is behind a street, a flat or a placeholder; elsewhere it is a count, such as of tablets."""
    back = at - 1 - (at > 1 and units[at - 1].norm in (",", "."))
    if back < 0:
        return False
    return units[back].kind == GONE or units[back].norm in STREETS_WITH_NUMBER or units[back].norm in ROOMS
