"""Street addresses, from the house number to the postcode."""

from __future__ import annotations

import re
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
    STREET_ENDINGS,
    STREETS,
    STREETS_BEFORE,
    STREETS_WITH_NUMBER,
    ZIPS,
    words,
)
from medagent.redaction.text.found import Span
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

_SURE_STREETS = words("street avenue road lane boulevard ave rd blvd")
_LEADS = words("highway hwy route rte interstate exit milepost freeway turnpike")
"""A number behind one of these is the road's."""
_BEFORE_ROAD = words(
    """county rural state farm township forest fire ranch service us district village logging private access old camp
    mine"""
)
_CORNERS = words("corner intersection corners junction crossroads cnr")
_THE_STREETS = words(
    """lindens planes aspens alders spruces hazels walnuts magnolias acacias cypresses redwoods dogwoods hickories
    locusts junipers myrtles hemlocks sequoias olives palms ferns heathers roses lilacs brooks hedges hedgerows
    cloister quadrant cottage lodge grange hermitage yews rowans sycamores green close crescent mews terrace avenue drive grove mall strand square parade street paddock orchard elms oaks
    limes firs beeches cedars willows laurels hollies lane park high larches hawthorns chestnuts birches elder
    poplars maples ashes maltings ridings spinney meadow meadows lawn lawns wharf priory glebe cottages paddocks
    rise chase dene copse quay croft dell knoll warren causeway rectory vicarage forge stables granary gatehouse
    coach barn bakery mill mount leys gables bungalow broadway embankment cloisters crofts moorings maze cut
    ropewalk boardwalk esplanade promenade brambles conifers orchards vineyard hollow glen beach coppice heights
    common heath links row oval pastures"""
)
_OLD = words("old high main upper lower new north south east west")
_OLD_HOUSES = _THE_STREETS | words("school post chapel church dairy farm brewery bank library station house hall")
"""Behind `the old` one of these is a house."""
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
_AT_CORNER = words(
    "at on near by off from to between and past behind around opposite where outside towards toward corner cnr"
)
_AT_CORNER_ONLY = words("at on near by off around past behind")
_AT_CORNER_OR_BETWEEN = _AT_CORNER_ONLY | words("opposite outside to between is from")
_NO_CROSSINGS = (
    FUNCTION
    | FILLERS
    | QUANTITIES
    | words(
        """work home school day night lunch dinner breakfast foremost last final only monday tuesday wednesday thursday
        friday saturday sunday january february march april may june july august september october november december
        rest bed play night noon midnight time church college gym class court foot hand sight risk goal"""
    )
)
_CROSSING_WORDS = (
    STREET_NAMES
    | STREET_ENDINGS
    | words(
        """high station summer winter spring autumn academy seminary commerce liberty garden cross castle wall canal dock
        silver gold copper iron plum peach apple orange rose lily fig olive canyon desert ocean coral sun moon star
        eagle hawk dove swan deer fox bear wolf buffalo pearl ruby diamond crystal emerald jade amber plain vineyard
        harvest mason baker cooper weaver potter tanner chapel temple abbey rectory federal capitol congress senate
        independence freedom constitution victory harmony hope faith charity race division commercial industrial
        exchange custom tower fair dock pier wharf surf palm cypress fir hemlock alder aspen redwood sequoia myrtle ivy
        fern clover heather holly hazel violet daisy rosemary sage pepper library museum theater theatre depot armory
        arsenal factory foundry bank jail prison cemetery grange tavern inn hotel plaza granite marble slate flint
        cathedral convent mission monastery cannon battery rampart fortress citadel province parish county town
        village city hunter fisher shepherd carpenter sailor farmer miller turner archer forester alpine arctic
        pacific atlantic western eastern northern southern royal regent duke earl baron bishop abbot canon crown
        sheep lamb goat horse pony bull ox stable saddle mustang lark robin sparrow raven falcon heron crane dolphin
        salmon trout elk moose beaver otter badger antelope cactus bamboo peachtree poplars elms oaks pines cedars"""
    )
) - words(
    "falls fall fell neck rest walk walks way ways well wells corner corners light club drive center's crest land"
)
_CROSSINGS_ANYWHERE = _CROSSING_WORDS - words(
    """water school church college court hotel bank market jail prison salmon trout lamb apple peach plum orange olive fig
    pepper sage rosemary ginger pear hope faith charity freedom harmony sun moon star library gold silver iron copper
    park garden gardens pool lake river beach hill mountain spring summer winter autumn town city village county farm
    forest field fields station inn tavern museum theater theatre factory temple chapel mission ocean island islands
    pacific atlantic western eastern northern southern alpine arctic royal regent commercial industrial federal
    port bridge road roads key keys club mall gate battery wall light center centre stream plain plains horse bear
    deer fox wolf goat sheep bull ox pony dolphin duke ivy heather holly hazel violet daisy rose lily jade amber ruby
    pearl crystal ash oak elm birch maple cedar walnut chestnut willow hickory alder palm grass trees pines oaks"""
)
"""Words with which two streets may be meant also behind `on`, `off` and `by`."""
_BEFORE_CROSSING = words("at near around past behind opposite outside")
_CROSSED = words(
    """live lives lived living stop stops parked park hit crashed crash accident collapsed fell found meet store shop
    clinic office pharmacy building house shelter located drop pick corner bus station light lights van driver
    walgreens cvs apartment apartments address stay stays staying work works"""
)
"""Behind one of these two streets may be meant behind any preposition of place."""
_CROSSED_PREPOSITIONS = words("on off by to between is from")
_MEETS = words("at meets crosses hits")
_NO_CORNER = words(
    "allergic allergy allergies sensitive pollen reacts reaction react smell smells eat eats eating ate drink"
)
_ON_ROAD = words("in on off near at from along down opposite")
_ROADS = words("road lane crescent mews parkway")
_MORE_STREETS = words(
    "mall parade end acre acres quay yard wharf gate bottom approach embankment rise cottages cottage villas"
)
"""Types of streets that are so only in an address."""
_HEDGES = FILLERS | words("on it's its let me see well sorry no i think mean wait actually , . …")
"""What people say between a house's number and its street."""
_ROOM_LINKS = _HEDGES | words("# number is 's no num : code")
_ABBREVIATED = words("apt ste bldg no # rm fl unit flat suite apartment")
_SURE_ROOMS = words(
    """plot sector trailer penthouse condo buzzer door apartment's apt's flat's suite's unit's gali townhouse
    concession mailbox buzzer's"""
)
_ROOMS_BESIDE = words("tower wing phase space block building level house")
"""A number behind one of these says which beside another part of an address."""
_LINKED_ROOMS = words("apartment apt suite ste flat unit")
_SIDES_OF_HOUSES = words("upstairs downstairs left right rear front back")
_UNITS = words("basement garden end in at to is my upper lower our the # , front rear left right apartment")
_HOUSES = words(
    "gables grange cottage house vicarage farm lodge barn mill rectory villa hall court manor view croft farmhouse mews"
)
_LONGEST_SMALL, _LONG_NUMBER = 3, 3
_NERVES = words(
    """heart nerve av branch bundle facet root plexus spinal femoral epidural field regional degree ganglion beta
    scalene intercostal caudal brachial"""
)
_INNS = words("motel hotel inn dorm dormitory shelter lodge hostel")
_NO_QUANTITY_STREETS = words("drive walk way run")
_NO_NAMES = words("way lane - bath star bed bedroom room person story car man hour top first")
"""Between a number and a street's type one of these is no name: `one-way`, `a 2 bath place`."""
_RESIDENCES = STREET_ENDINGS | words(
    """apartment apartments residences residence nagar vihar garden society complex layout mansion mansions homes house houses block
    palms pines oaks elms maples willows meadows acres lake park city town puram bagh layout phase sector villa villas"""
)
"""The last word of a house's or a quarter's name."""
_LIVED_AT = words("at to number is : rents rent renting")
_HOUSED = words(
    "live lives lived living reside resides residing rent rents renting house home flat apartment address moved mailing"
)
_AFTER_FIGURES = words(
    """systolic diastolic fasting bpm beats percent weeks pounds hours minutes average resting max maximum minimum total
    tops gestation postpartum pm am mg units watts amps volts fahrenheit celsius below point sats oxygen pressure
    high low children dogs cats roommates stairs steps kids people adults"""
)
_SINCE, _SHORTEST_HOUSE = words("since now currently alone today until till too"), 2
_LARGE = words("great old new upper lower little long high")
_NOUNS_ON_STREETS = words(
    """well doctor doctors nurse patient mother father brother sister son daughter wife husband mom dad will may might can
    mine fine great good best better pretty past gone like sure down downs under over near new old right just even
    still quite most least less few once soon later please thanks sorry hi bye yes okay ok rather same own other"""
)
"""Small words that are a street's name between its number and its type: `53 doctor lane`, `17 deep well street`."""
_NAMED_QUANTITIES = words("stone mile bottle glass drop")
_NO_NAME = (FUNCTION - NAME_WORDS) | QUANTITIES
_ADDRESSED = words(
    """live lives lived living address addressed mail send deliver ship house located stay stays staying stayed moved
    home bring delivery deliveries drop pickup taxi cab parcel package letters"""
)
_SENDING = words("send mail deliver ship bring taxi")
_LONGEST_ADDRESSED = 8
ADDRESS_WORDS = (
    STREETS_WITH_NUMBER
    | STREETS_BEFORE
    | ROOMS
    | ZIPS
    | _LEADS
    | _CORNERS
    | STREET_NAMES
    | _SURE_ROOMS
    | _ROOMS_BESIDE
    | _MORE_STREETS
    | _SENDING
    | words("the rr and & address cross marker")
)
"""One of these is in every address."""
_WIDEST_NAME = 6
_WIDEST_CORNER = 5
_LONGEST_ROAD = 6
_ON = frozenset(("on", "at", "off", "of", "and"))
_ANY_STREET = words(
    """side busy same next wrong right dirt gravel long short other one two this that back front open high city
    slippery icy rocky bumpy wet muddy paved narrow private country memory fast slow turning passing bike bus
    carpool exit main major winding clear whole rough quiet empty public cross no any every each your his her their
    our dark smooth steep"""
)
_SMALL_WORDS = FUNCTION - NAME_WORDS
_OLD_HOUSES_AND_STREETS = _OLD_HOUSES | STREETS_WITH_NUMBER
_LINKED_OR_SURE_ROOMS, _ROOMS_ONLY_BESIDE = _LINKED_ROOMS | _SURE_ROOMS, _ROOMS_BESIDE - ROOMS
_ALL_ROOMS = ROOMS | _SURE_ROOMS | _ROOMS_BESIDE
_SMALL_OR_BREATH, _SMALL_OR_COUNTED = FUNCTION | FILLERS, FUNCTION | QUANTITIES
_NO_BARE_STREET, _COUNTED = _SMALL_WORDS | _ANY_STREET, QUANTITIES - ROOMS
_NO_STREET, _ENDS_STREET = FUNCTION | _ANY_STREET, FUNCTION - {"of", "at"}
_JOINTS = frozenset(("the", "and", "&"))
"""Words that are in addresses, and mostly elsewhere: asked only beside a number or another word of addresses."""
_OUTWARD, _INWARD = re.compile(r"[a-z]{1,2}\d[a-z\d]?", re.ASCII), re.compile(r"\d[abd-hjlnp-uw-z]{2}", re.ASCII)
_ADDRESS_CUE, _CROSSING_CUE = cue(ADDRESS_WORDS - _JOINTS), cue(_CROSSING_WORDS - ADDRESS_WORDS)


