"""Every change of every zone's offset within ten years, found by watching the zone's clocks."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from zoneinfo import ZoneInfo, available_timezones

START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2036, 11, 1, tzinfo=UTC)
_STEP = timedelta(days=7)
"""Shorter than the shortest summer or winter time, which is that of Morocco around Ramadan."""


@dataclass(frozen=True, slots=True)
class Change:
    """An instant at which a zone's offset becomes another; `before` and `after` are offsets."""

    zone: ZoneInfo
    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        return self.after > self.before


@functools.cache
def zones() -> tuple[ZoneInfo, ...]:
    return tuple(ZoneInfo(name) for name in sorted(available_timezones()) if not name.startswith(("Etc/", "posix")))


@functools.cache
def changes() -> tuple[Change, ...]:
    """All of them; zones with the same rules count once."""
    data = resources.files("tzdata") / "zoneinfo"
    by_rules: dict[bytes, ZoneInfo] = {}
    for zone in zones():
        content = data.joinpath(*zone.key.split("/")).read_bytes()
        by_rules.setdefault(content[content[:-1].rindex(b"\n") :], zone)
    return tuple(change for zone in by_rules.values() for change in _changes_of(zone))


def _changes_of(zone: ZoneInfo) -> list[Change]:
    made: list[Change] = []
    at, offset = START, _offset(START, zone)
    while at < END:
        following = at + _STEP
        if (new := _offset(following, zone)) != offset:
            low, high = at, following
            while high - low > timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if _offset(middle, zone) == offset:
                    low = middle
                else:
                    high = middle
            made.append(Change(zone, high, offset, new))
            offset = new
        at = following
    return made


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None
    return offset
