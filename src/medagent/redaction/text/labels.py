"""Codes and short numbers behind the word that names them: `patient id 417`, `policy number 4 kg 92`, `ends in 19`.

A label beats a unit: behind `policy number` nothing is weighed. Behind a word that names other things as well (`case`,
`order`, `phone`) a number is a code only where `is`, `number` or the like joins the two, or where nothing is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, QUANTITIES, RECORD_WORDS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.reading import SPELLED, Reading, begins_with, cue
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

_SURE = words(
    """mrn ssn passcode locator extension ext x pin subscriber zip plate locker id npi cvv dea vin passport"""
)
"""A number right behind one of these is a code."""
_NUMBERED = words(
    """policy group patient member account case claim reference confirmation ticket order invoice rx prescription record
    chart file license serial tracking locator plate pin insurance medicare medicaid student employee subscriber
    phone cell mobile fax telephone callback passport card social security room seat permit badge batch lot vin
    npi authorization auth referral visit encounter accession specimen bed pass access unlock verification
    registration tax pt nhs plan office contract customer client household device pacemaker model voucher gate
    door booking reservation loyalty rewards driver's drivers area ref script hospital acct acc tel ph pager
    beeper work home contact hotel buzzer uhid aadhaar pan ward op ip cb switchboard landline whatsapp medical
    tag employer unique"""
)
"""One of these with `number`, `id`, `code` or the like behind it names a code."""
_NUMBER_WORDS = words("number number's id's code's numbers id code no num # identification digits pin")
_WEAK = (_NUMBERED | words("code")) - words(
    """security room bed visit device unit model access pass door social insurance pt nhs plan office seat gate work
    home hospital ward medical contact hotel op ip cb pan tag employer unique"""
)
_PEOPLE = words("patient member student employee customer client subscriber")
"""A number behind one of these may be an age or a count."""
_REACHED = words("contact home work office phone")
_REACHING, _BEGINNING = words("call reach text ring phone contact get"), words("starts begins start begin")
_WHOM = words("me us him her them")
_ALSO_THINGS = words("pin plate locker zip x")
"""Labels that are things as well: `pin two fingers`, `plate four`."""
_PH = frozenset(("ph", "tel"))
_SHORTEST_PH = 3
_PREFIXES = 3
"""Behind one of these alone a number is a code where it is joined by `is` or ends what is said."""
_JOINED = words(
    """is was are were 's ’s : = - # would be reads say says starts start begins begin with plus ends ended ending in
    it's     it um uh the my"""
)
_NO_TAIL = FUNCTION | FILLERS | QUANTITIES
_NO_PREFIX = FUNCTION | FILLERS | _JOINED
_ENDINGS = words("ends ending ended")
_DIGITS_OF = words("last first final")
_OWNERS = words(
    """my his her the your our their this that are mom's dad's wife's husband's son's daughter's current new old"""
)
_COUNTED = words("two three four five six 2 3 4 5 6 digits digit numbers few")
_DIGIT_WORDS = words("digits digit numbers")
_SHORT_UNITS = words("""kg mg mm cm ml cc lb lbs oz g gm mcg ft hr h m iu l km k w s mph pm am in""")
_LONG_UNITS = QUANTITIES - _SHORT_UNITS
_TIES = words("- / . dash hyphen slash dot , space")
_LONGEST = 16
_LONGEST_SECRET = 4
_WIDEST_LINK = 6
_BENT = words("flexion rom abduction degrees knee elbow")
_SPELLED = ("mrn", "ssn", "npi", "dob", "id")
_SPELLED_FIRST = frozenset(label[0] for label in _SPELLED)
_EXTENSIONS = words("x ext extension")
_SECOND_WORDS = words("record security plate code")
_PAIRS = frozenset((("license", "plate"), ("area", "code"), ("driver's", "license"), ("drivers", "license")))
_LABELS = (
    _SURE
    | _NUMBERED
    | _ENDINGS
    | _DIGITS_OF
    | _EXTENSIONS
    | words("password number code digits line dial")
    | _REACHING
    | _BEGINNING
)
_LABEL_CUE = cue(_LABELS | {f"{label}'s" for label in _NUMBERED | _SURE | {"number"}})
_PASSWORD_CUE = cue(("password",))


