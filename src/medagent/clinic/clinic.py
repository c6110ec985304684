"""What a receptionist can do: find, book, move, cancel, say when it is open. It knows of no model and no call."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from medagent.clinic.booking import Booking, Patient, Representative, keep_representative, record
from medagent.clinic.changes import cancel, move, nothing_there, to_move
from medagent.clinic.database import Database
from medagent.clinic.guidelines.collection import collection
from medagent.clinic.hours import GRID, Calendar, Sitting, Slot, days
from medagent.clinic.opening import Closure, OpeningHours, opening_hours
from medagent.clinic.phone_numbers import number_of_line
from medagent.clinic.refusal import Refusal
from medagent.clinic.roster import named
from medagent.clinic.schema import BOOKED, AppointmentRow, DoctorRow, HolidayRow, LocationRow, ScheduleRow
from medagent.clinic.verification import MOST_FAILURES, Checked, Claim, Scope, VerifiedPatient, check, forget_checks
from medagent.clinic.zones import country_of, is_zone, moments, passing

HORIZON = timedelta(days=365)
"""How far ahead one can book: beyond it the holidays are not known."""

_log = logging.getLogger(__name__)
_OFFERS = 5
_QUARTER = timedelta(minutes=15)
_COUNTRY = "US"
"""Country of a clinic whose settings and zones name none."""

_NOT_THERE = "clinic_location: the doctor does not sit there; leave it out or name another."


class Clinic:
    """One clinic on one database; every method raises `ClinicError` where the database does not answer."""

    def __init__(self, database: Database, *, country: str | None = None) -> None:
        self.database = database
        self._country = country
        self._calling_number: str | None = None
        self._on_guessing: Callable[[Scope], None] = lambda _scope: None
        self._places: Mapping[str, ZoneInfo] = {}

    @classmethod
    def open(cls, url: str | Path, *, country: str | None = None) -> Clinic:
        """Open a clinic, creating what is missing.

        Args:
            url: SQLAlchemy URL, or the path of a SQLite file.
            country: Country of the clinic as ISO 3166 alpha-2; by default the one where its locations' zones lie.

        Returns:
            The clinic.

        Raises:
            ClinicError: The database cannot be opened, or is of a later version.
        """
        return cls(Database.open(url), country=country)

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

    def places(self) -> Mapping[str, ZoneInfo]:
        """Return the zone of each location, the oldest location first; read once, when there is one."""
        if not self._places:
            rows = select(LocationRow.name, LocationRow.time_zone).order_by(LocationRow.id)
            found = self.database.read(lambda session: session.execute(rows).all())
            self._places = {name: ZoneInfo(zone) for name, zone in found if is_zone(zone)}
        return self._places

    def zone_names(self) -> list[str]:
        """Return the zone of each location as the database has it, known or not."""
        return self._names(LocationRow.time_zone)

    @property
    def zone(self) -> ZoneInfo | None:
        """Return the clinic's own zone, that of most locations and else of the oldest; None without locations."""
        zones = list(self.places().values())
        return max(zones, key=zones.count) if zones else None

    @property
    def country(self) -> str:
        """Return the country whose numbers are said without a country code, as ISO 3166 alpha-2."""
        return self._country or country_of(zone.key for zone in self.places().values()) or _COUNTRY

    def last_date(self, now: datetime) -> date:
        """Return the date at the location that is furthest ahead."""
        return max((now.astimezone(zone).date() for zone in self.places().values()), default=now.astimezone(UTC).date())

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
        zones = list(dict.fromkeys(sitting.zone for sitting in calendar.sittings))
        meant = {zone: moments(when, zone) for zone in zones}
        there = [moment for zone in zones for moment in meant[zone]]
        found = _slots(calendar, there, now=now)
        if not any(len(both) > 1 and any(slot.zone == zone for slot in found) for zone, both in meant.items()):
            if found:
                return found
            self._refuse_second_passing(calendar, there, now=now, argument=argument)
            if not zones or there:
                code, message = _why_none(there, calendar=calendar, now=now, argument=argument)
                first = min((moment.date() for moment in there), default=None)
                offers = self.free_slots(now=now, first=first, doctor=doctor, location=location if zones else None)
                raise Refusal(code, message, alternatives=offers)
        raise self._asking_which(when, calendar, found, now=now, argument=argument, doctor=doctor, location=location)

    def _refuse_second_passing(
        self, calendar: Calendar, there: list[datetime], *, now: datetime, argument: str
    ) -> None:
        """Raise `Refusal` for the second of two passings of a time whose first is a slot: only that can be booked."""
        firsts = [moments(each.replace(tzinfo=None, fold=0), each.tzinfo)[0] for each in there if passing(each) == 2]
        if found := _slots(calendar, firsts, now=now):
            said = f"{argument} comes twice that night and only the first can be booked: ask whether that is meant."
            raise Refusal("ambiguous_time", said, alternatives=found)

    def _one_slot(self, when: datetime, *, now: datetime, doctor: str, location: str | None, argument: str) -> Slot:
        """Return the requested slot; raise `Refusal` if no slot or several times match."""
        found = self.slots_at(when, now=now, doctor=doctor, location=location, argument=argument)
        if len({slot.instant for slot in found}) > 1:
            said = f"{argument} is at different times in different places: ask where, name clinic_location."
            raise Refusal("ambiguous_time", said, alternatives=found)
        return found[0]

    def _asking_which(
        self,
        when: datetime,
        calendar: Calendar,
        found: tuple[Slot, ...],
        *,
        now: datetime,
        argument: str,
        doctor: str | None,
        location: str | None,
    ) -> Refusal:
        """Return the refusal of a time that does not name one moment; the slots that it may mean come first."""
        if found:
            code, message = (
                "ambiguous_time",
                f"{argument} comes twice that night: ask which one, name it with its offset.",
            )
        elif when.tzinfo is None:
            code, message = (
                "nonexistent_time",
                f"{argument} is skipped that night, as clocks go forward: ask for another.",
            )
        else:
            code, message = (
                "wrong_offset",
                f"{argument} has an offset that the place does not have then: ask which is meant.",
            )
            zones = dict.fromkeys(sitting.zone for sitting in calendar.sittings)
            read = [(when.replace(tzinfo=None), zone) for zone in zones] + [
                (when.astimezone(zone), zone) for zone in zones
            ]
            found = _slots(calendar, [moment for time, zone in read for moment in moments(time, zone)], now=now)
        free = tuple(slot for slot in found if self.is_free(slot))
        zone = next(sitting.zone for sitting in calendar.sittings)
        about = min(when.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)) - timedelta(seconds=1)
        others = self.free_slots(now=now, first=when.date(), after=about, doctor=doctor, location=location)
        return Refusal(code, message, alternatives=tuple(dict.fromkeys((*free, *others)))[:_OFFERS])

    def free_slots(
        self,
        *,
        now: datetime,
        first: date | None = None,
        last: date | None = None,
        doctor: str | None = None,
        location: str | None = None,
        after: datetime | None = None,
        limit: int = _OFFERS,
    ) -> tuple[Slot, ...]:
        """Return the next free slots from `first` to `last` (local dates, both included), earliest first.

        None is in the past, or at or before `after`.
        """
        calendar = self._calendar(doctor=doctor, location=location)
        today = calendar.today(now)
        first, last = max(first or today, today), min(last or date.max, today + HORIZON)
        taken = self._taken(first, last)
        free = (
            slot
            for day in days(first, last)
            for slot in calendar.slots(day)
            if max(now, after or now) < slot.instant <= now + HORIZON and not _is_taken(slot, taken)
        )
        return tuple(islice(free, limit))

    def is_free(self, slot: Slot) -> bool:
        """Return whether nobody holds the slot at this moment; only `book` can promise it."""
        day = slot.instant.date()
        return not _is_taken(slot, self._taken(day, day))

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
        slot = self._one_slot(when, now=now, doctor=doctor, location=location, argument="appointment_datetime")
        with self._offering_others(slot, now=now, doctor=doctor, location=location):
            try:
                confirmation_id = self.database.write(
                    lambda session: record(session, patient, slot=slot, reason=reason, notes=notes, now=now)
                )
            except Refusal as refusal:
                if refusal.is_identity_check:
                    self._check(Claim(dob=patient.dob, name=patient.name, calling_number=self._calling_number), now=now)
                raise
        return Booking(confirmation_id=confirmation_id, slot=slot)

    def verify(
        self,
        *,
        dob: date,
        confirmation_id: str | None = None,
        name: str | None = None,
        phone: str | None = None,
        now: datetime | None = None,
    ) -> VerifiedPatient:
        """Return who the caller proves to be; the only way to what `cancel` and `reschedule` ask for.

        A failure counts against the record, the claim and the number that the call comes from. See `verification`.

        Args:
            dob: Date of birth.
            confirmation_id: Confirmation id of an appointment of the patient.
            name: Full name of the patient.
            phone: Number given at booking, E.164.
            now: The moment, aware; by default the system's.

        Returns:
            The patient.

        Raises:
            Refusal: One and the same whatever is wrong, but where the calling number has failed too often.
        """
        claim = Claim(
            dob=dob, confirmation_id=confirmation_id, name=name, phone=phone, calling_number=self._calling_number
        )
        return self._check(claim, now=now or datetime.now(UTC)).proved()

    def _check(self, claim: Claim, *, now: datetime) -> Checked:
        checked = self.database.write(lambda session: check(session, claim, now=now))
        for scope in sorted(checked.reached):
            _log.warning("failed identity checks: %s within 24 h for one %s, staff only", MOST_FAILURES, scope)
            self._on_guessing(scope)
        return checked

    def forget_identity_checks(self) -> None:
        """Forget all failed identity checks, as staff may once they know who called."""
        self.database.write(forget_checks)

    def called_from(self, number: str | None) -> Clinic:
        """Return this clinic as one call sees it.

        Args:
            number: Number that the call comes from; None for a caller who withholds it.

        Returns:
            A clinic on the same database; failed identity checks count against the number too.
        """
        view = copy.copy(self)
        view._calling_number = number_of_line(number, self.country)
        return view

    def on_guessing(self, tell: Callable[[Scope], None]) -> None:
        """Have `tell` called when failed identity checks reach the limit, with what reached it; from any thread."""
        self._on_guessing = tell

    def cancel(
        self,
        patient: VerifiedPatient,
        *,
        now: datetime,
        when: datetime | None = None,
        by: Representative | None = None,
    ) -> Booking:
        """Cancel the appointment meant, or give the same answer again; raises `Refusal` where none or several are.

        `when` (naive: in the place's zone) says which; without it the patient has one ahead, or a confirmation id.
        `by` is who phoned, where it is not the patient.
        """

        def work(session: Session) -> Booking:
            booking = cancel(session, patient, when=when, now=now)
            keep_representative(session, patient.patient_id, by, now=now)
            return booking

        return self.database.write(work)

    def reschedule(
        self,
        patient: VerifiedPatient,
        *,
        to: datetime,
        now: datetime,
        when: datetime | None = None,
        doctor: str | None = None,
        location: str | None = None,
        by: Representative | None = None,
    ) -> Booking:
        """Move the appointment meant to `to`, under its confirmation id; without `doctor` it stays with its own.

        Both slots change hands in one transaction or not at all; a second time gives the same answer. `by` is who
        phoned, where it is not the patient.
        Raises `Refusal` where none is meant, or several, or the new time cannot be had.
        """
        one, is_replay = self.database.read(lambda session: to_move(session, patient, when=when, now=now))
        doctor = doctor or one.booking.slot.doctor
        slot = self._one_slot(to, now=now, doctor=doctor, location=location, argument="new_appointment_datetime")
        if slot == one.booking.slot:
            return one.booking
        if is_replay:
            raise nothing_there((one,))

        def work(session: Session) -> Booking:
            booking = move(session, one, slot=slot, now=now)
            keep_representative(session, patient.patient_id, by, now=now)
            return booking

        with self._offering_others(slot, now=now, doctor=doctor, location=location):
            return self.database.write(work)

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
        """A refusal from within has the next free slots beside it."""
        try:
            yield
        except Refusal as refusal:
            if refusal.code == "similar_patient":
                raise
            day = slot.starts_at.date()
            offers = self.free_slots(now=now, first=day, after=slot.instant, doctor=doctor, location=location)
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
        """The quarters of an hour at which doctors have an appointment: zones differ by whole quarters."""
        # A day wider on both sides: the dates are local, the column is not.
        start = datetime.combine(first, time(), UTC) - timedelta(days=1)
        end = datetime.combine(last, time(), UTC) + timedelta(days=2)
        rows = (
            select(AppointmentRow.starts_at, AppointmentRow.duration, DoctorRow.name)
            .join(DoctorRow, AppointmentRow.doctor_id == DoctorRow.id)
            .where(AppointmentRow.status == BOOKED, AppointmentRow.starts_at.between(start, end))
        )
        found = self.database.read(lambda session: session.execute(rows).all())
        return frozenset(
            (quarter, name)
            for instant, minutes, name in found
            for quarter in _quarters(instant, timedelta(minutes=minutes))
        )


