"""Callers who ask for something that is theirs: what proves who they are, and what a date of birth can be."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from medagent.clinic import Clinic, Refusal, VerifiedPatient
from medagent.tools.fields import Confirmation, Day, Line, Moment, Phone
from medagent.tools.interface import Arguments

_OLDEST_YEARS = 120


class OfCaller(Arguments):
    """Who calls, and which appointment they mean."""

    dob: Day = Field(description="The patient's date of birth as the caller says it, ISO 8601 such as 1980-01-31.")
    confirmation_id: Confirmation | None = Field(
        None, description="The confirmation id, such as LC-K7M4Q9; without it the full patient_name is needed."
    )
    patient_name: Line | None = Field(
        None, description="The patient's full name; without it confirmation_id is needed."
    )
    phone: Phone | None = Field(
        None,
        description="The phone number given at booking, such as 312 555 0142; it helps where a name is not enough.",
    )
    appointment_datetime: Moment | None = Field(
        None, description="The start of the appointment meant, ISO 8601, where the caller has several."
    )

    def verified(self, clinic: Clinic, *, now: datetime) -> VerifiedPatient:
        """The patient whom these prove; raises `Refusal`, the same for whatever is wrong."""
        check_dob(self.dob, today=clinic.last_date(now))
        return clinic.verify(
            dob=self.dob, confirmation_id=self.confirmation_id, name=self.patient_name, phone=self.phone
        )


def check_dob(dob: date, *, today: date) -> None:
    """Raise `Refusal` for a date that cannot be one of birth: after `today`, or more than 120 years before it."""
    if not 0 <= today.year - dob.year <= _OLDEST_YEARS or dob > today:
        raise Refusal("invalid_dob", "dob must be a date of birth: not in the future, and at most 120 years ago.")
