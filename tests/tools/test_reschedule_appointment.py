import json
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select

from medagent.clinic import Clinic
from medagent.clinic.schema import BOOKED, AppointmentRow
from medagent.tools import invoke
from medagent.tools.book_appointment import BOOK_APPOINTMENT
from medagent.tools.reschedule_appointment import RESCHEDULE_APPOINTMENT

PERSON = {"patient_name": "Testa Plantedname", "phone": "(312) 555-0142", "dob": "1980-01-31"}
OTHER = {"patient_name": "Testo Otherplanted", "phone": "(312) 555-0143", "dob": "1990-02-28"}
NEW = {"new_appointment_datetime": "2026-11-25T09:00"}


@pytest.fixture
def book(clinic: Clinic, now: datetime) -> Any:
    def run(person: dict[str, str], when: str) -> Any:
        arguments = {**person, "doctor_name": "Okafor", "appointment_datetime": when}
        return invoke(BOOK_APPOINTMENT, arguments, clinic=clinic, now=now)

    return run


@pytest.fixture
def move(clinic: Clinic, now: datetime) -> Any:
    return lambda arguments: invoke(RESCHEDULE_APPOINTMENT, arguments, clinic=clinic, now=now)


def rows(clinic: Clinic) -> list[tuple[str, str, datetime]]:
    columns = select(AppointmentRow.confirmation_id, AppointmentRow.status, AppointmentRow.starts_at)
    return clinic.database.read(
        lambda session: [
            (kept, status, starts) for kept, status, starts in session.execute(columns.order_by(AppointmentRow.id))
        ]
    )


def test_the_answer_is_the_new_slot_under_the_old_id(move: Any, book: Any, clinic: Clinic) -> None:
    """By name or by id, once or again: one answer; the freed slot can be booked by the next caller."""
    mine = book(PERSON, "2026-11-24T10:00")
    answer = move({**PERSON, **NEW})
    assert answer == {
        "outcome": "ok",
        "confirmation_id": mine["confirmation_id"],
        "appointment_datetime": "2026-11-25T09:00:00-06:00",
        "spoken_time": "Wednesday, November 25, 2026, 9:00 AM Chicago time",
        "doctor_name": "Dr. Amara Okafor",
        "clinic_location": "Lakeside Main Street",
    }
    assert move({"dob": PERSON["dob"], "confirmation_id": mine["confirmation_id"], **NEW}) == answer
    assert book(OTHER, "2026-11-24T10:00")["outcome"] == "ok"


def test_a_doctor_and_a_place_can_be_named_as_they_are_said(move: Any, book: Any) -> None:
    """Forgiving as everywhere: "raman", "harbor view"."""
    book(PERSON, "2026-11-24T10:00")
    answer = move({**PERSON, **NEW, "doctor_name": "raman", "clinic_location": "harbor view"})
    assert (answer["doctor_name"], answer["clinic_location"]) == ("Dr. Priya Raman", "Lakeside Harbor View")


def test_without_proof_nothing_moves_and_nothing_is_told(move: Any, book: Any, clinic: Clinic) -> None:
    """The new time is not even looked at: a taken, a closed and a free one are refused alike."""
    mine = book(PERSON, "2026-11-24T10:00")
    book(OTHER, "2026-11-25T09:00")
    before = rows(clinic)
    answers = {
        json.dumps(move({"dob": dob, "confirmation_id": kept, "new_appointment_datetime": to}))
        for dob in ("1999-09-09", OTHER["dob"])
        for kept in (mine["confirmation_id"], "LC-K7M4Q9")
        for to in ("2026-11-25T09:00", "2026-11-26T09:00", "2026-11-25T10:00")
    }
    assert len(answers) == 1
    assert "not_verified" in answers.pop()
    assert rows(clinic) == before


BAD = [
    ("missing_field", {"new_appointment_datetime": None}),
    ("invalid_new_appointment_datetime", {"new_appointment_datetime": "tomorrow"}),
    ("past_date", {"new_appointment_datetime": "2026-11-17T10:00"}),
    ("off_grid", {"new_appointment_datetime": "2026-11-25T09:10"}),
    ("closed_day", {"new_appointment_datetime": "2026-11-26T09:00"}),
    ("outside_hours", {"new_appointment_datetime": "2026-11-25T12:30"}),
    ("slot_taken", {"new_appointment_datetime": "2026-11-25T10:00"}),
    ("unknown_doctor", {"doctor_name": "Testa Plantedname"}),
    ("unknown_location", {"clinic_location": "Planted Lane"}),
    ("no_such_appointment", {"appointment_datetime": "2026-11-24T11:30"}),
    ("not_verified", {"patient_name": "Testa Planted"}),
]


@pytest.mark.parametrize(("code", "wrong"), BAD, ids=[f"{n}-{bad[0]}" for n, bad in enumerate(BAD)])
def test_a_bad_argument_moves_nothing_and_is_not_repeated(
    move: Any, book: Any, clinic: Clinic, code: str, wrong: dict[str, Any]
) -> None:
    """Refused with its code, both appointments where they were, and no value of a patient in the answer."""
    book(PERSON, "2026-11-24T10:00")
    book(OTHER, "2026-11-25T10:00")
    before = rows(clinic)
    answer = move({**PERSON, **NEW, **wrong})
    assert (answer["outcome"], answer["error_type"]) == ("refused", code)
    assert "lanted" not in json.dumps(answer)
    assert "0142" not in json.dumps(answer)
    assert rows(clinic) == before
    assert {status for _, status, _ in before} == {BOOKED}