def _quarters(start: datetime, length: timedelta) -> Iterator[datetime]:
    quarter = start - timedelta(minutes=start.minute % 15, seconds=start.second)
    while quarter < start + length:
        yield quarter
        quarter += _QUARTER


def _is_taken(slot: Slot, taken: frozenset[tuple[datetime, str]]) -> bool:
    return any((quarter, slot.doctor) in taken for quarter in _quarters(slot.instant, GRID))


def _slots(calendar: Calendar, wanted: list[datetime], *, now: datetime) -> tuple[Slot, ...]:
    """Return the slots that start at one of some moments, each in its own zone."""
    return tuple(
        dict.fromkeys(
            slot
            for moment in wanted
            for slot in calendar.slots(moment.date())
            if slot.instant == moment.astimezone(UTC)
            and slot.starts_at.tzinfo == moment.tzinfo
            and now < slot.instant <= now + HORIZON
        )
    )


def _why_none(wanted: list[datetime], *, calendar: Calendar, now: datetime, argument: str) -> tuple[str, str]:
    if not wanted:
        return "doctor_not_at_location", _NOT_THERE
    moment = wanted[0]
    if moment.astimezone(UTC) <= now:
        return "past_date", f"{argument} is in the past; it must be later than now."
    if moment.astimezone(UTC) > now + HORIZON:
        return "too_far_ahead", f"{argument} is more than a year ahead; it must be within a year."
    if (moment - datetime.combine(moment.date(), time(), moment.tzinfo)) % GRID:
        return "off_grid", f"{argument} must be on the full or half hour."
    if not any(calendar.open_sittings(moment.date()) for moment in wanted):
        return "closed_day", f"{argument} is on a day without hours for this choice; name another day."
    return "outside_hours", f"{argument} is outside the hours of that day; name a time within them."
