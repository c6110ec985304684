from concurrent.futures import ThreadPoolExecutor

import pytest

from medagent.clinic import guidelines_for

ASKED = [
    ("fever in adults", "fever-adult"),
    ("I have a temperature", "fever-adult"),
    ("my six year old has a fever", "fever-child"),
    ("fever in children", "fever-child"),
    ("my back is killing me", "back-pain"),
    ("lower back pain", "back-pain"),
    ("coughing for two weeks", "cough"),
    ("sore throat", "sore-throat"),
    ("is it strep", "sore-throat"),
    ("burned my finger on the stove", "minor-burn"),
    ("I cut my finger, does it need stitches", "minor-cut"),
    ("I twisted my ankle", "sprain"),
    ("knee pain", "neck-and-joint-pain"),
    ("side effects of the vaccine", "vaccination-side-effects"),
    ("sore arm after a booster shot", "vaccination-side-effects"),
    ("which vaccines are due for travel", "vaccination-schedule"),
    ("refill of a prescription", "medication-refill"),
    ("renew my prescription", "medication-refill"),
    ("do I have to fast before the blood test", "fasting-blood-test"),
    ("eating before lab work", "fasting-blood-test"),
    ("are my test results in", "test-results"),
    ("when should I go to the emergency room", "when-to-call-emergency"),
    ("do I need antibiotics", "antibiotics"),
    ("how much ibuprofen can I take", "medication-side-effects"),
    ("tick bite", "animal-and-insect-bites"),
    ("a dog bit me, dog bite", "animal-and-insect-bites"),
    ("itchy rash", "rash"),
    ("hay fever", "allergies"),
    ("pollen allergy", "allergies"),
    ("pink eye", "pink-eye"),
    ("earache", "ear-ache"),
    ("migraine", "headache"),
    ("I feel dizzy", "dizziness"),
    ("diarrhea", "vomiting-and-diarrhea"),
    ("heartburn", "heartburn-and-constipation"),
    ("it burns when I pee", "urinary-symptoms"),
    ("my blood pressure was high", "blood-pressure"),
    ("I feel anxious", "low-mood-and-worry"),
    ("I have the flu", "influenza"),
    ("positive covid test", "covid-19"),
    ("runny nose", "common-cold"),
    ("sunburn", "sunburn"),
]
NOT_HERE = [
    "can I park my car",
    "how do I get to the clinic",
    "what is the weather like",
    "who won the game",
    "knitting patterns",
    "",
    "?!",
    "the and of my",
    "ein Termin bitte",
    "title: text OR asked NEAR(x)",
    '"; DROP TABLE entries; --',
]


@pytest.mark.parametrize(("query", "entry"), ASKED)
def test_what_people_ask_finds_the_entry_on_it(query: str, entry: str) -> None:
    """It is the first of at most three."""
    found = guidelines_for(query)
    assert found.emergency is None
    assert found.guidelines[0].guideline_id == entry
    assert len(found.guidelines) <= 3


@pytest.mark.parametrize("query", NOT_HERE)
def test_what_the_collection_does_not_know_finds_nothing(query: str) -> None:
    """Neither a guess nor an error, whatever the words would mean to a database."""
    found = guidelines_for(query)
    assert (found.emergency, found.guidelines) == (None, ())


@pytest.mark.timing
def test_many_callers_search_at_once() -> None:
    """Eight threads on one index get what one alone gets."""
    queries = [query for query, _ in ASKED] * 5
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(guidelines_for, queries)) == [guidelines_for(query) for query in queries]
