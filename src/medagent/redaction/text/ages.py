"""Ages over 89, however they are said, apart from pulses, weights, pressures, sugars, temperatures, counts and doses.

A number from 90 on is an age by what is around it: `years old`, `aged`, a person who is it, a birthday, a decade of
a life. Where a number may be a measurement as well (`she's 102`, `at 95`), the words of measurements around it decide;
where nothing does, it goes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from typing import NamedTuple

from medagent.redaction.policy import Category
from medagent.redaction.text.age_words import (
    AFTER,
    ALSO_PERSON,
    ASKING,
    BARE,
    BEFORE,
    BEFORE_LINKS,
    BETWEEN_YEARS,
    CENTURY,
    CENTURY_BEFORE,
    CLEAN,
    DECADE,
    DECADES,
    FRAIL,
    GETS,
    GOING,
    HOT,
    IS_PERSON,
    KIN,
    KIN_OR_PATIENT,
    LIFE,
    LIFE_LINKS,
    LINKS,
    LIVING,
    LONGEST_AGE,
    LONGEST_CLAUSE,
    LOOK,
    MAKES,
    MEASURED_ELSEWHERE,
    MEASURED_OR_HOT,
    METERS,
    MONTHS_OF_AGE,
    NAMED_PERSONS,
    NEAR_DECADE,
    NO_AGE_AFTER,
    NO_AGE_BEFORE_LETTER,
    NOUNS_OF_PEOPLE,
    OLDEST_HUMAN,
    OLDEST_KEPT,
    ON_DEVICE,
    OWN,
    OWN_OR_THE,
    PERSON,
    PERSON_NOUNS,
    PRONOUNS,
    REACHING,
    SCORE,
    SEASONS,
    STILL,
    SUGAR,
    VIGOROUS,
    WHOM,
    WITNESSES,
    WORDS,
    WRITTEN,
)
from medagent.redaction.text.cues import FUNCTION, MEASURED, QUANTITIES, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, MIXED, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit


class Candidate(NamedTuple):
    """A number that may be an age: its first and last unit, and its value."""

    first: int
    last: int
    value: int
    is_ordinal: bool = False


_HUNDRED = words("hundred hundredth")
_AGE_CUE = cue(WORDS | DECADES | _HUNDRED | CENTURY | DECADE | SCORE)
_WORD_CUE, _DECADES_CUE, _HUNDRED_CUE = cue(WORDS), cue(DECADES), cue(_HUNDRED)
_CENTURY_CUE, _DECADE_CUE, _SCORE_CUE = cue(CENTURY), cue(DECADE), cue(SCORE)


@begins_with(_AGE_CUE, NUMBER, MIXED)
def ages(reading: Reading) -> Iterator[Span]:
    """Ages of 90 and more, and the words that say one: `centenarian`, `her nineties`, `ten decades`."""
    units = reading.units
    if reading.cued(_AGE_CUE):
        for at in reading.cued(_WORD_CUE):
            yield at, at, Category.AGE
        for at in reading.cued(_DECADES_CUE):
            if _is_decade_of_life(units, at):
                yield at, at, Category.AGE
        yield from _centuries(reading)
    elif not (reading.of_kind(NUMBER) or reading.of_kind(MIXED)):
        return
    known = -2
    for one in candidates(reading):
        joined = known >= 0 and one.first - known <= 3 and _norms(units, known + 1, one.first) in _ALTERNATIVES
        if is_age(units, one) or (joined and _ends_clean(units, one)):
            known = one.last
            yield one.first, one.last, Category.AGE


_ALTERNATIVES = (("or",), ("and",), ("to",), ("-",), (",",), (",", "or"), (",", "and"), ("going", "on"), ("maybe",))


def candidates(reading: Reading) -> Iterator[Candidate]:
    """Numbers from 90 on, also said digit by digit, with `a hundred`, and as in `96F`."""
    units = reading.units
    done = -1
    norms = reading.norms
    places = [
        at
        for at in reading.of_kind(NUMBER)
        if len(norms[at]) > 2 or norms[at] >= "90" or norms[at] in ("9", "1")  # or the first digit of one
    ]
    places += reading.cued(_HUNDRED_CUE)
    places += [at for at in reading.of_kind(MIXED) if WRITTEN.fullmatch(units[at].norm)]
    for at in sorted(places):
        if at > done and (one := _candidate(units, at)):
            done = one.last
            yield one


def known_ages(units: Sequence[Unit], known: Set[int]) -> Iterator[Span]:
    """Yield the numbers that are a known age: all but those with the unit of something measured behind them."""
    done = -1
    for at, unit in enumerate(units):
        if at <= done or not (unit.kind in (NUMBER, MIXED) or unit.norm in _HUNDRED):
            continue
        if unit.kind == MIXED and not WRITTEN.fullmatch(unit.norm):
            continue
        one = _candidate(units, at)
        if one and one.value in known and not _is_decimal(units, one) and _after(units, one.last) not in NO_AGE_AFTER:
            done = one.last
            yield one.first, one.last, Category.AGE


def _candidate(units: Sequence[Unit], at: int) -> Candidate | None:
    unit = units[at]
    if unit.norm in _HUNDRED:
        first = at - 1 if at and units[at - 1].norm == "a" else at
        if unit.norm == "hundredth":
            return Candidate(first, at, 100, is_ordinal=True)
        rest = at + 1 + (_norm(units, at + 1) == "and")
        if rest < len(units) and units[rest].kind == NUMBER and len(units[rest].norm) <= 2:
            return Candidate(first, rest, 100 + int(units[rest].norm), units[rest].how == ORDINAL)
        return Candidate(first, at, 100)
    if unit.kind == MIXED:
        return Candidate(at, at, int(re.match(r"\d+", unit.norm)[0]))  # type: ignore[index]  # it was matched
    if len(unit.norm) == 1 and unit.how in (SPOKEN, ""):
        return _digit_by_digit(units, at)
    if len(unit.norm) > LONGEST_AGE + 1:
        return None
    value = int(unit.norm)
    if value == 100 and unit.how != ORDINAL and _norm(units, at + 1) == "and" and at + 2 < len(units):
        follows = units[at + 2]
        if follows.kind == NUMBER and follows.how == ORDINAL and len(follows.norm) <= 2:
            return Candidate(at, at + 2, 100 + int(follows.norm), is_ordinal=True)
    if value <= OLDEST_KEPT:
        if value == 1 and units[at].norm == "1" and unit.how == SPOKEN:
            return _digit_by_digit(units, at)
        return None
    return Candidate(at, at, value, unit.how == ORDINAL)


def _digit_by_digit(units: Sequence[Unit], at: int) -> Candidate | None:
    """`nine two`, `9-2`, `one oh three`."""
    said, last = units[at].norm, at
    ahead = at + 1
    while ahead < len(units) and len(said) < LONGEST_AGE + 1:
        if units[ahead].kind == NUMBER and len(units[ahead].norm) == 1 and units[ahead].how != ORDINAL:
            said, last = said + units[ahead].norm, ahead
        elif units[ahead].norm != "-":
            break
        ahead += 1
    if len(said) in (2, 3) and OLDEST_KEPT < int(said) <= OLDEST_HUMAN and (len(said) == 2 or said[0] == "1"):
        return Candidate(at, last, int(said))
    return None


def is_age(units: Sequence[Unit], one: Candidate) -> bool:
    """Return whether a number from 90 on is somebody's age here."""
    after = _after(units, one.last)
    if one.is_ordinal:
        return _is_ordinal_age(units, one, after)
    if units[one.first].kind == MIXED:
        return _is_written_age(units, one, after)
    if _is_decimal(units, one) or after in ("%", "°"):
        return False
    if after == "/":
        return _is_behind_age(units, one) and _norm(units, one.last + 2) in ("f", "m", "female", "male")
    if _has_years(units, one):
        return True
    if one.value >= MONTHS_OF_AGE and _norms(units, one.last + 1, one.last + 3) == ("months", "old"):
        return True
    if one.last - one.first <= LONGEST_AGE and one.value < 10**LONGEST_AGE and _is_behind_age(units, one):
        return after not in NO_AGE_AFTER
    if after in NO_AGE_AFTER or one.value > OLDEST_HUMAN:
        return False
    return (
        _is_with_person(units, one)
        or _is_apposition(units, one)
        or _is_reached(units, one)
        or _is_lived(units, one)
        or _is_before_person(units, one)
        or _is_told(units, one)
    )


