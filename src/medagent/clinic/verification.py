"""Who the caller is: proved by what they know together, and never by one thing that somebody could have kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.orm import Session

from medagent.clinic.booking import name_key
from medagent.clinic.refusal import Refusal
from medagent.clinic.schema import AppointmentRow, PatientRow


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VerifiedPatient:
    """A patient who has proved it; `confirmation_id` is the one they proved it with, and the one they mean."""

    patient_id: int
    confirmation_id: str | None = None


def verify(
    session: Session, *, dob: date, confirmation_id: str | None, name: str | None, phone: str | None
) -> VerifiedPatient:
    """The one patient born on `dob` who has this confirmation id or this full name, and whatever else is given.

    Raises one and the same `Refusal` for every reason, after the same statements: it tells nobody whether such a
    person or such an appointment exists.
    """
    owner = session.scalars(
        select(AppointmentRow.patient_id).where(AppointmentRow.confirmation_id == (confirmation_id or ""))
    ).one_or_none()
    born = session.execute(
        select(PatientRow.id, PatientRow.name_key, PatientRow.phone).where(PatientRow.dob == dob)
    ).all()
    key = None if name is None else name_key(name)
    found = [
        patient_id
        for patient_id, their_key, their_phone in born
        if confirmation_id is None or patient_id == owner
        if key is None or their_key == key
        if phone is None or their_phone == phone
    ]
    if len(found) != 1 or (confirmation_id is None and name is None):
        raise Refusal(
            "not_verified",
            "the caller is not verified: dob is needed together with the confirmation_id, or with the full "
            "patient_name and the phone number given at booking, all of them as they were given then.",
        )
    return VerifiedPatient(patient_id=found[0], confirmation_id=confirmation_id)
