"""Street addresses, from the house number to the postcode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import (
    FILLERS,
    FUNCTION,
    JOINING,
    NAME_WORDS,
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
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

_SURE_STREETS = words("street avenue road lane boulevard ave rd blvd")
_LEADS = words("highway hwy route rte interstate exit milepost freeway turnpike")
"""A number behind one of these is the road's."""
_BEFORE_ROAD = words("county rural state farm township forest fire ranch service us")
_CORNERS = words("corner intersection corners junction crossroads")
_THE_STREETS = words(
    """green close crescent mews terrace avenue drive grove mall strand square parade street paddock orchard elms
    oaks limes firs beeches cedars willows laurels hollies lane park high"""
)
STREET_NAMES = words(
    """main oak elm maple pine cedar walnut chestnut cherry birch spruce willow poplar sycamore hickory magnolia
    dogwood broadway washington lincoln jefferson madison jackson monroe franklin grant adams market church mill
    spring park lake hill river ridge valley mission state union court front center broad grand king queen prince
    locust vine college school railroad water bridge forest meadow prospect pleasant highland lincoln jasper sunset
    harrison cleveland mulberry laurel juniper ash beech linden sherman lexington concord central euclid fairview
    woodland"""
)
"""Words by which streets are called without their type."""
_LONE_STREETS = STREET_NAMES - words(
    """state court front center grand school water ash central spring pleasant king grant vine"""
)
_AT_CORNER = words("at on near by off from to between and past behind")
_ADDRESSED = words(
    """live lives lived living address addressed mail send deliver ship house located stay stays staying moved
    home"""
)
_LONGEST_ADDRESSED = 8
ADDRESS_WORDS = (
    STREETS_WITH_NUMBER
    | STREETS_BEFORE
    | ROOMS
    | ZIPS
    | _LEADS
    | _CORNERS
    | STREET_NAMES
    | words("the rr and & address")
)
"""One of these stands in every address."""
_WIDEST_NAME = 6
_WIDEST_CORNER = 5
_LONGEST_ROAD = 6
_ON = frozenset(("on", "at", "off", "of", "and"))
_ANY_STREET = words(
    """side busy same next wrong right dirt gravel long short other one two this that back front open high city"""
)
_SMALL_WORDS = FUNCTION - NAME_WORDS
_SMALL_OR_BREATH, _SMALL_OR_COUNTED = FUNCTION | FILLERS, FUNCTION | QUANTITIES
_NO_STREET, _ENDS_STREET = FUNCTION | _ANY_STREET, FUNCTION - {"of", "at"}
_JOINTS = frozenset(("the", "and", "&"))
"""Words that stand in addresses, and mostly elsewhere: asked only beside a number or another word of addresses."""
_ADDRESS_CUE = cue(ADDRESS_WORDS - _JOINTS)


@begins_with(_ADDRESS_CUE, NUMBER)
def addresses(reading: Reading) -> Iterator[Span]:
    """A street with its number, what follows it up to the postcode, a flat and a post box."""
    units, cues = reading.units, reading.cued(_ADDRESS_CUE)
    if cues or reading.of_kind(NUMBER):
        cues = sorted((*cues, *reading.places_of(_JOINTS)))
    done = -1
    for at in cues:
        unit = units[at]
        if at <= done or (unit.norm in _JOINTS and not _may_join(units, at)):
            continue
        first = None
        if found := _by_name(reading, at):
            done = found[1]
            yield *found, Category.ADDRESS
            continue
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


def _may_join(units: Sequence[Unit], at: int) -> bool:
    """Whether what stands before `the` or `and` may be part of an address, which is quickly seen."""
    if not at:
        return False
    before = units[at - 1]
    return before.kind == NUMBER or before.norm == "," or (units[at].norm != "the" and _is_crossing(before))


