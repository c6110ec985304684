"""Dates and weekdays, written or said."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, MONTH_OF, QUANTITIES, WEEKDAYS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.notation import is_marched
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit

_BORN = words("born birth birthday dob birthday's birthdate's dob's")
DATE_WORDS = WEEKDAYS | _BORN | MONTH_OF.keys()
"""One of these, or a number, is in every date."""
_ALSO_WORDS = frozenset(("may", "march", "mar", "sep", "jan", "dec"))
_MAY_PERHAPS = words("last next this early from around before after")
_SKIPPED = FILLERS | frozenset((",", ".", "-", "/", "the", "of", "in", "year", "and", "–", "'"))
_HEDGES = words(
    """like maybe probably i think believe guess let's let me see was it you know mean well actually sorry perhaps say
    wanna want to what is that's hmm hm er"""
)
"""What people say while they look for a day: `june i think the tenth`."""
_LONGEST = 8
_FARTHEST_BIRTH = 8
_LONGEST_GAP = 5
_BEFORE_MONTH = words(", - / . of the in like day")
_CENTURIES = frozenset(("18", "19", "20"))
_DAY_ENDS = (
    FUNCTION
    | FILLERS
    | words(
        """works worked please because maybe instead onwards onward inst ult prox pls plz work thx madam sir ma'am love
        dear following ji suits suit free full booked open available busy fine perfect great okay ideal morning
        afternoon evening night weekend i"""
    )
) - words(
    """old new good bad best better worst worse right wrong most more less least few other another same such own call
    calls called use used uses look need needs take takes took feel feels patient patients doctor doctors nurse
    mother father mom dad wife husband son daughter brother sister a an this his her my your one"""
)
"""What follows a day that is said alone, apart from the things that are counted."""
_COUNTED_IN_ORDER = words(
    """floor toe finger digit rib nerve grade visit visits dose doses cycle pill pills shot try attempt week weeks
    month months year years day days time times hour hours minute night birthday anniversary street avenue st ave
    edition chapter page round lap call ring glass bottle metatarsal metacarpal vertebra level degree stage
    trimester percentile session treatment course line row hole child baby one ones set rep box step question item
    point line test scan surgery pregnancy relapse episode fracture tooth molar intercostal ventricle heart lumbar
    thoracic cervical sacral"""
)
"""Counted things behind an ordinal with a preposition before it."""
_DAY_PREPOSITIONS = words("starting beginning on by until till before after since from to through thru")
_LAST_DAY, _LAST_MONTH = 31, 12
_MET = words("saw seen see visited met came come")
_FEWEST_NIGHTS = 5
"""Nights and mornings up to the fifth are counted: `on the second night`."""
_PARTS_OF_DAYS = words("night morning day evening afternoon week weekend date eve")
_BEFORE_DAY = WEEKDAYS | words("today tomorrow yesterday tonight sat fri thu wed mon tue sun")
_CORRECTIONS = words("no sorry wait actually i mean make that it")
"""What people say between a day and the right one: `june twenty, no, twenty first`."""
_DATE_IS = frozenset((("date", "is"), ("day", "is"), ("given", "is")))
_OF_A_THING = frozenset((("of", "a"), ("of", "an")))
_FIRST_ORDINALS = 3
"""The first, second and third of anything are counted more often than days; behind a word of time they are days."""
_IS = words("is was be 's on for are were isn't wasn't to falls due")
_DAY_NOUNS = words(
    """appointment appointments surgery visit birthday birthdays birthday's birthdate procedure operation scan
    deadline date due wedding anniversary"""
)
_MONTHS_ROUND = words("last this next every each that following")
_MONTHS_ROUND_OR_END = _MONTHS_ROUND | {""}
_TO_BIRTH = FILLERS | words(
    """on in is was the of , : - ' ’ year back around about sometime s it's it comes falls day date my her his our and
    please i think maybe like be coming up again also ? . both"""
)
_MAY_FOLLOWED = words(
    """and or i we he she they it to for at because when but so the my is was will if on in with until of , . ? ! ; :"""
)
_MAY_SURE = words("in of since until till by during through late mid month")
_NO_HOLIDAY = words("disease factor seal seals")
_YEAR = words("""in of since from until till by before after around back year late early""")


def _by_first_word(phrases: str) -> dict[str, tuple[tuple[str, ...], ...]]:
    """Return for the first word of each phrase what may follow it, the longest first."""
    found: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in phrases.split(";"):
        first, *rest = phrase.split()
        found[first] = tuple(sorted((*found.get(first, ()), tuple(rest)), key=len, reverse=True))
    return found


