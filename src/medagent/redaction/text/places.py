"""Towns and facilities whose names are ordinary words, by what is said of them.

`i live in X`, `a clinic in X` and `she was transferred from X` name a place whatever word X is, apart from the words
that are there without being one (`in pain`, `from work`). `X nursing home` and `X hospital` name one where X does
not say of which kind it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FUNCTION, MONTH_OF, NAME_WORDS, QUANTITIES, WEEKDAYS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.frame_words import Level
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.place_frames import (
    ends_place,
    named,
    norm_at,
)
from medagent.redaction.text.place_words import (
    ADVERBS,
    AT_VERBS,
    CALLED,
    CALLED_SITES,
    COMING,
    FROM_VERBS,
    HOLY,
    HOME_ENDINGS,
    HOUSES,
    IN_OR_ROUND,
    KINDS_OF,
    LIVING,
    LONGEST,
    LOOSELY,
    MOVING,
    NUMBERED_NAMES,
    PAIR,
    PEOPLE,
    PRONOUNS,
    ROUNDABOUT,
    SITES,
    SMALL_WORDS,
    SURE_KINDS,
    THE_HOMES,
    TO_HERE,
    TOWNS,
    TREATED,
    TREATED_BY,
    TYPES,
    UNPAIRED,
    WHOM,
    WORKING,
)
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit

_ZIP_DIGITS = 5
_BEFORE_ZIP = frozenset(("in", "from", "near"))
_LABELLED = words("facility snf alf ltc hospital school pharmacy employer hometown birthplace residence city town")
_STATE_NAMES = words(
    """alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho illinois
    indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota mississippi missouri
    montana nebraska nevada hampshire jersey mexico york carolina dakota ohio oklahoma oregon pennsylvania tennessee
    texas utah vermont virginia washington wisconsin wyoming ontario quebec alberta saskatchewan manitoba"""
)
_STATE_LETTERS = words(
    "az co ct fl ga ia id il ks ky mn mo mt nc nd ne nh nj nm nv ny oh or ri sc sd tn tx ut va vt wa wi wv wy"
)
"""Letters of states that no abbreviation of clinics shares."""
_OF_STATES = words("new north south west")
_IN_TOWN = words("in from to near of at outside around")
BESIDE_HIDDEN = frozenset(TYPES) | HOME_ENDINGS | THE_HOMES | frozenset(("at",))
"""Words that may name a place only once a word near them is hidden: `<REDACTED> is at lakeview`."""
_PLACE_CUES = (
    LOOSELY
    | WORKING
    | CALLED
    | TOWNS
    | _LABELLED
    | _STATE_NAMES
    | LIVING
    | SITES
    | MOVING
    | COMING
    | TREATED
    | AT_VERBS
    | frozenset(TYPES)
    | HOME_ENDINGS
    | THE_HOMES
    | _BEFORE_ZIP
)
_ALONE = LIVING | SITES | MOVING | COMING | TREATED | TYPES.keys() | HOME_ENDINGS | THE_HOMES
_ALONE |= LOOSELY | WORKING | CALLED | TOWNS | _LABELLED | _STATE_NAMES
_WITH_AT, _WITH_NUMBER = AT_VERBS - _ALONE - _BEFORE_ZIP, _BEFORE_ZIP - _ALONE - AT_VERBS
"""Cues behind which a place is only behind `at`, and only before a postcode."""
_STATE_LETTERS_CUE = cue(_STATE_LETTERS)
_NO_TOWN = FUNCTION | QUANTITIES | WEEKDAYS | MONTH_OF.keys()
_PLACE_CUE, _AT_CUE = cue(_PLACE_CUES - _WITH_AT - _WITH_NUMBER), cue(("at",))


@begins_with(_PLACE_CUE, _AT_CUE, _STATE_LETTERS_CUE, NUMBER)
def places(reading: Reading) -> Iterator[Span]:
    """Yield towns behind `live in` and the like, facilities behind `is at`, and names before the type of a facility."""
    cues, units, norms = reading.cued(_PLACE_CUE), reading.units, reading.norms
    if reading.cued(_AT_CUE):
        cues = sorted((*cues, *reading.places_of(_WITH_AT)))
    if reading.of_kind(NUMBER):
        cues = sorted((*cues, *reading.places_of(_WITH_NUMBER)))
    for at in cues:
        norm = norms[at]
        if norm in TYPES:
            yield from _typed(reading, at)
        if norm in HOME_ENDINGS:
            yield from _home(reading, at)
        if norm in THE_HOMES and _is_the_home(units, at):
            yield at, at, Category.ADDRESS
        if norm in _BEFORE_ZIP and (last := _before_zip(units, at)):
            yield at + 1, last, Category.ADDRESS
        for cued, find in _FOUND_BY:
            if norm in cued and (found := find(reading, at)):
                yield *found, Category.ADDRESS
        begin = _behind_cue(units, at)
        sure = norm in LIVING or norm in SITES or norm in COMING or (norm in MOVING and norms[begin - 1] == "from")
        if begin and (found := named(reading, begin, Level.SURE if sure else Level.PERSON)):
            yield *found, Category.ADDRESS
    yield from _before_letters(reading)


def _before_letters(reading: Reading) -> Iterator[Span]:
    """Yield the units of `Mobile` in `Mobile, AL`."""
    units = reading.units
    for at in reading.cued(_STATE_LETTERS_CUE):
        written = reading.text[units[at].start : units[at].end].isupper() and at > 1 and reading.capitals[at - 2]
        if written and ends_place(units, at + 1) and (found := _before_state(reading, at)):
            yield *found, Category.ADDRESS


def _behind_cue(units: Sequence[Unit], at: int) -> int:
    """Return where the name of a place begins that this word announces, 0 where it announces none."""
    norm, after = units[at].norm, norm_at(units, at + 1)
    if norm in WORKING:
        return at + 2 if after == "at" else 0
    if norm in LIVING or norm in SITES:
        ahead = at + 1 + (norm == "grew" and after == "up")
        while norm_at(units, ahead) in (ADVERBS if norm not in SITES else ROUNDABOUT):
            ahead += 1
        if norm in ("located", "based") or norm not in SITES or norm_at(units, ahead) in ("in", "near"):
            return ahead + 1 if norm_at(units, ahead) in IN_OR_ROUND else _behind_at(units, at)
        return 0
    if norm in CALLED:
        return at + 1 if any(unit.norm in CALLED_SITES for unit in units[max(0, at - 2) : at]) else 0
    if norm in TOWNS and norm not in LIVING:
        return at + 2 if after == "of" else 0
    if norm in MOVING:
        ahead = at + 1
        while norm_at(units, ahead) in TO_HERE:
            ahead += 1
        out = norm_at(units, ahead) == "of" and units[ahead - 1].norm == "out"
        return ahead + 1 if out or norm_at(units, ahead) in ("from", "to", "into") else 0
    if norm == "from" and at:
        before = units[at - 1 - (at > 1 and units[at - 1].norm in ("in", "over", "up", "down", "out"))].norm
        person = (
            before in FROM_VERBS
            or before == "way"
            or (before in ("am", "are", "is", "'m", "'re") and norm_at(units, at - 2) in PRONOUNS)
        )
        if person:
            return at + 1
    if norm in TREATED:
        ahead = at + 1
        while norm_at(units, ahead) in ("here", "back", "over", "out", "there", "directly"):
            ahead += 1
        return ahead + 1 if norm_at(units, ahead) in TREATED_BY else 0
    return _behind_at(units, at)


def _behind_at(units: Sequence[Unit], at: int) -> int:
    """`my mom is at …`, `he lives at …`: a person before and `at` behind."""
    if units[at].norm not in AT_VERBS and units[at].norm not in LIVING:
        return 0
    ahead = at + 1
    while norm_at(units, ahead) in ("over", "out", "up", "down", "currently", "right", "now", "back", "still"):
        ahead += 1
    is_house = norm_at(units, ahead) == "in" and norm_at(units, ahead + 2) in HOUSES
    if is_house and (norm_at(units, ahead + 1) in SMALL_WORDS or norm_at(units, ahead + 1) in UNPAIRED):
        return 0
    if norm_at(units, ahead) != "at" and not is_house:
        return 0
    near = range(max(0, at - 4), at)
    return ahead + 1 if any(units[back].norm in PEOPLE or units[back].kind == GONE for back in near) else 0


def _behind_loosely(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `morning star` in `a bed at morning star`, `we placed her at morning star`."""
    units, ahead = reading.units, at + 1
    while norm_at(units, ahead) in WHOM or norm_at(units, ahead) in ("over", "up", "my", "our"):
        ahead += 1
    if norm_at(units, ahead) not in ("at", "from"):
        return None
    found = named(reading, ahead + 1, Level.PERSON)
    return found if found and found[1] > found[0] else None


