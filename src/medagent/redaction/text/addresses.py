"""Street addresses, from the house number to the postcode."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.address_parts import (
    corner,
    corner_of,
    ends_address,
    is_addressed,
    is_crossing,
    is_crossing_at,
    is_numbered,
    is_owned,
    is_unknown,
    met,
    norm_at,
    room_number,
)
from medagent.redaction.text.address_words import (
    ADDRESS_WORDS,
    AFTER_FIGURES,
    AT_CORNER,
    BEFORE_ROAD,
    CORNERS,
    CROSSING_WORDS,
    ENDS_STREET,
    HEDGES,
    HOUSED,
    HOUSES,
    INWARD,
    JOINTS,
    LARGE,
    LEADS,
    LIVED_AT_OR_BREATHS,
    LONE_OR_CROSSING,
    LONE_STREETS,
    LONG_NUMBER,
    LONGEST_ROAD,
    LONGEST_SMALL,
    MORE_STREETS,
    NAMED_QUANTITIES,
    NO_BARE_STREET,
    NO_NAME,
    NO_NAMES,
    NO_QUANTITY_STREETS,
    NO_STREET,
    NOUNS_ON_STREETS,
    OLD,
    OLD_HOUSES_AND_STREETS,
    ON,
    ON_ROAD,
    OUTWARD,
    PAIR,
    RESIDENCES,
    ROADS,
    ROOMS_BESIDE,
    SENDING,
    SHORTEST_HOUSE,
    SINCE,
    SMALL_OR_COUNTED,
    SMALL_WORDS,
    STREET_NAMES,
    SURE_ROOMS,
    SURE_STREETS,
    THE_STREETS,
    WIDEST_CORNER,
    WIDEST_NAME,
)
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
)
from medagent.redaction.text.found import Span
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

_ADDRESS_CUE, _CROSSING_CUE = cue(ADDRESS_WORDS - JOINTS), cue(CROSSING_WORDS - ADDRESS_WORDS)


@begins_with(_ADDRESS_CUE, _CROSSING_CUE, NUMBER, MIXED)
def addresses(reading: Reading) -> Iterator[Span]:
    """A street with its number, what follows it up to the postcode, a flat and a post box."""
    units, cues = reading.units, reading.cued(_ADDRESS_CUE)
    if cues or reading.of_kind(NUMBER) or reading.cued(_CROSSING_CUE):
        cues = sorted((*cues, *reading.places_of(JOINTS)))
    yield from _postcodes(reading)
    for at in reading.of_kind(NUMBER):
        if (at == 0 or reading.norms[at - 1] in LIVED_AT_OR_BREATHS) and (last := _lived_at(reading, at)):
            yield at, last, Category.ADDRESS
    done = -1
    for at in cues:
        unit = units[at]
        if at <= done or (unit.norm in JOINTS and not _may_join(units, at)):
            continue
        if found := _by_name(reading, at):
            done = found[1]
            yield *found, Category.ADDRESS
            continue
        first = _street_begin(units, at) if unit.norm in STREETS_WITH_NUMBER else None
        if first is not None:
            first = _with_part_before(units, first)
            done = _rest_of_address(units, at)
            yield first, done, Category.ADDRESS
        elif unit.norm in STREETS_BEFORE and (last := _number_after(units, at)):
            done = _rest_of_address(units, last)
            yield at, done, Category.ADDRESS
        elif unit.norm in ZIPS:
            for ahead in range(at + 1, min(at + 5, len(units))):
                if units[ahead].kind in (NUMBER, MIXED):
                    yield ahead - _has_area(units, ahead - 1), ahead, Category.ADDRESS
        elif (unit.norm in ROOMS or unit.norm in SURE_ROOMS or unit.norm in ROOMS_BESIDE) and (
            room := room_number(units, at)
        ):
            done = _residence_end(reading, room[1])
            yield room[0], done, Category.ADDRESS


def _postcodes(reading: Reading) -> Iterator[Span]:
    """British postcodes in two pieces: `OX4 2JY`."""
    text, units = reading.text, reading.units
    for at in reading.of_kind(MIXED):
        if at + 1 == len(units) or not OUTWARD.fullmatch(units[at].norm):
            continue
        if INWARD.fullmatch(text[units[at + 1].start : units[at + 1].end].lower()):
            yield at, at + 1, Category.ADDRESS

    for at in reading.of_kind(LETTER):  # as they are said: `o x four two d e`
        if at < _SPOKEN_CODE or at + 1 >= len(units) or units[at + 1].kind != LETTER:
            continue
        if all(is_numbered(units, one) and len(units[one].norm) <= 2 for one in (at - 1, at - 2)):
            first = at - 2 - _has_area(units, at - 3)
            if first < at - 2:
                yield first, at + 1, Category.ADDRESS


_SPOKEN_CODE = 3


def _has_area(units: Sequence[Unit], at: int) -> bool:
    """Return whether the one or two letters of a British postcode are here, as recognised: `ox`."""
    return at >= 0 and units[at].kind == WORD and len(units[at].norm) == 2 and units[at].norm not in FUNCTION


def _may_join(units: Sequence[Unit], at: int) -> bool:
    """Return whether what is before `the` or `and` may be part of an address, which is quickly seen."""
    if not at:
        return False
    before, after = units[at - 1], at + 1
    if before.kind == NUMBER or before.norm == ",":
        return True
    while norm_at(units, after) in FILLERS:
        after += 1
    if units[at].norm == "the":
        return before.norm in FILLERS or before.kind == MIXED
    if before.norm in CROSSING_WORDS and norm_at(units, after) in CROSSING_WORDS:
        return True
    return is_crossing(before) or (at + 1 < len(units) and is_crossing(units[at + 1]))


def _by_name(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of an address without a street's type: a corner, a named road, `123 main`, `12 the green`."""
    units, norm = reading.units, reading.units[at].norm
    if norm in ("and", "&"):
        return corner(reading, at)
    if norm in CORNERS:
        if norm == "junction" and is_numbered(units, at + 1):
            return at + 1, at + 1
        begin = at + 1 + (norm_at(units, at + 1) == "of")
        return corner_of(units, begin) if begin > at + 1 or is_crossing_at(units, begin) else None
    if norm in LEADS or norm == "rr" or (norm == "road" and norm_at(units, at - 1) in BEFORE_ROAD):
        return _road_number(units, at)
    if norm == "marker":
        return _road_number(units, at) if norm_at(units, at - 1) == "mile" else None
    if norm == "the":
        return _behind_the(reading, at)
    if norm in ("cross", "main", "block") and at and units[at - 1].how == ORDINAL:
        last = at + (norm_at(units, at + 1) in STREETS_WITH_NUMBER)
        first = at - 3 if at > 2 and units[at - 2].norm == "," and is_numbered(units, at - 3) else at - 1
        ends = ends_address(units, last + 1) or is_unknown(reading, last + 1)
        return (first, last) if ends and not is_owned(units, at - 2) else None
    if norm == "road" and is_numbered(units, at + 1) and norm_at(units, at + 2) not in QUANTITIES:
        return (at + 1, at + 1) if at and units[at - 1].kind == WORD and units[at - 1].norm not in NO_STREET else None
    if norm == "street" and is_numbered(units, at + 1) and ends_address(units, at + 2) and not is_owned(units, at - 1):
        return at + 1, at + 1
    if norm in MORE_STREETS:
        return _small_street(units, at)
    if norm == "number":
        return _called_number(units, at)
    if norm in SENDING:
        return _sent_to(units, at)
    return _by_lone_name(units, at)


