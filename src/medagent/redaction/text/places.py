"""Towns and facilities whose names are ordinary words, by what is said of them.

`i live in X`, `a clinic in X` and `she was transferred from X` name a place whatever word X is, apart from the words
that are there without being one (`in pain`, `from work`). `X nursing home` and `X hospital` name one where X does
not say of which kind it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, MONTH_OF, NAME_WORDS, QUANTITIES, STATES, WEEKDAYS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit

_LONGEST = 3
_ZIP_DIGITS = 5
_BEFORE_ZIP = frozenset(("in", "from", "near"))
_LIVING = words(
    """live lives living lived reside resides residing grew raised born based located stay stays staying stayed
    settled retired raised bought rent rents renting house home apartment condo trailer farm"""
)
_SITES = words(
    """clinic clinics office offices pharmacy pharmacies hospital hospitals location locations branch doctor doctors
    dentist specialist store practice facility care center job jobs church school provider providers lab labs"""
)
_WORKING = words(
    """work works worked working teach teaches taught teaching volunteer volunteers volunteered employed enrolled
    respite dialysis hospice shift shifts nights care daycare"""
)
_LOOSELY = words(
    """bed beds room rehab nurse nurses staff surgery therapy labs lab mri ct xray records record chart appointment
    appointments doctor doctors dr picked visit visiting drop dropped born died stays staying living back
    surgery procedure admission treated aide van"""
)
"""Behind one of these and `at` or `from` two words or more are a facility, one is a time or a thing."""
_WHOM = words("her him them us me mom dad mother father grandma grandpa grandmother grandfather nana granny")
_CALLED = words("called named")
_TOWNS = words("town city village hamlet county borough township suburb parish municipality")
_CALLED_SITES = _TOWNS | words("place home facility hospital school clinic street road ranch residence estate area")
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
_HOUSES = words("house court lodge manor villa gardens rivers lake lakes beach falls springs hills valley")
_MOVING = words("move moved moves moving relocate relocated relocating")
_COMING = words("from")
_TO_HERE = words("here down up over back out away just in")
_ADVERBS = words(
    """up down out over here back right just now still currently mostly usually somewhere all alone together"""
)
_ROUNDABOUT, _IN_OR_ROUND = words("out over up down back"), words("in near outside")
_FROM = words(
    """i'm we're he's she's they're you're visiting calling come came comes coming drive drove driving drives traveling
    flew"""
)
_PRONOUN_BE = words("i we he she they you")
_PEOPLE = words(
    """he she they mom mother mum dad father grandma grandmother grandpa grandfather husband wife aunt uncle sister
    brother son daughter nana granny friend neighbor neighbour patient who parents i we he's she's they're who's
    mom's dad's mother's father's i'm we're him her them pt resident"""
)
_AT = words(
    """is was lives live living lived stays stay staying stayed been be being moved 's now again currently resident
    residents right still back over out"""
)
_TREATED = words(
    """transferred discharged admitted sent moved referred taken brought treated seen released move moving transfer
    rushed resident residents placed"""
)
_TREATED_BY = words("to from at into of in over")
_HOMES = (
    *(
        "nursing home",
        "care home",
        "assisted living",
        "memory care",
        "rehab center",
        "rehab",
        "urgent care",
        "medical center",
    ),
    *(
        "health center",
        "skilled nursing",
        "senior living",
        "retirement home",
        "retirement community",
        "group home",
        "hospital",
    ),
    *(
        "clinic",
        "middle school",
        "high school",
        "elementary school",
        "elementary",
        "school",
        "hospice",
        "nursing center",
    ),
    *(
        "care center",
        "health clinic",
        "living center",
        "manor",
        "village",
        "lodge",
        "villa",
        "villas",
    ),
    *("medical centre", "health centre", "care centre", "day centre", "rehab centre", "residential home", "day care"),
    *(
        "daycare",
        "preschool",
        "nursery",
        "primary school",
        "secondary school",
        "colony",
        "layout",
        "enclave",
        "apartments",
        "medical practice",
    ),
    *("academy", "college", "university", "pharmacy", "church", "retirement village", "convalescent home", "infirmary"),
)
_TYPES = {
    first: tuple(sorted((tuple(rest) for f, *rest in map(str.split, _HOMES) if f == first), key=len, reverse=True))
    for first in {h.split()[0] for h in _HOMES}
}
"""The first word of each type of facility, with what follows it."""
_KINDS_OF = (
    words(
        """town intensive emergency urgent primary
        physical skilled long term acute post local nearest nearby same other children's childrens childs university
        state community private public women's womens veterans va pediatric psychiatric psych mental behavioral dental
        eye sleep pain wound heart cancer stroke walk outpatient inpatient day night adult teaching big small nice free
        middle high elementary medical nursing law grad graduate art trade culinary summer sunday general county city
        district regional rural foot skin diabetes fertility allergy surgery surgical vein weight flu travel methadone
        suboxone addiction detox home health healthcare family kids after before during pre assisted independent memory
        senior retirement group second whole entire closest main downtown different certain any some every next last
        animal vet veterinary birth birthing maternity trauma military army navy religious catholic christian middle
        junior senior preschool nursery boarding driving online virtual retail chain discount compounding mail specialty
        outside hospice good bad better best great new old my your his her our their the a an this that in at of to from
        for and or with is was are be by on it not no rehab skilled clinic hospital living care out left leaving called
        calling finish finished start started off visiting visited about into near via between around attending attend
        missed miss skip skipped quit graduated enjoy love like need needs want wants find found changed change switch
        switched another"""
    )
    | FILLERS
)
"""Words before the type of a facility that are no name of one."""
_SMALL_WORDS, _SURE_KINDS = FUNCTION - NAME_WORDS, _KINDS_OF - NAME_WORDS
_NO_PLACE = words(
    """pain fear town bed shelter poverty hospice denial peace misery agony isolation quarantine college housing hope's
    home homes work school church risk rest lunch dinner breakfast dialysis rehab therapy least anxiety depression
    discomfort present night noon times first last once baseline bedtime term end care icu hospital er surgery
    recovery floor ward unit radiology oncology stock general network person building english spanish house houses
    apartment apartments condo country city state county area areas place places room rooms class court jail prison
    custody charge case cases tears trouble shape spirits labor remission traction transit agreement disability
    oxygen order time weight sleep hand hands foot chair car bus truck van work's office offices practice stress
    detox birth childhood scratch clinic downtown upstairs downstairs outside inside there here somewhere anywhere
    everywhere abroad overseas hours weeks days months years minutes age normal's tissue blood body head back neck
    left right side front middle bottom top public private question contact touch advance addition fact turn part
    full mind view use need needs danger distress shock crisis pieces line position bathroom kitchen bedroom
    basement garage yard parking lobby lot waiting crutches walkers wheelchair medicine medication drugs alcohol
    sugar salt data information labs lab results phone phones email texts everyone everything anyone someone
    something nothing anything none training nature falling exercise exercising standing sitting walking running
    lifting eating drinking smoking stairs stool urine daycare preschool kindergarten grade high low rate rates
    level levels point points max maximum minimum speed university detention treatment observation critical
    condition stable ok okay fine intensive station lines emergency pharmacy mine yours theirs ours his hers him her
    them me us family friends people son daughter mom dad wife husband sister brother mother father parents doctor
    nurse specialist insurance medicare medicaid service services collections billing preparation prep anticipation
    board telemetry stepdown preop postop response compliance hopes shop store factory warehouse restaurant firm
    desk capacity discharge connection hindsight reality theory"""
)
"""Words behind `live in`, `moved from`, `is at` that are no town and no facility."""
_PAIR = 2
_PAIRED = words(
    """lake lakes beach bay rock falls island springs hill hills valley river city place general memorial house
    center court point village town park house view"""
)
"""The second word of a name of two words that alone is none: `plain city`, `park place`, `county general`."""
_UNPAIRED = (
    words(
        """same different new big inner nice better safe quiet good other this his her my group sober old work in major
        every health medical halfway safe full open boarding tree empty whole nursing care"""
    )
    | NAME_WORDS
)
_TIMES = words("""last today yesterday tonight tomorrow next recently currently since ago ever lately""")
_HOME_ENDINGS = words(
    """pines oaks willows elms cedars maples birches palms laurels meadows acres years horizons leaves springs hills
    ridge grove groves gardens valley brook creek haven harbor harbour shores heights towers moon sunrise sunset
    manor estates lodge villas hollow beginnings glen vista terrace pointe commons arbor arbors crossing house
    landing trails falls pastures gables orchards vineyard lakes shepherd samaritan"""
)
"""The last word of the name of a home, where no verb says that it is one."""
_THE_HOMES = words(
    """poplars hawthorns larches chestnuts sycamores lilacs ashes hollies rowans cherries magnolias orchards hawthorns
    willows pines oaks elms cedars maples birches palms laurels beeches meadows arbors gables firs hollies limes"""
)
BESIDE_HIDDEN = frozenset(_TYPES) | _HOME_ENDINGS | _THE_HOMES | frozenset(("at",))
"""Words that may name a place only once a word near them is hidden: `<REDACTED> is at lakeview`."""
_PLACE_CUES = (
    _LOOSELY
    | _WORKING
    | _CALLED
    | _TOWNS
    | _LABELLED
    | _STATE_NAMES
    | _LIVING
    | _SITES
    | _MOVING
    | _COMING
    | _TREATED
    | _AT
    | frozenset(_TYPES)
    | _HOME_ENDINGS
    | _THE_HOMES
    | _BEFORE_ZIP
)
_ALONE = _LIVING | _SITES | _MOVING | _COMING | _TREATED | _TYPES.keys() | _HOME_ENDINGS | _THE_HOMES
_ALONE |= _LOOSELY | _WORKING | _CALLED | _TOWNS | _LABELLED | _STATE_NAMES
_WITH_AT, _WITH_NUMBER = _AT - _ALONE - _BEFORE_ZIP, _BEFORE_ZIP - _ALONE - _AT
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
        if norm in _TYPES:
            yield from _typed(reading, at)
        if norm in _HOME_ENDINGS:
            yield from _home(reading, at)
        if norm in _THE_HOMES and _is_the_home(units, at):
            yield at, at, Category.ADDRESS
        if norm in _BEFORE_ZIP and (last := _before_zip(units, at)):
            yield at + 1, last, Category.ADDRESS
        for cued, find in ((_STATE_NAMES, _before_state), (_LABELLED, _behind_colon), (_LOOSELY, _behind_loosely)):
            if norm in cued and (found := find(reading, at)):
                yield *found, Category.ADDRESS
        begin = _behind_cue(units, at)
        sure = norm in _LIVING or norm in _SITES or norm in _COMING or (norm in _MOVING and norms[begin - 1] == "from")
        if begin and (found := _named(reading, begin, sure=sure)):
            yield *found, Category.ADDRESS
    for at in reading.cued(_STATE_LETTERS_CUE):
        written = reading.text[units[at].start : units[at].end].isupper() and at > 1 and reading.capitals[at - 2]
        if written and _ends(units, at + 1) and (found := _before_state(reading, at)):
            yield *found, Category.ADDRESS


def _before_state(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `mobile` in `mobile, alabama`: up to three words behind a preposition, or in capitals."""
    units = reading.units
    comma = at - 1 - (_norm(units, at - 1) in _OF_STATES)
    last = comma - 1
    if last < 0 or units[comma].norm != "," or units[last].kind not in (WORD, NUMBER) or units[last].norm in _NO_TOWN:
        return None
    first = last
    while first > 0 and last - first < _LONGEST - 1 and units[first - 1].kind == WORD:
        if units[first - 1].norm in _SMALL_WORDS:
            break
        first -= 1
    behind = first > 0 and units[first - 1].norm in _IN_TOWN
    if behind or first == 0 or units[first - 1].kind == SIGN:
        return (first, last) if behind or units[last].kind == WORD else None
    return None