def _by_name(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of an address without a street's type: a corner, a named road, `123 main`, `12 the green`."""
    units, norm = reading.units, reading.units[at].norm
    if norm in ("and", "&"):
        return _corner(units, at)
    if norm in _CORNERS and _norm(units, at + 1) == "of":
        return _corner_of(units, at + 2)
    if norm in _LEADS or norm == "rr" or (norm == "road" and _norm(units, at - 1) in _BEFORE_ROAD):
        return _road_number(units, at)
    if norm == "the":
        numbered = at and units[at - 1].kind == NUMBER and units[at - 1].how != ORDINAL
        numbered = numbered or (at > 1 and units[at - 1].norm == "," and units[at - 2].kind == NUMBER)
        last = (
            at + 2 if _norm(units, at + 1) in ("high", "old", "main") and _norm(units, at + 2) == "street" else at + 1
        )
        if numbered and _norm(units, last) in _THE_STREETS and _ends(units, last + 1):
            return _whole_number(units, at - 1 - (units[at - 1].norm == ",")), last
        return None
    if (
        norm in STREET_NAMES
        and at
        and units[at - 1].kind == NUMBER
        and units[at - 1].how != ORDINAL
        and _ends(units, at + 1)
    ):
        first = _whole_number(units, at - 1)
        long = first < at - 1 or len(units[at - 1].norm) > 1
        if (long and norm in _LONE_STREETS) or _is_addressed(units, first):
            return first, at
    if norm == "address":
        return _behind_address(units, at)
    return None


def _corner(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`at fifth and main`, `on park and market`: two names of streets behind a preposition."""
    one, two = at - 1, at + 1
    if one < 1 or two >= len(units) or not (_is_crossing(units[one]) and _is_crossing(units[two])):
        return None
    first = one - (units[one - 1].norm in SIDES)
    if first < 1 or units[first - 1].norm not in _AT_CORNER or not _ends(units, two + 1):
        return None
    street = two + 2 if _norm(units, two + 1) in ("on", "of", "at") and _norm(units, two + 2) in STREET_NAMES else two
    if units[one].kind == units[two].kind == NUMBER and street == two:
        return None
    return first, street


def _corner_of(units: Sequence[Unit], begin: int) -> tuple[int, int] | None:
    """`the corner of fifth and main`, `the corner of the old mill and vine`; `the corner of my eye` is none."""
    for at in range(begin + 1, min(begin + _WIDEST_CORNER, len(units))):
        if units[at].norm not in ("and", "&", "at"):
            continue
        sides = units[begin:at]
        if any(unit.norm in _SMALL_WORDS or unit.kind not in (WORD, NUMBER, GONE) for unit in sides):
            return None
        last = at + 1
        while (
            last + 1 < len(units)
            and last < at + 2
            and units[last + 1].kind == WORD
            and units[last + 1].norm not in _SMALL_OR_BREATH
        ):
            last += 1
        return (begin, last) if last < len(units) and units[last].norm not in FUNCTION else None
    named = begin < len(units) and _is_crossing(units[begin]) and _ends(units, begin + 1)
    return (begin, begin) if named else None


def _is_crossing(unit: Unit) -> bool:
    return unit.norm in STREET_NAMES or (unit.kind == NUMBER and unit.how == ORDINAL)


def _road_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`highway 99`, `rural route two box eighteen`, `county road 412`, `RR 2, Box 44`."""
    last = at
    for ahead in range(at + 1, min(at + _LONGEST_ROAD, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER and unit.how != ORDINAL and _norm(units, ahead + 1) not in QUANTITIES:
            last = ahead
        elif unit.norm not in ("box", ",", "number", "-", "#", "no") and unit.kind not in (LETTER, MIXED):
            break
    boxed = any(unit.norm == "box" for unit in units[at:last])
    return (at + 1, last) if last > at and (units[at].norm != "rr" or boxed) else None


def _behind_address(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`my address is four twelve sunset`: a number and a word or two at the end of what is said."""
    begin = at + 1
    while _norm(units, begin) in ("is", ",", ":", "'s", "was", "now") or _norm(units, begin) in FILLERS:
        begin += 1
    number = begin
    while number < len(units) and units[number].kind == NUMBER and units[number].how != ORDINAL:
        number += 1
    last = number
    while (
        last < len(units)
        and last < number + 2
        and units[last].kind == WORD
        and units[last].norm not in _SMALL_OR_COUNTED
    ):
        last += 1
    return (begin, last - 1) if begin < number < last and _ends(units, last) else None


def _is_addressed(units: Sequence[Unit], at: int) -> bool:
    """Whether words before a number say that it is where somebody lives."""
    return any(unit.norm in _ADDRESSED for unit in units[max(0, at - _LONGEST_ADDRESSED) : at])


def _ends(units: Sequence[Unit], at: int) -> bool:
    """Whether an address may end before this unit."""
    if at >= len(units):
        return True
    unit = units[at]
    return unit.kind in (SIGN, GONE) or unit.norm in _SMALL_WORDS or unit.norm in FILLERS or unit.norm in STATES


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""


def _street_begin(units: Sequence[Unit], at: int) -> int | None:
    """The house number's first unit, or the street's name where the word alone says that it is one."""
    back = at - 1
    while back >= 0 and at - back <= _WIDEST_NAME:
        unit = units[back]
        if unit.kind == NUMBER and not (unit.how == ORDINAL and back == at - 1):
            if back == at - 1 and units[at].norm not in STREETS:
                return None
            if back == at - 2 and units[at - 1].norm in ("way", "lane"):
                return None
            return _whole_number(units, back)
        if unit.norm in FILLERS or (unit.norm == "the" and back and units[back - 1].kind == NUMBER and back < at - 1):
            back -= 1
            continue
        if unit.kind == WORD and (unit.norm in FUNCTION or unit.norm in QUANTITIES) and not _is_named(units, back, at):
            break
        if unit.kind == SIGN and unit.norm not in ".'’-,":
            break
        back -= 1
    name = at - 1
    if name < 0 or units[name].kind not in (WORD, NUMBER) or units[name].norm in _NO_STREET:
        return None
    if units[at].norm in STREETS:
        return name - 1 if name and units[name - 1].norm in SIDES else name
    before = units[name - 1].norm if name else ""
    return name if units[name].kind == NUMBER and before in _ON and units[at].norm in STREETS_WITH_NUMBER else None


def _is_named(units: Sequence[Unit], at: int, street: int) -> bool:
    """Whether a small word or a unit behind a number is part of a street's name: `9 old mill street`, `12 mg road`."""
    if units[at].norm in QUANTITIES and street == at + 1 and units[street].norm in _SURE_STREETS:
        return True
    if not at or units[at - 1].kind != NUMBER or units[at - 1].how == ORDINAL:
        return False
    return units[at].norm in NAME_WORDS and street > at + 1


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
        if unit.norm in _ENDS_STREET or (unit.kind == SIGN and unit.norm not in ",.'’-"):
            return 0
    return 0


def _room_number(units: Sequence[Unit], at: int) -> int:
    """`apartment 4 b`, `suite 321`, `box 104`: the last unit that says which, 0 where none does."""
    if units[at].norm == "#" and not _is_behind_street(units, at):
        return 0
    if units[at].norm in ("no", "number", "room", "floor", "box") and not (
        units[at].norm == "box" and at and units[at - 1].norm in ("o", "po", "office", ".")
    ):
        return 0
    ahead = at + 1
    while ahead < len(units) and (is_sign(units[ahead], ".#") or units[ahead].norm in ("number", "is")):
        ahead += 1
    if ahead >= len(units) or units[ahead].kind not in (NUMBER, MIXED, LETTER) or units[ahead].norm in ("a", "i"):
        return 0
    following = units[ahead + 1] if ahead + 1 < len(units) else None
    if units[at].norm not in ("apartment", "apt", "suite") and following and following.norm in QUANTITIES:
        return 0
    lettered = following is not None and following.kind == LETTER and following.norm not in ("a", "i")
    if units[at].norm in ("unit", "building") and not (
        lettered or len(units[ahead].norm) > 1 or units[ahead].kind == LETTER or _is_behind_street(units, at)
    ):
        return 0
    return ahead + 1 if lettered else ahead


def _is_behind_street(units: Sequence[Unit], at: int) -> bool:
    """Whether `#4` stands behind a street, a flat or a placeholder; elsewhere it is a count, such as of tablets."""
    back = at - 1 - (at > 1 and units[at - 1].norm in (",", "."))
    if back < 0:
        return False
    return units[back].kind == GONE or units[back].norm in STREETS_WITH_NUMBER or units[back].norm in ROOMS


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
