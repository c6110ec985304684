"""Phrases that show an eponym alone: `crohn's runs in the family`, `what does Mallampati mean`, `Romberg neg`."""

from __future__ import annotations

from medagent.redaction.text.cues import FUNCTION, TITLES, words
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import SIGN, WORD

_SURE = words(
    """parkinson crohn alzheimer hodgkin huntington hashimoto cushing sjogren raynaud tourette asperger meniere paget
    dupuytren behcet wegener takayasu gaucher fabry pompe menkes peyronie bechet crohns parkinsons alzheimers
    hodgkins hashimotos sjogrens tourettes aspergers menieres raynauds cushings huntingtons wegeners addison
    scheuermann legg osgood hirschsprung kawasaki castleman waldenstrom buerger vincent ludwig barrett bartholin
    hansen chagas weil lyme still whipple caroli sever freiberg kienbock dercum grover darier hailey"""
)
"""Eponyms whose possessive alone is said of the disease."""
DEVICE_EPONYMS = words(
    """foley holter hoyer hickman broviac watchman groshong penrose jackson hemovac salem levin yankauer ambu kirschner
    steinmann ilizarov doppler unna jobst mallampati apgar glasgow gleason breslow mirena port-a-cath pap coombs
    whipple nissen mohs lasik fontan norwood glenn maze cesarean billroth lapidus latarjet bankart"""
)
"""Things and operations that people name by one word, though some people are called so."""
_SIGNS = words(
    """babinski hoffmann spurling lachman murphy kernig brudzinski tinel phalen homans romberg trousseau chvostek
    rovsing
    mcburney obturator psoas faber thompson finkelstein hawkins neer speed yergason ober thomas patrick lasegue tanner
    apley mcmurray trendelenburg allen adson coombs mantoux monospot hegar chadwick cullen levine nikolsky"""
)
"""Signs and tests, named alone behind `positive` and `negative`."""
_ALSO_PEOPLE = words(
    "still vincent ludwig hansen hailey grover sever addison barrett bartholin kawasaki weil huntington"
)
"""Those of them that need a phrase besides the possessive."""
_GOES_ON = words(
    """is was isn't wasn't runs ran mean means and or but , . ? ! ; : today again now yet too with without since for in
    on as because that which can may might does doesn't has hasn't will would could should gets getting flare flares
    flared flaring contagious treatment treatments medication medications medicine diagnosis symptoms patient patients
    specialist clinic so after before at anymore confirmed suspected stable noted controlled worse better active
    remission ruled neg pos negative positive if when then about from by to of"""
)
_FINDS = words(
    """neg pos negative positive present absent equivocal normal abnormal downgoing upgoing borderline in mean means
    unchanged score grade class"""
)
_PLACES_OF_DEVICES = words("situ place")
_SAYS = words(
    "says said say mentioned mentions mention wrote writes shows showed reads suspects suspected diagnosed suggests"
)
_SAYING = words(
    """letter report note notes chart scan doctor doctors consultant specialist surgeon neurologist cardiologist
    team nurse results result test tests biopsy mri ct they he she it radiologist pathologist gp dermatologist
    rheumatologist ophthalmologist gastroenterologist oncologist clinic summary discharge hospital"""
)
_OF_DISEASE = frozenset(
    {
        ("what", "is"),
        ("what's", "a"),
        ("what", "does"),
        ("rule", "out"),
        ("ruled", "out"),
        ("r/o", "of"),
        ("evidence", "of"),
        ("history", "of"),
        ("hx", "of"),
        ("signs", "of"),
        ("symptoms", "of"),
        ("diagnosis", "of"),
        ("case", "of"),
        ("form", "of"),
        ("onset", "of"),
        ("risk", "of"),
        ("stage", "of"),
        ("treatment", "of"),
        ("diagnosed", "with"),
        ("consistent", "with"),
        ("compatible", "with"),
        ("lives", "with"),
        ("born", "with"),
        ("positive", "for"),
        ("negative", "for"),
        ("tested", "for"),
        ("testing", "for"),
        ("screened", "for"),
        ("screening", "for"),
        ("treated", "for"),
        ("workup", "for"),
        ("concern", "for"),
        ("concerning", "for"),
        ("suspicious", "for"),
        ("suspicion", "for"),
        ("criteria", "for"),
        ("scheduled", "for"),
        ("listed", "for"),
        ("candidate", "for"),
        ("referred", "for"),
        ("consented", "for"),
        ("prepped", "for"),
        ("we", "discussed"),
        ("also", "discussed"),
        ("status", "post"),
    }
)
_DISEASE_ENDINGS = (
    "itis",
    "osis",
    "oma",
    "omas",
    "emia",
    "aemia",
    "pathy",
    "trophy",
    "plasia",
    "thenia",
    "uria",
    "ism",
    "asis",
    "esis",
    "lysis",
    "penia",
    "algia",
    "plegia",
    "pexy",
    "plasty",
    "tomy",
    "scopy",
    "graphy",
    "gram",
    "suspension",
    "dystonia",
    "chorea",
    "ataxia",
    "cardia",
    "rrhage",
    "rrhea",
    "cele",
    "edema",
    "depth",
)
"""Endings of nouns that follow an eponym."""
_TESTING = words(
    """testing tested screening screened treating treated checking checked evaluating evaluated assessing scheduled
    referred referring"""
)
_TESTED = words("her him me them us you it")
_HAVE = words("have has had having got get gets developed develops")