def _is_ordinal_age(units: Sequence[Unit], one: Candidate, after: str) -> bool:
    """`my 95th birthday`, `in her ninety third year`, `celebrated his hundredth`."""
    if after in WITNESSES or (after == "-" and _norm(units, one.last + 2) == "birthday"):
        return True
    before = _norm(units, one.first - 1)
    return before in OWN and (
        after not in _NOUNS_COUNTED and (not after or after in CLEAN or after in FUNCTION or not after.isalpha())
    )


_NOUNS_COUNTED = words("visit time try dose pill day floor percentile street avenue")


def _is_written_age(units: Sequence[Unit], one: Candidate, after: str) -> bool:
    """`93F with CHF`, `96M`; `T 101F` is a temperature and `100m` a distance."""
    ending = units[one.first].norm.lstrip("0123456789-")
    if ending not in ("f", "m", "w"):
        return True
    if _has_before(units, one.first, NO_AGE_BEFORE_LETTER, 4):
        return False
    start = (
        one.first == 0
        or units[one.first - 1].kind in (SIGN, GONE)
        or units[one.first - 1].norm in ("a", "an", "pt", "patient", "is", "this")
    )
    return start and (
        after in ("with", "w", "here", "who", "c", "presents", "presenting", "admitted", "h", "s", "hx", "from")
        or one.value < 100
    )


