"""Clinical terms that hold somebody's name and that the words beside it show: `Nager syndrome`, `Yasmin 3 mg`."""

from __future__ import annotations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.disease_phrases import DEVICE_EPONYMS, is_said_of_disease
from medagent.redaction.text.drug_phrases import SURE_DRUG, TAKING, is_surely_taken, is_taken
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.order_phrases import ORDERING, is_device, is_ordered, is_unlisted_device
from medagent.redaction.text.reading import (
    ABBREVIATION,
    CAPITALS,
    DRUG_NAME,
    EPONYM,
    PAIR,
    RARE,
    Mark,
    Reading,
    begins_with,
    cue,
    is_in_code,
)
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, WORD

_SYNDROMES = words("syndrome syndromes")
_DISEASES = words("disease diseases dystrophy ataxia dysplasia anomaly sequence phenomenon complex")
_FINDINGS = words(
    """gait grid pupil pupils wire pin saw rods collar harness cerclage myotomy formula striae respirations breathing
    osteotomy incision node nodule lesion lesions spots ring rings palsy paralysis contracture collars tongs traction
    classification maneuver manoeuvre forceps retractor speculum clamp loop procedure fundoplication catheter line"""
)
"""What makes a term of any eponym before it."""
_LOOSE_FINDINGS = words(
    """fracture fractures injury tear tears type grade level depth class stage score scale flare foot feet position
    negative positive dressing splint brace view criteria risk index sign signs test disease area space triangle canal
    ligament bodies body cells stain agar virus lymphoma nodes joint cyst cysts duct tube glands fascia pouch valve bag
    drain port pump frame nail plate screw graft flap repair technique approach operation surgery boot
    downgoing upgoing pearls plates infraction lamp murmur"""
)
"""What makes a term of an eponym that few people are called."""
_COMMON_NAME = frozenset("flk")
_NO_GRADE = words("years year yo months month weeks week days day am pm p.m a.m street st avenue road o'clock")
_HEADINGS = words(
    "assessment impression diagnosis diagnoses dx ddx pmh pmhx history hx problems problem condition conditions"
)
_ALONE = words("and or with , . ? ! ; vs versus stable noted unchanged") | {""}
_FOUND = words("noted present absent positive negative equivocal elicited performed normal abnormal downgoing upgoing")
_OF_FINDINGS = words("positive negative possible probable suspected known no a an the")
_DONE_BY_PEOPLE = words(
    """called calls calling says said asked asks wants wanted needs needed came comes coming told tells thinks thought
    feels felt took takes takes went goes lives works drove died has had here speaking who whom whose
    i'll he she her his"""
)
_DONE_TO_PEOPLE = words(
    """ask asked tell told tells call called bring brought meet met visit visited see saw seen named nicknamed hi hello
    hey dear thanks with mr mrs ms patient pt name's son daughter wife husband mom dad sister brother girl boy cousin
    aunt uncle niece nephew friend partner baby neighbor neighbour grandson granddaughter grandma grandpa let
    remind help pick"""
)
_KIN = words("girl boy kid kids baby child sister brother cousin friend one oldest youngest eldest twin twins")
_WHOSE = words("my your his her our their little")
_SAID_OF_PEOPLE = frozenset(
    {
        *((before, "to") for before in ("talk", "speak", "talked", "spoke", "talking", "speaking", "said", "listen")),
        *((before, "is") for before in ("this", "name", "who", "mine")),
        *((before, "am") for before in ("i", "here")),
        *(("for", whose) for whose in ("my", "our")),
        ("appointment", "for"),
        ("is", "for"),
        ("here", "for"),
        ("speak", "with"),
    }
)
_WHEN = words("at on tomorrow today tonight this next")
_STATES_OF_PEOPLE = words(
    "here sick ill late coming asleep crying pregnant waiting ready old years my our his her in on"
)
_SHORT = 3
"""Letters of a word that no list of names has which make it an abbreviation; shorter ones are syllables of names."""
_BETWEEN = frozenset(("-", "/", "'"))
_MOST_PARTS = 4
_ONLY_FINDINGS = words(
    """sign signs lesion lesions gait chromosome cyst cysts palsy contracture maneuver manoeuvre osteotomy forceps
    speculum node nodes tubercle smear stain catheter drain collar splint murmur triad reflex deformity phenomenon
    breathing pupil"""
)
_INDEFINITE = words("a an positive negative no possible probable suspected bilateral left right")
_SYNDROME_CUE, _DISEASE_CUE, _FINDING_CUE = cue(_SYNDROMES), cue(_DISEASES), cue(_ONLY_FINDINGS)


