"""Phrases that show a laboratory's test or a device: `repeat ana`, `cea level`, `the Foley is not working`."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.reading import Reading, cue
from medagent.redaction.text.units import SIGN, WORD

_ORDERED = words(
    """repeat repeated recheck rechecked reorder ordered serum plasma urine urinary salivary stool fasting elevated
    abnormal borderline baseline trending send-out sendout pending positive negative normal quantitative qualitative"""
)
_ORDERED_WITH_END = words("order add added draw drew drawn run low high check checked free total random get sent")
_MEASURED_AS = words(
    """level levels titer titre titers titres test tests testing panel panels result results pending elevated positive
    negative assay mutation mutations gene genes ratio screen screening antibody antibodies antigen antigens count
    index reflex deficiency value values profile genotype rearrangement amplification expression status"""
)
_FOUND = words(
    "elevated low high normal abnormal positive negative pending back undetectable up down trending borderline raised"
)
_IS = words("is was are were came comes")
_ENDS = words("and or with , . ? ! ; today tomorrow next again please too in on for at before then this") | {""}
_WHOSE = words("her his my your the their our")
_DEVICES = words(
    """pump pumps implant implants valve valves lift lifts tube tubes catheter catheters drain drains bag bags monitor
    monitors sensor sensors stent stents mesh graft plate screw screws frame brace braces collar splint splints boot
    boots pessary coil patch patches pen pens inhaler inhalers mask masks machine device devices stimulator lead leads
    filter filters dressing dressings wrap wraps cannula needle needles syringe syringes kit kits meter meters strips
    cuff cuffs port ports line lines clip clips ring system pillow pillows cushion mattress commode walker rollator
    nebulizer nebuliser spacer concentrator transmitter reader pod pods cartridge cartridges test tests vaccine
    questionnaire scale score protocol method maneuver manoeuvre stain procedure app portal"""
)
_ARTICLES = words("a an the another new this that each every old disposable temporary indwelling portable")
_BEHIND_UNLISTED = words("for and or because that placed done which but , . ? ! ;") | {""}
_GETTING = words(
    """need needs needed have has had got get gets ordered placed inserted want wants wearing wears using uses with use
    bought removed replaced fitted received"""
)
_FAMILY = words(
    """family kid kids boy boys girl girls twins brothers sisters house household residence appointment file chart case
    account daughter son wife husband baby child children called calls said says is-here who whose"""
)
_DEVICE_DOES = words(
    """for is was isn't has hasn't can could keeps kept fell came leaks leaked leaking needs need in at on and or ,
    . ? ! ; hurts hurt beeps beeped alarm alarms alarmed broke stopped won't doesn't didn't out off removed
    placed inserted changed replaced working back again today tomorrow yesterday to with from because before
    after that which stays site bag"""
) | {""}
ORDERING = cue(_ORDERED | _ORDERED_WITH_END | _MEASURED_AS | _FOUND | words("what how back"))
"""Beside no such word a word of no list is not taken for a test."""


def is_ordered(reading: Reading, at: int) -> bool:
    """Return whether a word is a test by what is ordered, measured or found with it."""
    norms = reading.norms
    one, two = (norms[at - back] if at >= back else "" for back in (1, 2))
    after, behind = reading.norm(at + 1), reading.norm(at + 2)
    if one in TITLES or (at and "f" in reading.borne[at - 1] and one not in FUNCTION and one not in _ORDERED_WITH_END):
        return False
    if after in _MEASURED_AS or one in _ORDERED:
        return True
    if one in _ORDERED_WITH_END and "f" not in reading.borne[at]:
        return after in _ENDS or (after == "to" and behind == "the")
    if "f" in reading.borne[at]:
        return False
    if (
        after in _IS
        and behind in _FOUND
        and (one in _WHOSE or after in ("came", "comes") or behind not in ("back", "up", "down"))
    ):
        return one in _WHOSE or not reading.borne[at]
    if one in _WHOSE and two in ("was", "is", "were", "are"):
        return reading.norms[at - 3 : at - 2] in (["what"], ["how"])
    return one == "the" and after in ("come", "came", "comes") and behind == "back"


def is_unlisted_device(reading: Reading, at: int) -> bool:
    """Return whether a word that is in no list is a thing or an operation: `i need a urolift`, `status post rezum`."""
    norms = reading.norms
    one, two, three = (norms[at - back] if at >= back else "" for back in (1, 2, 3))
    if reading.borne[at] or reading.norm(at + 1) not in _BEHIND_UNLISTED:
        return False
    if one == "post" and two == "status":
        return True
    if one == "new" and two in ("a", "the", "my"):
        one, two = two, three
    return one in ("a", "an") and two in _GETTING


def is_device(reading: Reading, at: int) -> bool:
    """Return whether a word with an article before it is a thing: `a Hoyer for home`, `the Foley is out`."""
    one = reading.norms[at - 1] if at else ""
    after = reading.norm(at + 1)
    if one not in _ARTICLES and not (one in _WHOSE and after in _DEVICE_DOES):
        return False
    if after in _DEVICES:
        return True
    return after not in _FAMILY and after in _DEVICE_DOES


def is_before_device(reading: Reading, at: int) -> bool:
    """Return whether the noun of a device or a test is right behind a word: `Tandem pump`."""
    if reading.norm(at + 1) not in _DEVICES or (at and reading.norms[at - 1] in TITLES):
        return False
    return at == 0 or reading.units[at - 1].kind in (WORD, SIGN)
