"""Street addresses, from the house number to the postcode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import (
    FUNCTION,
    JOINING,
    QUANTITIES,
    ROOMS,
    SIDES,
    STATES,
    STREETS,
    STREETS_BEFORE,
    STREETS_WITH_NUMBER,
    ZIPS,
    words,
)
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

ADDRESS_WORDS = STREETS_WITH_NUMBER | STREETS_BEFORE | ROOMS | ZIPS
"""One of these stands in every address."""
_WIDEST_NAME = 6
_ON = frozenset(("on", "at", "off", "of", "and"))
_ANY_STREET = words(
    "side busy same next wrong right dirt gravel long short other one two this that back front open high city"
)


def addresses(reading: Reading) -> Iterator[Span]:
    """A street with its number, what follows it up to the postcode, a flat and a post box."""
    units = reading.units
    done = -1
    for at in reading.places_of(ADDRESS_WORDS):
        unit = units[at]
        if at <= done:
            continue
        first = None
        if unit.norm in STREETS_WITH_NUMBER:
            first = _street_begin(units, at)
        if first is not None:
            done = _rest_of_address(units, at)
            yield first, done, Category.ADDRESS
        elif unit.norm in STREETS_BEFORE and (last := _number_after(units, at)):
            done = _rest_of_address(units, last)
            yield at, done, Category.ADDRESS
        elif unit.norm in ZIPS:
            for ahead in range(at + 1, min(at + 5, len(units))):
                if units[ahead].kind in (NUMBER, MIXED):
                    yield ahead, ahead, Category.ADDRESS
        elif unit.norm in ROOMS and (last := _room_number(units, at)):
            done = last
            yield last, last, Category.ADDRESS


def _street_begin(units: Sequence[Unit], at: int) -> int | None:
    """The house number's first unit, or the street's name where the word alone says that it is one."""
    back = at - 1
    while back >= 0 and at - back <= _WIDEST_NAME:
        unit = units[back]
        if unit.kind == NUMBER and not (unit.how == ORDINAL and back == at - 1):
            if back == at - 1 and units[at].norm not in STREETS:
                return None
            return _whole_number(units, back)
        if unit.kind == WORD and (unit.norm in FUNCTION or unit.norm in QUANTITIES):
            break
        if unit.kind == SIGN and unit.norm not in ".'’-,":
            break
        back -= 1
    name = at - 1
    if name < 0 or units[name].kind not in (WORD, NUMBER) or units[name].norm in FUNCTION | _ANY_STREET:
        return None
    if units[at].norm in STREETS:
        return name - 1 if name and units[name - 1].norm in SIDES else name
    before = units[name - 1].norm if name else ""
    return name if units[name].kind == NUMBER and before in _ON and units[at].norm in STREETS_WITH_NUMBER else None


def _whole_number(units: Sequence[Unit], at: int) -> int:
    """Where the numbers begin that end here: `twelve fifty`, `four two um oh`."""
    first = at
    back = at - 1
    while back >= 0 and first - back <= 2:
        if units[back].kind == NUMBER and units[back].how != ORDINAL:
            first = back
        elif units[back].norm not in JOINING and units[back].norm not in ("-", ","):
            break
        back -= 1
    return first


def _number_after(units: Sequence[Unit], at: int) -> int:
    """The house number behind `rue de …`, 0 where there is none."""
    for ahead in range(at + 1, min(at + 6, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER:
            return ahead if ahead > at + 1 else 0
        if unit.norm in FUNCTION - {"of", "at"} or (unit.kind == SIGN and unit.norm not in ",.'’-"):
            return 0
    return 0


def _room_number(units: Sequence[Unit], at: int) -> int:
    """`apartment 4 b`, `suite 321`, `box 104`: the last unit that says which, 0 where none does."""
    if units[at].norm in ("no", "number", "unit", "room", "floor", "lot", "flat", "box", "building", "ste") and not (
        units[at].norm == "box" and at and units[at - 1].norm in ("o", "po", "office", ".")
    ):
        return 0
    ahead = at + 1
    while ahead < len(units) and (is_sign(units[ahead], ".#") or units[ahead].norm in ("number", "is")):
        ahead += 1
    if ahead >= len(units) or units[ahead].kind not in (NUMBER, MIXED, LETTER) or units[ahead].norm in ("a", "i"):
        return 0
    following = units[ahead + 1] if ahead + 1 < len(units) else None
    return ahead + 1 if following and following.kind == LETTER and following.norm not in ("a", "i") else ahead


def _rest_of_address(units: Sequence[Unit], at: int) -> int:
    """The last unit of what follows a street: its side, flat, town, state and postcode."""
    last = at
    ahead = at + 1
    words = 0
    while ahead < len(units) and ahead <= last + 8:
        unit = units[ahead]
        if unit.kind == NUMBER and unit.how != ORDINAL:
            if ahead + 1 < len(units) and units[ahead + 1].norm in QUANTITIES:
                break
            last = ahead
            words = 0
        elif (
            (unit.kind == LETTER and units[ahead - 1].kind == NUMBER and units[ahead - 2].norm in ROOMS)
            or unit.kind in (MIXED, GONE)
            or unit.norm in ROOMS
            or (unit.norm in SIDES and ahead == at + 1)
            or (unit.norm in STATES and ahead + 1 < len(units) and units[ahead + 1].kind == NUMBER)
        ):
            last = ahead
        elif unit.kind == SIGN:
            if unit.norm not in ",.#-'’\n" or (unit.norm == "." and words > 0):
                break
        elif unit.norm in FUNCTION:
            break
        else:
            words += 1
            if words > 3:
                break
        ahead += 1
    return last
