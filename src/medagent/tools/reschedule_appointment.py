"""Move one appointment to another time, for the patient who has it."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from medagent.clinic import Clinic
from medagent.tools.callers import OfCaller
from medagent.tools.fields import Line, Moment
from medagent.tools.interface import BOOKING_FIELDS, COMMON_FIELDS, Answer, Tool, booked


class RescheduleAppointment(OfCaller):
    """Who, which, and where to."""

    new_appointment_datetime: Moment = Field(
        description="The new start, ISO 8601 such as 2030-03-14T09:30, exactly as check_availability returned it."
    )
    doctor_name: Line | None = Field(None, description="Another doctor's name; leave it out to stay with the same one.")
    clinic_location: Line | None = Field(
        None, description="The clinic's location; leave it out to take the one where the doctor is at the new time."
    )


def _run(clinic: Clinic, arguments: RescheduleAppointment, now: datetime) -> Answer:
    patient = arguments.verified(clinic, now=now)
    return booked(
        clinic.reschedule(
            patient,
            to=arguments.new_appointment_datetime,
            when=arguments.appointment_datetime,
            by=arguments.representative(),
            doctor=arguments.doctor_name and clinic.doctor_named(arguments.doctor_name),
            location=arguments.clinic_location and clinic.location_named(arguments.clinic_location),
            now=now,
        ),
        clinic,
    )


RESCHEDULE_APPOINTMENT = Tool(
    name="reschedule_appointment",
    description=(
        "Move an appointment to another time once the caller has given the date of birth and the confirmation id or "
        "the full name, and has agreed to the new time. It keeps its confirmation id; when it refuses, nothing moved."
    ),
    outcome="rescheduled",
    changes=True,
    arguments=RescheduleAppointment,
    result_fields=(*COMMON_FIELDS, *BOOKING_FIELDS),
    run=_run,
)