@begins_with(NUMBER, MIXED, SPELLED, _PASSWORD_CUE)
def labelled_codes(reading: Reading) -> Iterator[Span]:
    """Yield what is behind the name of a code."""
    cues, units = reading.cued(_LABEL_CUE), reading.units
    letters = reading.of_kind(LETTER)
    if len(letters) > 1:
        cues = sorted((*cues, *(at for at in letters if reading.norms[at] in _SPELLED_FIRST)))
    if not cues:
        return
    if not (reading.of_kind(NUMBER) or reading.of_kind(MIXED) or _has_letters(reading) or "password" in reading.norms):
        return
    done = -1
    for at in cues:
        if at <= done:
            continue
        begin, sure = _behind_label(units, at)
        if not begin:
            continue
        last = _secret_end(units, begin) if units[at].norm == "password" else _code_end(units, begin, sure=sure)
        if last >= begin:
            done = last
            yield begin, last, _category(units, at)


def _has_letters(reading: Reading) -> bool:
    """Return whether a single letter is here; a code has one, or a number."""
    return any(reading.norms[at] not in "ai" for at in reading.of_kind(LETTER))


def _behind_label(units: Sequence[Unit], at: int) -> tuple[int, bool]:
    """Return where the code begins that a label announces, 0 for none, and whether nothing else is meant."""
    norm = units[at].norm
    if norm in _BEGINNING or (norm in _REACHING and _norm(units, at + 1) in _WHOM):
        return _behind_reaching(units, at)
    if norm in ("digits", "line", "dial"):
        begin = _over_links(units, at + 1)
        named = norm == "digits" or _norm(units, at - 1) == "direct"
        return (begin, True) if named and (begin > at + 1 or _is_digits(units, begin)) else (0, False)
    if norm in _ENDINGS or norm in _DIGITS_OF:
        return _behind_ending(units, at)
    if norm in _EXTENSIONS:
        begin = _over_links(units, at + 1)
        bent = any(unit.norm in _BENT for unit in units[max(0, at - _WIDEST_LINK) : at + _WIDEST_LINK])
        fits = _is_digits(units, begin) and not bent and (norm != "x" or _touches(units, at))
        return (begin, True) if fits else (0, False)
    if norm in ("password", "number", "number's"):
        begin = _over_links(units, at + 1)
        owned = norm == "password" or _norm(units, at - 1) in ("my", "his", "her")
        joined = begin > at + 1 or norm == "number's"
        return (begin, norm == "password") if owned and joined else (0, False)
    if units[at].kind == LETTER:
        if at + 1 == len(units) or units[at + 1].kind != LETTER:
            return 0, False
        spelled = next((label for label in _SPELLED if _norms(units, at, at + len(label)) == tuple(label)), "")
        if not spelled:
            return 0, False
        begin = _over_links(units, at + len(spelled))
        return (begin, True) if begin > at + len(spelled) or _is_digits(units, begin) else (0, False)
    return _behind_name(units, at)


def _behind_reaching(units: Sequence[Unit], at: int) -> tuple[int, bool]:
    """`call me at 617`, `starts with 503`: three figures or more, where they end what is said."""
    norm, begin = units[at].norm, at + 2 if units[at].norm in _BEGINNING else at + 3
    if begin >= len(units):
        return 0, False
    joined = _norm(units, begin - 1) in (("with",) if norm in _BEGINNING else ("at", "on"))
    if not joined or not _is_digits(units, begin):
        return 0, False
    return (begin, True) if len(units[begin].norm) >= _SHORTEST_PH and _ends(units, begin + 1) else (0, False)


def _behind_ending(units: Sequence[Unit], at: int) -> tuple[int, bool]:
    """`ends in 19`, `card ending 42`, `the last two digits are four seven`."""
    if units[at].norm in _ENDINGS:
        if _norm(units, at + 1) in ("in", "with"):
            return _over_links(units, at + 2), _has_label_before(units, at)
        return (at + 1, False) if _has_label_before(units, at) else (0, False)
    ahead = at + 1
    while _norm(units, ahead) in _COUNTED and ahead < at + 3 and _norm(units, ahead + 1) not in QUANTITIES:
        ahead += 1
        if _norm(units, ahead - 1) in _DIGIT_WORDS:
            break
    if ahead > at + 1 and _norm(units, ahead) == "of":
        return _behind_digits_of(units, ahead + 1)
    begin = _over_links(units, ahead)
    found = ahead > at + 1 and (begin > ahead or _is_digits(units, ahead))
    return (begin, True) if found else (0, False)