@begins_with(_SYNDROME_CUE, _DISEASE_CUE, _FINDING_CUE, DRUG_NAME, PAIR, EPONYM, RARE, ABBREVIATION, CAPITALS)
def read_terms(reading: Reading) -> None:
    """Make clinical words of unlisted eponyms before `syndrome`, and of brands that are names beside a dose."""
    _read_eponyms(reading)
    _judge_rare_names(reading)
    _read_heads(reading)
    _read_drugs(reading)
    if reading.cued(ORDERING):
        _keep_ordered(reading)


def _read_eponyms(reading: Reading) -> None:
    for at in reading.cued(PAIR):
        if (last := _end_of_pair(reading, at)) and not _is_somebody(reading, at):
            _keep(reading, at, last)
    for at in reading.cued(EPONYM):
        last = max(_end_of_finding(reading, at), _end_of_chain(reading, at))
        if (last > at or _is_alone(reading, at)) and not _is_somebody(reading, at):
            _keep(reading, at, last)


def _read_heads(reading: Reading) -> None:
    """Read what is before `syndrome`, `sign` and the like."""
    for at in reading.cued(_SYNDROME_CUE):
        _mark(reading, _first_part(reading, at), at, listed=True)
    for at in reading.cued(_FINDING_CUE):
        if at > 1 and reading.norms[at - 2] in _INDEFINITE and not reading.norms[at - 1].endswith("'s"):
            _mark(reading, at - 1, at, listed=True)
    for at in reading.cued(_DISEASE_CUE):
        begin = _first_part(reading, at)
        if at - begin > 1:
            _mark(reading, begin, at, listed=False)


def _read_drugs(reading: Reading) -> None:
    """Keep drugs that are names, and drugs of no list, by what is said of them."""
    for at in reading.cued(DRUG_NAME):
        if reading.gone[at]:
            continue
        if not _is_somebody(reading, at) and is_taken(reading, at):
            reading.terms.update((at, at - 1) if at and reading.norms[at - 1] in TAKING else (at,))
            reading.kinds[at] = Kind.CLINICAL
        elif "f" not in reading.borne[at] and is_device(reading, at):
            _keep(reading, at, at)


@begins_with(SURE_DRUG)
def read_unlisted_drugs(reading: Reading) -> None:
    """Make clinical words of drugs that no list has, by what is said of them."""
    for at in reading.unknown():
        if not reading.gone[at] and (is_surely_taken(reading, at) or is_unlisted_device(reading, at)):
            _keep(reading, at, at)


def _is_alone(reading: Reading, at: int) -> bool:
    """Return whether an eponym without a noun behind it names nobody here."""
    if _is_asked_or_assessed(reading, at) or is_said_of_disease(reading, at):
        return True
    norm = reading.norms[at]
    return (norm in DEVICE_EPONYMS or norm in reading.lists.rare_eponyms) and is_device(reading, at)


def _keep_ordered(reading: Reading) -> None:
    """Keep abbreviations of tests in small letters, and words that no list has, where a test is ordered or found."""
    unlisted = [at for at in reading.unknown() if not reading.borne[at]]
    for at in sorted({*reading.cued(CAPITALS), *reading.cued(RARE), *reading.cued(ABBREVIATION), *unlisted}):
        if not reading.gone[at] and at not in reading.terms and is_ordered(reading, at):
            _keep(reading, at, at)


def _keep(reading: Reading, begin: int, last: int) -> None:
    """Make all words of a term clinical, unless one of them does not leave."""
    if True in reading.gone[begin : last + 1]:
        return
    reading.terms.update(range(begin, last + 1))
    for at in range(begin, last + 1):
        if reading.units[at].kind in (WORD, LETTER):
            reading.kinds[at] = Kind.CLINICAL


def _end_of_pair(reading: Reading, first: int) -> int:
    """Return where a term of several names ends that begins here, hyphens between them or none; 0 where none does."""
    found = 0
    for rest in reading.lists.pairs[reading.norms[first]]:
        at = first
        for part in rest:
            at += 2 if reading.norm(at + 1) in _BETWEEN else 1
            if reading.norm(at) not in (part, f"{part}'s"):
                break
        else:
            found = max(found, at)
    return found


