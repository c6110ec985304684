"""One appointment written down: the checks that give a reason, over the indexes that give the guarantee."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from medagent.clinic.confirmation import new_confirmation_id
from medagent.clinic.hours import GRID, Slot
from medagent.clinic.refusal import Refusal
from medagent.clinic.schema import BOOKED, AppointmentRow, DoctorRow, LocationRow, PatientRow


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Patient:
    """Who an appointment is for; `phone` is E.164. It has no repr of its own: all of it is a patient's data."""

    name: str
    dob: date
    phone: str
    email: str | None = None
    mrn: str | None = None
    address: str | None = None

    @property
    def name_key(self) -> str:
        """The name as it is compared: case and spacing are the transcriber's."""
        return " ".join(unicodedata.normalize("NFKC", self.name).casefold().split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What was agreed, without the patient."""

    confirmation_id: str
    slot: Slot


def record(
    session: Session, patient: Patient, *, slot: Slot, reason: str | None, notes: str | None, now: datetime
) -> str:
    """Write the appointment and give its confirmation id; a replayed call gets the id it got before.

    Raises `Refusal` where the doctor or the patient is not free. Who comes second in a race meets an
    `IntegrityError` instead and is run again: then the checks see the first.
    """
    doctor_id = session.scalars(select(DoctorRow.id).where(DoctorRow.name == slot.doctor)).one()
    location_id = session.scalars(select(LocationRow.id).where(LocationRow.name == slot.location)).one()
    patient_id = _patient_id(session, patient)
    rivals = session.scalars(
        select(AppointmentRow).where(
            AppointmentRow.status == BOOKED,
            AppointmentRow.starts_at == slot.instant,
            or_(AppointmentRow.doctor_id == doctor_id, AppointmentRow.patient_id == patient_id),
        )
    ).all()
    for rival in rivals:
        if (rival.doctor_id, rival.location_id, rival.patient_id) == (doctor_id, location_id, patient_id):
            return rival.confirmation_id
    if any(rival.doctor_id == doctor_id for rival in rivals):
        raise Refusal("slot_taken", "appointment_datetime is taken; offer another time.")
    if rivals:
        raise Refusal("patient_busy", "appointment_datetime: the caller has another appointment then; offer another.")
    appointment = AppointmentRow(
        doctor_id=doctor_id,
        location_id=location_id,
        patient_id=patient_id,
        starts_at=slot.instant,
        duration=GRID.seconds // 60,
        status=BOOKED,
        confirmation_id=new_confirmation_id(),
        reason=reason,
        notes=notes,
        created_at=now,
    )
    session.add(appointment)
    session.flush()
    return appointment.confirmation_id


def _patient_id(session: Session, patient: Patient) -> int:
    known = session.scalars(
        select(PatientRow).where(
            PatientRow.name_key == patient.name_key,
            PatientRow.dob == patient.dob,
            PatientRow.phone == patient.phone,
        )
    ).one_or_none()
    row = known or PatientRow(name=patient.name, name_key=patient.name_key, dob=patient.dob, phone=patient.phone)
    # Gaps are filled, what stands is not changed: a voice on the phone redirects nobody's letters.
    row.email = row.email or patient.email
    row.mrn = row.mrn or patient.mrn
    row.address = row.address or patient.address
    session.add(row)
    session.flush()
    return row.id