HOLIDAYS = _by_first_word(
    """new year; may day; republic day; midsummer's day; midsummer; holi; onam; pongal; navratri; nowruz; vaisakhi;
    hogmanay; whitsun; michaelmas; twelfth night; shrove tuesday; maundy thursday; ascension day; burns night;
    children's day; teacher's day; women's day; gandhi jayanti; raksha bandhan; ganesh chaturthi; durga puja;
    sukkot; civic holiday; pancake day; mothering sunday; presidents ' day; mothers ' day; fathers ' day; valentines
    ' day; veterans ' day; waitangi day; st george's day; st andrew's day; st david's day; baisakhi; lohri; makar
    sankranti; christmas eve; christmas day; christmas; xmas eve; xmas day; xmas; thanksgiving day; thanksgiving;
    easter sunday; easter monday; easter; halloween; hanukkah; chanukah; passover; ramadan; eid al fitr; eid al
    adha; eid; diwali; kwanzaa; juneteenth; purim; yom kippur; rosh hashanah; mardi gras; boxing day; new year's
    eve; new year's day; new year's; new years eve; new years day; new years; new year eve; new year day; lunar new
    year; chinese new year; labor day; labour day; memorial day; veterans day; veteran's day; veterans' day;
    presidents day; president's day; presidents' day; columbus day; independence day; mother's day; mothers day;
    mothers' day; father's day; fathers day; fathers' day; valentine's day; valentines day; valentine's; valentines;
    mlk day; martin luther king day; groundhog day; good friday; palm sunday; ash wednesday; bank holiday; canada
    day; victoria day; bastille day; st patrick's day; st . patrick's day; saint patrick's day; st patricks day;
    saint patricks day; cinco de mayo; earth day; election day; super bowl sunday; bonfire night; guy fawkes night;
    anzac day; australia day; day of the dead; april fool's day; april fools day; april fools; all saints day; all
    saints' day; indigenous peoples day; indigenous peoples' day; flag day; st stephen's day; lent; pentecost; tax
    day; armistice day; remembrance day; holocaust memorial day; leap day"""
)
"""Holidays by their first word: they tell a day as its number does."""
_SHORT_DAYS = words("sat fri thu wed mon tue sun")
_DATE_CUE, _HOLIDAY_CUE, _SHORT_DAY_CUE = cue(DATE_WORDS), cue(HOLIDAYS), cue(_SHORT_DAYS)


@begins_with(_DATE_CUE, _HOLIDAY_CUE, NUMBER)
def dates(reading: Reading) -> Iterator[Span]:
    """Months with what belongs to them, weekdays, days of a month, years after a birth."""
    units = reading.units
    yield from ((at, at, Category.DATE_OF_BIRTH) for at in reading.cued(_SHORT_DAY_CUE) if _has_date(units, at))
    for at in reading.cued(_DATE_CUE):
        norm = units[at].norm
        if norm in WEEKDAYS:
            yield at, at, Category.DATE_OF_BIRTH
        elif norm in _BORN:
            yield from _born(units, at)
        else:
            first, last = _day_before(units, at), _day_and_year_after(units, at)
            if norm not in _ALSO_WORDS or (first, last) != (at, at) or _is_month(units, at):
                yield first, last, Category.DATE_OF_BIRTH
    for at in reading.cued(_HOLIDAY_CUE):
        for rest in HOLIDAYS[units[at].norm]:
            if rest and reading.norm(at + 1) != rest[0]:
                continue
            last = at + len(rest)
            if tuple(reading.norms[at + 1 : last + 1]) == rest and reading.norm(last + 1) not in _NO_HOLIDAY:
                yield at, _day_and_year_after(units, last), Category.DATE_OF_BIRTH
                break
    for at in reading.of_kind(NUMBER):
        if units[at].how == ORDINAL:
            yield from _day_alone(units, at)
        elif len(units[at].norm) == 2 and at > 1 and units[at - 1].norm in ("'", "’") and units[at - 2].norm in _YEAR:
            yield at, at, Category.DATE_OF_BIRTH


def _has_date(units: Sequence[Unit], at: int) -> bool:
    """Return whether a day or a month follows: `wed the 12th`, `Thu, Apr 9`, `Sat 4 Oct`."""
    if at and units[at - 1].norm == "the":
        return False
    ahead = at + 1
    while ahead < min(at + _LONGEST_GAP, len(units)) and units[ahead].norm in (".", ",", "the"):
        ahead += 1
    if ahead >= len(units):
        return False
    month = _norm(units, ahead) if units[ahead].kind != NUMBER else _norm(units, ahead + 1)
    return month in MONTH_OF or (units[ahead].how == ORDINAL and _is_day(units[ahead]))