@begins_with(_ADDRESS_CUE, _CROSSING_CUE, NUMBER, MIXED)
def addresses(reading: Reading) -> Iterator[Span]:
    """A street with its number, what follows it up to the postcode, a flat and a post box."""
    units, cues = reading.units, reading.cued(_ADDRESS_CUE)
    if cues or reading.of_kind(NUMBER) or reading.cued(_CROSSING_CUE):
        cues = sorted((*cues, *reading.places_of(_JOINTS)))
    yield from _postcodes(reading)
    for at in reading.of_kind(NUMBER):
        if at and reading.norms[at - 1] in _LIVED_AT and (last := _lived_at(reading, at)):
            yield at, last, Category.ADDRESS
    done = -1
    for at in cues:
        unit = units[at]
        if at <= done or (unit.norm in _JOINTS and not _may_join(units, at)):
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
        elif (unit.norm in ROOMS or unit.norm in _SURE_ROOMS or unit.norm in _ROOMS_BESIDE) and (
            room := _room_number(units, at)
        ):
            done = _residence_end(reading, room[1])
            yield room[0], done, Category.ADDRESS


def _postcodes(reading: Reading) -> Iterator[Span]:
    """British postcodes in two pieces: `OX4 2JY`."""
    text, units = reading.text, reading.units
    for at in reading.of_kind(MIXED):
        if at + 1 == len(units) or not _OUTWARD.fullmatch(units[at].norm):
            continue
        if _INWARD.fullmatch(text[units[at + 1].start : units[at + 1].end].lower()):
            yield at, at + 1, Category.ADDRESS

    for at in reading.of_kind(LETTER):  # as they are said: `o x four two d e`
        if at < _SPOKEN_CODE or at + 1 >= len(units) or units[at + 1].kind != LETTER:
            continue
        if all(_is_numbered(units, one) and len(units[one].norm) <= 2 for one in (at - 1, at - 2)):
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
    before = units[at - 1]
    if before.kind == NUMBER or before.norm == ",":
        return True
    if units[at].norm == "the":
        return before.norm in FILLERS or before.kind == MIXED
    if before.norm in _CROSSING_WORDS and _norm(units, at + 1) in _CROSSING_WORDS:
        return True
    return _is_crossing(before) or (at + 1 < len(units) and _is_crossing(units[at + 1]))


