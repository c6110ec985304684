"""What a receptionist can do: find, book, move, cancel, say when it is open. It knows of no model and no call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute

from medagent.clinic.booking import Booking, Patient, record
from medagent.clinic.changes import cancel, move, nothing_there, to_move
from medagent.clinic.database import Database
from medagent.clinic.guidelines.collection import collection
from medagent.clinic.hours import GRID, Calendar, Sitting, Slot, days, local
from medagent.clinic.opening import Closure, OpeningHours, opening_hours
from medagent.clinic.refusal import Refusal
from medagent.clinic.roster import named
from medagent.clinic.schema import BOOKED, AppointmentRow, DoctorRow, HolidayRow, LocationRow, ScheduleRow
from medagent.clinic.verification import VerifiedPatient, verify

HORIZON = timedelta(days=365)
"""How far ahead one can book: beyond it the holidays are not known."""

_NOT_THERE = "clinic_location: the doctor does not sit there; leave it out or name another."


class Clinic:
    """One clinic on one database; every method raises `ClinicError` where the database does not answer."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @classmethod
    def open(cls, url: str | Path) -> Clinic:
        """Open the clinic at a SQLAlchemy URL or a SQLite file, creating what is missing; raises `ClinicError`."""
        return cls(Database.open(url))

    def close(self) -> None:
        """Close the database; the clinic is not used after it."""
        self.database.close()

    def rosters(self) -> dict[str, frozenset[str]]:
        """Return the closed lists of this clinic, of which a policy keeps members: names, times, ids of guidelines."""
        times = self.database.read(lambda session: session.execute(select(ScheduleRow.opens, ScheduleRow.closes)).all())
        return {
            "doctors": frozenset(self._names(DoctorRow.name)),
            "locations": frozenset(self._names(LocationRow.name)),
            "opening_times": frozenset(f"{each:%H:%M}" for row in times for each in row),
            "guideline_ids": frozenset(entry.guideline_id for entry in collection()),
        }

    def doctor_named(self, spoken: str) -> str:
        """The doctor's full name for what was heard; raises `Refusal` with all doctors where it is not one of them."""
        return named(spoken, self._names(DoctorRow.name), kind="doctor", argument="doctor_name")

    def location_named(self, spoken: str) -> str:
        """The location's full name for what was heard; raises `Refusal` with all locations otherwise."""
        return named(spoken, self._names(LocationRow.name), kind="location", argument="clinic_location")

    def slots_at(
        self,
        when: datetime,
        *,
        now: datetime,
        doctor: str | None = None,
        location: str | None = None,
        argument: str = "appointment_datetime",
    ) -> tuple[Slot, ...]:
        """The slots, booked or not, that start at `when` (naive: in the place's zone), which `argument` named.

        Raises `Refusal` that says why there is none (past, too far ahead, off the grid, closed, outside the hours).
        """
        calendar = self._calendar(doctor=doctor, location=location)
        moments = [local(when, zone) for zone in dict.fromkeys(sitting.zone for sitting in calendar.sittings)]
        found = [
            slot
            for moment in moments
            for slot in calendar.slots(moment.date())
            if slot.instant == moment.astimezone(UTC)
            and slot.starts_at.tzinfo == moment.tzinfo
            and now < slot.instant <= now + HORIZON
        ]
        if found:
            return tuple(found)
        code, message = _why_none(moments, calendar=calendar, now=now, argument=argument)
        first = min((moment.date() for moment in moments), default=None)
        offers = self.free_slots(now=now, first=first, doctor=doctor, location=location if moments else None)
        raise Refusal(code, message, alternatives=offers)

    def free_slots(
        self,
        *,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
        doctor: str | None = None,
        location: str | None = None,
        limit: int = 5,
    ) -> tuple[Slot, ...]:
        """The next free slots from `first` to `last` (local dates, both included), earliest first, none in the past."""
        calendar = self._calendar(doctor=doctor, location=location)
        today = calendar.today(now)
        first, last = max(first or today, today), min(last or date.max, today + HORIZON)
        taken = self._taken(first, last)
        free = (
            slot
            for day in days(first, last)
            for slot in calendar.slots(day)
            if now < slot.instant <= now + HORIZON and (slot.instant, slot.doctor) not in taken
        )
        return tuple(islice(free, limit))

    def is_free(self, slot: Slot) -> bool:
        """Whether nobody holds the slot at this moment; only `book` can promise it."""
        day = slot.instant.date()
        return (slot.instant, slot.doctor) not in self._taken(day, day)

    def explain_range(
        self, *, now: datetime, first: date | None, last: date | None, doctor: str | None, location: str | None
    ) -> None:
        """Raise the `Refusal` that says why a range without free slots has none; return where it is just booked out."""
        calendar = self._calendar(doctor=doctor, location=location)
        today = calendar.today(now)
        if not calendar.sittings:
            raise Refusal("doctor_not_at_location", _NOT_THERE)
        if last is not None and last < today:
            raise Refusal("past_date", "to_date is in the past; it must be today or later.")
        if first is not None and first > today + HORIZON:
            raise Refusal("too_far_ahead", "from_date is more than a year ahead; it must be within a year.")
        first, last = max(first or today, today), min(last or date.max, today + HORIZON)
        if not any(calendar.open_sittings(day) for day in days(first, last)):
            later = self.free_slots(now=now, first=last, doctor=doctor, location=location)
            raise Refusal(
                "closed_day", "there are no hours from from_date to to_date; name other days.", alternatives=later
            )

    def book(
        self,
        patient: Patient,
        *,
        when: datetime,
        doctor: str,
        now: datetime,
        location: str | None = None,
        reason: str | None = None,
        notes: str | None = None,
    ) -> Booking:
        """Book, or give the same booking again to the same patient; raises `Refusal` where it cannot be.

        `doctor` and `location` are full names; `now` is aware. Two callers for one slot: the database lets one in.
        """
        slot = self.slots_at(when, now=now, doctor=doctor, location=location)[0]
        with self._offering_others(slot, now=now, doctor=doctor, location=location):
            confirmation_id = self.database.write(
                lambda session: record(session, patient, slot=slot, reason=reason, notes=notes, now=now)
            )
        return Booking(confirmation_id=confirmation_id, slot=slot)

    def verify(
        self, *, dob: date, confirmation_id: str | None = None, name: str | None = None, phone: str | None = None
    ) -> VerifiedPatient:
        """Who the caller proves to be; the only way to what `cancel` and `reschedule` ask for.

        Raises one and the same `Refusal` whatever is wrong: see `verification`.
        """
        return self.database.read(
            lambda session: verify(session, dob=dob, confirmation_id=confirmation_id, name=name, phone=phone)
        )

    def cancel(self, patient: VerifiedPatient, *, now: datetime, when: datetime | None = None) -> Booking:
        """Cancel the appointment meant, or give the same answer again; raises `Refusal` where none or several are.

        `when` (naive: in the place's zone) says which; without it the patient has one ahead, or a confirmation id.
        """
        return self.database.write(lambda session: cancel(session, patient, when=when, now=now))

    def reschedule(
        self,
        patient: VerifiedPatient,
        *,
        to: datetime,
        now: datetime,
        when: datetime | None = None,
        doctor: str | None = None,
        location: str | None = None,
    ) -> Booking:
        """Move the appointment meant to `to`, under its confirmation id; without `doctor` it stays with its own.

        Both slots change hands in one transaction or not at all; a second time gives the same answer.
        Raises `Refusal` where none is meant, or several, or the new time cannot be had.
        """
        one, is_replay = self.database.read(lambda session: to_move(session, patient, when=when, now=now))
        doctor = doctor or one.booking.slot.doctor
        slot = self.slots_at(to, now=now, doctor=doctor, location=location, argument="new_appointment_datetime")[0]
        if slot == one.booking.slot:
            return one.booking
        if is_replay:
            raise nothing_there((one,))
        with self._offering_others(slot, now=now, doctor=doctor, location=location):
            return self.database.write(lambda session: move(session, one, slot=slot, now=now))

    def opening_hours(
        self, *, now: datetime, doctor: str | None = None, location: str | None = None, day: date | None = None
    ) -> OpeningHours:
        """The weekly hours, or those of one day, with the closed days that matter; `doctor` and `location` are full.

        Raises `Refusal` where the doctor does not sit there, or the day is past or beyond what is known.
        """
        calendar = self._calendar(doctor=doctor, location=location)
        if not calendar.sittings:
            raise Refusal("doctor_not_at_location", _NOT_THERE)
        today = calendar.today(now)
        if day is not None and day < today:
            raise Refusal("past_date", "date is in the past; it must be today or later.")
        if day is not None and day > today + HORIZON:
            raise Refusal("too_far_ahead", "date is more than a year ahead; it must be within a year.")
        rows = (
            select(HolidayRow.date, HolidayRow.name, LocationRow.name)
            .outerjoin(LocationRow)
            .where(HolidayRow.date.between(day or today, day or today + HORIZON))
            .order_by(HolidayRow.date, HolidayRow.id)
        )
        closed = self.database.read(
            lambda session: [Closure(day=on, name=name, location=at) for on, name, at in session.execute(rows)]
        )
        return opening_hours(calendar, closed, by_doctor=doctor is not None, day=day)

    @contextmanager
    def _offering_others(self, slot: Slot, *, now: datetime, doctor: str, location: str | None) -> Iterator[None]:
        """A refusal from within leaves with other slots, from the same day on."""
        try:
            yield
        except Refusal as refusal:
            offers = self.free_slots(now=now, first=slot.starts_at.date(), doctor=doctor, location=location)
            raise Refusal(refusal.code, str(refusal), alternatives=offers) from None

    def _names(self, column: InstrumentedAttribute[str]) -> list[str]:
        return self.database.read(lambda session: list(session.scalars(select(column).order_by(column))))

    def _calendar(self, *, doctor: str | None, location: str | None) -> Calendar:
        rows = (
            select(DoctorRow.name, LocationRow.name, LocationRow.time_zone, ScheduleRow)
            .join(ScheduleRow, ScheduleRow.doctor_id == DoctorRow.id)
            .join(LocationRow, ScheduleRow.location_id == LocationRow.id)
            .order_by(ScheduleRow.id)
        )
        if doctor is not None:
            rows = rows.where(DoctorRow.name == doctor)
        if location is not None:
            rows = rows.where(LocationRow.name == location)
        closed = select(HolidayRow.date, LocationRow.name).outerjoin(LocationRow)
        return self.database.read(
            lambda session: Calendar(
                sittings=tuple(
                    Sitting(
                        doctor=doctor_name,
                        location=location_name,
                        zone=ZoneInfo(zone),
                        weekday=hours.weekday,
                        opens=hours.opens,
                        closes=hours.closes,
                    )
                    for doctor_name, location_name, zone, hours in session.execute(rows)
                ),
                holidays=frozenset((day, place) for day, place in session.execute(closed)),
            )
        )

    def _taken(self, first: date, last: date) -> frozenset[tuple[datetime, str]]:
        # A day wider on both sides: the dates are local, the column is not.
        start = datetime.combine(first, time(), UTC) - timedelta(days=1)
        end = datetime.combine(last, time(), UTC) + timedelta(days=2)
        rows = (
            select(AppointmentRow.starts_at, DoctorRow.name)
            .join(DoctorRow, AppointmentRow.doctor_id == DoctorRow.id)
            .where(AppointmentRow.status == BOOKED, AppointmentRow.starts_at.between(start, end))
        )
        return self.database.read(lambda session: frozenset((instant, name) for instant, name in session.execute(rows)))


def _why_none(moments: list[datetime], *, calendar: Calendar, now: datetime, argument: str) -> tuple[str, str]:
    if not moments:
        return "doctor_not_at_location", _NOT_THERE
    moment = moments[0]
    if moment.astimezone(UTC) <= now:
        return "past_date", f"{argument} is in the past; it must be later than now."
    if moment.astimezone(UTC) > now + HORIZON:
        return "too_far_ahead", f"{argument} is more than a year ahead; it must be within a year."
    if (moment - datetime.combine(moment.date(), time(), moment.tzinfo)) % GRID:
        return "off_grid", f"{argument} must be on the full or half hour."
    if not any(calendar.open_sittings(moment.date()) for moment in moments):
        return "closed_day", f"{argument} is on a day without hours for this choice; name another day."
    return "outside_hours", f"{argument} is outside the hours of that day; name a time within them."