def _behind_digits_of(units: Sequence[Unit], at: int) -> tuple[int, bool]:
    """`last four of my social 46`, `first three of the claim number are 3 3 7`."""
    ahead, labelled = at, False
    while ahead < min(at + _WIDEST_LINK, len(units)) and units[ahead].kind == WORD:
        norm = units[ahead].norm.removesuffix("'s")
        named = norm in _NUMBERED or norm in _SURE or norm in RECORD_WORDS
        if not named and norm not in _OWNERS and norm not in _NUMBER_WORDS and norm not in _JOINED:
            break
        labelled, ahead = labelled or named, ahead + 1
    begin = _over_links(units, ahead)
    return (begin, True) if labelled and begin < len(units) else (0, False)


def _behind_name(units: Sequence[Unit], at: int) -> tuple[int, bool]:
    """`policy number`, `license plate`, `social security number`, `mrn`; `case is` where nothing is counted."""
    said, after = units[at].norm, _norm(units, at + 1)
    norm = said if said in _NUMBERED else said.removesuffix("'s")
    if norm in _NUMBERED:
        named = after in _NUMBER_WORDS or (after in _SECOND_WORDS and _norm(units, at + 2) in _NUMBER_WORDS)
        if named or (norm, after) in _PAIRS:
            return _over_links(units, at + 2), True
    begin = _over_links(units, at + 1)
    if norm in _SURE:
        return begin, not (norm in _ALSO_THINGS and begin == at + 1 and _is_counting(units, begin))
    if norm in _REACHED and after == ":" and _is_digits(units, begin) and len(units[begin].norm) >= _SHORTEST_PH:
        return begin, True
    if norm in _PH and not (_is_digits(units, begin) and len(units[begin].norm) >= _SHORTEST_PH):
        return 0, False
    long = _is_digits(units, begin) and len(units[begin].norm) >= _SHORTEST_PH and not units[begin].how
    is_person = norm in _PEOPLE and not (after == "#" or (after == ":" and begin == at + 2 and long))
    return (begin, False) if norm in _WEAK and not is_person else (0, False)


def _is_counting(units: Sequence[Unit], at: int) -> bool:
    """Return whether one digit counts the thing behind it: `pin two fingers`."""
    if not _is_digits(units, at) or len(units[at].norm) > 1 or at + 1 >= len(units):
        return False
    after = units[at + 1]
    return after.kind == WORD and after.norm not in FUNCTION and after.norm not in _SHORT_UNITS


def _over_links(units: Sequence[Unit], at: int) -> int:
    """Return the first unit behind what joins a label and its code."""
    ahead = at + (0 < at < len(units) and units[at].norm == "." and units[at].start == units[at - 1].end)
    while ahead < min(at + _WIDEST_LINK, len(units)) and (
        units[ahead].norm in _JOINED or units[ahead].norm in _NUMBER_WORDS or units[ahead].norm in FILLERS
    ):
        ahead += 1
    return ahead


def _secret_end(units: Sequence[Unit], begin: int) -> int:
    """Return the last unit of a password, whatever words it is made of."""
    last = begin - 1
    while last + 1 < min(begin + _LONGEST_SECRET, len(units)) and units[last + 1].kind != SIGN:
        if units[last + 1].norm in FUNCTION:
            break
        last += 1
    return last


def _code_end(units: Sequence[Unit], begin: int, *, sure: bool) -> int:
    """Return the last unit of a code that begins here; one before `begin` where none does."""
    last, digits, letters, tied = begin - 1, 0, 0, False
    ahead = begin
    while ahead < min(begin + _LONGEST, len(units)):
        unit = units[ahead]
        if (unit.kind == NUMBER and unit.how != ORDINAL) or unit.kind == MIXED:
            last, digits = ahead, digits + len(unit.norm)
        elif ahead == begin and sure and _is_prefix(units, ahead):
            letters += 1
        elif unit.kind == LETTER and not (unit.norm in "ai" and not _is_coded(units, ahead + 1)):
            last, letters = ahead, letters + 1
        elif (digits or letters) and _is_short_unit(units, ahead, last, sure=sure or tied):
            last, tied = ahead, True
        elif not (unit.norm in _TIES and ahead > begin and _goes_on(units, ahead + 1)) and unit.norm not in FILLERS:
            break
        ahead += 1
    if not digits and letters < (2 if sure else 3):
        return begin - 1
    spelled = "".join(unit.norm for unit in units[max(begin, last - 1) : last + 1] if unit.kind == LETTER)
    sure = sure or _is_tied(units, begin, last)
    if digits and (spelled in QUANTITIES or _norm(units, last) in _SHORT_UNITS) and not sure:
        return begin - 1
    after = last + 2 if _norm(units, last + 1) == "-" else last + 1
    counted = _norm(units, after) in _LONG_UNITS
    if counted or (not sure and not _ends(units, last + 1)) or (not sure and digits < 2 and not letters):
        return begin - 1
    return last