def _end_of_chain(reading: Reading, first: int) -> int:
    """Return where two eponyms or more end that hyphens tie, one of them rare; the first one's place otherwise."""
    norms, lists, units = reading.norms, reading.lists, reading.units
    last = first
    while reading.norm(last + 1) == "-" and last + 2 < len(units) and units[last + 2].kind == WORD:
        named = norms[last + 2] in lists.eponyms or (
            not reading.borne[last + 2] and reading.kinds[last + 2] is Kind.UNKNOWN
        )
        if not named or units[last].end != units[last + 1].start:
            break
        last += 2
    return last if any(norms[at] in lists.rare_eponyms for at in range(first, last + 1)) else first


def _end_of_finding(reading: Reading, at: int) -> int:
    """Return where a rare eponym and the finding, device or grade behind it end; the eponym's place where none is."""
    norm = reading.norms[at]
    rare = _COMMON_NAME.isdisjoint(reading.borne[at] or reading.lists.name_kinds(norm.removesuffix("'s")))
    after = reading.norm(at + 1)
    if after in _FINDINGS or (rare and after in _LOOSE_FINDINGS):
        return at + 1
    if rare and after in ("i", "ii", "iii", "iv") and reading.capitals[at + 1]:
        return at + 1
    if rare and at + 1 < len(reading.units) and reading.units[at + 1].kind == NUMBER:
        return at if reading.norm(at + 2) in _NO_GRADE else at + 1
    return at


def _is_asked_or_assessed(reading: Reading, at: int) -> bool:
    """Whether a possessive or rare eponym stands alone behind a heading of findings or `what is`, or as a finding."""
    norm, after = reading.norms[at], reading.norm(at + 1)
    before = [reading.norms[at - back] if at >= back else "" for back in (2, 1)]
    rare = norm in reading.lists.rare_eponyms
    if rare and (after in _FOUND or (before[1] in _OF_FINDINGS and after in _ALONE)):
        return True
    if not (rare or norm.endswith("'s")) or after not in _ALONE:
        return False
    return before in (["what", "is"], ["rule", "out"]) or (before[1] == ":" and before[0] in _HEADINGS)


def _judge_rare_names(reading: Reading) -> None:
    """Hide drugs and abbreviations that are very rare names beside what people do; keep abbreviations elsewhere."""
    for at in reading.cued(RARE):
        if reading.gone[at] or at in reading.terms:
            continue
        if _is_beside_people(reading, at):
            reading.put(at, at, Mark(Category.NAME, Layer.NAMES))
        elif (len(reading.norms[at]) == _SHORT and not _is_beside_hidden(reading, at)) or (
            len(reading.norms[at]) < _SHORT and _is_all_capitals(reading, at)
        ):
            _keep(reading, at, at)
    for at in reading.cued(ABBREVIATION):
        if not reading.gone[at] and _is_all_capitals(reading, at) and not _is_beside_people(reading, at):
            _keep(reading, at, at)
    for at in reading.cued(CAPITALS) if reading.capital_places else ():
        if (
            not reading.gone[at]
            and _is_all_capitals(reading, at)
            and not _is_beside_people(reading, at)
            and not _is_beside_hidden(reading, at)
            and not is_in_code(reading, at)
            and not _is_of_place_or_code(reading, at)
        ):
            _keep(reading, at, at)


_CITIES = words(
    """sf bc nyc kc stl phx pdx lax sfo jfk lga ewr ord mdw dfw iah hou atl bos mia fll mco clt phl iad dca
    bwi san sjc oak sac slc msp dtw cle cmh cvg bna msy aus abq tus elp okc tul hnl anc rdu jax buf roc syr
    bdl pvd mht sna ont psp yvr yyz yul yyc yeg yow lhr lgw edi gla dub cdg ams fra muc fco mad bcn lis zrh
    vie cph arn osl ist dxb doh del bom blr maa hyd ccu hkg kul bkk cgk mnl icn nrt hnd kix pek pvg tpe syd
    mel bne akl mex gdl mty cun gru gig eze scl bog uio pty sdq hav kin"""
)
"""Cities, airports and a province by their letters: in capitals they are places before they are abbreviations."""
_LONG_NUMBER = 3
_TIES, _TIES_OF_CODE = ("-", ":"), 3


