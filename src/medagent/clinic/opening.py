"""When the clinic is open, as a caller asks it: by week or for one day, in each place's own time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, time
from itertools import islice

from medagent.clinic.hours import Calendar, Sitting

_CLOSURES_AHEAD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHours:
    """One stretch of a weekday (0 is Monday) in a place's local time; `zone` is an IANA name, no doctor means any."""

    location: str
    zone: str
    weekday: int
    opens: time
    closes: time
    doctor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closure:
    """A holiday, and the place that it closes: None is the whole clinic."""

    day: date
    name: str
    location: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """The stretches in the order of the week; the closed days are the next few, or those of the one day asked for."""

    hours: tuple[OpenHours, ...]
    closures: tuple[Closure, ...]


def opening_hours(calendar: Calendar, closed: Sequence[Closure], *, by_doctor: bool, day: date | None) -> OpeningHours:
    """What a calendar says of a week, or of one day; `closed` are its holidays from then on, earliest first."""
    sittings = calendar.sittings if day is None else calendar.open_sittings(day)
    places = {sitting.location for sitting in calendar.sittings}
    here = (each for each in closed if each.location is None or each.location in places)
    return OpeningHours(
        hours=tuple(_merged(_stretch(sitting, by_doctor=by_doctor) for sitting in sittings)),
        closures=tuple(islice(here, None if day is not None else _CLOSURES_AHEAD)),
    )


def _stretch(sitting: Sitting, *, by_doctor: bool) -> OpenHours:
    return OpenHours(
        location=sitting.location,
        zone=sitting.zone.key,
        weekday=sitting.weekday,
        opens=sitting.opens,
        closes=sitting.closes,
        doctor=sitting.doctor if by_doctor else None,
    )


def _merged(stretches: Iterable[OpenHours]) -> list[OpenHours]:
    """Stretches of one weekday and place that touch or overlap are one."""
    merged: list[OpenHours] = []
    for each in sorted(stretches, key=lambda stretch: (stretch.weekday, stretch.location, stretch.opens)):
        last = merged[-1] if merged else None
        if last and (last.weekday, last.location) == (each.weekday, each.location) and each.opens <= last.closes:
            merged[-1] = replace(last, closes=max(last.closes, each.closes))
        else:
            merged.append(each)
    return merged
