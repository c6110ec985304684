"""The switch of all hosts that share an outbox in PostgreSQL, and which host has applied which change."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from medagent.telemetry.hosts import HostStatus, SharedState, SwitchCommand
from medagent.telemetry.outbox.schema import hosts, switch_events
from medagent.telemetry.outbox.trips import EPOCH, LIFT, TRIP, OutboxTrips
from medagent.telemetry.trips import Trip

_WRITING = 0x6D65_6473
"""The advisory lock under which events are numbered: one of a lower number is never seen after a higher one."""
_FORGOTTEN_AFTER_US = 7 * 86_400_000_000
_NOW_US = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1_000_000, sa.BigInteger)


class OutboxSwitch(OutboxTrips):
    """Reads and writes `switch_events` and `hosts` over one connection; raises as `OutboxTrips`."""

    def __init__(self, url: str, *, host: str, name: str, clock: Callable[[], float] = time.time) -> None:
        """Prepare the connection.

        Args:
            url: PostgreSQL.
            host: Id of this host.
            name: Its name, for a person.
            clock: This host's clock, in seconds since the Unix epoch.
        """
        super().__init__(url)
        self.host = host
        self._name = name
        self._clock = clock

    def read(self) -> SharedState:
        """Return the state; `clock_ahead_s` is by the moment between question and answer."""
        latest = sa.select(sa.func.max(switch_events.c.position))
        through = sa.select(sa.func.max(switch_events.c.at_us)).where(switch_events.c.kind == LIFT)
        trips = sa.select(switch_events).where(switch_events.c.kind == TRIP).order_by(switch_events.c.at_us.desc())
        commands = sa.select(switch_events).where(switch_events.c.kind.in_(("on", "off")))
        with self._lock, self._database.reading() as connection:
            asked = self._clock()
            now_us = connection.execute(sa.select(_NOW_US)).scalar_one()
            answered = self._clock()
            position = connection.execute(latest).scalar() or 0
            lifted_us = connection.execute(through).scalar()
            trip = connection.execute(trips.limit(1)).first()
            command = connection.execute(commands.order_by(switch_events.c.position.desc()).limit(1)).first()
        if trip is not None and lifted_us is not None and trip.at_us <= lifted_us:
            trip = None
        return SharedState(
            position=position,
            trip=None if trip is None else Trip(at=_moment(trip.at_us), reason=trip.reason),
            trip_position=0 if trip is None else trip.position,
            command=None if command is None else _command(command),
            lifted_through=None if lifted_us is None else _moment(lifted_us),
            clock_ahead_s=(asked + answered) / 2 - now_us / 1e6,
        )

    def record_command(self, command: SwitchCommand) -> int:
        """Store an off or on, with the lift of an on, unless it is stored already; return its place."""
        values = {
            "kind": command.state,
            "at_us": _us(command.at),
            "reason": command.reason,
            "host": command.host,
            "made_by": command.by,
            "report": command.report,
            "through_us": None if command.lifted_through is None else _us(command.lifted_through),
        }
        same = (switch_events.c.kind == command.state) & (switch_events.c.at_us == values["at_us"])
        with self._lock, self._database.writing() as connection:
            _number_alone(connection)
            if (known := _position(connection, same & (switch_events.c.host == command.host))) is not None:
                return known
            if command.lifted_through is not None:
                lift = {"kind": LIFT, "at_us": values["through_us"], "reason": "", "host": command.host}
                connection.execute(sa.insert(switch_events).values(**lift))
            return _insert(connection, values)

    def share_trip(self, trip: Trip) -> int:
        """Store a trip unless it is stored already; return its place."""
        same = (switch_events.c.kind == TRIP) & (switch_events.c.at_us == _us(trip.at))
        with self._lock, self._database.writing() as connection:
            _number_alone(connection)
            if (known := _position(connection, same)) is not None:
                return known
            return _insert(connection, {"kind": TRIP, "at_us": _us(trip.at), "reason": trip.reason, "host": self.host})

    def record_trip(self, trip: Trip) -> None:
        """Keep a trip."""
        self.share_trip(trip)

    def beat(self, *, applied: int, clock_ahead_s: float, problem: str | None, is_serving: bool = True) -> None:
        """Store that this host's export service is alive or ends, and what it has applied."""
        values = {
            "name": self._name[:80],
            "seen_us": _NOW_US,
            "applied": applied,
            "is_serving": is_serving,
            "clock_ahead_ms": int(clock_ahead_s * 1000),
            "problem": None if problem is None else problem[:300],
        }
        insert = postgresql.insert(hosts).values(host=self.host, **values)
        with self._lock, self._database.writing() as connection:
            connection.execute(insert.on_conflict_do_update(index_elements=["host"], set_=values))
            connection.execute(sa.delete(hosts).where(hosts.c.seen_us < _NOW_US - _FORGOTTEN_AFTER_US))

    def hosts(self) -> list[HostStatus]:
        """Return what is known of each host, by name; one that was silent for a week is forgotten."""
        query = sa.select(hosts, _NOW_US.label("now_us")).order_by(hosts.c.name, hosts.c.host)
        with self._lock, self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [
            HostStatus(
                host=row.host,
                name=row.name,
                applied=row.applied,
                is_serving=bool(row.is_serving),
                silent_s=max(0, row.now_us - row.seen_us) / 1e6,
                clock_ahead_s=row.clock_ahead_ms / 1000,
                problem=row.problem,
            )
            for row in rows
        ]


def _number_alone(connection: sa.Connection) -> None:
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITING)))


def _position(connection: sa.Connection, same: sa.ColumnElement[bool]) -> int | None:
    return connection.execute(sa.select(sa.func.min(switch_events.c.position)).where(same)).scalar()


def _insert(connection: sa.Connection, values: Mapping[str, object]) -> int:
    statement = sa.insert(switch_events).values(**values).returning(switch_events.c.position)
    return int(connection.execute(statement).scalar_one())


def _command(row: sa.Row[tuple[object, ...]]) -> SwitchCommand:
    return SwitchCommand(
        state=row.kind,
        at=_moment(row.at_us),
        reason=row.reason,
        by=row.made_by,
        host=row.host,
        report=row.report,
        lifted_through=None if row.through_us is None else _moment(row.through_us),
        position=row.position,
    )


def _us(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def _moment(at_us: int) -> datetime:
    return EPOCH + timedelta(microseconds=at_us)
