"""Phrases that show a drug: `refill Yasmin 30 tablets`, `ran out of winlevi`, `the vtama injection`."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.reading import Reading, cue
from medagent.redaction.text.units import MIXED, NUMBER, WORD

_STRENGTHS = words(
    """mg mgs mcg mcgs milligram milligrams microgram micrograms mg's xr er xl sr odt tablet tablets tab tabs capsule
    capsules caps caplet caplets pill pills pack packs cream gel ointment lotion foam inhaler patch patches iud
    prescription refill refills dose doses injection injections shot shots infusion infusions vaccine ring"""
)
_UNITS = words("mg mgs mcg milligram milligrams microgram micrograms percent % units iu ml")
TAKING = words(
    """refill refilling generic skip skipped skipping taking prescribe prescribed prescribes prescribing tapering
    restart restarted swallow swallowed dose tablet tablets mg milligrams pill pills brand"""
)
_TAKING_RARE = words("take takes taking took try tried trying stop stopped start started using use uses")
_STARTED = frozenset(
    {
        *((before, "on") for before in ("started", "start", "put", "been", "am", "i'm", "is", "was", "stay", "back")),
        *((before, "of") for before in ("out", "off", "instead")),
        ("allergic", "to"),
        ("switch", "to"),
        ("switched", "to"),
    }
)
"""Before a drug that is nobody's usual first name."""
_OF_OR_FOR = words("of for on")
_REFILLS = words("refill refills prescription prescriptions bottle box")
_DOES_TO_ME = words("makes made gives gave upset upsets helps helped")
_FOR_A_DRUG = words(
    "generic substitute alternative coupon dose doses mg milligrams tablet tablets pill pills pack supply"
)
_GIVING = words("give gave gives giving given hand handed get got bring let make made tell told ask asked")
_ENDING = words(
    "this for every daily twice once at with because again anymore and but in , . ? ! ; as the last since please"
)
_FORMS = words(
    """tablet tablets tab tabs capsule capsules caps caplets pill pills patch patches puff puffs drop drops spray sprays
    injection injections shot shots infusion infusions pen pens vial vials inhaler syringe syringes cream gel ointment
    lotion suppository suppositories lozenges refills packs"""
)
_PRESCRIBERS = words(
    "doctor doctors dr gp nurse pharmacist clinic provider cardiologist specialist consultant they he she who"
)
_CHANGED = words(
    """stopped started prescribed discontinued increased decreased restarted changed switched added recommended
    lowered doubled continued resumed tapered"""
)
_OFTEN = words(
    """once twice daily nightly every bid tid qid qd qhs qam prn weekly monthly tomorrow tonight today before after as
    and at for with because until , . ; ?"""
)
_DO = words("start stop hold resume continue restart skip take refill increase decrease taper give")
_SIDE_EFFECTS = words(
    """sleepy dizzy sick nauseous nauseated tired drowsy bleed itch itchy worse constipated bloated anxious jittery
    gain lose vomit faint sweat swell cough foggy numb shaky hungry gassy break weak"""
)
_A_SIDE_EFFECT = words("headache rash cramp cramps diarrhea diarrhoea hives nausea heartburn migraine reaction")
_WITH_FOOD = words(
    "food meals milk alcohol water grapefruit breakfast dinner lunch ibuprofen tylenol aspirin coffee other my it"
)
_WHEN_TAKEN = words("daily twice once every nightly each weekly")
_AT_TIMES = words("night bedtime noon breakfast dinner lunch")
_FOR_WHAT = words(
    "that it this acne cramps periods birth contraception pain anxiety sleep bleeding pcos migraines years"
)
_COVERING = words("coupon copay formulary generic allergic switched samples")
_DOSES = _REFILLS | words("dose doses samples sample")
_STORED = words("store refrigerate inject swallow crush split chew")
_KEPT_COLD = words("refrigerated refilled approved covered")
_MADE = words("makes made making gives gave giving")
_NOT_NAMES = FUNCTION | TAKING | _DO | _CHANGED
_SURE_CUE = cue(
    words(
        """refill refills refilling injection infusion tablets capsules prescribed prescribe acid coupon out
        refrigerated covered take takes taking took stopped started hold store generic dose mg mcg headache
        rash made gave continue resume switched restart allergic need needs have has had got ordered placed
        inserted post samples sample"""
    )
)
"""Without one of these no phrase shows that a word of no list is a drug."""
SURE_DRUG = _SURE_CUE