def _is_month(units: Sequence[Unit], at: int) -> bool:
    """Return whether a word is a month and no verb: `in may`, `this may because`, but not `this may hurt`."""
    if units[at].norm == "march":
        return not is_marched(units, at)
    if units[at].norm != "may" or (at and units[at - 1].norm in _MAY_SURE):
        return True
    if not at or units[at - 1].norm not in _MAY_PERHAPS:
        return False
    return at + 1 == len(units) or units[at + 1].norm in _MAY_FOLLOWED or units[at + 1].kind == NUMBER


def _day_before(units: Sequence[Unit], at: int) -> int:
    """The first unit of `the third of` before a month."""
    back = at - 1
    while (
        back >= 0 and at - back <= _LONGEST_GAP and (units[back].norm in _BEFORE_MONTH or units[back].norm in FILLERS)
    ):
        back -= 1
    if back < 0 or at - back > _LONGEST_GAP or not _is_day(units[back]):
        return at
    if units[back].how != ORDINAL and any(unit.norm in ("in", "like") for unit in units[back:at]):
        return at
    return back


def _day_and_year_after(units: Sequence[Unit], at: int) -> int:
    """The last number that belongs to a month: a day, then a year in one or two numbers."""
    last, said, hedged = at, list[str](), False
    for ahead in range(at + 1, min(at + 1 + _LONGEST, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER and len(unit.norm) <= 4 and not _is_whole(said):
            if unit.how != ORDINAL and (hedged or (ahead + 1 < len(units) and units[ahead + 1].norm in QUANTITIES)):
                break
            last = ahead
            said.append(unit.norm)
        elif unit.norm == "for" and not said and _norm(units, ahead + 1) in _CENTURIES:
            said.append("4")  # as `fourth` is heard: `march for nineteen eighty two`
        elif unit.norm in _HEDGES and not said:
            hedged = True
        elif said and unit.norm in _CORRECTIONS and (other := _corrected(units, ahead)):
            return other
        elif unit.norm not in _SKIPPED:
            break
    return last


def _corrected(units: Sequence[Unit], at: int) -> int:
    """Return the ordinal that is said instead of the day before, as in `no, the twenty first`; 0 for none."""
    for ahead in range(at, min(at + _LONGEST_GAP, len(units))):
        if units[ahead].kind == NUMBER:
            return ahead if units[ahead].how == ORDINAL and _is_day(units[ahead]) else 0
        if units[ahead].norm not in _CORRECTIONS and units[ahead].norm not in _SKIPPED:
            return 0
    return 0


def _is_whole(said: list[str]) -> bool:
    """Return whether these numbers are a day and a year already, or a year alone."""
    if not said or len(said) == 1:
        return bool(said) and len(said[0]) == 4
    years = said[1:]
    return len(years[0]) == 4 or (len(years[0]) == 2 and years[0] not in _CENTURIES) or len("".join(years)) >= 4


def _day_alone(units: Sequence[Unit], at: int) -> Iterator[Span]:
    """`the fifteenth`, `the third of the fourth`: a day of some month, where no thing is being counted."""
    gap = at - 1
    while gap > 0 and (units[gap].norm in FILLERS or units[gap].norm == ","):
        gap -= 1
    back = at - gap if at and units[gap].norm == "the" else 0
    nexts = [unit.norm for unit in units[at + 1 : at + 4]]
    after = 1 + nexts.index("the") + 1 if nexts[:2] == ["of", "the"] else 2 if nexts[:1] == ["of"] else 0
    if after and at + after < len(units) and _is_month_or_day(units, at, at + after):
        yield at, at + after, Category.DATE_OF_BIRTH
    elif 1 <= int(units[at].norm) <= _LAST_DAY and (_is_day_of_month(units, at, back) or _is_second_day(units, at)):
        yield at, at, Category.DATE_OF_BIRTH


def _is_month_or_day(units: Sequence[Unit], day: int, at: int) -> bool:
    """Whether another ordinal, or the number of a month at the end, follows: `the third of the fourth`, `of ten`."""
    if _is_day(units[at]) and units[at].how == ORDINAL:
        return True
    is_month = units[at].kind == NUMBER and units[at].how == SPOKEN and 1 <= int(units[at].norm) <= _LAST_MONTH
    return is_month and at + 1 == len(units) and int(units[day].norm) > _FIRST_ORDINALS


def _is_second_day(units: Sequence[Unit], at: int) -> bool:
    """`the ninth and tenth`, where the first of the two is a day."""
    first = at - 2
    if first < 1 or units[at - 1].norm not in ("and", "or", "to", "-") or not _is_day(units[first]):
        return False
    if units[first].how != ORDINAL or not (at + 1 == len(units) or units[at + 1].kind == SIGN or _ends(units, at + 1)):
        return False
    return units[first - 1].norm == "the" and int(units[first].norm) > _FIRST_ORDINALS


def _ends(units: Sequence[Unit], at: int) -> bool:
    return units[at].norm in _DAY_ENDS


def _is_day_of_month(units: Sequence[Unit], at: int, back: int) -> bool:
    """`on the third`, `by 22nd`, `the third of last month`, but not `the third time`; `back` units go with `the`."""
    following = units[at + 1] if at + 1 < len(units) else None
    if (
        following
        and following.norm == "of"
        and (_norm(units, at + 2) in _MONTHS_ROUND or _norm(units, at + 2) == "the")
    ):
        return _norm(units, at + 3) in ("month", "year")
    if following and following.norm in ("and", "or", "to", ","):
        other = at + 2 + (_norm(units, at + 2) == "the")
        if other < len(units) and units[other].how == ORDINAL and _is_day(units[other]):
            ends = back and _norm(units, other + 1) in _MONTHS_ROUND_OR_END
            return bool(ends) or _is_day_of_month(units, other, back)
    ends = following is None or (following.kind == SIGN and following.norm != "-") or following.norm in _DAY_ENDS
    if following and following.norm in _PARTS_OF_DAYS and int(units[at].norm) <= _FEWEST_NIGHTS:
        return False
    ends = ends or _norms(units, at + 1, at + 3) == ("w", "/") or (not back and _norm(units, at + 1) in _MONTHS_ROUND)
    before = at - 1 - back
    prepared = before >= 0 and (
        units[before].norm in _DAY_PREPOSITIONS
        or _norms(units, max(0, before - 1), before + 1) == ("as", "of")
        or (following is None and units[before].norm in ("for", "date"))
    )
    sure = prepared and back and int(units[at].norm) > _FIRST_ORDINALS
    if sure and following and following.kind == WORD and following.norm not in _COUNTED_IN_ORDER:
        ends = ends or following.norm not in QUANTITIES
    if not ends or _norms(units, at + 1, at + 3) in _OF_A_THING or (following and following.kind == GONE):
        return False
    if not prepared and back:
        near = range(max(0, before - 3), before + 1)
        prepared = any(units[one].norm in _DAY_NOUNS for one in near) and _norm(units, before) in _IS
        prepared = prepared or _norm(units, before) in _BEFORE_DAY
        prepared = prepared or (following is None and any(units[one].norm in _MET for one in near))
        prepared = prepared or (_norm(units, before) == "of" and _norm(units, before - 1) in _PARTS_OF_DAYS)
    prepared = prepared or (not back and _norms(units, before - 1, before + 1) in _DATE_IS)
    if not back:
        return prepared and units[at].start + 2 < units[at].end and not _is_hyphened(units, at)
    return prepared or int(units[at].norm) > _FIRST_ORDINALS


def _is_hyphened(units: Sequence[Unit], at: int) -> bool:
    return at + 1 < len(units) and units[at + 1].norm == "-"


def _norms(units: Sequence[Unit], first: int, end: int) -> tuple[str, ...]:
    return tuple(unit.norm for unit in units[first:end])


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""


def _born(units: Sequence[Unit], at: int) -> Iterator[Span]:
    """`born in eighty two`, `birthday is three three`: the numbers that follow soon; `first born of three` has none."""
    if at and units[at].norm == "born" and units[at - 1].how == ORDINAL:
        return
    for ahead in range(at + 1, min(at + _FARTHEST_BIRTH, len(units))):
        unit = units[ahead]
        if unit.kind == NUMBER:
            last = ahead
            while last + 1 < len(units) and last < ahead + 8 and _goes_on(units[last + 1]):
                last += 1
            while units[last].kind != NUMBER:
                last -= 1
            if last + 1 == len(units) or units[last + 1].norm not in QUANTITIES:
                yield ahead, last, Category.DATE_OF_BIRTH
            return
        if unit.norm not in _TO_BIRTH and unit.norm not in MONTH_OF:
            return


def _goes_on(unit: Unit) -> bool:
    return unit.kind == NUMBER or unit.norm in (",", "-", "/", ".", "of", "the", "slash", "dash")


def _is_day(unit: Unit) -> bool:
    return unit.kind == NUMBER and len(unit.norm) <= 2 and 1 <= int(unit.norm) <= 31
