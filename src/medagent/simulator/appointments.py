"""What the clinic's database holds of a scenario's person: made ready before a call, judged after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import or_, select

from medagent.clinic import Clinic, Patient, VerifiedPatient
from medagent.clinic.schema import BOOKED, CANCELLED, AppointmentRow, DoctorRow, LocationRow, PatientRow
from medagent.simulator.scenario import Scenario
from medagent.simulator.steps import Appointment, GivenAppointment
from medagent.tools.fields import e164

_CHOICE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """One appointment as the database has it; `starts_at` is aware, in UTC; `status` is "booked" or "cancelled"."""

    confirmation_id: str
    starts_at: datetime
    doctor_name: str
    clinic_location: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What the person held before the call: from earlier calls, and as the scenario gives it.

    `facts` are what can be said of each given appointment, under the tools' own names. `ahead` is how far the clinic's
    clock is ahead of the system's in this call.
    """

    earlier: tuple[Held, ...] = ()
    given: tuple[Held, ...] = ()
    facts: tuple[Mapping[str, str], ...] = ()
    ahead: timedelta = timedelta()


def prepare(scenario: Scenario, clinic: Clinic, *, now: datetime) -> Before:
    """Book what the scenario gives, as a receptionist would; `now` is aware. Raises `Refusal`, `ClinicError`."""
    if scenario.given.alone:
        clinic.forget_identity_checks()  # a caller who fails once in the script failed once more in each run
        _cancel_earlier(scenario, clinic, now)
    earlier = held_by(scenario, clinic)
    facts = [_book(scenario, each, clinic, now) for each in scenario.given.appointments]
    ids = {fact["confirmation_id"] for fact in facts}
    given = tuple(held for held in held_by(scenario, clinic) if held.confirmation_id in ids)
    return Before(earlier=earlier, given=given, facts=tuple(facts), ahead=_ahead(scenario, clinic, now))


def _ahead(scenario: Scenario, clinic: Clinic, now: datetime) -> timedelta:
    if scenario.local_time is None:
        return timedelta()
    here = now.astimezone(clinic.zone or UTC)
    meant = datetime.combine(here.date(), time.fromisoformat(scenario.local_time), here.tzinfo)
    days = (meant + timedelta(days=days) for days in (-1, 0, 1))
    return min((day.astimezone(UTC) - now for day in days), key=abs)


def held_by(scenario: Scenario, clinic: Clinic) -> tuple[Held, ...]:
    """Every appointment of the person, by name or by number, cancelled ones too; the oldest first."""
    patient = _patient(scenario)
    rows = (
        select(AppointmentRow, DoctorRow.name, LocationRow.name)
        .join(PatientRow, AppointmentRow.patient_id == PatientRow.id)
        .join(DoctorRow, AppointmentRow.doctor_id == DoctorRow.id)
        .join(LocationRow, AppointmentRow.location_id == LocationRow.id)
        .where(or_(PatientRow.name_key == patient.name_key, PatientRow.phone == patient.phone))
        .order_by(AppointmentRow.id)
    )
    return clinic.database.read(
        lambda session: tuple(
            Held(
                confirmation_id=row.confirmation_id,
                starts_at=row.starts_at,
                doctor_name=doctor,
                clinic_location=location,
                status=row.status,
            )
            for row, doctor, location in session.execute(rows)
        )
    )


def check_clinic(scenario: Scenario, clinic: Clinic, before: Before) -> list[str]:
    """Return what the database holds otherwise than the scenario expects; empty where all is as it should be."""
    if scenario.expects.clinic is None:
        return []
    now_held = held_by(scenario, clinic)
    problems = [] if set(before.earlier) <= set(now_held) else ["an appointment of an earlier call was changed"]
    ours = [held for held in now_held if held.confirmation_id not in {each.confirmation_id for each in before.earlier}]
    wanted = {BOOKED: scenario.expects.clinic.booked, CANCELLED: scenario.expects.clinic.cancelled}
    for status, expected in wanted.items():
        left = [held for held in ours if held.status == status]
        for want in sorted(expected, key=_looseness):
            match = next((held for held in left if _fits(want, held, before)), None)
            if match is None:
                problems.append(f"the clinic holds no {status} appointment like {_told(want)}")
            else:
                left.remove(match)
        problems += [f"the clinic holds an unexpected {status} appointment" for _ in left]
    return problems


def _fits(want: Appointment, held: Held, before: Before) -> bool:
    same = held.starts_at in {each.starts_at for each in before.given}
    return (
        want.doctor_name in (None, held.doctor_name)
        and want.clinic_location in (None, held.clinic_location)
        and want.time in (None, "same" if same else "changed")
    )


def _looseness(want: Appointment) -> int:
    return [want.doctor_name, want.clinic_location, want.time].count(None)


def _told(want: Appointment) -> str:
    parts = {"doctor": want.doctor_name, "location": want.clinic_location, "time": want.time}
    return ", ".join(f"{name}: {value}" for name, value in parts.items() if value is not None) or "any"


def _cancel_earlier(scenario: Scenario, clinic: Clinic, now: datetime) -> None:
    """Cancel as the clinic's staff would: nobody phones, so nobody is verified."""
    for held in held_by(scenario, clinic):
        if held.status == BOOKED and held.starts_at > now:
            owner = _owner(clinic, held.confirmation_id)
            clinic.cancel(VerifiedPatient(patient_id=owner, confirmation_id=held.confirmation_id), now=now)


def _owner(clinic: Clinic, confirmation_id: str) -> int:
    found = select(AppointmentRow.patient_id).where(AppointmentRow.confirmation_id == confirmation_id)
    return clinic.database.read(lambda session: session.scalars(found).one())


def _book(scenario: Scenario, wish: GivenAppointment, clinic: Clinic, now: datetime) -> dict[str, str]:
    doctor = clinic.doctor_named(wish.doctor_name)
    first = now.date() + timedelta(days=wish.in_days)
    busy = {held.starts_at for held in held_by(scenario, clinic) if held.status == BOOKED}
    slots = clinic.free_slots(now=now, first=first, doctor=doctor, limit=_CHOICE)
    slot = next(slot for slot in slots if slot.instant not in busy)
    booking = clinic.book(_patient(scenario), when=slot.starts_at, doctor=doctor, location=slot.location, now=now)
    return {
        "confirmation_id": booking.confirmation_id,
        "appointment_datetime": slot.starts_at.isoformat(),
        "doctor_name": slot.doctor,
        "clinic_location": slot.location,
    }


def _patient(scenario: Scenario) -> Patient:
    """The person as the clinic knows them; one who says no number or date of birth is known by name alone."""
    person = scenario.person
    return Patient(
        name=person.get("patient_name", ""),
        dob=date.fromisoformat(person["dob"]) if "dob" in person else date.min,
        phone=e164(person["phone"]) if "phone" in person else "",
        email=person.get("email"),
        mrn=person.get("mrn"),
        address=person.get("address"),
    )
