"""Clinical terms that hold somebody's name and that the words beside it show: `Nager syndrome`, `Yasmin 3 mg`."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import DRUG_NAME, Reading, begins_with, cue
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, WORD

_SYNDROMES = words("syndrome syndromes")
_DISEASES = words("disease diseases dystrophy ataxia dysplasia anomaly sequence phenomenon complex")
_MOST_PARTS = 4
_STRENGTHS = words(
    """mg mgs mcg mcgs milligram milligrams microgram micrograms mg's xr er xl sr odt tablet tablets tab tabs capsule
    capsules caps caplet caplets pill pills pack packs cream gel ointment lotion foam inhaler patch patches iud
    prescription refill refills dose doses injection injections shot shots infusion infusions vaccine ring"""
)
_UNITS = words("mg mgs mcg milligram milligrams microgram micrograms percent % units iu ml")
_TAKING = words(
    """refill refilling generic skip skipped skipping taking prescribe prescribed prescribes prescribing tapering
    restart restarted swallow swallowed dose tablet tablets mg milligrams pill pills brand"""
)
_OF_OR_FOR = words("of for on")
_REFILLS = words("refill refills prescription prescriptions bottle box")
_FOR_A_DRUG = words(
    "generic substitute alternative coupon dose doses mg milligrams tablet tablets pill pills pack supply"
)
_GIVING = words("give gave gives giving given hand handed get got bring let make made tell told ask asked")
_ENDING = words(
    "this for every daily twice once at with because again anymore and but in , . ? ! ; as the last since please"
)
_SYNDROME_CUE, _DISEASE_CUE = cue(_SYNDROMES), cue(_DISEASES)


@begins_with(_SYNDROME_CUE, _DISEASE_CUE, DRUG_NAME)
def read_terms(reading: Reading) -> None:
    """Make clinical words of unlisted eponyms before `syndrome`, and of brands that are names beside a dose."""
    for at in reading.cued(_SYNDROME_CUE):
        _mark(reading, _first_part(reading, at), at, listed=True)
    for at in reading.cued(_DISEASE_CUE):
        begin = _first_part(reading, at)
        if at - begin > 1:
            _mark(reading, begin, at, listed=False)
    for at in reading.cued(DRUG_NAME):
        if not reading.gone[at] and not _is_somebody(reading, at) and _is_taken(reading, at):
            reading.terms.add(at)
            reading.kinds[at] = Kind.CLINICAL


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
    """Whether a title or a first name stands before a word."""
    before = at - 2 if at > 1 and reading.norms[at - 1] == "." else at - 1
    if before < 0:
        return False
    if reading.norms[before] in TITLES:
        return True
    if before < at - 1 or reading.norms[before] in FUNCTION or reading.norms[before] in _TAKING:
        return False
    return "f" in reading.borne[before]


def _is_taken(reading: Reading, at: int) -> bool:
    """Whether a dose, a form, or somebody who takes it stands beside a drug's name."""
    units, norms = reading.units, reading.norms
    before = norms[at - 1] if at else ""
    two_before = norms[at - 2] if at > 1 else ""
    given = before in _GIVING
    after = reading.norm(at + 1)
    if after in _STRENGTHS and not given:
        return True
    if not given and at + 1 < len(units) and _is_strength(reading, at + 1):
        return True
    ends = not after or after in _ENDING
    if not ends:
        return False
    of_it = before in _OF_OR_FOR and two_before in _FOR_A_DRUG
    return before in _TAKING or of_it or (before == "of" and two_before in _REFILLS)


def _is_strength(reading: Reading, at: int) -> bool:
    """Whether a number with a unit begins here: `10 mg`, `0.35 mg`, `10mg`."""
    units = reading.units
    if units[at].kind == MIXED:
        return reading.norms[at].endswith(("mg", "mcg"))
    while at < len(units) and (units[at].kind == NUMBER or reading.norms[at] in (".", "/", "-")):
        at += 1
    return units[at - 1].kind == NUMBER and reading.norm(at) in _UNITS
