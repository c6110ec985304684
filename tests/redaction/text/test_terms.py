from __future__ import annotations

import pytest

from medagent.redaction.text.known import KnownValues
from medagent.redaction.text.scrubbing import scrub

NOBODY = KnownValues()


@pytest.mark.parametrize(
    "text",
    [
        "he has okonjo syndrome",
        "Rule out Varga-Ostheim-Lindqvist syndrome.",
        "history of quintmann-boreski disease",
        "can i skip yasmin this week",
        "Refill Errin.",
        "I take heather 0.35 mg every day",
        "Camila tablets, 3 packs",
        "is there a generic for Allegra?",
        "a refill of larin please",
        "Osgood-Schlatter and osgood schlatter",
        "Cobb angle 12 degrees",
        "positive Lachman",
        "a Quintmann drain",
        "positive okonjo sign",
        "Klippel-Feil and Klippel-Ostheim",
        "Errin makes me moody",
        "she is on yaz",
        "Assessment: Addison's",
        "what is hashimoto's",
        "Hx of TIA, CAD.",
        "they did a d and c",
        "once daily before lunch",
        "factor V Leiden",
        "Hx MI w/ DES to LAD, LE edema.",
        "PMH: CKD3, GERD. Rx TID x 10d.",
        "CTAB, no w/r/r, c/s x2",
        "NPO p MN, no ST-T changes",
        "i ran out of camila",
        "Refill Errin 30 tablets.",
        "okonjumab made me dizzy",
        "repeat ana next visit",
        "please add cea to the order",
        "The Foley is not working.",
        "he is scheduled for Tandem pump",
        "crohn's runs in the family",
        "What does Mallampati mean?",
        "Gait WNL, Romberg neg.",
        "diagnosed with Takayasu arteritis",
        "they march up the hill",
        "the nurse may call you",
        "the cryoablation is on hold",
        "Echo: EF 55%",
        "i need a qorvilift for my prostate",
        "status post qorvilase, doing well",
        "what was my fena",
        "Free T4 and G6PD pending.",
    ],
)
def test_a_name_in_a_clinical_term_stays(text: str) -> None:
    """An eponym before `syndrome`, listed or not, and a brand that is a name beside a dose or its taking stay."""
    assert scrub(text, NOBODY).text == text


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("my cousin yasmin is ten", "yasmin"),
        ("Heather took 5 mg at noon", "Heather"),
        ("give heather 5 mg of it", "heather"),
        ("I take Camila to school", "Camila"),
        ("Mrs. Okonjo has a syndrome", "Okonjo"),
        ("dr okonjo syndrome clinic", "okonjo"),
        ("Ms. Varga-Ostheim disease follow-up", "Varga"),
        ("ms heather refill", "heather"),
        ("refill for yasmin", "yasmin"),
        ("osa called yesterday", "osa"),
        ("the okonjo sign is mine", "okonjo"),
        ("Okonjo's gait is unsteady", "Okonjo"),
        ("ask crohn to call me", "crohn"),
        ("my name is laura marfan", "marfan"),
        ("my girl beyaz is ten", "beyaz"),
        ("tell junel that i came", "junel"),
        ("Babinski says hi", "Babinski"),
        ("laura osgood schlatter", "laura"),
        ("ana is here for her labs", "ana"),
        ("please call ana back", "ana"),
        ("Pt LE called about labs", "LE"),
        ("Patient: KIM LE", "LE"),
        ("take ella home", "ella"),
        ("the foley family", "foley"),
        ("is foley there", "foley"),
        ("Sister Ota changed the dressing", "Ota"),
        ("mrs hashimoto's is waiting", "hashimoto"),
        ("refill for zhenzhen please", "zhenzhen"),
        ("the reference is 7-MM-HT", "HT"),
        ("do you have a zhenzhen here", "zhenzhen"),
        ("call zhenzhen back", "zhenzhen"),
        ("last name paget first name joan", "paget"),
    ],
)
def test_a_person_beside_such_words_goes(text: str, name: str) -> None:
    """A title, a first name before it, or what is done to people makes a person of the same name."""
    assert name not in scrub(text, NOBODY).text
