"""Give one appointment back, for the patient who has it."""

from __future__ import annotations

from datetime import datetime

from medagent.clinic import Clinic
from medagent.tools.callers import OfCaller
from medagent.tools.interface import BOOKING_FIELDS, COMMON_FIELDS, Answer, Tool, booked


class CancelAppointment(OfCaller):
    """Who, and which."""


def _run(clinic: Clinic, arguments: CancelAppointment, now: datetime) -> Answer:
    patient = arguments.verified(clinic, now=now)
    by = arguments.representative()
    return booked(clinic.cancel(patient, when=arguments.appointment_datetime, by=by, now=now), clinic)


CANCEL_APPOINTMENT = Tool(
    name="cancel_appointment",
    description=(
        "Cancel an appointment once the caller has given the date of birth and the confirmation id or the full name, "
        "and has said that it shall be cancelled. When it refuses, nothing is cancelled."
    ),
    outcome="cancelled",
    changes=True,
    arguments=CancelAppointment,
    result_fields=(*COMMON_FIELDS, *BOOKING_FIELDS),
    run=_run,
)