def _has_years(units: Sequence[Unit], one: Candidate) -> bool:
    """`93 years`, `93-year-old`, `ninety plus years`, `93 yo`, `93 y o`, `97 winters`."""
    ahead = one.last + 1
    for skipped in range(4):
        norm = _norm(units, ahead)
        if norm in AFTER or norm in SEASONS:
            return _norm(units, ahead - 1) != "pack"
        if norm == "y" and _norm(units, ahead + 1) in ("o", "/", "."):
            return "o" in _norms(units, ahead + 1, ahead + 4)
        if norm == "young" and not skipped:
            return True
        if norm not in BETWEEN_YEARS:
            break
        ahead += 1
    if _norm(units, one.last + 1) in ("to", "or", "-", "and", "–"):
        other = one.last + 2
        if other < len(units) and units[other].kind == NUMBER and len(units[other].norm) <= LONGEST_AGE:
            return _has_years(units, Candidate(other, other, one.value))
    return False


def _is_behind_age(units: Sequence[Unit], one: Candidate) -> bool:
    """`age 93`, `aged about 93`, `age: nine two`, `turned 95`, `how old? ninety three`, `that makes her 95`."""
    back = one.first - 1
    while back >= max(0, one.first - 6) and (units[back].norm in BEFORE_LINKS or _is_number(units[back])):
        back -= 1
    if back >= 0 and units[back].norm in BEFORE:
        return True
    if _norm(units, one.first - 1) in WHOM and _norm(units, one.first - 2) in MAKES:
        return _ends_clean(units, one)
    asked = False
    for at in range(one.first - 1, max(-1, one.first - LOOK), -1):
        asked = asked or units[at].norm == "?"
        if (at and units[at].norm == "old" and units[at - 1].norm == "how") or (asked and units[at].norm == "age"):
            return _ends_clean(units, one)
    return False


def _is_number(unit: Unit) -> bool:
    return unit.kind == NUMBER and len(unit.norm) <= LONGEST_AGE


def _is_with_person(units: Sequence[Unit], one: Candidate) -> bool:
    """`she is ninety three`, `my dad will be 95`, `people over 90`: a person, small words, the number."""
    if not _ends_clean(units, one, loosely=True):
        return False
    if _norm(units, one.first - 1) == "being" or _norm(units, one.first - 1) in VIGOROUS:
        return not _has_before(units, one.first, MEASURED_OR_HOT, LOOK)
    back, bare = one.first - 1, False
    while back >= max(0, one.first - 7):
        norm = units[back].norm
        if norm in IS_PERSON or (units[back].kind == WORD and norm.endswith("'s") and norm[:-2] in PERSON):
            break
        if norm in ALSO_PERSON and bare:
            break
        if norm not in LINKS:
            return units[back].kind == GONE and bare and not _has_before(units, back, MEASURED, LOOK)
        bare = bare or norm in BARE or norm in ("over", "past", "above", "beyond", "under", "almost", "nearly", "about")
        back -= 1
    else:
        return False
    if units[back].norm in ("you", "we", "they", "i", "i'm") and _has_before(units, back, SUGAR, LOOK):
        return False
    if _norm(units, back - 1) in ("of", "for") and _has_before(units, back, MEASURED, 4):
        return False
    return one.value < 100 or not _is_hot(units, one)


