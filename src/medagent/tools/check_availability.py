"""Is this time free, and if not, or if none was named: which are?"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from medagent.clinic import Clinic, Refusal
from medagent.tools.fields import Day, Line, Moment
from medagent.tools.interface import COMMON_FIELDS, SLOT_FIELDS, Answer, Arguments, Tool, offers


class CheckAvailability(Arguments):
    """What to look for; nothing given means the next free slots of everyone."""

    doctor_name: Line | None = Field(None, description="The doctor's name; leave it out for any doctor.")
    clinic_location: Line | None = Field(None, description="The clinic's location; leave it out for any location.")
    appointment_datetime: Moment | None = Field(
        None, description="One exact start, ISO 8601 such as 2030-03-14T09:30, in the clinic's local time."
    )
    from_date: Day | None = Field(None, description="The first day to look at, ISO 8601 such as 2030-03-14.")
    to_date: Day | None = Field(None, description="The last day to look at, ISO 8601, not before from_date.")


def _run(clinic: Clinic, arguments: CheckAvailability, now: datetime) -> Answer:
    doctor = arguments.doctor_name and clinic.doctor_named(arguments.doctor_name)
    location = arguments.clinic_location and clinic.location_named(arguments.clinic_location)
    if arguments.appointment_datetime is not None:
        slots = clinic.slots_at(arguments.appointment_datetime, now=now, doctor=doctor, location=location)
        free = [slot for slot in slots if clinic.is_free(slot)]
        if free:
            return {"available": True, "slots": offers(free, clinic)}
        day = slots[0].starts_at.date()
        return {
            "available": False,
            "slots": offers(clinic.free_slots(now=now, first=day, doctor=doctor, location=location), clinic),
        }
    first, last = arguments.from_date, arguments.to_date
    if first is not None and last is not None and last < first:
        raise Refusal("invalid_to_date", "to_date is before from_date; it must be the same day or later.")
    found = clinic.free_slots(now=now, first=first, last=last, doctor=doctor, location=location)
    if not found:
        clinic.explain_range(now=now, first=first, last=last, doctor=doctor, location=location)
    return {"slots": offers(found, clinic)}


CHECK_AVAILABILITY = Tool(
    name="check_availability",
    description=(
        "See whether one time is free, or list the next free appointment slots (at most five). "
        "Call it before offering a time; offer only what it returns."
    ),
    outcome="informed",
    changes=False,
    arguments=CheckAvailability,
    result_fields=(*COMMON_FIELDS, "available", *(f"slots[].{field}" for field in SLOT_FIELDS)),
    run=_run,
)