def _by_name(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of an address without a street's type: a corner, a named road, `123 main`, `12 the green`."""
    units, norm = reading.units, reading.units[at].norm
    if norm in ("and", "&"):
        return _corner(reading, at)
    if norm in _CORNERS:
        if norm == "junction" and _is_numbered(units, at + 1):
            return at + 1, at + 1
        begin = at + 1 + (_norm(units, at + 1) == "of")
        return _corner_of(units, begin) if begin > at + 1 or _is_crossing_at(units, begin) else None
    if norm in _LEADS or norm == "rr" or (norm == "road" and _norm(units, at - 1) in _BEFORE_ROAD):
        return _road_number(units, at)
    if norm == "marker":
        return _road_number(units, at) if _norm(units, at - 1) == "mile" else None
    if norm == "the":
        return _behind_the(reading, at)
    if norm in ("cross", "main", "block") and at and units[at - 1].how == ORDINAL:
        last = at + (_norm(units, at + 1) in STREETS_WITH_NUMBER)
        first = at - 3 if at > 2 and units[at - 2].norm == "," and _is_numbered(units, at - 3) else at - 1
        ends = _ends(units, last + 1) or _is_unknown(reading, last + 1)
        return (first, last) if ends and not _is_owned(units, at - 2) else None
    if norm == "road" and _is_numbered(units, at + 1) and _norm(units, at + 2) not in QUANTITIES:
        return (at + 1, at + 1) if at and units[at - 1].kind == WORD and units[at - 1].norm not in _NO_STREET else None
    if norm == "street" and _is_numbered(units, at + 1) and _ends(units, at + 2) and not _is_owned(units, at - 1):
        return at + 1, at + 1
    if norm in _MORE_STREETS:
        return _small_street(units, at)
    if norm == "number":
        return _called_number(units, at)
    if norm in _SENDING:
        return _sent_to(units, at)
    return _by_lone_name(units, at)


def _by_lone_name(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`fifth at main`, `123 main`, `my address is four twelve sunset`."""
    norm = units[at].norm
    if norm in STREET_NAMES and (corner := _met(units, at)):
        return corner
    if (
        norm in STREET_NAMES
        and at
        and units[at - 1].kind == NUMBER
        and units[at - 1].how != ORDINAL
        and _ends(units, at + 1)
    ):
        first = _whole_number(units, at - 1)
        long = first < at - 1 or len(units[at - 1].norm) > 1
        groups = first < at - 1 and at + 1 == len(units)
        if groups or (long and norm in _LONE_STREETS) or _is_addressed(units, first):
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
    while _norm(units, begin) in FILLERS or _norm(units, begin) == ",":
        begin += 1
    if begin >= len(units) or not (_is_numbered(units, number) or units[number].kind == MIXED):
        return None
    is_old = units[begin].norm in _OLD and begin + 1 < len(units) and units[begin + 1].kind == WORD
    last = begin + is_old
    if is_old and units[last].norm in ("school", "post", "coach") and _norm(units, last + 1) in ("house", "office"):
        last += 1
    named = units[last].norm in (_OLD_HOUSES_AND_STREETS if is_old else _THE_STREETS)
    unknown = not is_old and _is_unknown(reading, last)
    if not (named or unknown or (is_old and units[last].norm == "office")) or not _ends(units, last + 1):
        return None
    return (number if units[number].kind == MIXED else _whole_number(units, number)), last


def _met(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`fifth at main`, `spring meets main`: a street's name, and another or an ordinal before it."""
    if _norm(units, at + 1) in _MEETS and at + 2 < len(units) and _is_crossing(units[at + 2]):
        one, two = at, at + 2
        sure = units[two].how == ORDINAL or units[at + 1].norm != "at"
    elif at > 1 and _norm(units, at - 1) == "at" and units[at - 2].how == ORDINAL:
        one, two, sure = at - 2, at, at == 2 or units[at - 3].norm in _AT_CORNER or units[at - 3].kind == SIGN
    else:
        return None
    return (one, two) if sure and _ends(units, two + 1) else None


def _residence_end(reading: Reading, at: int) -> int:
    """Return the last unit of `lotus apartments` behind `flat 304`; `at` where no such name follows."""
    units, last = reading.units, at
    begin = at + 1 + (_norm(units, at + 1) == ",")
    for ahead in range(begin, min(begin + _LONGEST_SMALL, len(units))):
        unit = units[ahead]
        if unit.kind not in (WORD, GONE) or unit.norm in _SMALL_OR_COUNTED:
            break
        if ahead > begin and unit.norm in _RESIDENCES and _ends(units, ahead + 1):
            last = ahead
    return last


def _lived_at(reading: Reading, at: int) -> int:
    """Return the last unit of `221 baker` in `he lives at 221 baker`, 0 where nobody lives there."""
    units, last = reading.units, at
    while _is_numbered(units, last + 1):
        last += 1
    number, at_most = last, last + 2
    while last < at_most and last + 1 < len(units):
        unit = units[last + 1]
        if unit.kind != GONE and (unit.kind != WORD or unit.norm in _SMALL_OR_COUNTED or unit.norm in _AFTER_FIGURES):
            break
        last += 1
    if last == number or not (_ends(units, last + 1) or _norm(units, last + 1) in _SINCE):
        return 0
    if number == at and len(units[at].norm) < _SHORTEST_HOUSE:
        return 0
    return last if any(unit.norm in _HOUSED for unit in units[max(0, at - _WIDEST_CORNER) : at]) else 0


def _sent_to(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`send it to 310 fleet`: a long number and a word at the end of what is said."""
    for to in range(at + 1, min(at + _WIDEST_CORNER, len(units))):
        if units[to].norm in ("to", "at"):
            return _called_number(units, to)
    return None


def _called_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`number 310 fleet` at the end of what is said."""
    named = at + 2 < len(units) and units[at + 2].kind == WORD and units[at + 2].norm not in _SMALL_OR_COUNTED
    whole = named and (at + 3 == len(units) or units[at + 3].kind == SIGN)
    is_house = _is_numbered(units, at + 1) and len(units[at + 1].norm) >= _LONG_NUMBER
    return (at + 1, at + 2) if whole and is_house else None


def _small_street(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`5 bridge end`, `3 lower mall`: a number, one to three words, and nothing else said but where somebody lives."""
    back = at - 1
    while back > 0 and at - back <= _LONGEST_SMALL and units[back].kind == WORD and units[back].norm not in _NO_NAME:
        back -= 1
    back -= back > 0 and back < at - 1 and units[back].norm == ","
    if back == at - 1 or not _is_numbered(units, back) or not _ends(units, at + 1):
        return None
    first = _whole_number(units, back)
    begins = first == 0 or units[first - 1].kind == SIGN or _norm(units, first - 1) in ("at", "is", "it's")
    return (first, at) if begins or _is_addressed(units, first) else None


def _is_numbered(units: Sequence[Unit], at: int) -> bool:
    return 0 <= at < len(units) and units[at].kind == NUMBER and units[at].how != ORDINAL


def _is_owned(units: Sequence[Unit], at: int) -> bool:
    return at >= 0 and units[at].norm in ("the", "my", "his", "her", "our", "their", "a")


def _corner(reading: Reading, at: int) -> tuple[int, int] | None:
    """`at fifth and main`, `on park and market`: two names of streets behind a preposition, or an ordinal and one."""
    units = reading.units
    one, two = at - 1, at + 1
    if one < 0 or two >= len(units):
        return None
    ordinal = units[one].how == ORDINAL or units[two].how == ORDINAL
    known = _is_crossing(units[one]), _is_crossing(units[two]) or units[two].norm == "high"
    if _is_corner_of_words(reading, one, two):
        return one, two
    if not (all(known) or (any(known) and _is_unknown(reading, two if known[0] else one))):
        return None
    first = one - (one > 0 and units[one - 1].norm in SIDES)
    behind = first > 0 and units[first - 1].norm in _AT_CORNER
    begins = first == 0 or units[first - 1].kind == SIGN or _norm(units, first - 1) in FILLERS
    sure = all(known) and ordinal and first > 0 and not _is_owned(units, first - 1)
    begins = begins and (ordinal or (all(known) and two + 1 == len(units)))
    if not (behind or begins or sure) or not _ends(units, two + 1):
        return None
    if any(unit.norm in _NO_CORNER for unit in units[max(0, first - 4) : first]):
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


def _is_corner_of_words(reading: Reading, one: int, two: int) -> bool:
    """Return whether ordinary words are streets: `on coral and ninth`, `at plain and forest`, `at Shell & Brook`."""
    units = reading.units
    if one < 1 or units[one - 1].norm not in _AT_CORNER_OR_BETWEEN or not _ends(units, two + 1):
        return False
    if any(_norm(units, at) in _NO_CROSSINGS for at in (one, two)):
        return False
    words_only = units[one].kind == units[two].kind == WORD
    if words_only and _are_crossing_words(units, one, two):
        return True
    if units[one - 1].norm not in _AT_CORNER_ONLY:
        return False
    if not words_only:
        numbered = two if units[one].kind == WORD else one
        other = one + two - numbered
        return units[numbered].how == ORDINAL and units[other].kind == WORD
    if units[two].norm in _LONE_STREETS and units[two - 1].norm != ",":
        return True
    written = reading.text[units[one].start].isupper() and reading.text[units[two].start].isupper()
    return written and units[two - 1].norm == "&"


def _are_crossing_words(units: Sequence[Unit], one: int, two: int) -> bool:
    """Return whether two words by which streets are called are a corner: `at summer and center`, `lives off high and mill`."""
    pair = {units[one].norm, units[two].norm}
    if (
        not pair <= _CROSSING_WORDS
        or len(pair) < 2
        or any(unit.norm in _NO_CORNER for unit in units[max(0, one - 5) : one])
    ):
        return False
    before = units[one - 1].norm
    if before in _BEFORE_CROSSING:
        return True
    lived = any(unit.norm in _CROSSED for unit in units[max(0, one - 6) : one - 1])
    return before in _CROSSED_PREPOSITIONS and (lived or bool(pair & _CROSSINGS_ANYWHERE))


def _is_unknown(reading: Reading, at: int) -> bool:
    """Return whether a word goes anyway: a placeholder, or one that no list has."""
    return reading.units[at].kind == GONE or reading.kinds[at] is Kind.UNKNOWN


def _is_crossing_at(units: Sequence[Unit], at: int) -> bool:
    return at < len(units) and _is_crossing(units[at])


def _is_crossing(unit: Unit) -> bool:
    return unit.norm in STREET_NAMES or (unit.kind == NUMBER and unit.how == ORDINAL)


def _road_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`highway 99`, `rural route two box eighteen`, `county road 412`, `RR 2, Box 44`."""
    last = at
    for ahead in range(at + 1, min(at + _LONGEST_ROAD, len(units))):
        unit = units[ahead]
        counted = _norm(units, ahead + 1) in QUANTITIES and _norm(units, ahead + 2) != "marker"
        if (_is_numbered(units, ahead) and not counted) or (unit.kind == MIXED and unit.norm[0].isdecimal()):
            last = ahead
        elif unit.norm not in ("box", ",", "number", "-", "#", "no") and unit.kind not in (LETTER, MIXED):
            break
    boxed = any(unit.norm in ("box", "number") for unit in units[at:last])
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
    """Return whether words before a number say that it is where somebody lives."""
    return any(unit.norm in _ADDRESSED for unit in units[max(0, at - _LONGEST_ADDRESSED) : at])


def _ends(units: Sequence[Unit], at: int) -> bool:
    """Return whether an address may end before this unit."""
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
            if back == at - 2 and units[at - 1].norm in _NO_NAMES:
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
    while first > 0 and at - first < _LONGEST_SMALL and units[first - 1].kind == WORD:
        if units[first - 1].norm in _SMALL_WORDS:
            break
        first -= 1
    return first


def _with_part_before(units: Sequence[Unit], first: int) -> int:
    """Return where an address begins: at the other street of a corner, at the name of the house, at its number."""
    if first > 1 and units[first - 1].norm in ("and", "&"):
        return first - 2 * (_is_crossing(units[first - 2]) or units[first - 2].kind == GONE)
    if first > 1 and units[first - 1].norm == "," and units[first - 2].norm in _HOUSES:
        return _house_begin(units, first - 2)
    return first


def _before_hedges(units: Sequence[Unit], at: int) -> int | None:
    """Return where a house number begins before `let me see` and the like."""
    back = at
    while back >= max(0, at - _WIDEST_NAME) and units[back].norm in _HEDGES:
        back -= 1
    return _whole_number(units, back) if back < at and _is_numbered(units, back) else None


def _bare(units: Sequence[Unit], at: int) -> int | None:
    """Return where the name of a street without a number begins."""
    name = at - 1
    if name > 1 and units[name - 1].norm == "," and units[name - 2].norm in _HOUSES and units[at].norm in _ROADS:
        return name
    if name < 0 or units[name].kind not in (WORD, NUMBER) or units[name].norm in _NO_STREET:
        return None
    if units[at].norm in STREETS:
        return name - 1 if name and (units[name - 1].norm in SIDES or _is_large(units, name - 1)) else name
    before = units[name - 1].norm if name else ""
    is_road = units[at].norm in _ROADS and units[name].kind == WORD and units[name].norm not in SIDES
    if is_road and (before in _ON_ROAD or (name == 0 and at + 1 == len(units))):
        return name
    two = is_road and name and units[name - 1].kind == WORD and before not in _NO_BARE_STREET
    if two and ((name > 1 and units[name - 2].norm in _ON_ROAD) or (name == 1 and at + 1 == len(units))):
        return name - 1
    return name if units[name].kind == NUMBER and before in _ON and units[at].norm in STREETS_WITH_NUMBER else None


def _is_large(units: Sequence[Unit], at: int) -> bool:
    """Return whether `great` or `old` is a part of a street's name: behind a preposition, `at great ormond street`."""
    return units[at].norm in _LARGE and (
        at == 0 or _norm(units, at - 1) in _AT_CORNER or units[at - 1].norm in ("in", "via")
    )


def _is_named(units: Sequence[Unit], at: int, street: int) -> bool:
    """Whether a small word or a unit behind a number is part of a street's name: `9 old mill street`, `12 mg road`."""
    if units[at].norm in _NAMED_QUANTITIES and street > at + 1 and _is_numbered(units, at - 1):
        return True
    if units[at].norm in QUANTITIES and street == at + 1:
        return units[street].norm in _SURE_STREETS or (
            units[street].norm not in _NO_QUANTITY_STREETS
            and units[at - 1].kind == WORD
            and units[at - 1].norm not in FUNCTION
        )
    number = at - 2 if at > 1 and units[at - 1].norm == "," else at - 1
    if units[at].norm in _NOUNS_ON_STREETS and units[street].norm in _SURE_STREETS:
        named = at > 1 and units[at - 1].kind == WORD and units[at - 1].norm not in _NO_NAME
        return _is_numbered(units, number - named) and units[number - named].norm != "1"
    if not _is_numbered(units, number):
        return False
    return units[at].norm in NAME_WORDS and (street > at + 1 or units[street].norm in _SURE_STREETS)


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
        if unit.norm in _ENDS_STREET or (unit.kind == SIGN and unit.norm not in ",.'’-"):
            return 0
    return 0


def _room_number(units: Sequence[Unit], at: int) -> tuple[int, int] | None:
    """`apartment 4 b`, `suite 321`, `box 104`: the first and last unit of what says which, None where nothing does."""
    norm, before = units[at].norm, _norm(units, at - 1)
    if norm == "#" and not _is_behind_street(units, at):
        return None
    if norm in ("no", "number", "floor") or (norm == "box" and before not in ("o", "po", "office", ".")):
        return None
    begin = _room_begin(units, at)
    if not begin:
        return None
    if units[begin].how == ORDINAL or (begin > at + 2 and norm not in _LINKED_OR_SURE_ROOMS):
        return None
    following = units[begin + 1] if begin + 1 < len(units) else None
    if norm not in ("apartment", "apt", "suite") and following and following.norm in _COUNTED:
        return None
    lettered = following is not None and following.kind == LETTER and following.norm not in ("a", "i")
    last = begin + lettered
    if norm == "room" and not (before == "dorm" or _has_near(units, last + 1, _INNS)):
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
                (before in _UNITS or at == 0) and (_ends(units, last + 1) or _norm(units, last + 1) in _SIDES_OF_HOUSES)
            )
        )
    ):
        return None
    if norm in _ROOMS_ONLY_BESIDE and (
        before in _NERVES or not (_is_beside_rooms(units, at, last) or _is_addressed(units, at))
    ):
        return None
    return begin, last


def _room_begin(units: Sequence[Unit], at: int) -> int:
    """Return where a number or a letter begins behind the word for a room, over what is said between; 0 for none."""
    norm, begin = units[at].norm, at + 1
    if norm == "lot" and _norm(units, at - 1) in ("a", "whole", "an", "quite"):
        return 0
    while begin < min(at + _LONGEST_ROAD, len(units)) and units[begin].norm in _ROOM_LINKS:
        is_end = units[begin].norm == "." and (norm not in _ABBREVIATED or units[begin].start > units[begin - 1].end)
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
    if _has_near(units, last + 1, _ALL_ROOMS):
        return True
    back = at - 1 - (at > 1 and units[at - 1].norm == ",")
    if back < 1:
        return False
    return units[back].kind == GONE or (
        units[back].kind in (NUMBER, MIXED, LETTER) and units[back - 1].norm in _ALL_ROOMS
    )


def _has_near(units: Sequence[Unit], at: int, among: frozenset[str]) -> bool:
    return any(unit.norm in among for unit in units[at : at + 4])


def _is_behind_street(units: Sequence[Unit], at: int) -> bool:
    """Return whether `#4` is behind a street, a flat or a placeholder; elsewhere it is a count, such as of tablets."""
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
