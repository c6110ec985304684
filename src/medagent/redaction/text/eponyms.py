"""Terms that bear somebody's name: `parkinson's disease` names nobody, `mrs parkinson` does."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.found import is_sign
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import EPONYM, Reading, begins_with
from medagent.redaction.text.units import SIGN, WORD

_HEADS = words(
    """disease diseases syndrome syndromes disorder disorders dementia lymphoma lymphomas thyroiditis sarcoma carcinoma
    tumor tumors tumour tumours cancer leukemia palsy paralysis chorea ataxia dystrophy atrophy neuropathy neuritis
    neuroma myopathy nephropathy encephalopathy encephalitis esophagus oesophagus ulcer gangrene purpura anemia
    anaemia fever virus contracture cyst cysts hernia fracture fractures dislocation deformity fasciitis diverticulum
    megacolon phenomenon malformation anomaly cardiomyopathy arthropathy arthritis spondylitis vasculitis
    granulomatosis aphasia psychosis epilepsy angina tetralogy stenosis duct ducts cells cell gland glands membrane
    node nodes nodule nodules bodies body space ganglion tube tubes tendon
    sign signs test tests testing score scores scale scales index criteria classification stage grade maneuver manoeuvre
    exercise exercises reflex stain smear angle point law triad coma
    procedure operation surgery repair fundoplication approach technique osteotomy bypass shunt valve line lines port
    catheter drain bag tube splint brace boot monitor frame rod plate nail graft flap pouch"""
)
"""A word of these behind such a name, with at most one between, makes it a term."""
_HAVING = words("has have had having haves got gets develop developed develops")
_BEFORE = {
    "of": words("history signs symptoms case form kind type stage risk possibility diagnosis onset"),
    "with": words("diagnosed living lives consistent born patients"),
    "from": words("suffers suffering suffered died"),
    "for": words("positive negative tested treated screened test"),
    "be": words("could might may would can to must should"),
    "it's": frozenset(("",)),
}
"""Words before a term that ends with the name: by the last word, the words that may precede it."""
_DEGREES = words("early mild severe advanced possible probable suspected known positive negative juvenile late end")
_JOINING = frozenset(("and", "-", "–", "/"))


@begins_with(EPONYM)
def read_eponyms(reading: Reading) -> None:
    """Make clinical words of the names that name a disease, a sign, a test, an operation or a device here."""
    at = -1
    for first in reading.cued(EPONYM):
        if first <= at:
            continue
        at = last = first
        while True:
            ahead = last + 2 if reading.norm(last + 1) in _JOINING else last + 1
            if reading.norm(ahead) not in reading.lists.eponyms:
                break
            last = ahead
        end = _end_of_term(reading, last)
        if not _is_called(reading, first) and (end > last or _is_had(reading, first, last)):
            reading.terms.update(range(first, end + 1))
            for part in range(first, last + 1):
                if reading.units[part].kind == WORD:
                    reading.kinds[part] = Kind.CLINICAL
            at = last


def _is_called(reading: Reading, first: int) -> bool:
    """Return whether a title is before it."""
    before = first - 2 if first > 1 and reading.norms[first - 1] == "." else first - 1
    return before >= 0 and reading.norms[before] in TITLES


def _end_of_term(reading: Reading, last: int) -> int:
    """The noun behind the name that makes it a term, or the name itself."""
    after = reading.norm(last + 1)
    if after in _HEADS:
        return last + 2 if reading.norm(last + 2) in _HEADS else last + 1
    is_between = reading.norm(last + 2) in _HEADS and after not in FUNCTION and reading.units[last + 1].kind == WORD
    return last + 2 if is_between and reading.kinds[last + 1] in (Kind.CLINICAL, Kind.ORDINARY) else last


def _is_had(reading: Reading, first: int, last: int) -> bool:
    """`he has parkinson's`, `history of whipple`: the name alone, where no word follows that it could belong to."""
    norm, after = reading.norms[last], last + 1
    ends = after >= len(reading.units) or reading.units[after].kind == SIGN or reading.norms[after] in FUNCTION
    if not ends or (after < len(reading.units) and is_sign(reading.units[after], "'’")):
        return False
    if not norm.endswith("s") and last == first and reading.lists.name_kinds(norm) and _is_borne(reading, norm):
        return False
    back = first - 1
    while back >= 0 and reading.norms[back] in _DEGREES:
        back -= 1
    if back < 0:
        return False
    before = reading.norms[back]
    return before in _HAVING or (before in _BEFORE and (back > 0 and reading.norms[back - 1] in _BEFORE[before]))


def _is_borne(reading: Reading, norm: str) -> bool:
    """Return whether people are commonly called so, by a first name or as an ordinary word."""
    return "f" in reading.lists.name_kinds(norm) or norm in reading.lists.words
