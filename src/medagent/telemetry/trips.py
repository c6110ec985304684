"""Trips of the kill switch: each store that keeps one keeps telemetry off until the trip is lifted in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """One trip: when it was recorded (aware), and its reason, which holds no value of a call."""

    at: datetime
    reason: str


class TripReader(Protocol):
    """A store that keeps trips and lifts."""

    def in_force(self) -> Trip | None:
        """Return the latest trip that no lift covers; raises `MedagentError` where the store cannot be read."""


class SwitchRecord(TripReader, Protocol):
    """The ledger: it keeps trips, and every other change of the switch."""

    def newest(self) -> datetime | None:
        """Return the latest time that an entry names; None where there is no entry; raises as `in_force`."""

    def confirms(self, *, source: str, reason: str, by: str) -> bool:
        """Return whether the latest recorded change is this on; raises as `in_force`."""


class TripStore(TripReader, Protocol):
    """A store that the switch writes itself: the outbox."""

    def record_trip(self, trip: Trip) -> None:
        """Keep a trip; raises `MedagentError` where it cannot be written."""

    def record_lift(self, *, through: datetime) -> None:
        """Lift every trip up to a moment; raises `MedagentError` where it cannot be written."""

    def close(self) -> None:
        """Hold no connection any more; a later use opens one."""


def latest(*trips: Trip | None) -> Trip | None:
    """Return the latest of several trips."""
    return max((trip for trip in trips if trip is not None), key=lambda trip: trip.at, default=None)