def _over_tie(units: Sequence[Unit], at: int) -> int:
    """Return the unit behind this one, over a hyphen that touches both."""
    tied = _norm(units, at + 1) in ("-", "/") and _touches(units, at) and _touches(units, at + 1)
    return at + 2 if tied else at + 1


def _goes_on(units: Sequence[Unit], at: int) -> bool:
    """Return whether a code goes on behind a sign, also with letters that are a unit elsewhere: `7-MG-12`."""
    return _is_coded(units, at) or (_norm(units, at) in _SHORT_UNITS and _is_coded(units, _over_tie(units, at)))


def _is_short_unit(units: Sequence[Unit], at: int, last: int, *, sure: bool) -> bool:
    """Return whether a unit of measure, or a short word behind `8mm`, is part of a code."""
    norm = units[at].norm
    if norm in _SHORT_UNITS:
        return _is_coded(units, _over_tie(units, at)) or (sure and norm not in ("in", "am", "pm"))
    return at == last + 1 and units[last].kind == MIXED and _is_tail(units, at)


def _is_tail(units: Sequence[Unit], at: int) -> bool:
    """Return whether a short word ends a code, as in `8mm QRS`."""
    unit = units[at]
    return unit.kind == WORD and len(unit.norm) <= _PREFIXES and unit.norm not in _NO_TAIL and _ends(units, at + 1)


def _is_prefix(units: Sequence[Unit], at: int) -> bool:
    """Return whether a word of two or three letters begins a code, as in `RX 417`."""
    unit = units[at]
    short = unit.kind == WORD and len(unit.norm) <= _PREFIXES and unit.norm not in _NO_PREFIX
    return short and _is_digits(units, at + 1) and _norm(units, at + 2) not in QUANTITIES


def _is_tied(units: Sequence[Unit], first: int, last: int) -> bool:
    """Return whether signs or a second number tie units to a code: `7-MG-12`, `9 cm 44 kg`."""
    said = units[first : last + 1]
    numbers = sum(unit.kind == NUMBER for unit in said)
    short = sum(unit.norm in _SHORT_UNITS and unit.norm not in ("in", "am", "pm") for unit in said)
    return numbers > 1 and short > 0 and units[first].kind == NUMBER and numbers + short + 1 >= len(said) - numbers


def _is_coded(units: Sequence[Unit], at: int) -> bool:
    """Return whether a digit or a letter of a code is here."""
    if at >= len(units):
        return False
    unit = units[at]
    return (
        (unit.kind == NUMBER and unit.how != ORDINAL)
        or unit.kind == MIXED
        or (unit.kind == LETTER and unit.norm not in "ai")
    )


def _is_digits(units: Sequence[Unit], at: int) -> bool:
    return at < len(units) and units[at].kind == NUMBER and units[at].how != ORDINAL


def _touches(units: Sequence[Unit], at: int) -> bool:
    """`x418`, with nothing between."""
    return at + 1 < len(units) and units[at].end == units[at + 1].start


def _has_label_before(units: Sequence[Unit], at: int) -> bool:
    return any(
        unit.norm in _NUMBERED or unit.norm in _SURE or unit.norm == "number" for unit in units[max(0, at - 4) : at]
    )


def _ends(units: Sequence[Unit], at: int) -> bool:
    """Return whether nothing that is counted follows."""
    if at >= len(units):
        return True
    unit = units[at]
    return unit.kind == SIGN or (unit.kind == WORD and unit.norm in FUNCTION)


def _category(units: Sequence[Unit], at: int) -> Category:
    kind = RECORD_WORDS.get(units[at].norm, "")
    return {"phone": Category.PHONE, "mrn": Category.MRN, "address": Category.ADDRESS}.get(kind, Category.IDENTIFIER)


def _norm(units: Sequence[Unit], at: int) -> str:
    return units[at].norm if 0 <= at < len(units) else ""


def _norms(units: Sequence[Unit], first: int, end: int) -> tuple[str, ...]:
    return tuple(unit.norm for unit in units[first:end])
