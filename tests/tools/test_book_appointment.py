import json
import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from medagent.clinic import CONFIRMATION_ID, Clinic
from medagent.clinic.schema import AppointmentRow, PatientRow
from medagent.tools import invoke
from medagent.tools.book_appointment import BOOK_APPOINTMENT

PLANTED = {
    "patient_name": "Testa Plantedname",
    "phone": "(312) 555-0142",
    "dob": "1980-01-31",
    "email": "testa.planted@example.com",
    "mrn": "MRN-5550142",
    "address": "1 Planted Lane",
    "reason_for_visit": "planted cough",
    "notes": "planted note",
}
GOOD = {**PLANTED, "appointment_datetime": "2026-11-24T10:00", "doctor_name": "Dr. Okafor"}


@pytest.fixture
def book(clinic: Clinic, now: datetime) -> Any:
    return lambda arguments: invoke(BOOK_APPOINTMENT, arguments, clinic=clinic, now=now)


def written(clinic: Clinic) -> tuple[int, int]:
    counts = [select(func.count()).select_from(table) for table in (AppointmentRow, PatientRow)]
    first, second = clinic.database.read(lambda session: [session.scalars(each).one() for each in counts])
    return first, second


def test_a_booking_is_written_and_the_answer_holds_nothing_of_the_patient(book: Any, clinic: Clinic) -> None:
    """The row has all; the model gets confirmation, time, doctor and place, and no key beside these."""
    answer = book(GOOD)
    confirmation_id = answer.pop("confirmation_id")
    assert re.fullmatch(CONFIRMATION_ID, confirmation_id)
    assert answer == {
        "outcome": "ok",
        "appointment_datetime": "2026-11-24T10:00:00-06:00",
        "spoken_time": "Tuesday, November 24, 2026, 10:00 AM Chicago time",
        "doctor_name": "Dr. Amara Okafor",
        "clinic_location": "Lakeside Main Street",
    }
    columns = select(
        PatientRow.name, PatientRow.phone, PatientRow.email, PatientRow.mrn, PatientRow.address, AppointmentRow.reason
    ).join(AppointmentRow, AppointmentRow.patient_id == PatientRow.id)
    rows = clinic.database.read(lambda session: session.execute(columns).all())
    assert rows == [
        (
            "Testa Plantedname",
            "+13125550142",
            "testa.planted@example.com",
            "MRN-5550142",
            "1 Planted Lane",
            "planted cough",
        )
    ]


def test_a_replayed_call_gets_the_same_answer(book: Any, clinic: Clinic) -> None:
    """A model that calls twice, with the phone written otherwise and the time with its offset, books once."""
    first = book(GOOD)
    again = book({**GOOD, "phone": "+1 312 555 0142", "appointment_datetime": "2026-11-24T10:00:00-06:00"})
    assert again == first
    assert written(clinic) == (1, 1)


def test_the_second_caller_is_refused_with_other_times(book: Any, clinic: Clinic) -> None:
    """A taken slot names up to five free ones of the same doctor, and nothing of who has it."""
    book(GOOD)
    answer = book({**GOOD, "patient_name": "Testo Other", "phone": "312 555 0143"})
    assert (answer["outcome"], answer["error_type"], len(answer["alternatives"])) == ("refused", "slot_taken", 5)
    assert "lanted" not in json.dumps(answer)
    assert written(clinic) == (1, 1)


def test_what_the_model_leaves_empty_was_not_given(book: Any, clinic: Clinic) -> None:
    """Null and "" in an optional argument are no argument; in a required one they are missing."""
    assert book({**GOOD, "email": None, "notes": "", "clinic_location": ""})["outcome"] == "ok"
    answer = book({**GOOD, "patient_name": ""})
    assert (answer["error_type"], written(clinic)) == ("missing_field", (1, 1))


