"""When an appointment can start: pure, from the doctors' sittings, the holidays and the zone's own calendar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from medagent.clinic.zones import moments

GRID = timedelta(minutes=30)
"""Every appointment starts on the full or half hour and lasts this long, so that only equal starts overlap."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One start with one doctor at one place; `starts_at` is aware, in the place's own zone."""

    starts_at: datetime
    doctor: str
    location: str

    @property
    def instant(self) -> datetime:
        """The start in UTC: the only form to compare, since a repeated local time equals nothing in another zone."""
        return self.starts_at.astimezone(UTC)

    @property
    def zone(self) -> tzinfo | None:
        """The place's own zone."""
        return self.starts_at.tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """A doctor's weekly hours at one place; `weekday` 0 is Monday, `opens` and `closes` are local times of one day."""

    doctor: str
    location: str
    zone: ZoneInfo
    weekday: int
    opens: time
    closes: time

    def starts(self, day: date) -> Iterator[datetime]:
        """Every start on a day of this weekday: a skipped local time is none, a repeated one is its first passing."""
        closing = datetime.combine(day, self.closes)
        wall = datetime.combine(day, time())
        while wall + GRID <= closing:
            if wall.time() >= self.opens:
                yield from moments(wall, self.zone)[:1]
            wall += GRID


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """The sittings of a clinic and its holidays (a day and the place that is closed, None for all places)."""

    sittings: tuple[Sitting, ...]
    holidays: frozenset[tuple[date, str | None]]

    def open_sittings(self, day: date) -> list[Sitting]:
        """Return who sits where on a day."""
        return [
            sitting
            for sitting in self.sittings
            if sitting.weekday == day.weekday() and not {(day, None), (day, sitting.location)} & self.holidays
        ]

    def slots(self, day: date) -> list[Slot]:
        """Every slot of a day, booked or not, earliest first."""
        found = {
            Slot(starts_at=start, doctor=sitting.doctor, location=sitting.location)
            for sitting in self.open_sittings(day)
            for start in sitting.starts(day)
        }
        return sorted(found, key=lambda slot: (slot.instant, slot.doctor, slot.location))

    def today(self, now: datetime) -> date:
        """Return the date at the place that is furthest behind."""
        return min((now.astimezone(sitting.zone).date() for sitting in self.sittings), default=now.date())


def days(first: date, last: date) -> Iterator[date]:
    """Each day from the first to the last, both included."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