def is_said_of_disease(reading: Reading, at: int) -> bool:
    """Return whether an eponym that stands alone names a disease, a sign or a device here, and nobody."""
    norms = reading.norms
    norm, after = norms[at], reading.norm(at + 1)
    one, two, three = ((norms[at - back] if at >= back else "") for back in (1, 2, 3))
    stem = norm.removesuffix("'s")
    rare = norm in reading.lists.rare_eponyms or norm in DEVICE_EPONYMS
    possessive = norm.endswith("'s")
    if possessive and not rare and stem not in _SURE and "f" in reading.lists.name_kinds(stem):
        return False
    ends = not after or after in _GOES_ON
    if not ends and not (rare and after in _FINDS):
        return _is_clinical_next(reading, at, rare)
    phrase = _is_phrase(one, two, three)
    if rare and after in _FINDS and (after != "in" or reading.norm(at + 2) in _PLACES_OF_DEVICES):
        return True
    if norm in _SIGNS and one in ("positive", "negative") and (not after or after in ("and", "or", ",", ".", ";")):
        return True
    if phrase and (rare or possessive or stem in _SURE):
        return True
    if not (possessive or stem != norm) or stem not in _SURE or stem in _ALSO_PEOPLE:
        return (rare or (possessive and stem in _SURE)) and after in ("mean", "means", "runs", "ran")
    return after != "'" and (not after or after in _GOES_ON)


def _is_phrase(one: str, two: str, three: str) -> bool:
    """Return whether the words before a term are said of diseases: `diagnosed with`, `the letter says`."""
    if (two, one) in _OF_DISEASE or (one == "discussed" and two in ("we", "have", "and", "also", "")):
        return True
    if one == "for" and two in _TESTED and three in _TESTING:
        return True
    if one in _SAYS and two in _SAYING:
        return True
    if one == "is" and two in ("it", "this") and three in ("me", "us", "him", "her", "said", "think", "thinks", "says"):
        return True
    return one in _HAVE and two not in ("will", "can", "could", "please", "let", "would", "should")


def _is_clinical_next(reading: Reading, at: int, rare: bool) -> bool:
    """Return whether a clinical noun follows an eponym that few people are called: `takayasu arteritis`."""
    if not rare or at + 1 >= len(reading.units) or reading.units[at + 1].kind != WORD:
        return False
    if at and (
        reading.norms[at - 1] in TITLES or ("f" in reading.borne[at - 1] and reading.norms[at - 1] not in FUNCTION)
    ):
        return False
    is_noun = reading.norms[at + 1].endswith(_DISEASE_ENDINGS) and reading.kinds[at + 1] is not Kind.UNKNOWN
    behind = at + 2
    return is_noun and (behind >= len(reading.units) or reading.units[behind].kind in (WORD, SIGN))