def is_taken(reading: Reading, at: int) -> bool:
    """Return whether a dose, a form, or somebody who takes it is beside a drug's name."""
    units, norms = reading.units, reading.norms
    before = norms[at - 1] if at else ""
    two_before = norms[at - 2] if at > 1 else ""
    given = before in _GIVING
    after = reading.norm(at + 1)
    if after in _STRENGTHS and not given:
        return True
    if not given and at + 1 < len(units) and _is_strength(reading, at + 1):
        return True
    if "k" not in reading.borne[at] and after in _DOES_TO_ME and reading.norm(at + 2) in ("me", "my"):
        return True
    if _is_said_of_drug(reading, at):
        return True
    ends = not after or after in _ENDING
    if not ends:
        return False
    if "f" not in reading.borne[at] and (before in _TAKING_RARE or (two_before, before) in _STARTED):
        return True
    of_it = before in _OF_OR_FOR and two_before in _FOR_A_DRUG
    return before in TAKING or of_it or (before == "of" and two_before in _REFILLS)


def _is_strength(reading: Reading, at: int) -> bool:
    """Return whether a number with a unit begins here: `10 mg`, `0.35 mg`, `10mg`."""
    units = reading.units
    if units[at].kind == MIXED:
        return reading.norms[at].endswith(("mg", "mcg"))
    while at < len(units) and (units[at].kind == NUMBER or reading.norms[at] in (".", "/", "-")):
        at += 1
    return units[at - 1].kind == NUMBER and reading.norm(at) in _UNITS


def _is_said_of_drug(reading: Reading, at: int) -> bool:
    """Return whether a phrase is here that is said of no person, however well known the name is."""
    norms = reading.norms
    one, two = (norms[at - back] if at >= back else "" for back in (1, 2))
    three = norms[at - 3] if at > 2 else ""
    after, behind = reading.norm(at + 1), reading.norm(at + 2)
    ends = not after or after in _ENDING
    if (after, behind) == ("birth", "control") or (after == "the" and behind in ("morning", "mini", "combined")):
        return True
    if (
        one == "of"
        and two == "out"
        and three in ("ran", "run", "running", "runs", "am", "are", "is", "i'm", "be", "was")
    ):
        return True
    if one in TAKING and at + 2 < len(norms) and reading.units[at + 1].kind == NUMBER and behind in _FORMS:
        return True
    if (
        one in _CHANGED
        and two in _PRESCRIBERS
        and (ends or after in _OFTEN)
        and after not in ("in", "at", "for", "with")
    ):
        return True
    if one in _DO and after in _WHEN_TAKEN:
        return True
    if after in _MADE and behind in ("me", "her", "him"):
        third, fourth = reading.norm(at + 3), reading.norm(at + 4)
        return third in _SIDE_EFFECTS or third in _A_SIDE_EFFECT or fourth in _A_SIDE_EFFECT or fourth in _SIDE_EFFECTS
    if one in ("take", "takes", "taking", "took"):
        return (
            after in _WHEN_TAKEN
            or (after == "with" and behind in _WITH_FOOD)
            or (after == "at" and behind in _AT_TIMES)
            or (after == "for" and behind in _FOR_WHAT)
            or (after == "as" and behind in ("prescribed", "directed", "needed"))
        )
    return False


def is_surely_taken(reading: Reading, at: int) -> bool:
    """Return whether a word that is in no list, neither of words nor of names, is a drug by what is said of it."""
    if reading.units[at].kind != WORD or reading.borne[at]:
        return False
    norms = reading.norms
    one, two = (norms[at - back] if at >= back else "" for back in (1, 2))
    after, behind = reading.norm(at + 1), reading.norm(at + 2)
    if one in TITLES or ("f" in reading.borne[at - 1] and at and one not in _NOT_NAMES):
        return False
    if _is_said_of_drug(reading, at) or (at + 1 < len(norms) and _is_strength(reading, at + 1)):
        return True
    ends = not after or after in _ENDING or after in _OFTEN
    if one in ("refill", "refilling", "prescribed", "prescribe", "prescribes", "generic") and ends:
        return True
    if (
        one in _DO
        and after in ("before", "as", "once", "twice", "daily", "every", "until", "after")
        and two in ("", ".", ",", "to", "please", "and", ":")
    ):
        return True
    if one == "of" and ends and two in _DOSES:
        return True
    if one in ("for", "on", "to") and ends and two in _COVERING:
        return True
    if one in ("takes", "taking", "stopped", "started") and after in (
        "because",
        "at",
        "daily",
        "every",
        "twice",
        "once",
    ):
        return True
    if one == "the" and after in (
        "injection",
        "infusion",
        "tablets",
        "capsules",
        "patch",
        "shot",
        "pen",
        "inhaler",
        "cream",
    ):
        return True
    if one in _STORED and (ends or after in ("in", "at", "before")) and two in ("i", "you", "to", "we"):
        return True
    if after == "acid":
        return True
    return after in ("need", "needs", "has") and reading.norm(at + 4) in _KEPT_COLD and behind == "to"
