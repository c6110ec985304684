"""Time zones of the pinned `tzdata` package, and local times that a zone shows once, twice or never.

The zones of the operating system are not read: a slim image has none, and an old one has the rules of an old year.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from importlib import metadata, resources

NO_ZONE = "UTC"


def use_pinned_zones() -> None:
    """Read time zones from the `tzdata` package alone, from now on."""
    if zoneinfo.TZPATH:
        zoneinfo.reset_tzpath(())
        zoneinfo.ZoneInfo.clear_cache()


def zones_version() -> str:
    """Return the release of the time zone database in use, such as `2026f`, with the package's version."""
    release = (resources.files("tzdata") / "zoneinfo" / "tzdata.zi").open("rb").readline().decode().split()
    named = release[-1] if release[:2] == ["#", "version"] else "unknown release"
    return f"{named} (tzdata {metadata.version('tzdata')})"


def is_zone(name: str) -> bool:
    """Return whether the database has a zone of this name."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


class SaidOffset(tzinfo):
    """An offset that somebody said beside a time: it counts only where the place has it at that moment."""

    def __init__(self, offset: timedelta) -> None:
        self._offset = offset

    def utcoffset(self, _when: datetime | None) -> timedelta:
        """Return the offset."""
        return self._offset

    def dst(self, _when: datetime | None) -> None:
        """Return None: an offset alone does not have it."""
        return

    def tzname(self, _when: datetime | None) -> str:
        """Return a name for `repr`."""
        return "said"


def as_said(when: datetime) -> datetime:
    """Return a time whose offset, where it has one, was said by somebody."""
    offset = when.utcoffset()
    return when if offset is None else when.replace(tzinfo=SaidOffset(offset))


def moments(when: datetime, zone: tzinfo | None) -> tuple[datetime, ...]:
    """Return every moment at which the zone's clocks show a time.

    Args:
        when: A local time, one with an offset as `as_said` makes it, or any other aware one, which is an instant.
        zone: Zone of the place.

    Returns:
        Aware times in the zone, earliest first: none for a time that is skipped, two for one that comes twice, and
        none for an offset that was said and that the place does not have at that moment.
    """
    if zone is None:
        return ()
    if when.tzinfo is not None:
        there = when.astimezone(zone)
        is_there = not isinstance(when.tzinfo, SaidOffset) or there.utcoffset() == when.utcoffset()
        return (there,) if is_there else ()
    both = {
        shown.astimezone(UTC): shown.astimezone(UTC).astimezone(zone)
        for shown in (when.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    }
    wall = when.replace(fold=0)
    return tuple(both[at] for at in sorted(both) if both[at].replace(tzinfo=None, fold=0) == wall)


def passing(moment: datetime) -> int:
    """Return 1 or 2 where the zone's clocks show a time twice, for the first or the second; 0 where they do not."""
    both = moments(moment.replace(tzinfo=None, fold=0), moment.tzinfo)
    if len(both) < 2:
        return 0
    return 1 if moment.astimezone(UTC) == both[0].astimezone(UTC) else 2


def country_of(zones: Iterable[str]) -> str | None:
    """Return the country in which most of the zones lie, as ISO 3166 alpha-2; None where none has one."""
    found = Counter(country for zone in zones if (country := _countries().get(zone)) is not None)
    return found.most_common(1)[0][0] if found else None


@functools.cache
def _countries() -> dict[str, str]:
    """Country by zone; a zone's old names have the country of the new one."""
    rows = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8").splitlines()
    found = {row.split("\t")[2]: row.split("\t")[0] for row in rows if row and not row.startswith("#")}
    rules = (resources.files("tzdata") / "zoneinfo" / "tzdata.zi").read_text(encoding="utf-8").splitlines()
    for line in rules:
        if line.startswith("L "):
            _, current, old = line.split(" ")
            if current in found:
                found.setdefault(old, found[current])
    return found
