from datetime import date, datetime
from typing import Any

import pytest

from medagent.clinic import Clinic, Patient
from medagent.tools import invoke
from medagent.tools.check_availability import CHECK_AVAILABILITY

TUESDAY_TEN = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001  # local, as a caller says it
PATIENT = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")


@pytest.fixture
def check(clinic: Clinic, now: datetime) -> Any:
    return lambda **arguments: invoke(CHECK_AVAILABILITY, arguments, clinic=clinic, now=now)


def test_without_arguments_it_lists_the_next_five(check: Any) -> None:
    """Friday 11:00 in Chicago: the first slots are half past eleven, each with doctor and place."""
    answer = check()
    assert answer["outcome"] == "ok"
    assert "available" not in answer
    assert len(answer["slots"]) == 5
    assert answer["slots"][0] == {
        "appointment_datetime": "2026-11-20T11:30:00-06:00",
        "spoken_time": "Friday, November 20, 2026, 11:30 AM Chicago time",
        "doctor_name": "Dr. Amara Okafor",
        "clinic_location": "Lakeside Harbor View",
    }


def test_a_free_time_is_available_with_its_place(check: Any) -> None:
    """The answer names the slot in full, so that it can be booked as it is."""
    answer = check(doctor_name="doctor okafor", appointment_datetime="2026-11-24T10:00")
    assert answer == {
        "outcome": "ok",
        "available": True,
        "slots": [
            {
                "appointment_datetime": "2026-11-24T10:00:00-06:00",
                "spoken_time": "Tuesday, November 24, 2026, 10:00 AM Chicago time",
                "doctor_name": "Dr. Amara Okafor",
                "clinic_location": "Lakeside Main Street",
            }
        ],
    }


def test_a_taken_time_is_not_available_and_others_are_named(check: Any, clinic: Clinic, now: datetime) -> None:
    """With the doctor given it is a no and five more of that doctor; with none, the free colleagues are the answer."""
    clinic.book(PATIENT, when=TUESDAY_TEN, doctor="Dr. Amara Okafor", now=now)
    answer = check(doctor_name="Okafor", appointment_datetime="2026-11-24T10:00")
    assert (answer["outcome"], answer["available"], len(answer["slots"])) == ("ok", False, 5)
    assert {slot["doctor_name"] for slot in answer["slots"]} == {"Dr. Amara Okafor"}
    assert "2026-11-24T10:00:00-06:00" not in {slot["appointment_datetime"] for slot in answer["slots"]}
    anyone = check(appointment_datetime="2026-11-24T10:00")
    assert anyone["available"] is True
    assert {slot["doctor_name"] for slot in anyone["slots"]} == {"Dr. Henrik Lindqvist", "Dr. Priya Raman"}
    assert "Planted" not in str((answer, anyone))


def test_a_range_of_days_is_kept_to(check: Any) -> None:
    """From Wednesday to Wednesday: Wednesday only, at the place asked for."""
    answer = check(from_date="2026-11-25", to_date="2026-11-25", clinic_location="harbor view")
    assert {slot["appointment_datetime"][:10] for slot in answer["slots"]} == {"2026-11-25"}
    assert {slot["clinic_location"] for slot in answer["slots"]} == {"Lakeside Harbor View"}


def test_a_day_that_is_booked_out_is_no_refusal(check: Any, clinic: Clinic, now: datetime) -> None:
    """Open but full: an honest empty list."""
    for number, slot in enumerate(
        clinic.free_slots(
            now=now, first=date(2026, 11, 28), last=date(2026, 11, 28), doctor="Dr. Amara Okafor", limit=99
        )
    ):
        other = Patient(name=f"Testa Person{number}", dob=date(1980, 1, 31), phone="+13125550142")
        clinic.book(other, when=slot.starts_at, doctor=slot.doctor, now=now)
    assert check(from_date="2026-11-28", to_date="2026-11-28") == {"outcome": "ok", "slots": []}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ({"doctor_name": "Smith"}, "unknown_doctor", "Dr. Priya Raman"),
        ({"clinic_location": "Lakeside"}, "ambiguous_location", "clinic_location"),
        ({"clinic_location": "downtown"}, "unknown_location", "Lakeside Main Street"),
        ({"appointment_datetime": "2026-11-20T08:30"}, "past_date", "appointment_datetime"),
        ({"appointment_datetime": "2026-11-24T10:15"}, "off_grid", "half hour"),
        ({"appointment_datetime": "2026-11-26T10:00"}, "closed_day", "appointment_datetime"),
        ({"appointment_datetime": "2026-11-24"}, "invalid_appointment_datetime", "ISO 8601"),
        ({"appointment_datetime": "1795514400"}, "invalid_appointment_datetime", "ISO 8601"),
        ({"appointment_datetime": 1795514400}, "invalid_appointment_datetime", "ISO 8601"),
        ({"from_date": "tomorrow"}, "invalid_from_date", "ISO 8601"),
        ({"from_date": "2026-11-26", "to_date": "2026-11-26"}, "closed_day", "to_date"),
        ({"from_date": "2026-11-27", "to_date": "2026-11-26"}, "invalid_to_date", "from_date"),
        ({"to_date": "2026-11-19"}, "past_date", "to_date"),
        ({"from_date": "2028-01-01"}, "too_far_ahead", "from_date"),
        ({"when": "tomorrow"}, "unknown_field", "appointment_datetime"),
    ],
)
def test_a_bad_argument_comes_back_with_what_would_be_right(
    check: Any, arguments: dict[str, Any], code: str, says: str
) -> None:
    """Each has its code, and a sentence that the model can act on."""
    answer = check(**arguments)
    assert (answer["outcome"], answer["error_type"]) == ("refused", code)
    assert says in answer["error_message"]
    assert "slots" not in answer
