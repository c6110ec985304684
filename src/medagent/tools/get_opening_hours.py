"""When is the clinic open, or a doctor there?"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from medagent.clinic import Clinic, Closure, OpenHours
from medagent.tools.fields import Day, Line
from medagent.tools.interface import COMMON_FIELDS, Answer, Arguments, Tool

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class GetOpeningHours(Arguments):
    """Whose hours, where, and on which day; nothing given means the whole clinic's week."""

    doctor_name: Line | None = Field(None, description="The doctor's name; leave it out for the clinic's own hours.")
    clinic_location: Line | None = Field(None, description="The clinic's location; leave it out for all locations.")
    date: Day | None = Field(None, description="One day, ISO 8601 such as 2030-03-14; leave it out for the week.")


def _run(clinic: Clinic, arguments: GetOpeningHours, now: datetime) -> Answer:
    found = clinic.opening_hours(
        doctor=arguments.doctor_name and clinic.doctor_named(arguments.doctor_name),
        location=arguments.clinic_location and clinic.location_named(arguments.clinic_location),
        day=arguments.date,
        now=now,
    )
    answer: Answer = {} if arguments.date is None else {"open": bool(found.hours)}
    return {
        **answer,
        "hours": [_hours(each) for each in found.hours],
        "holidays": [_holiday(c) for c in found.closures],
    }


def _hours(each: OpenHours) -> dict[str, Any]:
    said = {
        "weekday": _WEEKDAYS[each.weekday],
        "opens": f"{each.opens:%H:%M}",
        "closes": f"{each.closes:%H:%M}",
        "time_zone": each.zone,
        "clinic_location": each.location,
    }
    return said if each.doctor is None else {**said, "doctor_name": each.doctor}


def _holiday(each: Closure) -> dict[str, Any]:
    said = {"holiday_date": each.day.isoformat(), "holiday_name": each.name}
    return said if each.location is None else {**said, "clinic_location": each.location}


GET_OPENING_HOURS = Tool(
    name="get_opening_hours",
    description=(
        "Say when the clinic is open or a doctor is there: for the week, or for one day. "
        "The hours are local to each location; on a holiday named it is closed."
    ),
    outcome="informed",
    changes=False,
    arguments=GetOpeningHours,
    result_fields=(
        *COMMON_FIELDS,
        "open",
        *(
            f"hours[].{field}"
            for field in ("weekday", "opens", "closes", "time_zone", "clinic_location", "doctor_name")
        ),
        *(f"holidays[].{field}" for field in ("holiday_date", "holiday_name", "clinic_location")),
    ),
    run=_run,
)
