from datetime import UTC, datetime

import pytest

from medagent.clinic import Clinic, Refusal
from medagent.clinic.guidelines.collection import collection
from medagent.clinic.roster import named

DOCTORS = ("Dr. Amara Okafor", "Dr. Henrik Lindqvist", "Dr. Priya Raman", "Dr. Zoë Okafor-Müller")


@pytest.mark.parametrize(
    ("heard", "meant"),
    [
        ("doctor amara okafor", "Dr. Amara Okafor"),
        ("Dr. Amara Okafor", "Dr. Amara Okafor"),
        ("OKAFOR, AMARA", "Dr. Amara Okafor"),
        ("lindqvist", "Dr. Henrik Lindqvist"),
        ("dr priya", "Dr. Priya Raman"),
        ("zoe okafor muller", "Dr. Zoë Okafor-Müller"),
        ("Mueller", None),
        ("doctor", None),
        ("", None),
        ("Amara Raman", None),
    ],
)
def test_what_is_heard_gives_one_full_name_or_a_refusal(heard: str, meant: str | None) -> None:
    """Titles, case, order and accents do not matter; every word must be the doctor's."""
    if meant is None:
        with pytest.raises(Refusal) as refused:
            named(heard, DOCTORS, kind="doctor", argument="doctor_name")
        assert refused.value.code == "unknown_doctor"
        assert refused.value.alternatives == DOCTORS
    else:
        assert named(heard, DOCTORS, kind="doctor", argument="doctor_name") == meant


def test_an_ambiguous_name_is_asked_back() -> None:
    """Two doctors of one name: neither is guessed, both are offered."""
    with pytest.raises(Refusal) as refused:
        named("doctor okafor", DOCTORS, kind="doctor", argument="doctor_name")
    assert refused.value.code == "ambiguous_doctor"
    assert refused.value.alternatives == (DOCTORS[0], DOCTORS[3])


def test_an_exact_name_wins_over_a_longer_one() -> None:
    """A name that is part of another can still be said."""
    assert named("lake", ("Lake", "Lake View"), kind="location", argument="clinic_location") == "Lake"


def test_a_refusal_does_not_repeat_what_was_heard(clinic: Clinic) -> None:
    """A caller's name in the doctor's place is not in the message."""
    with pytest.raises(Refusal) as refused:
        clinic.doctor_named("Testa Plantedname")
    assert "Planted" not in str(refused.value)
    assert "Dr. Priya Raman" in str(refused.value)


def test_the_rosters_are_the_full_names(clinic: Clinic) -> None:
    """What a policy may keep is what the clinic's tables say, letter by letter."""
    assert clinic.rosters() == {
        "doctors": {"Dr. Amara Okafor", "Dr. Henrik Lindqvist", "Dr. Priya Raman"},
        "locations": {"Lakeside Main Street", "Lakeside Harbor View"},
        "opening_times": clinic.rosters()["opening_times"],
        "guideline_ids": {entry.guideline_id for entry in collection()},
    }
    hours = [
        each for found in clinic.opening_hours(now=datetime.now(UTC)).hours for each in (found.opens, found.closes)
    ]
    assert {f"{each:%H:%M}" for each in hours} <= clinic.rosters()["opening_times"]
    assert clinic.location_named("the main street clinic") == "Lakeside Main Street"
