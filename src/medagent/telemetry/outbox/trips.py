"""The trips of the kill switch that the outbox keeps, so that every process that shares it stays off."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa

from medagent.telemetry.outbox.database import Database
from medagent.telemetry.outbox.schema import switch_events
from medagent.telemetry.trips import Trip

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TRIP, LIFT = "trip", "lift"


class OutboxTrips:
    """Reads and writes `switch_events` in the outbox's database, over one connection; safe from any thread.

    A read does not make an outbox that is not there. Every method raises `OutboxUnavailableError` where it cannot be
    done now, `OutboxError` where no later try would do it.
    """

    def __init__(self, url: str | Path) -> None:
        self._database = Database(url, most_connections=1)
        self._lock = threading.Lock()

    def in_force(self) -> Trip | None:
        """Return the latest trip, unless a lift covers it."""
        if self._database.is_missing():
            return None
        latest = (
            sa.select(switch_events.c.at_us, switch_events.c.reason)
            .where(switch_events.c.kind == TRIP)
            .order_by(switch_events.c.at_us.desc())
            .limit(1)
        )
        through = sa.select(sa.func.max(switch_events.c.at_us)).where(switch_events.c.kind == LIFT)
        with self._lock, self._database.reading() as connection:
            trip = connection.execute(latest).first()
            lifted_us = connection.execute(through).scalar()
        if trip is None or (lifted_us is not None and trip.at_us <= lifted_us):
            return None
        return Trip(at=EPOCH + timedelta(microseconds=trip.at_us), reason=trip.reason)

    def record_trip(self, trip: Trip) -> None:
        """Keep a trip."""
        self._insert(TRIP, trip.at, trip.reason)

    def record_lift(self, *, through: datetime) -> None:
        """Lift every trip up to a moment."""
        self._insert(LIFT, through, "")

    def close(self) -> None:
        """Close the connection."""
        self._database.close()

    def _insert(self, kind: str, at: datetime, reason: str) -> None:
        at_us = (at - EPOCH) // timedelta(microseconds=1)
        with self._lock, self._database.writing() as connection:
            connection.execute(sa.insert(switch_events).values(kind=kind, at_us=at_us, reason=reason))
