"""Book one slot for one patient."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from medagent.clinic import Clinic, Patient
from medagent.tools.callers import ForPatient, check_dob
from medagent.tools.fields import Day, Email, Line, Moment, Name, Phone, Text
from medagent.tools.interface import BOOKING_FIELDS, COMMON_FIELDS, Answer, Tool, booked


class BookAppointment(ForPatient):
    """Who, when, with whom."""

    patient_name: Name = Field(
        description="The full name of the patient, with all surnames; not of a parent or another person who phones."
    )
    phone: Phone = Field(
        description="A phone number to call back, such as 312 555 0142, with its extension; one of another country "
        "with + and the country code. No toll-free or short number."
    )
    dob: Day = Field(description="The patient's date of birth, ISO 8601 such as 1980-01-31.")
    appointment_datetime: Moment = Field(
        description="The start, ISO 8601 such as 2030-03-14T09:30, exactly as check_availability returned it."
    )
    doctor_name: Line = Field(description="The doctor's name.")
    clinic_location: Line | None = Field(
        None, description="The clinic's location; leave it out to take the one where the doctor is at that time."
    )
    email: Email | None = Field(None, description="An e-mail address, if the caller gives one.")
    mrn: Line | None = Field(None, description="The medical record number, if the caller gives one.")
    address: Line | None = Field(None, description="The postal address, if the caller gives one, under 200 characters.")
    reason_for_visit: Text | None = Field(None, description="The reason in a few words, under 1000 characters.")
    notes: Text | None = Field(
        None, description="What the clinic should know beyond the reason, under 1000 characters."
    )
    other_person: Literal["yes"] | None = Field(
        None, description="Yes only after a refusal similar_patient, where the caller says it is another person."
    )


def _run(clinic: Clinic, arguments: BookAppointment, now: datetime) -> Answer:
    check_dob(arguments.dob, today=clinic.last_date(now))
    doctor = clinic.doctor_named(arguments.doctor_name)
    location = arguments.clinic_location and clinic.location_named(arguments.clinic_location)
    booking = clinic.book(
        Patient(
            name=arguments.patient_name,
            dob=arguments.dob,
            phone=arguments.phone.e164,
            extension=arguments.phone.extension,
            email=arguments.email,
            mrn=arguments.mrn,
            address=arguments.address,
            representative=arguments.representative(),
            is_other_person=arguments.other_person == "yes",
        ),
        when=arguments.appointment_datetime,
        doctor=doctor,
        location=location,
        reason=arguments.reason_for_visit,
        notes=arguments.notes,
        now=now,
    )
    return booked(booking, clinic)


BOOK_APPOINTMENT = Tool(
    name="book_appointment",
    description=(
        "Book an appointment once the caller has agreed to the doctor and the time. "
        "Tell the caller the confirmation_id it returns; when it refuses, nothing is booked."
    ),
    outcome="booked",
    changes=True,
    arguments=BookAppointment,
    result_fields=(*COMMON_FIELDS, *BOOKING_FIELDS),
    run=_run,
)