def _by_lone_name(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`fifth at main`, `123 main`, `my address is four twelve sunset`."""
    norm = units[at].norm
    if norm in STREET_NAMES and (found := met(units, at)):
        return found
    if (
        norm in STREET_NAMES
        and at
        and units[at - 1].kind == NUMBER
        and units[at - 1].how != ORDINAL
        and ends_address(units, at + 1)
    ):
        first = _whole_number(units, at - 1)
        long = first < at - 1 or len(units[at - 1].norm) > 1
        groups = first < at - 1 and at + 1 == len(units)
        if groups or (long and norm in LONE_STREETS) or is_addressed(units, first):
            return first, at
    if norm == "address":
        return _behind_address(units, at)
    return None


def _behind_the(reading: Reading, at: int) -> tuple[int, int] | None:
    """`12 the green`, `14, The Larches`, `the old bakery` behind a number, and a name that no list has."""
    units = reading.units
    number, begin = at - 1, at + 1
    while number > 0 and (units[number].norm == "," or units[number].norm in FILLERS):
        number -= 1
    while norm_at(units, begin) in FILLERS or norm_at(units, begin) == ",":
        begin += 1
    if begin >= len(units) or not (is_numbered(units, number) or units[number].kind == MIXED):
        return None
    is_old = units[begin].norm in OLD and begin + 1 < len(units) and units[begin + 1].kind == WORD
    last = begin + is_old
    if is_old and units[last].norm in ("school", "post", "coach") and norm_at(units, last + 1) in ("house", "office"):
        last += 1
    named = units[last].norm in (OLD_HOUSES_AND_STREETS if is_old else THE_STREETS)
    unknown = not is_old and is_unknown(reading, last)
    if not (named or unknown or (is_old and units[last].norm == "office")) or not ends_address(units, last + 1):
        return None
    return (number if units[number].kind == MIXED else _whole_number(units, number)), last


def _residence_end(reading: Reading, at: int) -> int:
    """Return the last unit of `lotus apartments` behind `flat 304`; `at` where no such name follows."""
    units, last = reading.units, at
    begin = at + 1 + (norm_at(units, at + 1) == ",")
    for ahead in range(begin, min(begin + LONGEST_SMALL, len(units))):
        unit = units[ahead]
        if unit.kind not in (WORD, GONE) or unit.norm in SMALL_OR_COUNTED:
            break
        if ahead > begin and unit.norm in RESIDENCES and ends_address(units, ahead + 1):
            last = ahead
    return last


def _lived_at(reading: Reading, at: int) -> int:
    """Return the last unit of `221 baker` in `he lives at 221 baker`, 0 where nobody lives there."""
    units, last = reading.units, at
    while is_numbered(units, last + 1):
        last += 1
    number = last
    last += norm_at(units, last + 1) == "," and "address" in reading.norms[max(0, at - WIDEST_CORNER) : at]
    number, at_most = last, last + 2
    while last < at_most and last + 1 < len(units):
        unit = units[last + 1]
        if unit.kind != GONE and (unit.kind != WORD or unit.norm in SMALL_OR_COUNTED or unit.norm in AFTER_FIGURES):
            break
        last += 1
    if last == number or not (ends_address(units, last + 1) or norm_at(units, last + 1) in SINCE):
        return 0
    if number == at and len(units[at].norm) < SHORTEST_HOUSE:
        return 0
    answers = last + 1 == len(units) and at <= PAIR and last == number + 1 and units[last].norm in LONE_OR_CROSSING
    return last if answers or any(unit.norm in HOUSED for unit in units[max(0, at - WIDEST_CORNER) : at]) else 0


def _sent_to(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`send it to 310 fleet`: a long number and a word at the end of what is said."""
    for to in range(at + 1, min(at + WIDEST_CORNER, len(units))):
        if units[to].norm in ("to", "at"):
            return _called_number(units, to)
    return None


def _called_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`number 310 fleet` at the end of what is said."""
    named = at + 2 < len(units) and units[at + 2].kind == WORD and units[at + 2].norm not in SMALL_OR_COUNTED
    whole = named and (at + 3 == len(units) or units[at + 3].kind == SIGN)
    is_house = is_numbered(units, at + 1) and len(units[at + 1].norm) >= LONG_NUMBER
    return (at + 1, at + 2) if whole and is_house else None


def _small_street(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`5 bridge end`, `3 lower mall`: a number, one to three words, and nothing else said but where somebody lives."""
    back = at - 1
    while back > 0 and at - back <= LONGEST_SMALL and units[back].kind == WORD and units[back].norm not in NO_NAME:
        back -= 1
    back -= back > 0 and back < at - 1 and units[back].norm == ","
    if back == at - 1 or not is_numbered(units, back) or not ends_address(units, at + 1):
        return None
    first = _whole_number(units, back)
    begins = first == 0 or units[first - 1].kind == SIGN or norm_at(units, first - 1) in ("at", "is", "it's")
    return (first, at) if begins or is_addressed(units, first) else None


def _road_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`highway 99`, `rural route two box eighteen`, `county road 412`, `RR 2, Box 44`."""
    last = at
    for ahead in range(at + 1, min(at + LONGEST_ROAD, len(units))):
        unit = units[ahead]
        counted = norm_at(units, ahead + 1) in QUANTITIES and norm_at(units, ahead + 2) != "marker"
        if (is_numbered(units, ahead) and not counted) or (unit.kind == MIXED and unit.norm[0].isdecimal()):
            last = ahead
        elif unit.norm not in ("box", ",", "number", "-", "#", "no") and unit.kind not in (LETTER, MIXED):
            break
    boxed = any(unit.norm in ("box", "number") for unit in units[at:last])
    return (at + 1, last) if last > at and (units[at].norm != "rr" or boxed) else None


def _behind_address(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`my address is four twelve sunset`: a number and a word or two at the end of what is said."""
    begin = at + 1
    while norm_at(units, begin) in ("is", ",", ":", "'s", "was", "now") or norm_at(units, begin) in FILLERS:
        begin += 1
    number = begin
    while number < len(units) and units[number].kind == NUMBER and units[number].how != ORDINAL:
        number += 1
    last = number
    while (
        last < len(units)
        and last < number + 2
        and units[last].kind == WORD
        and units[last].norm not in SMALL_OR_COUNTED
    ):
        last += 1
    return (begin, last - 1) if begin < number < last and ends_address(units, last) else None


def _street_begin(units: Sequence[Unit], at: int) -> int | None:
    """The house number's first unit, or the street's name where the word alone says that it is one."""
    back = at - 1
    while back >= 0 and at - back <= WIDEST_NAME:
        unit = units[back]
        if unit.kind == NUMBER and not (unit.how == ORDINAL and back == at - 1):
            if back == at - 1 and units[at].norm not in STREETS:
                return None
            if back == at - 2 and units[at - 1].norm in NO_NAMES:
                return None
            return _whole_number(units, back)
        if unit.norm in FILLERS or (unit.norm == "the" and back and units[back - 1].kind == NUMBER and back < at - 1):
            back -= 1
            continue
        if unit.kind == WORD and (unit.norm in FUNCTION or unit.norm in QUANTITIES) and not _is_named(units, back, at):
            number = _before_hedges(units, back)
            return number if number is not None and back < at - 1 else _bare(units, at)
        if unit.kind == SIGN and unit.norm not in ".'’-,":
            break
        back -= 1
    return _bare(units, at)


def _house_begin(units: Sequence[Unit], at: int) -> int:
    """Return where the name of a house before its street begins, as in `rose cottage, mill lane`."""
    first = at
    while first > 0 and at - first < LONGEST_SMALL and units[first - 1].kind == WORD:
        if units[first - 1].norm in SMALL_WORDS:
            break
        first -= 1
    return first


def _with_part_before(units: Sequence[Unit], first: int) -> int:
    """Return where an address begins: at the other street of a corner, at the name of the house, at its number."""
    if first > 1 and units[first - 1].norm in ("and", "&"):
        return first - 2 * (is_crossing(units[first - 2]) or units[first - 2].kind == GONE)
    if first > 1 and units[first - 1].norm == "," and units[first - 2].norm in HOUSES:
        return _house_begin(units, first - 2)
    return first


def _before_hedges(units: Sequence[Unit], at: int) -> int | None:
    """Return where a house number begins before `let me see` and the like."""
    back = at
    while back >= max(0, at - WIDEST_NAME) and units[back].norm in HEDGES:
        back -= 1
    return _whole_number(units, back) if back < at and is_numbered(units, back) else None


def _bare(units: Sequence[Unit], at: int) -> int | None:
    """Return where the name of a street without a number begins."""
    name = at - 1
    if name > 1 and units[name - 1].norm == "," and units[name - 2].norm in HOUSES and units[at].norm in ROADS:
        return name
    if name < 0 or units[name].kind not in (WORD, NUMBER) or units[name].norm in NO_STREET:
        return None
    if units[at].norm in STREETS:
        return name - 1 if name and (units[name - 1].norm in SIDES or _is_large(units, name - 1)) else name
    before = units[name - 1].norm if name else ""
    is_road = units[at].norm in ROADS and units[name].kind == WORD and units[name].norm not in SIDES
    if is_road and (before in ON_ROAD or (name == 0 and at + 1 == len(units))):
        return name
    two = is_road and name and units[name - 1].kind == WORD and before not in NO_BARE_STREET
    if two and ((name > 1 and units[name - 2].norm in ON_ROAD) or (name == 1 and at + 1 == len(units))):
        return name - 1
    return name if units[name].kind == NUMBER and before in ON and units[at].norm in STREETS_WITH_NUMBER else None


def _is_large(units: Sequence[Unit], at: int) -> bool:
    """Return whether `great` or `old` is a part of a street's name: behind a preposition, `at great ormond street`."""
    return units[at].norm in LARGE and (
        at == 0 or norm_at(units, at - 1) in AT_CORNER or units[at - 1].norm in ("in", "via")
    )


def _is_named(units: Sequence[Unit], at: int, street: int) -> bool:
    """Whether a small word or a unit behind a number is part of a street's name: `9 old mill street`, `12 mg road`."""
    if units[at].norm in NAMED_QUANTITIES and street > at + 1 and is_numbered(units, at - 1):
        return True
    if units[at].norm in QUANTITIES and street == at + 1:
        return units[street].norm in SURE_STREETS or (
            units[street].norm not in NO_QUANTITY_STREETS
            and units[at - 1].kind == WORD
            and units[at - 1].norm not in FUNCTION
        )
    number = at - 2 if at > 1 and units[at - 1].norm == "," else at - 1
    if units[at].norm in NOUNS_ON_STREETS and units[street].norm in SURE_STREETS:
        named = at > 1 and units[at - 1].kind == WORD and units[at - 1].norm not in NO_NAME
        first = number - named
        if is_numbered(units, first) and (units[first].norm != "1" or is_numbered(units, first - 1)):
            return True
    if not is_numbered(units, number):
        return False
    return units[at].norm in NAME_WORDS and (street > at + 1 or units[street].norm in SURE_STREETS)


def _whole_number(units: Sequence[Unit], at: int) -> int:
    """Return where the numbers begin that end here: `twelve fifty`, `four two um oh`."""
    first = at
    back = at - 1
    while back >= 0 and first - back <= 2:
        if units[back].kind == NUMBER and units[back].how != ORDINAL:
            first = back
        elif units[back].norm not in JOINING and units[back].norm not in ("-", ",", "/"):
            break
        back -= 1
    if first > 1 and units[first - 1].norm == "and" and units[first - 2].norm == "hundred":
        first -= 3 if first > 2 and units[first - 3].norm == "a" else 2
    return first


def _number_after(units: Sequence[Unit], at: int) -> int:
    """The house number behind `rue de …`, 0 where there is none."""
    for ahead in range(at + 1, min(at + 6, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER:
            return ahead if ahead > at + 1 and not units[ahead - 1].norm.endswith("ing") else 0
        if unit.norm in ENDS_STREET or (unit.kind == SIGN and unit.norm not in ",.'’-"):
            return 0
    return 0


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
