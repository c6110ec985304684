import json
import logging
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from medagent.clinic import Clinic
from medagent.clinic.schema import BOOKED, CANCELLED, AppointmentRow, ChangeRow
from medagent.tools import invoke
from medagent.tools.book_appointment import BOOK_APPOINTMENT
from medagent.tools.cancel_appointment import CANCEL_APPOINTMENT

PERSON = {"patient_name": "Testa Plantedname", "phone": "(312) 555-0142", "dob": "1980-01-31"}
OTHER = {"patient_name": "Testo Otherplanted", "phone": "(312) 555-0143", "dob": "1990-02-28"}
DOCTOR = {"doctor_name": "Okafor"}


@pytest.fixture
def mine(clinic: Clinic, now: datetime) -> Any:
    return invoke(
        BOOK_APPOINTMENT,
        {**PERSON, **DOCTOR, "appointment_datetime": "2026-11-24T10:00"},
        clinic=clinic,
        now=now,
    )


@pytest.fixture
def theirs(clinic: Clinic, now: datetime) -> Any:
    return invoke(
        BOOK_APPOINTMENT,
        {**OTHER, **DOCTOR, "appointment_datetime": "2026-11-24T11:00"},
        clinic=clinic,
        now=now,
    )


@pytest.fixture
def cancel(clinic: Clinic, now: datetime) -> Any:
    return lambda arguments: invoke(CANCEL_APPOINTMENT, arguments, clinic=clinic, now=now)


def statuses(clinic: Clinic) -> list[str]:
    return clinic.database.read(
        lambda session: list(session.scalars(select(AppointmentRow.status).order_by(AppointmentRow.id)))
    )


def test_who_proves_it_cancels_and_hears_what_was_cancelled(cancel: Any, clinic: Clinic, mine: Any) -> None:
    """The answer is the booking's own, and the same again for whoever asks again, however the id was said."""
    said = mine["confirmation_id"].lower().replace("-", " ")
    assert cancel({"dob": PERSON["dob"], "confirmation_id": said}) == mine
    assert cancel(PERSON) == mine
    assert statuses(clinic) == [CANCELLED]


def test_a_kept_id_alone_opens_nothing(cancel: Any, clinic: Clinic, mine: Any, theirs: Any) -> None:
    """Without the date of birth, with another, with somebody else's: nothing is cancelled."""
    kept = mine["confirmation_id"]
    assert cancel({"confirmation_id": kept})["error_type"] == "missing_field"
    for dob in ("1980-01-30", "1931-01-19", OTHER["dob"]):
        assert cancel({"confirmation_id": kept, "dob": dob})["error_type"] == "not_verified"
    assert statuses(clinic) == [BOOKED, BOOKED]


def test_a_refusal_does_not_tell_what_exists(cancel: Any, mine: Any, theirs: Any) -> None:
    """A real id, an invented id, a real name, an invented name: letter for letter the same answer."""
    claims = [
        {"confirmation_id": mine["confirmation_id"]},
        {"confirmation_id": "LC-K7M4Q9"},
        {"confirmation_id": theirs["confirmation_id"]},
        {"patient_name": PERSON["patient_name"]},
        {"patient_name": "Nemo Nobody"},
        {},
    ]
    answers = {json.dumps(cancel({"dob": "1999-09-09", **claim})) for claim in claims}
    assert len(answers) == 1
    assert "not_verified" in answers.pop()


BAD = [
    ("missing_field", {"dob": None}),
    ("invalid_dob", {"dob": "January 31st"}),
    ("invalid_dob", {"dob": "2026-11-21"}),
    ("invalid_dob", {"dob": "1905-12-31"}),
    ("invalid_confirmation_id", {"confirmation_id": "Plantedname"}),
    ("invalid_confirmation_id", {"confirmation_id": "LC-555014"}),
    ("invalid_confirmation_id", {"confirmation_id": 5550142}),
    ("invalid_patient_name", {"patient_name": ["Testa", "Plantedname"]}),
    ("invalid_phone", {"phone": "call Testa Plantedname"}),
    ("invalid_appointment_datetime", {"appointment_datetime": "the one on Tuesday"}),
    ("unknown_field", {"Plantedname": "x"}),
    ("not_verified", {"phone": "312 555 0199"}),
    ("not_verified", {"patient_name": "Testa Planted"}),
    ("no_such_appointment", {"appointment_datetime": "2026-11-24T11:00"}),
]


@pytest.mark.parametrize(("code", "wrong"), BAD, ids=[f"{n}-{bad[0]}" for n, bad in enumerate(BAD)])
def test_a_bad_argument_changes_nothing_and_is_not_repeated(  # noqa: PLR0917  # pytest names them all
    cancel: Any, clinic: Clinic, mine: Any, caplog: pytest.LogCaptureFixture, code: str, wrong: dict[str, Any]
) -> None:
    """Refused with its code; no row changes; neither the answer nor a log line has a value of the patient."""
    caplog.set_level(logging.DEBUG)
    answer = cancel({**PERSON, **wrong})
    assert (answer["outcome"], answer["error_type"]) == ("refused", code)
    told = json.dumps(answer) + caplog.text
    assert "lanted" not in told
    assert "0142" not in told.replace("312 555 0142", "")
    assert PERSON["dob"] not in told.replace("such as 1980-01-31", "")
    assert statuses(clinic) == [BOOKED]
    assert clinic.database.read(lambda session: session.scalars(select(ChangeRow)).all()) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(sorted(CANCEL_APPOINTMENT.arguments.model_fields)) | st.text(max_size=8)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wrong=st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_whatever_the_model_sends_nothing_is_cancelled_without_proof(
    cancel: Any, clinic: Clinic, mine: Any, wrong: dict[str, Any]
) -> None:
    """Any JSON in any argument, without the date of birth: a refusal, and the appointment stands."""
    answer = cancel({"confirmation_id": mine["confirmation_id"], **wrong, "dob": "1980-02-01"})
    assert json.loads(json.dumps(answer)) == answer
    assert answer["outcome"] == "refused"
    assert statuses(clinic) == [BOOKED]
