"""One appointment written down: the checks that give a reason, over the indexes that give the guarantee."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from medagent.clinic.confirmation import new_confirmation_id
from medagent.clinic.database import lock
from medagent.clinic.hours import GRID, Slot
from medagent.clinic.names import Match, compare_names, name_key, search_words
from medagent.clinic.refusal import Refusal
from medagent.clinic.schema import (
    BOOKED,
    AppointmentRow,
    DoctorRow,
    LocationRow,
    PatientRow,
    PatientWordRow,
    RepresentativeRow,
)
from medagent.clinic.verification import is_locked

LONGEST = timedelta(hours=4)
"""No appointment lasts longer."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Representative:
    """Somebody who phones for a patient; `relation` is what they are to the patient, such as `parent`."""

    name: str
    relation: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Patient:
    """Person of an appointment. It has no repr of its own: all of it is a patient's data.

    Attributes:
        name: Name as it was said.
        dob: Date of birth.
        phone: Number to call back, E.164.
        extension: Digits behind the number.
        representative: Who phones, where it is not the patient.
        is_other_person: The caller said that this is not the patient with a similar name who is known already.
    """

    name: str
    dob: date
    phone: str
    email: str | None = None
    mrn: str | None = None
    address: str | None = None
    extension: str | None = None
    representative: Representative | None = None
    is_other_person: bool = False

    @property
    def name_key(self) -> str:
        """The name as it is compared."""
        return name_key(self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """What was agreed, without the patient."""

    confirmation_id: str
    slot: Slot


_TIME = "appointment_datetime"
_TAKEN = "{} is taken; offer another time."
_SIMILAR = (
    "patient_name: a person of a similar name and this date of birth may be known. Ask for the full name as an "
    "identity document has it and book with that; where the caller says that it is another person, with other_person."
)


def record(
    session: Session, patient: Patient, *, slot: Slot, reason: str | None, notes: str | None, now: datetime
) -> str:
    """Write the appointment and give its confirmation id; a replayed call gets the id it got before.

    Two callers for one slot, and two spellings of one person, come one after the other: the second sees the first.

    Raises:
        Refusal: The doctor or the patient is not free, or a question must tell whether the patient is known already.
    """
    lock(session, *subjects(patient.dob, slot))
    doctor_id, location_id = place_ids(session, slot)
    born = session.scalars(select(PatientRow).where(PatientRow.dob == patient.dob).order_by(PatientRow.id)).all()
    match = {row.id: compare_names(patient.name, row.name) for row in born}
    same = [row for row in born if match[row.id] == "equal"]
    found = rivals(session, slot=slot, doctor_id=doctor_id, patient_ids=[row.id for row in born])
    taken = [rival for rival in found if rival.doctor_id == doctor_id]
    mine = next((row for row in same if row.phone == patient.phone), None)
    for rival in taken:
        is_mine = mine is not None and rival.patient_id == mine.id and not is_locked(session, mine.id, now=now)
        if is_mine and rival.location_id == location_id and rival.starts_at == slot.instant:
            return rival.confirmation_id
    if mine is None and not patient.is_other_person:
        doubtful = [row for row in born if _is_doubtful(match[row.id], row, patient)]
        if any(_has(doubtful, rival) for rival in found):
            raise Refusal("similar_patient", _SIMILAR)
        if not taken and any(row.phone == patient.phone and match[row.id] in ("partial", "alike") for row in doubtful):
            raise Refusal("similar_patient", _SIMILAR)
    if any(_is_guessed_at(session, rival, patient) for rival in taken):
        raise Refusal("slot_taken", _TAKEN.format(_TIME), is_identity_check=True)
    refuse_rivals([*taken, *(rival for rival in found if _has(same, rival))], doctor_id=doctor_id, argument=_TIME)
    appointment = AppointmentRow(
        doctor_id=doctor_id,
        location_id=location_id,
        patient_id=_kept(session, mine, patient, now=now),
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


def _is_doubtful(match: Match, row: PatientRow, patient: Patient) -> bool:
    """Whether only a question can tell if a record is the patient's: more is in doubt where the number is the same."""
    return match == "partial" or (row.phone == patient.phone and match in ("alike", "similar"))


def _is_guessed_at(session: Session, rival: AppointmentRow, patient: Patient) -> bool:
    """Whether somebody of the same name, born on another day, holds the slot: else each day could be tried for it."""
    holder = session.get_one(PatientRow, rival.patient_id)
    return holder.dob != patient.dob and compare_names(patient.name, holder.name) in ("equal", "partial")


def _has(rows: Sequence[PatientRow], appointment: AppointmentRow) -> bool:
    return any(appointment.patient_id == row.id for row in rows)


def subjects(dob: date, slot: Slot) -> tuple[str, str]:
    """Return what a booking must have for itself alone: the slot's doctor, and everybody born on a day."""
    return f"doctor {slot.doctor}", f"born {dob.isoformat()}"


def place_ids(session: Session, slot: Slot) -> tuple[int, int]:
    """Return the keys of a slot's doctor and location."""
    doctor_id = session.scalars(select(DoctorRow.id).where(DoctorRow.name == slot.doctor)).one()
    return doctor_id, session.scalars(select(LocationRow.id).where(LocationRow.name == slot.location)).one()


def rivals(session: Session, *, slot: Slot, doctor_id: int, patient_ids: Collection[int]) -> Sequence[AppointmentRow]:
    """Return the booked appointments of the doctor, or of one of the patients, that overlap the slot.

    Places whose zones differ by a quarter of an hour have slots that overlap and do not start together.
    """
    near = session.scalars(
        select(AppointmentRow).where(
            AppointmentRow.status == BOOKED,
            AppointmentRow.starts_at > slot.instant - LONGEST,
            AppointmentRow.starts_at < slot.instant + GRID,
            or_(AppointmentRow.doctor_id == doctor_id, AppointmentRow.patient_id.in_(patient_ids)),
        )
    )
    return [row for row in near if row.starts_at + timedelta(minutes=row.duration) > slot.instant]


def same_person(session: Session, patient_id: int) -> list[int]:
    """Return the records that are of one person by name and date of birth, this one among them."""
    mine = session.get_one(PatientRow, patient_id)
    born = session.scalars(select(PatientRow).where(PatientRow.dob == mine.dob)).all()
    return [row.id for row in born if row is mine or compare_names(mine.name, row.name) == "equal"]


def refuse_rivals(found: Sequence[AppointmentRow], *, doctor_id: int, argument: str) -> None:
    """Raise the `Refusal` that rivals are a reason for; `argument` is the one that named the time."""
    if any(rival.doctor_id == doctor_id for rival in found):
        raise Refusal("slot_taken", _TAKEN.format(argument))
    if found:
        raise Refusal("patient_busy", f"{argument}: the patient has another appointment then; offer another.")


def keep_representative(session: Session, patient_id: int, person: Representative | None, *, now: datetime) -> None:
    """Keep who phoned for a patient, once for each name and relation."""
    if person is None:
        return
    key = name_key(person.name)
    known = select(RepresentativeRow.id).where(
        RepresentativeRow.patient_id == patient_id,
        RepresentativeRow.name_key == key,
        RepresentativeRow.relation == person.relation,
    )
    if session.scalars(known).first() is None:
        session.add(
            RepresentativeRow(
                patient_id=patient_id, name=person.name, name_key=key, relation=person.relation, created_at=now
            )
        )


def _kept(session: Session, known: PatientRow | None, patient: Patient, *, now: datetime) -> int:
    row = known
    if row is None:
        row = PatientRow(name=patient.name, name_key=patient.name_key, dob=patient.dob, phone=patient.phone)
        session.add(row)
        session.flush()
        session.add_all(PatientWordRow(patient_id=row.id, word=word) for word in search_words(patient.name))
    # Gaps are filled, what is there is not changed: a voice on the phone redirects nobody's letters.
    row.email = row.email or patient.email
    row.mrn = row.mrn or patient.mrn
    row.address = row.address or patient.address
    row.extension = row.extension or patient.extension
    keep_representative(session, row.id, patient.representative, now=now)
    session.flush()
    return row.id