def _is_of_place_or_code(reading: Reading, at: int) -> bool:
    """Return whether letters are a city, follow a hidden place and a comma, or are part of a code."""
    units = reading.units
    if reading.norms[at] in _CITIES or (at > 1 and reading.norms[at - 1] == "," and reading.gone[at - 2]):
        return True
    if _count_ties(reading, at, -1) + _count_ties(reading, at, 1) >= _TIES_OF_CODE:
        return True
    return any(
        0 <= beside < len(units) and units[beside].kind in (NUMBER, MIXED) and len(units[beside].norm) >= _LONG_NUMBER
        for beside in (at - 1, at + 1)
    )


def _count_ties(reading: Reading, at: int, step: int) -> int:
    """Return how many hyphens or colons tie a word to others in one direction: five in `AA-BB-CC-DD-EE-FF`."""
    units, count, one = reading.units, 0, at + step
    while 0 <= one < len(units) and units[min(one, one - step)].end == units[max(one, one - step)].start:
        count += units[one].norm in _TIES
        one += step
    return count


def _is_all_capitals(reading: Reading, at: int) -> bool:
    """Return whether a word is in capitals in a text that is not."""
    unit = reading.units[at]
    return reading.capitals[at] and reading.text[unit.start : unit.end].isupper() and not reading.text.isupper()


def _is_beside_hidden(reading: Reading, at: int) -> bool:
    """Return whether a word is beside one that no list has or that does not leave."""
    return any(
        reading.gone[beside]
        or (reading.kinds[beside] is Kind.UNKNOWN and (reading.borne[beside] or not _is_all_capitals(reading, beside)))
        for beside in (at - 1, at + 1)
        if 0 <= beside < len(reading.units)
    )


def _is_beside_people(reading: Reading, at: int) -> bool:
    """Return whether a title, a first name, a relation or what only people do is beside a word."""
    before = [reading.norms[at - back] if at >= back else "" for back in (2, 1)]
    after = reading.norm(at + 1)
    return (
        _is_somebody(reading, at)
        or after in _DONE_BY_PEOPLE
        or before[1] in _DONE_TO_PEOPLE
        or (before[1] in _KIN and before[0] in _WHOSE)
        or tuple(before) in _SAID_OF_PEOPLE
        or (before[1] == "for" and after in _WHEN)
        or _is_followed_by_age(reading, at)
    )


def _is_followed_by_age(reading: Reading, at: int) -> bool:
    """Return whether `is ten`, `is six years` or the like follows."""
    if reading.norm(at + 1) not in ("is", "was", "turns", "turned") or at + 2 >= len(reading.units):
        return False
    return reading.units[at + 2].kind == NUMBER or reading.norm(at + 2) in _STATES_OF_PEOPLE


def _first_part(reading: Reading, head: int) -> int:
    """Return where the name before a head begins: one word, or several that hyphens tie; the head where none is."""
    units, norms = reading.units, reading.norms
    begin = head
    for _ in range(_MOST_PARTS):
        before = begin - 1 if begin == head else begin - 2
        if begin < head and (before < 0 or norms[begin - 1] != "-" or units[before].end != units[begin - 1].start):
            break
        if before < 0 or units[before].kind not in (WORD, LETTER) or norms[before] in FUNCTION:
            break
        begin = before
    return begin


def _mark(reading: Reading, begin: int, head: int, *, listed: bool) -> None:
    """Mark the parts of an eponym as clinical, unless it is somebody with a syndrome."""
    parts = [at for at in range(begin, head) if reading.units[at].kind == WORD]
    if not parts or any(reading.gone[at] for at in parts) or _is_somebody(reading, begin):
        return
    if not listed and any(reading.borne[at] for at in parts):
        return
    reading.terms.update(range(begin, head + 1))
    for at in parts:
        reading.kinds[at] = Kind.CLINICAL


def _is_somebody(reading: Reading, at: int) -> bool:
    """Return whether a title or a first name is before a word."""
    before = at - 2 if at > 1 and reading.norms[at - 1] == "." else at - 1
    if before < 0:
        return False
    if reading.norms[before] in TITLES:
        return True
    if before < at - 1 or reading.norms[before] in FUNCTION or reading.norms[before] in TAKING:
        return False
    return "f" in reading.borne[before]
