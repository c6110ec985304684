import re
from datetime import date

import pytest

from medagent.clinic.guidelines.collection import Guideline, collection

ENTRIES = pytest.mark.parametrize("entry", collection(), ids=lambda entry: entry.guideline_id)
BODIES = (
    "America's Poison Centers",
    "CDC",
    "FDA",
    "HHS",
    "MedlinePlus",
    "NIDDK",
    "NIMH",
    "SAMHSA",
)
DOSE = re.compile(r"\d+([.,]\d+)?\s*(mg|mcg|µg|g|ml|cc|iu|units?|tablets?|pills?|capsules?|drops?|puffs?)\b", re.I)
OFTEN = re.compile(r"\b(every|per)\s+(\d+|four|six|eight|twelve)\s+hours?|(once|twice|times)\s+(a|per)\s+day", re.I)
DIAGNOSIS = re.compile(
    r"\byou (probably |likely |may |might )?(have|suffer|are having)\b|\byour (diagnosis|disease)\b", re.I
)


@ENTRIES
def test_an_entry_says_where_it_comes_from_and_when(entry: Guideline) -> None:
    """A public body's page by name, and a day that has been."""
    assert entry.source.startswith(BODIES)
    assert date(2020, 1, 1) < entry.source_date <= date.today()  # noqa: DTZ011  # a day, anywhere


@ENTRIES
def test_an_entry_gives_no_dose_and_no_diagnosis(entry: Guideline) -> None:
    """No amount, no "every four hours", no "you have"; short enough to be said on the phone."""
    said = f"{entry.title}. {entry.text} {entry.advice or ''}"
    assert not [form.pattern for form in (DOSE, OFTEN, DIAGNOSIS) if form.search(said)]
    assert len(entry.text) < 450


@ENTRIES
def test_an_emergencys_advice_says_at_once_whom_to_turn_to(entry: Guideline) -> None:
    """911, 988, or the emergency department; any other entry has no such advice and is found by its words."""
    if entry.signs:
        assert entry.advice is not None
        assert re.search(r"\b911\b", entry.advice)
        assert entry.guideline_id.startswith("emergency-")
    else:
        assert entry.asked
        assert entry.advice is None


def test_the_check_itself_finds_what_it_looks_for() -> None:
    """The forms above match a dose, an interval and a diagnosis."""
    assert DOSE.search("take 400 mg")
    assert OFTEN.search("one every six hours")
    assert DIAGNOSIS.search("You probably have the flu")


def test_every_entry_has_an_id_of_its_own() -> None:
    """And there are enough of both kinds to be of use."""
    ids = [entry.guideline_id for entry in collection()]
    assert len(set(ids)) == len(ids)
    assert sum(bool(entry.signs) for entry in collection()) >= 12
    assert sum(not entry.signs for entry in collection()) >= 25