def _behind_colon(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `Quiet Waters` in `SNF: Quiet Waters`: two to four words with capitals."""
    units = reading.units
    if _norm(units, at + 1) != ":":
        return None
    last = at + 1
    while last + 1 < len(units) and units[last + 1].kind == WORD and reading.capitals[last + 1]:
        last += 1
    return (at + 2, last) if _PAIR <= last - at - 1 <= _LONGEST + 1 else None


def _behind_loosely(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `morning star` in `a bed at morning star`, `we placed her at morning star`."""
    units, ahead = reading.units, at + 1
    while _norm(units, ahead) in _WHOM or _norm(units, ahead) in ("over", "up", "my", "our"):
        ahead += 1
    if _norm(units, ahead) not in ("at", "from"):
        return None
    found = _named(reading, ahead + 1, sure=False)
    return found if found and found[1] > found[0] else None


def _before_zip(units: Sequence[Unit], at: int) -> int:
    """Return the last unit of a name before a postcode, as in `in Hart, 49420`, 0 where there is none."""
    for ahead in range(at + 2, min(at + 2 + _LONGEST, len(units))):
        last = ahead - 1
        if units[ahead].kind == NUMBER and len(units[ahead].norm) == _ZIP_DIGITS and units[ahead].how == "":
            return last - (units[last].norm == ",")
        if units[last].kind != WORD and units[last].norm != ",":
            return 0
    return 0


def _behind_cue(units: Sequence[Unit], at: int) -> int:
    """Return where the name of a place begins that this word announces, 0 where it announces none."""
    norm, after = units[at].norm, _norm(units, at + 1)
    if norm in _WORKING:
        return at + 2 if after == "at" else 0
    if norm in _LIVING or norm in _SITES:
        ahead = at + 1 + (norm == "grew" and after == "up")
        while _norm(units, ahead) in (_ADVERBS if norm not in _SITES else _ROUNDABOUT):
            ahead += 1
        if norm in ("located", "based") or norm not in _SITES or _norm(units, ahead) in ("in", "near"):
            return ahead + 1 if _norm(units, ahead) in _IN_OR_ROUND else _behind_at(units, at)
        return 0
    if norm in _CALLED:
        return at + 1 if any(unit.norm in _CALLED_SITES for unit in units[max(0, at - 2) : at]) else 0
    if norm in _TOWNS and norm not in _LIVING:
        return at + 2 if after == "of" else 0
    if norm in _MOVING:
        ahead = at + 1
        while _norm(units, ahead) in _TO_HERE:
            ahead += 1
        out = _norm(units, ahead) == "of" and units[ahead - 1].norm == "out"
        return ahead + 1 if out or _norm(units, ahead) in ("from", "to", "into") else 0
    if norm == "from" and at:
        before = units[at - 1 - (at > 1 and units[at - 1].norm in ("in", "over", "up", "down", "out"))].norm
        person = (
            before in _FROM
            or before == "way"
            or (before in ("am", "are", "is", "'m", "'re") and _norm(units, at - 2) in _PRONOUN_BE)
        )
        if person:
            return at + 1
    if norm in _TREATED:
        ahead = at + 1
        while _norm(units, ahead) in ("here", "back", "over", "out", "there", "directly"):
            ahead += 1
        return ahead + 1 if _norm(units, ahead) in _TREATED_BY else 0
    return _behind_at(units, at)


def _behind_at(units: Sequence[Unit], at: int) -> int:
    """`my mom is at …`, `he lives at …`: a person before and `at` behind."""
    if units[at].norm not in _AT and units[at].norm not in _LIVING:
        return 0
    ahead = at + 1
    while _norm(units, ahead) in ("over", "out", "up", "down", "currently", "right", "now", "back", "still"):
        ahead += 1
    is_house = _norm(units, ahead) == "in" and _norm(units, ahead + 2) in _HOUSES
    if is_house and (_norm(units, ahead + 1) in _SMALL_WORDS or _norm(units, ahead + 1) in _UNPAIRED):
        return 0
    if _norm(units, ahead) != "at" and not is_house:
        return 0
    near = range(max(0, at - 4), at)
    return ahead + 1 if any(units[back].norm in _PEOPLE or units[back].kind == GONE for back in near) else 0


def _named(reading: Reading, begin: int, *, sure: bool) -> tuple[int, int] | None:
    """Return the first and last unit of a bare name of one to three words, None for what is no place.

    A word of the clinic is none, but behind a cue that is `sure`.
    """
    units, kinds = reading.units, reading.kinds
    if begin + 1 < len(units) and units[begin].kind == NUMBER and units[begin + 1].norm in _NUMBERED_NAMES:
        return (begin, begin + 1) if units[begin].how in (SPOKEN, ORDINAL) else None
    last, ahead = begin - 1, begin
    while ahead < len(units) and ahead - begin < _LONGEST + 1:
        unit = units[ahead]
        plain = (
            unit.kind == WORD
            and unit.norm not in QUANTITIES
            and unit.norm not in WEEKDAYS
            and unit.norm not in MONTH_OF
        )
        if (
            not plain
            or unit.norm in _TIMES
            or (unit.norm in FUNCTION and not (ahead == begin and unit.norm in NAME_WORDS))
        ):
            break
        last, ahead = ahead, ahead + 1
    if last < begin or ahead - begin > _LONGEST or (last == begin and units[last].norm in FUNCTION):
        return None
    said = [unit.norm for unit in units[begin : last + 1]]
    paired = len(said) == _PAIR and said[1] in _PAIRED and said[0] not in _UNPAIRED and "'" not in said[0]
    paired = paired or (len(said) == _PAIR and said[0].endswith("'s") and said[1] in _RETREATS)
    if not paired and any(word in _NO_PLACE or word in _TYPES for word in said):
        if len(said) == 1 and kinds[begin] is not Kind.UNKNOWN:
            kinds[begin] = Kind.ORDINARY if kinds[begin] is Kind.ALSO_A_NAME else kinds[begin]
            reading.terms.add(begin)
        return None
    if kinds[last] is Kind.CLINICAL and not (sure or paired or said[-1] in _HOME_ENDINGS):
        return None
    if ahead < len(units) and units[ahead].kind in (NUMBER, LETTER) and units[ahead].norm not in ("i", "a"):
        return (begin, last) if len(units[ahead].norm) >= _LONGEST + 2 else None
    if said[-1].endswith(("ing", "ed", "ly")) and len(said) == 1 and not reading.lists.name_kinds(said[0]):
        return None
    if _norm(units, ahead) == "or" and _norm(units, ahead + 1) == "consequences":
        return begin, ahead + 1
    return begin, last


def _typed(reading: Reading, at: int) -> Iterator[Span]:
    """`maple grove nursing home`, `mercy hospital`: the words before the type that say no kind, and the type."""
    units = reading.units
    rest = next(
        (rest for rest in _TYPES[units[at].norm] if tuple(u.norm for u in units[at + 1 : at + 1 + len(rest)]) == rest),
        None,
    )
    if rest is None:
        return
    holy = (
        at > 1
        and units[at - 1].kind == WORD
        and (units[at - 2].norm in _HOLY or (units[at - 1].norm == "street" and units[at - 2].norm in _SHOPPING))
    )
    kindly = at > 1 and units[at - 1].norm in _KINDS_IN_NAMES and _may_name(reading, at - 2)
    if at and units[at - 1].norm in _KINDS_OF and not (holy or kindly):
        return
    first = at - 2 if holy else at - kindly
    schooled = units[at].norm in _SCHOOLS
    while (
        first > 0
        and at - first < _LONGEST
        and (_may_name(reading, first - 1) or (schooled and _may_be(reading, first - 1)))
    ):
        first -= 1
    if 0 < first < at:
        named = units[first - 1].how == SPOKEN and units[first].norm in _NUMBERED_NAMES
        first -= named or units[first - 1].how == ORDINAL
    while first < at and (units[first].norm in FUNCTION and units[first].norm not in NAME_WORDS):
        first += 1
    before = _norm(units, first - 1)
    begins = first == 0 and _ends(units, at + len(rest) + 1)
    if first == at or not (before in _BEFORE_NAME or before in _KINDS_OF_SITES or begins):
        return
    if kindly and not (before in _BEFORE_SURE or begins):
        return
    yield first, at + len(rest), Category.ADDRESS


_NO_SCHOOL = _KINDS_OF | FUNCTION | (QUANTITIES - {"feet", "steps"})
_KINDS_IN_NAMES = words("children's childrens general memorial regional community county university women's")
_BEFORE_SURE = words("in at to from into near by the")
_KINDS_OF_SITES = _KINDS_OF - _SMALL_WORDS
_SCHOOLS = words("daycare day preschool nursery academy elementary school church")
_SHOPPING = words("high main market church mill bridge broad front")
_RETREATS = words("rest retreat haven landing crossing hope cross way")
_NUMBERED_NAMES = _HOME_ENDINGS | _HOUSES | words("rivers trees bridges corners points stones forks creeks mile chance")
_HOLY = words("sacred holy immaculate blessed royal queen's king's prince's princess st saint good")
_BEFORE_HOME = frozenset(("at", "in", "from", "to", "into", "near", "by"))
_BEFORE_NAME = words("in at to from into near by of the with and through for on a '")


def _may_name(reading: Reading, at: int) -> bool:
    unit = reading.units[at]
    if unit.kind != WORD or (unit.norm in QUANTITIES and unit.norm != "stone"):
        return unit.kind == GONE
    if reading.kinds[at] is Kind.CLINICAL and unit.norm not in _HOME_ENDINGS:
        return False
    return unit.norm not in _KINDS_OF and (unit.norm not in FUNCTION or unit.norm in NAME_WORDS)


def _may_be(reading: Reading, at: int) -> bool:
    """Return whether a word of the clinic may name a school, as `feet` in `happy feet daycare`."""
    unit = reading.units[at]
    return unit.kind == WORD and unit.norm not in _NO_SCHOOL


_NO_HOME = _SMALL_WORDS | _SURE_KINDS
_NO_HOUSE = _UNPAIRED | words("own steak club coffee dog ware opera publishing brick auction frat")


def _home(reading: Reading, at: int) -> Iterator[Span]:
    """`shady pines`, `the golden acres` behind a preposition, with nothing that is counted behind them."""
    units = reading.units
    first = at - 1
    if first < 1 or units[first].kind != WORD or units[first].norm in _NO_HOME:
        return
    if units[at].norm == "house" and (units[first].norm in _NO_HOUSE or "'" in units[first].norm):
        return
    while first > 1 and units[first - 1].kind == WORD and at - first < _LONGEST - 1 and _may_name(reading, first - 1):
        first -= 1
    before = _norm(units, first - 1)
    if before == "the":
        before = _norm(units, first - 2)
    if before in _BEFORE_HOME and _ends(units, at + 1):
        yield first, at, Category.ADDRESS


def _is_the_home(units: Sequence[Unit], at: int) -> bool:
    """Return whether `the willows` is behind a preposition and ends there."""
    return _norm(units, at - 1) == "the" and _norm(units, at - 2) in _BEFORE_HOME and _ends(units, at + 1)


def _ends(units: Sequence[Unit], at: int) -> bool:
    """Return whether a name may end before this unit: nothing, a sign, or a small word follows."""
    if at >= len(units):
        return True
    unit = units[at]
    return (
        unit.kind in (SIGN, GONE)
        or unit.norm in _TIMES
        or unit.norm in FUNCTION
        or unit.norm in FILLERS
        or unit.norm in _TYPES
        or unit.norm in STATES
    )


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""