BAD = [
    ("missing_field", "patient_name", {"patient_name": None}),
    ("missing_field", "phone", {"phone": ""}),
    ("missing_field", "doctor_name", {"doctor_name": None}),
    ("unknown_field", "patient_name", {"Plantedname": "x"}),
    ("invalid_patient_name", "patient_name", {"patient_name": ["Testa", "Plantedname"]}),
    ("invalid_patient_name", "patient_name", {"patient_name": "Testa\x00Plantedname"}),
    ("invalid_patient_name", "patient_name", {"patient_name": "Planted" * 100}),
    ("invalid_patient_name", "patient_name", {"patient_name": "Testa Planted\udc80"}),
    ("invalid_phone", "phone", {"phone": "555 0142"}),
    ("invalid_phone", "phone", {"phone": "call Testa Plantedname"}),
    ("invalid_phone", "phone", {"phone": 3125550142}),
    ("invalid_email", "email", {"email": "planted at example"}),
    ("invalid_dob", "dob", {"dob": "January 31st 1980"}),
    ("invalid_dob", "dob", {"dob": "1980-02-31"}),
    ("invalid_dob", "dob", {"dob": 318124800}),
    ("invalid_dob", "dob", {"dob": "2026-11-21"}),
    ("invalid_dob", "dob", {"dob": "1905-12-31"}),
    ("invalid_appointment_datetime", "appointment_datetime", {"appointment_datetime": "next tuesday"}),
    ("invalid_appointment_datetime", "appointment_datetime", {"appointment_datetime": "2026-11-24"}),
    ("invalid_appointment_datetime", "appointment_datetime", {"appointment_datetime": "2026-13-24T10:00"}),
    ("invalid_appointment_datetime", "appointment_datetime", {"appointment_datetime": "9999-12-31T10:00"}),
    ("past_date", "appointment_datetime", {"appointment_datetime": "2026-11-17T10:00"}),
    ("too_far_ahead", "appointment_datetime", {"appointment_datetime": "2028-11-21T10:00"}),
    ("off_grid", "appointment_datetime", {"appointment_datetime": "2026-11-24T10:05"}),
    ("closed_day", "appointment_datetime", {"appointment_datetime": "2026-11-26T10:00"}),
    ("closed_day", "appointment_datetime", {"clinic_location": "harbor view"}),
    ("outside_hours", "appointment_datetime", {"appointment_datetime": "2026-11-24T12:30"}),
    ("unknown_doctor", "doctor_name", {"doctor_name": "Testa Plantedname"}),
    ("unknown_location", "clinic_location", {"clinic_location": "Planted Lane"}),
    ("ambiguous_location", "clinic_location", {"clinic_location": "Lakeside"}),
]


@pytest.mark.parametrize(("code", "field", "wrong"), BAD, ids=[f"{n}-{bad[0]}" for n, bad in enumerate(BAD)])
def test_a_bad_argument_books_nothing_and_is_not_repeated(
    book: Any, clinic: Clinic, code: str, field: str, wrong: dict[str, Any]
) -> None:
    """It is refused with its code and the field's name, no row is written, and the answer quotes no value."""
    answer = book({**GOOD, **wrong})
    assert (answer["outcome"], answer["error_type"]) == ("refused", code)
    assert field in answer["error_message"]
    assert "lanted" not in json.dumps(answer)
    assert "0142" not in answer["error_message"].replace("312 555 0142", "")
    assert written(clinic) == (0, 0)


def test_a_database_that_fails_says_only_that_it_failed(book: Any, clinic: Clinic) -> None:
    """The model hears a class name and what to offer."""
    clinic.database.write(lambda session: session.connection().exec_driver_sql("ALTER TABLE patients RENAME TO gone"))
    assert book(GOOD) == {
        "outcome": "failed",
        "error_type": "ClinicError",
        "error_message": "the clinic's system did not answer; offer to call back",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted(BOOK_APPOINTMENT.arguments.model_fields)) | st.text(max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wrong=st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_whatever_the_model_sends_there_is_an_answer(book: Any, wrong: dict[str, Any]) -> None:
    """Any JSON in any argument: an answer that is JSON itself, and a refusal or a booking, never a failure."""
    answer = book({**GOOD, **wrong})
    assert json.loads(json.dumps(answer)) == answer
    assert answer["outcome"] in ("ok", "refused")