def _is_apposition(units: Sequence[Unit], one: Candidate) -> bool:
    """`my mother, 96, with a fever`, `dad (93)`, `<hidden name>, 97,`, `mom 94 has dementia`."""
    back = one.first - 1
    before = _norm(units, back)
    if before in (",", "(", "-", "–", "—", ":", ";", "is", "was", "at"):
        back -= 1
    if back < 0:
        return False
    person = units[back]
    noun = person.norm in PERSON and person.norm not in PRONOUNS and person.norm != "who"
    if before == ":" and person.norm in ("he", "she"):
        return _ends_clean(units, one)
    if not noun and not (person.kind == GONE and before in (",", "(")):
        return False
    if before == ":" and person.norm not in KIN_OR_PATIENT:
        return False
    return _ends_clean(units, one) and (noun or not _has_before(units, back, MEASURED, LOOK))


def _is_reached(units: Sequence[Unit], one: Candidate) -> bool:
    """`pushing 95`, `close to a hundred`, `going on 93`, `shy of 100`, `older than 90`, `the big nine oh`."""
    one_back, two_back = _norm(units, one.first - 1), _norm(units, one.first - 2)
    phrase = (two_back, one_back)
    if one_back == "big" and two_back == "the":
        return True
    well = one_back == "for" and two_back in ("bad", "good", "great", "well", "fine", "sharp", "spry", "young")
    upwards = phrase in _UPWARDS and _norm(units, one.first - 3) in _UPWARDS[phrase]
    gone = one_back in GOING and _has_person_before(units, one.first - 1)
    reached = (
        well
        or gone
        or upwards
        or one_back in REACHING
        or phrase in _REACHING_PHRASES
        or (one_back in LINKS and two_back in REACHING)
    )
    reached = reached or (one_back in _TO_REACH and two_back in _MODALS)
    subject = one_back in REACHING and two_back in _SUBJECTS
    if not reached or not _ends_clean(units, one, loosely=subject):
        return False
    if _has_before(units, one.first, MEASURED_OR_HOT, LOOK):
        return False
    return one.value < 100 or not _is_hot(units, one)


_REACHING_PHRASES = frozenset(
    tuple(phrase.split("_"))
    for phrase in words(
        """close_to going_on shy_of short_of older_than north_of side_of on_for door_of up_on half_past upwards_of
        well_past     well_over coming_up heading_for headed_for close_on edging_toward edging_towards"""
    )
)
_UPWARDS = {
    ("up", "to"): words("coming comes came creeping getting going inching"),
    ("in", "on"): words("closing closes"),
    ("it", "to"): words("make makes made making"),
}
"""`coming up to 95`, `closing in on ninety`, `if i make it to 100`."""
_TO_REACH = words("reach make see hit turn")
_MODALS = words(
    """i'd he'd she'd we'd they'd i'll he'll she'll we'll they'll you'll people to would will never ever not could might
    can"""
)
_SUBJECTS = words("i he she who mom mum dad grandma grandpa granny nana mother father they")


def _is_lived(units: Sequence[Unit], one: Candidate) -> bool:
    """`lived to 97`, `died at 94`, `at 92 I still walk`, `still driving at 95`."""
    if not _ends_clean(units, one):
        return False
    back = one.first - 1
    while back >= max(0, one.first - 4) and units[back].norm in LIFE_LINKS:
        back -= 1
    if _has_before(units, one.first, MEASURED_OR_HOT, LOOK):
        return False
    if back < one.first - 1 and back >= 0 and units[back].norm in LIFE:
        if units[back].norm in GETS:
            return _has_person_before(units, back)
        return _norm(units, back - 1) not in ("it", "that", "this")
    if _norm(units, one.first - 1) in ("to", "at") and _norm(units, one.first - 2) in KIN:
        return True
    if _norm(units, one.first - 1) != "at":
        return False
    starts = (
        one.first < 2
        or units[one.first - 2].kind == SIGN
        or units[one.first - 2].norm in ("and", "but", "so", "that", "even", "because", "now")
    )
    after = _norm(units, one.last + 1)
    follows = _norm(units, one.last + 2) if after == "," else after
    asks = after == "," and follows in ASKING and _norm(units, one.last + 3) not in ("it", "that", "this")
    if starts and asks:
        return True
    if starts and (follows in PRONOUNS or follows in PERSON or follows in ("my", "the", "it", "you")):
        return True
    alone = not after or not after.isalpha() or after in FUNCTION
    return alone and not starts and _has_before(units, one.first, LIVING, LOOK)


