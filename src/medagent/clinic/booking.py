"""One appointment written down: the checks that give a reason, over the indexes that give the guarantee."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
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
        """The name as it is compared."""
        return name_key(self.name)


def name_key(name: str) -> str:
    """A name as it is compared: case and spacing are the transcriber's."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


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
    doctor_id, location_id = place_ids(session, slot)
    patient_id = _patient_id(session, patient)
    found = rivals(session, slot=slot, doctor_id=doctor_id, patient_id=patient_id)
    for rival in found:
        if (rival.doctor_id, rival.location_id, rival.patient_id) == (doctor_id, location_id, patient_id):
            return rival.confirmation_id
    refuse_rivals(found, doctor_id=doctor_id, argument="appointment_datetime")
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


def place_ids(session: Session, slot: Slot) -> tuple[int, int]:
    """The keys of a slot's doctor and location."""
    doctor_id = session.scalars(select(DoctorRow.id).where(DoctorRow.name == slot.doctor)).one()
    return doctor_id, session.scalars(select(LocationRow.id).where(LocationRow.name == slot.location)).one()


def rivals(session: Session, *, slot: Slot, doctor_id: int, patient_id: int) -> Sequence[AppointmentRow]:
    """The booked appointments at the slot's time that the doctor or the patient has."""
    return session.scalars(
        select(AppointmentRow).where(
            AppointmentRow.status == BOOKED,
            AppointmentRow.starts_at == slot.instant,
            or_(AppointmentRow.doctor_id == doctor_id, AppointmentRow.patient_id == patient_id),
        )
    ).all()


def refuse_rivals(found: Sequence[AppointmentRow], *, doctor_id: int, argument: str) -> None:
    """Raise the `Refusal` that rivals are a reason for; `argument` is the one that named the time."""
    if any(rival.doctor_id == doctor_id for rival in found):
        raise Refusal("slot_taken", f"{argument} is taken; offer another time.")
    if found:
        raise Refusal("patient_busy", f"{argument}: the caller has another appointment then; offer another.")


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
