"""Times as they are said on the phone: weekday, date, time and zone; pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from medagent.clinic.hours import Slot
from medagent.clinic.zones import passing

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_DAYS_AHEAD = 8


def spoken_slot(slot: Slot, *, home: ZoneInfo | None) -> str:
    """Return a slot's start in words; one in another zone than `home` says so, with the time at home beside it."""
    start = slot.starts_at
    there = _zone_words(start)
    said = f"{_day(start)}, {_hour(start)} {there}{_which(start)}"
    if home is None or start.utcoffset() == start.astimezone(home).utcoffset():
        return said
    here = start.astimezone(home)
    day = "" if here.date() == start.date() else f" on {_day(here)}"
    return f"{said}, which is {_hour(here)}{day} {_zone_words(here)}"


def clock_words(now: datetime, *, places: Mapping[str, ZoneInfo], home: ZoneInfo | None) -> str:
    """Return what a receptionist sees on the wall: date and time at home, the days ahead, other places' time.

    Args:
        now: The moment, aware.
        places: Zone of each location.
        home: The clinic's own zone; None where it is not known, which is said.

    Returns:
        One line.
    """
    if home is None:
        return f"In UTC it is {_day(now.astimezone(UTC))}, {now.astimezone(UTC):%H:%M}; the clinic's zone is not known."
    here = now.astimezone(home)
    ahead = (here.date() + timedelta(days=days) for days in range(2, _DAYS_AHEAD))
    coming = ", ".join(f"{_WEEKDAYS[day.weekday()]} {day.isoformat()}" for day in ahead)
    tomorrow = here.date() + timedelta(days=1)
    said = (
        f"Today is {_day(here)} ({here.date().isoformat()}), it is {_hour(here)} ({here:%H:%M}) {_zone_words(here)} "
        f"({home.key}, UTC{_offset(here)}); tomorrow is {_WEEKDAYS[tomorrow.weekday()]} {tomorrow.isoformat()}, "
        f"then {coming}."
    )
    others: dict[str, list[str]] = {}
    for place, zone in places.items():
        there = now.astimezone(zone)
        if there.utcoffset() != here.utcoffset():
            others.setdefault(f"{_day(there)}, {_hour(there)} {_zone_words(there)} ({zone.key})", []).append(place)
    return " ".join((said, *(f"At {' and '.join(at)} it is {time}." for time, at in others.items())))


def _day(moment: datetime) -> str:
    return f"{_WEEKDAYS[moment.weekday()]}, {_MONTHS[moment.month - 1]} {moment.day}, {moment.year}"


def _hour(moment: datetime) -> str:
    noon = {0: " (midnight)", 12: " (noon)"}.get(moment.hour, "") if moment.minute == 0 else ""
    return f"{moment.hour % 12 or 12}:{moment.minute:02d} {'AM' if moment.hour < 12 else 'PM'}{noon}"


def _zone_words(moment: datetime) -> str:
    key = getattr(moment.tzinfo, "key", "UTC")
    area, _, place = key.rpartition("/")
    if not area or area == "Etc":
        return f"{key} time"
    return f"{place.replace('_', ' ')} time"


def _which(moment: datetime) -> str:
    order = {1: "first", 2: "second"}.get(passing(moment))
    return "" if order is None else f" (the {order} time that hour comes that night, UTC{_offset(moment)})"


def _offset(moment: datetime) -> str:
    return moment.isoformat()[-6:]