def _is_before_person(units: Sequence[Unit], one: Candidate) -> bool:
    """`93, female`, `a ninety-something lady`, `a woman of 93`, `ninety three going on twenty`."""
    ahead = one.last + 1
    while _norm(units, ahead) in (",", "-", "something", "ish", "plus", "odd", "+"):
        ahead += 1
    follows = _norm(units, ahead)
    if follows in ("female", "male", "woman", "man", "lady", "gentleman", "widow", "widower", "yof", "yom"):
        return not _has_before(units, one.first, MEASURED, 4)
    if ahead > one.last + 1 and _norm(units, ahead - 1) in ("something", "ish") and follows not in QUANTITIES:
        return not _has_before(units, one.first, MEASURED_OR_HOT, LOOK)
    if follows == "going" and _norm(units, ahead + 1) == "on":
        return True
    if follows in ("young", "plus") and ahead == one.last + 1:
        return _has_person_before(units, one.first) and not _has_before(units, one.first, MEASURED, LOOK)
    if follows in ("birthday", "next") and "birthday" in _norms(units, ahead, ahead + 2):
        return True
    if _norms(units, ahead, ahead + 2) in (("too", "old"), ("too", "young"), ("old", "enough")):
        return True
    begins = one.first == 0 or (one.first == 1 and units[0].norm in ("almost", "nearly", "over", "about", "past"))
    if begins and _norm(units, ahead + (follows == "and")) in FRAIL:
        return True
    of_whom = _norm(units, one.first - 1) == "of" and _norm(units, one.first - 2) in NAMED_PERSONS
    return of_whom and _ends_clean(units, one, loosely=True)


def _is_told(units: Sequence[Unit], one: Candidate) -> bool:
    """`the lady in the next bed is 98`, `ninety four and still gardening`."""
    if _has_before(units, one.first, MEASURED_ELSEWHERE, LOOK) or one.value > OLDEST_HUMAN:
        return False
    after = one.last + 1 + (_norm(units, one.last + 1) == ",")
    if _norm(units, after) == "and" and _norm(units, after + 1) in STILL:
        return True
    if _norm(units, one.first - 1) not in ("is", "was", "turned", "turns") or not _ends_clean(units, one):
        return False
    back = one.first - 2
    while back >= max(0, one.first - LONGEST_CLAUSE):
        if units[back].kind == SIGN or units[back].norm in ("and", "but", "so", "because"):
            return False
        if units[back].norm in PERSON_NOUNS:
            return one.value < 100 or not _is_hot(units, one)
        back -= 1
    return False


def _is_hot(units: Sequence[Unit], one: Candidate) -> bool:
    """Return whether a number from 100 on may be a temperature: words of fever are in the text around it."""
    near = range(max(0, one.first - 2 * LOOK), min(len(units), one.last + LOOK))
    return any(units[at].norm in HOT for at in near)


def _ends_clean(units: Sequence[Unit], one: Candidate, *, loosely: bool = False) -> bool:
    """Return whether nothing counted or measured follows; with `loosely`, any word but a unit may follow."""
    at = one.last + 1
    if at >= len(units):
        return True
    unit = units[at]
    if unit.kind in (SIGN, GONE):
        return unit.norm not in ("/", "%", "°", "#") and not (unit.norm == "+" and _norm(units, at + 1) in QUANTITIES)
    if unit.norm in ("i", "a"):
        return True
    if unit.norm in NO_AGE_AFTER or unit.kind != WORD:
        return False
    if unit.norm == "of" and _norm(units, at + 1) != "age":
        return False
    if unit.norm == "on" and (
        _norm(units, at + 1) in ON_DEVICE or (at + 1 < len(units) and units[at + 1].kind == NUMBER)
    ):
        return False
    if unit.norm == "on" and _norm(units, at + 1) == "the" and _norm(units, at + 2) in METERS:
        return False
    return unit.norm in CLEAN or (loosely and unit.norm not in MEASURED)


