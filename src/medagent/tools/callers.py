"""Callers who ask for something that is theirs: what proves who they are, and what a date of birth can be."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal, TypeAlias

from pydantic import Field

from medagent.clinic import Clinic, Refusal, Representative, VerifiedPatient
from medagent.tools.fields import Confirmation, Day, Moment, Name, Phone
from medagent.tools.interface import Arguments

_OLDEST_YEARS = 120

Relation: TypeAlias = Literal[
    "parent",
    "guardian",
    "child",
    "spouse",
    "partner",
    "sibling",
    "relative",
    "carer",
    "friend",
    "interpreter",
    "other",
]


class ForPatient(Arguments):
    """Arguments about a caller who is not the patient."""

    caller_name: Name | None = Field(
        None, description="The caller's own full name, where they phone for another person, who is the patient."
    )
    caller_relation: Relation | None = Field(
        None, description="What the caller is to the patient: parent for a father who phones for his child."
    )

    def representative(self) -> Representative | None:
        """Return who phones for the patient; None where the patient does."""
        if self.caller_name is None and self.caller_relation is None:
            return None
        return Representative(name=self.caller_name or "", relation=self.caller_relation or "other")


class OfCaller(ForPatient):
    """Arguments that prove a patient's identity and name one of their appointments."""

    dob: Day = Field(description="The patient's date of birth as the caller says it, ISO 8601 such as 1980-01-31.")
    confirmation_id: Confirmation | None = Field(
        None, description="The confirmation id, such as LC-K7M4Q9; without it the full patient_name is needed."
    )
    patient_name: Name | None = Field(
        None,
        description="The patient's full name with all surnames, as given at booking; without it confirmation_id is "
        "needed. It is the patient's, never that of a parent who phones.",
    )
    phone: Phone | None = Field(
        None,
        description="The phone number given at booking, such as 312 555 0142; it helps where a name is not enough.",
    )
    appointment_datetime: Moment | None = Field(
        None, description="The start of the appointment meant, ISO 8601, where the caller has several."
    )

    def verified(self, clinic: Clinic, *, now: datetime) -> VerifiedPatient:
        """Return the patient whom these prove; raises `Refusal`, the same for whatever is wrong."""
        check_dob(self.dob, today=clinic.last_date(now))
        return clinic.verify(
            dob=self.dob,
            confirmation_id=self.confirmation_id,
            name=self.patient_name,
            phone=None if self.phone is None else self.phone.e164,
            now=now,
        )


def check_dob(dob: date, *, today: date) -> None:
    """Raise `Refusal` for a date that cannot be one of birth: after `today`, or more than 120 years before it."""
    if not 0 <= today.year - dob.year <= _OLDEST_YEARS or dob > today:
        raise Refusal("invalid_dob", "dob must be a date of birth: not in the future, and at most 120 years ago.")
