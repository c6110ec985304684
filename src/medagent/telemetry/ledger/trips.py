"""The trips of the kill switch that a ledger records, followed as it grows: a look costs one `stat` and what is new."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from medagent.errors import LedgerError
from medagent.file_access import open_to_read
from medagent.telemetry.ledger.entry import Entry
from medagent.telemetry.trips import Trip

_TRIP = b'"source":"trip"'
_MARKS = (_TRIP, b'"state":"on"', b'"state":"off"')
_AT = b'{"at":"'
_AT_END = len(_AT) + len("2026-11-29T20:12:19.000000+00:00")
_CHUNK = 1 << 20
_UNDATED = datetime.max.replace(tzinfo=UTC)
_REMEMBERED = 256
"""How many bytes before the last place are compared, to find out that the file was replaced."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """The trip in force, and source, reason and author of the latest change if that is an on."""

    trip: Trip | None = None
    on: tuple[str, str, str] | None = None
    newest: bytes = b""
    """The latest time of an entry as it is written: UTC in microseconds, so that texts sort as times do."""


class LedgerTrips:
    """The latest trip in a ledger that no later lift covers; safe to use from any thread.

    An entry that says on lifts every trip before it, if an audit report or an override stands behind it. A line that
    names a trip and cannot be parsed counts as a trip.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: int | None = None
        self._end = 0
        self._before = b""
        self._seen = _Seen()

    def in_force(self) -> Trip | None:
        """Return the latest trip that no lift covers; raises `LedgerError` where the ledger cannot be read."""
        return self._read().trip

    def confirms(self, *, source: str, reason: str, by: str) -> bool:
        """Return whether the latest recorded change is this on; raises as `in_force`."""
        return self._read().on == (source, reason, by)

    def newest(self) -> datetime | None:
        """Return the latest time that an entry names; None where there is no entry; raises as `in_force`."""
        latest = self._read().newest
        try:
            return datetime.fromisoformat(latest.decode()) if latest else None
        except ValueError:
            return _UNDATED  # a line that was not written by the ledger: no clock is later

    def _read(self) -> _Seen:
        with self._lock:
            try:
                descriptor = open_to_read(self._path, is_link_followed=False)
            except FileNotFoundError:
                self._file = None
                return _Seen()
            except OSError as error:
                raise self._unreadable(error) from None
            try:
                return self._followed(descriptor)
            except OSError as error:
                self._file = None
                raise self._unreadable(error) from None
            finally:
                os.close(descriptor)

    def _followed(self, descriptor: int) -> _Seen:
        about = os.fstat(descriptor)
        before = os.pread(descriptor, len(self._before), self._end - len(self._before))
        if self._file != about.st_ino or about.st_size < self._end or before != self._before:
            self._file, self._end, self._before, self._seen = about.st_ino, 0, b"", _Seen()
        rest, place = b"", self._end
        while chunk := os.pread(descriptor, _CHUNK, place):
            place += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._seen = _after(line, self._seen)
        self._end = place - len(rest)
        size = min(_REMEMBERED, self._end)
        self._before = os.pread(descriptor, size, self._end - size)
        found = _after(rest, self._seen)
        if found.trip is not None and found.trip.at == _UNDATED:
            return replace(found, trip=replace(found.trip, at=datetime.fromtimestamp(about.st_mtime, UTC)))
        return found

    def _unreadable(self, error: OSError) -> LedgerError:
        return LedgerError(f"the ledger {self._path} cannot be read ({type(error).__name__})")


def _after(line: bytes, seen: _Seen) -> _Seen:
    """What is known after one more line; a trip that cannot be read is dated by the entry after it."""
    if line.startswith(_AT) and line[len(_AT) : _AT_END] > seen.newest:
        seen = replace(seen, newest=line[len(_AT) : _AT_END])
    trip = seen.trip
    is_undated = trip is not None and trip.at == _UNDATED
    if not is_undated and not any(mark in line for mark in _MARKS):
        return seen
    try:
        entry = Entry.parse(line)
    except ValueError:
        damaged = Trip(at=_UNDATED, reason="an entry of the ledger that cannot be read")
        return replace(seen, trip=damaged, on=None) if _TRIP in line else seen
    if trip is not None and is_undated:
        trip = replace(trip, at=datetime.fromisoformat(entry.at))
    if entry.kind != "switch_changed":
        return replace(seen, trip=trip)
    said = {name: str(entry.content.get(name)) for name in ("state", "source", "reason", "by")}
    if said["source"] == "trip":
        return replace(seen, trip=Trip(at=datetime.fromisoformat(entry.at), reason=said["reason"]), on=None)
    if said["state"] != "on":
        return replace(seen, trip=trip, on=None)
    is_lift = said["source"] == "override" or entry.content.get("report") is not None
    return replace(seen, trip=None if is_lift else trip, on=(said["source"], said["reason"], said["by"]))