def _before_state(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `mobile` in `mobile, alabama`: up to three words behind a preposition, or in capitals."""
    units = reading.units
    comma = at - 1 - (norm_at(units, at - 1) in _OF_STATES)
    last = comma - 1
    if last < 0 or units[comma].norm != "," or units[last].kind not in (WORD, NUMBER) or units[last].norm in _NO_TOWN:
        return None
    first = last
    while first > 0 and last - first < LONGEST - 1 and units[first - 1].kind == WORD:
        if units[first - 1].norm in SMALL_WORDS:
            break
        first -= 1
    behind = first > 0 and units[first - 1].norm in _IN_TOWN
    if behind or first == 0 or units[first - 1].kind == SIGN:
        return (first, last) if behind or units[last].kind == WORD else None
    return None


def _behind_colon(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `Quiet Waters` in `SNF: Quiet Waters`: two to four words with capitals."""
    units = reading.units
    if norm_at(units, at + 1) != ":":
        return None
    last = at + 1
    while last + 1 < len(units) and units[last + 1].kind == WORD and reading.capitals[last + 1]:
        last += 1
    return (at + 2, last) if PAIR <= last - at - 1 <= LONGEST + 1 else None


def _before_zip(units: Sequence[Unit], at: int) -> int:
    """Return the last unit of a name before a postcode, as in `in Hart, 49420`, 0 where there is none."""
    for ahead in range(at + 2, min(at + 2 + LONGEST, len(units))):
        last = ahead - 1
        if units[ahead].kind == NUMBER and len(units[ahead].norm) == _ZIP_DIGITS and units[ahead].how == "":
            return last - (units[last].norm == ",")
        if units[last].kind != WORD and units[last].norm != ",":
            return 0
    return 0


def _typed(reading: Reading, at: int) -> Iterator[Span]:
    """`maple grove nursing home`, `mercy hospital`: the words before the type that say no kind, and the type."""
    units = reading.units
    rest = next(
        (rest for rest in TYPES[units[at].norm] if tuple(u.norm for u in units[at + 1 : at + 1 + len(rest)]) == rest),
        None,
    )
    if rest is None:
        return
    holy = (
        at > 1
        and units[at - 1].kind == WORD
        and (units[at - 2].norm in HOLY or (units[at - 1].norm == "street" and units[at - 2].norm in _SHOPPING))
    )
    kindly = at > 1 and units[at - 1].norm in _KINDS_IN_NAMES and _may_name(reading, at - 2)
    if at and units[at - 1].norm in KINDS_OF and not (holy or kindly):
        return
    first = at - 2 if holy else at - kindly
    schooled = units[at].norm in _SCHOOLS
    while (
        first > 0
        and at - first < LONGEST
        and (_may_name(reading, first - 1) or (schooled and _may_be(reading, first - 1)))
    ):
        first -= 1
    if 0 < first < at:
        named = units[first - 1].how == SPOKEN and units[first].norm in NUMBERED_NAMES
        first -= named or units[first - 1].how == ORDINAL
    while first < at and (units[first].norm in FUNCTION and units[first].norm not in NAME_WORDS):
        first += 1
    before = norm_at(units, first - 1)
    begins = first == 0 and ends_place(units, at + len(rest) + 1)
    if first == at or not (before in _BEFORE_NAME or before in _KINDS_OF_SITES or begins):
        return
    if kindly and not (before in _BEFORE_SURE or begins):
        return
    yield first, at + len(rest), Category.ADDRESS


_NO_SCHOOL = KINDS_OF | FUNCTION | (QUANTITIES - {"feet", "steps"})
_KINDS_IN_NAMES = words("children's childrens general memorial regional community county university women's")
_BEFORE_SURE = words("in at to from into near by the")
_KINDS_OF_SITES = KINDS_OF - SMALL_WORDS
_SCHOOLS = words("daycare day preschool nursery academy elementary school church")
_SHOPPING = words("high main market church mill bridge broad front")
_BEFORE_HOME = frozenset(("at", "in", "from", "to", "into", "near", "by"))
_BEFORE_NAME = words("in at to from into near by of the with and through for on a '")


def _may_name(reading: Reading, at: int) -> bool:
    unit = reading.units[at]
    if unit.kind != WORD or (unit.norm in QUANTITIES and unit.norm != "stone"):
        return unit.kind == GONE
    if reading.kinds[at] is Kind.CLINICAL and unit.norm not in HOME_ENDINGS:
        return False
    return unit.norm not in KINDS_OF and (unit.norm not in FUNCTION or unit.norm in NAME_WORDS)


def _may_be(reading: Reading, at: int) -> bool:
    """Return whether a word of the clinic may name a school, as `feet` in `happy feet daycare`."""
    unit = reading.units[at]
    return unit.kind == WORD and unit.norm not in _NO_SCHOOL


_NO_HOME = SMALL_WORDS | SURE_KINDS
_NO_HOUSE = UNPAIRED | words("own steak club coffee dog ware opera publishing brick auction frat")


def _home(reading: Reading, at: int) -> Iterator[Span]:
    """`shady pines`, `the golden acres` behind a preposition, with nothing that is counted behind them."""
    units = reading.units
    first = at - 1
    if first < 1 or units[first].kind != WORD or units[first].norm in _NO_HOME:
        return
    if units[at].norm == "house" and (units[first].norm in _NO_HOUSE or "'" in units[first].norm):
        return
    while first > 1 and units[first - 1].kind == WORD and at - first < LONGEST - 1 and _may_name(reading, first - 1):
        first -= 1
    before = norm_at(units, first - 1)
    if before == "the":
        before = norm_at(units, first - 2)
    if before in _BEFORE_HOME and ends_place(units, at + 1):
        yield first, at, Category.ADDRESS


def _is_the_home(units: Sequence[Unit], at: int) -> bool:
    """Return whether `the willows` is behind a preposition and ends there."""
    before = norm_at(units, at - 2)
    fits = before in _BEFORE_HOME or (before == "of" and norm_at(units, at - 3) in ("resident", "residents", "patient"))
    return norm_at(units, at - 1) == "the" and fits and ends_place(units, at + 1)


_FOUND_BY = ((_STATE_NAMES, _before_state), (_LABELLED, _behind_colon), (LOOSELY, _behind_loosely))
