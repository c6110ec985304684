"""What becomes of an appointment after it was made: moved or cancelled, each in one transaction and with its trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from medagent.clinic.booking import Booking, place_ids, refuse_rivals, rivals, same_person, subjects
from medagent.clinic.database import lock
from medagent.clinic.hours import Slot
from medagent.clinic.refusal import Refusal
from medagent.clinic.schema import BOOKED, CANCELLED, AppointmentRow, ChangeRow, DoctorRow, LocationRow, PatientRow
from medagent.clinic.verification import VerifiedPatient
from medagent.clinic.zones import moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """An appointment that a verified patient has or had: `booked` is False once it is cancelled."""

    appointment_id: int
    booking: Booking
    booked: bool
    dob: date


def held(session: Session, patient: VerifiedPatient, *, now: datetime) -> tuple[Held, ...]:
    """The patient's appointments after `now`, cancelled ones too, earliest first; with an id, only the one it names."""
    query = (
        select(AppointmentRow, DoctorRow.name, LocationRow.name, LocationRow.time_zone, PatientRow.dob)
        .join(DoctorRow, AppointmentRow.doctor_id == DoctorRow.id)
        .join(LocationRow, AppointmentRow.location_id == LocationRow.id)
        .join(PatientRow, AppointmentRow.patient_id == PatientRow.id)
        .where(AppointmentRow.patient_id == patient.patient_id, AppointmentRow.starts_at > now)
        .order_by(AppointmentRow.starts_at, AppointmentRow.id)
    )
    if patient.confirmation_id is not None:
        query = query.where(AppointmentRow.confirmation_id == patient.confirmation_id)
    return tuple(
        Held(
            appointment_id=row.id,
            booking=Booking(
                confirmation_id=row.confirmation_id,
                slot=Slot(starts_at=row.starts_at.astimezone(ZoneInfo(zone)), doctor=doctor, location=location),
            ),
            booked=row.status == BOOKED,
            dob=dob,
        )
        for row, doctor, location, zone, dob in session.execute(query)
    )


def meant(mine: Sequence[Held], *, when: datetime | None) -> Held | None:
    """The booked one that starts at `when`, or the only one where no time is given; None where there is none.

    Raises `Refusal` with all of them where there are several.
    """
    booked = [each for each in mine if each.booked]
    found = [each for each in booked if _starts(each, when)]
    if len(found) > 1:
        raise Refusal(
            "several_appointments",
            "appointment_datetime is needed: the caller has several appointments; ask which one.",
            alternatives=tuple(each.booking.slot for each in found),
        )
    return found[0] if found else None


def changed(session: Session, mine: Sequence[Held], *, when: datetime | None, booked: bool) -> Held | None:
    """The one last cancelled (or, where `booked`, last moved), from `when` if that is given: what a replay means."""
    by_id = {each.appointment_id: each for each in mine if each.booked is booked}
    rows = select(ChangeRow).where(ChangeRow.appointment_id.in_(by_id)).order_by(ChangeRow.id.desc())
    for row in session.scalars(rows):
        each = by_id[row.appointment_id]
        left = None if when is None else {moment.astimezone(UTC) for moment in moments(when, each.booking.slot.zone)}
        if (row.is_at is None) is not booked and (left is None or row.was_at in left):
            return each
    return None


def nothing_there(mine: Sequence[Held]) -> Refusal:
    """There is no such appointment; the patient's others are named, since a verified caller may hear them."""
    others = tuple(each.booking.slot for each in mine if each.booked)
    if others:
        return Refusal(
            "no_such_appointment", "appointment_datetime is not when the caller has one.", alternatives=others
        )
    return Refusal("no_such_appointment", "the caller has no such appointment ahead.")


def cancel(session: Session, patient: VerifiedPatient, *, when: datetime | None, now: datetime) -> Booking:
    """Give the slot back; a second time gives the same answer. Raises `Refusal` where none is meant, or several."""
    mine = held(session, patient, now=now)
    one = meant(mine, when=when)
    if one is None:
        before = changed(session, mine, when=when, booked=False)
        if before is None:
            raise nothing_there(mine)
        return before.booking
    row = session.get_one(AppointmentRow, one.appointment_id)
    row.status = CANCELLED
    session.add(ChangeRow(appointment_id=row.id, was_at=row.starts_at, is_at=None, changed_at=now))
    return one.booking


def to_move(session: Session, patient: VerifiedPatient, *, when: datetime | None, now: datetime) -> tuple[Held, bool]:
    """The appointment meant, and whether it left `when` before: then only the same move again can be meant.

    Raises `Refusal` where none is meant, or several.
    """
    mine = held(session, patient, now=now)
    one = meant(mine, when=when)
    if one is not None:
        return one, False
    before = changed(session, mine, when=when, booked=True)
    if before is None:
        raise nothing_there(mine)
    return before, True


def move(session: Session, one: Held, *, slot: Slot, now: datetime) -> Booking:
    """Take the new slot and give the old one back, or neither; raises `Refusal` where it is not free or not booked.

    Who comes second in a race meets the database's own error instead, and is run again.
    """
    lock(session, *subjects(one.dob, slot))
    row = session.get_one(AppointmentRow, one.appointment_id, with_for_update=True)
    if row.status != BOOKED:
        raise Refusal("no_such_appointment", "the appointment was cancelled meanwhile; a new one can be booked.")
    doctor_id, location_id = place_ids(session, slot)
    if (row.starts_at, row.doctor_id, row.location_id) == (slot.instant, doctor_id, location_id):
        return Booking(confirmation_id=row.confirmation_id, slot=slot)
    same = same_person(session, row.patient_id)
    found = rivals(session, slot=slot, doctor_id=doctor_id, patient_ids=same)
    refuse_rivals([each for each in found if each is not row], doctor_id=doctor_id, argument="new_appointment_datetime")
    session.add(ChangeRow(appointment_id=row.id, was_at=row.starts_at, is_at=slot.instant, changed_at=now))
    row.starts_at, row.doctor_id, row.location_id = slot.instant, doctor_id, location_id
    session.flush()
    return Booking(confirmation_id=row.confirmation_id, slot=slot)


def _starts(each: Held, when: datetime | None) -> bool:
    """Return whether it starts at a time as its own place's clocks show it; with another place's offset it does not."""
    slot = each.booking.slot
    return when is None or slot.instant in {moment.astimezone(UTC) for moment in moments(when, slot.zone)}