def _is_decimal(units: Sequence[Unit], one: Candidate) -> bool:
    """Return whether the number has a fraction, or is one, or is in a pressure."""
    if (
        one.first
        and units[one.first - 1].norm in (".", "point", "/", "over")
        and one.first > 1
        and units[one.first - 2].kind == NUMBER
    ):
        return True
    at = one.last + 1
    if at + 1 >= len(units):
        return False
    touching = units[at].norm == "." and units[at].start == units[at - 1].end and units[at + 1].start == units[at].end
    return (touching or units[at].norm in ("point", "over", "/")) and units[at + 1].kind == NUMBER


def _is_decade_of_life(units: Sequence[Unit], at: int) -> bool:
    """`in my nineties`, `her mid 90s`; pulses and the years of a century are in the nineties too."""
    back = at - 1
    while back >= 0 and units[back].norm in NEAR_DECADE:
        back -= 1
    if back < 0:
        return at > 0 and _norm(units, at + 1) in NOUNS_OF_PEOPLE
    owner = units[back]
    if back < at - 1 and _norm(units, at + 1) in NOUNS_OF_PEOPLE:
        return True
    if owner.norm in OWN or (owner.kind == WORD and owner.norm.endswith("'s") and owner.norm[:-2] in PERSON):
        return not _has_before(units, back, MEASURED, 4)
    if owner.norm == "the":
        back -= 1
    if units[back].norm == "over" and not _has_before(units, back, MEASURED, LOOK):
        return _ends_decade(units, at)
    if units[back].norm not in ("in", "into") or back < 1:
        return False
    before = back - 1
    while before > max(0, back - 5) and units[before].norm in LINKS:
        before -= 1
    person = units[before].norm in ALSO_PERSON or units[before].norm in IS_PERSON
    return person and not _has_before(units, before, MEASURED, LOOK)


def _ends_decade(units: Sequence[Unit], at: int) -> bool:
    """Return whether people are meant by `the over nineties`."""
    return _norm(units, at + 1) in ("clinic", "group", "club", "patients", "people", "ward", "cohort")


def _centuries(reading: Reading) -> Iterator[Span]:
    """`a century old`, `nine decades`, `in her tenth decade`, `four score and twelve`."""
    units = reading.units
    for at in reading.cued(_CENTURY_CUE):
        before = _norms(units, max(0, at - 3), at)
        old = _norm(units, at + 1) in ("old", "mark", "young") or _norms(units, at + 1, at + 3) == ("of", "life")
        if old or (set(before) & CENTURY_BEFORE and "of" not in before and _has_person_before(units, at)):
            yield at, at, Category.AGE
    for at in reading.cued(_DECADE_CUE):
        unit = units[at - 1] if at else None
        if (
            unit
            and unit.kind == NUMBER
            and (
                (unit.how == ORDINAL and unit.norm in ("10", "11") and _norm(units, at - 2) in OWN_OR_THE)
                or (unit.how != ORDINAL and unit.norm in ("9", "10", "11"))
            )
        ):
            yield at - 1, at, Category.AGE
    for at in reading.cued(_SCORE_CUE):
        unit = units[at - 1] if at else None
        if units[at].norm == "fourscore" or (
            unit and unit.norm in ("4", "5") and _norm(units, at + 1) in ("and", "years", "")
        ):
            last = (
                at + 2 if at + 2 < len(units) and units[at + 1].norm == "and" and units[at + 2].kind == NUMBER else at
            )
            if last > at or _norm(units, at + 1) == "years":
                yield at if units[at].norm == "fourscore" else at - 1, last, Category.AGE


def _has_before(units: Sequence[Unit], at: int, among: frozenset[str], most: int) -> bool:
    """Return whether one of these words is before, in the same sentence."""
    for back in range(at - 1, max(-1, at - 1 - most), -1):
        if units[back].norm in (".", "?", "!", ";") and units[back].end < units[back + 1].start:
            return False
        if units[back].norm in among:
            return True
    return False


def _has_person_before(units: Sequence[Unit], at: int) -> bool:
    return _has_before(units, at, _PERSONS, LOOK)


_PERSONS = ALSO_PERSON | IS_PERSON | words("her him his their my")


def _after(units: Sequence[Unit], at: int) -> str:
    return _norm(units, at + 1)


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""


def _norms(units: Sequence[Unit], first: int, end: int) -> tuple[str, ...]:
    return tuple(unit.norm for unit in units[first:end])
