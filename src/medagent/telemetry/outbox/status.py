"""What waits in the outbox, for the person on duty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from medagent.telemetry.outbox.deliveries import is_delayed, is_leased, pause_left_s
from medagent.telemetry.outbox.schema import calls, deliveries, destinations, spans
from medagent.telemetry.outbox.shared_clock import now_ms

_MOST_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAside:
    """A span that a destination will not take, and its error, as `telemetry.failures` stores it."""

    destination: str
    span_id: str
    name: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatus:
    """How many spans wait, by destination, since when, and what stands in their way."""

    due: Mapping[str, int]
    """Sealed spans that a destination has not had, those set aside not among them."""
    oldest_s: Mapping[str, float]
    """The age of the oldest of them, in seconds."""
    delayed: Mapping[str, int]
    """How many of them wait for the day of their release."""
    leased: Mapping[str, int]
    """How many of them some process is sending right now."""
    paused_s: Mapping[str, float]
    """For how many seconds a destination asked to be left alone."""
    last_errors: Mapping[str, str]
    """The error of the oldest span that was tried, as `telemetry.failures` stores it."""
    set_aside: Mapping[str, int]
    set_aside_spans: Sequence[SetAside]
    """The first few of them."""
    removed: Sequence[str]
    """Destinations for which spans wait, and which are not configured any more."""
    dropped: Mapping[str, int]
    """How many deliveries were given up, as too old or by a purge, ever."""
    provisional: int
    ready: int
    bytes: int
    max_bytes: int | None
    refused: int
    """How many spans the outbox had no room for, in calls that it still knows."""
    corrupt: Sequence[str]
    """The names of the files that were broken and set aside."""


def read_status(
    connection: sa.Connection, *, configured: Sequence[str], max_bytes: int | None, corrupt: Sequence[str]
) -> OutboxStatus:
    """Count what there is, in one view."""
    now = now_ms(connection)
    leased = sa.func.sum(sa.case((is_leased(now), 1), else_=0))
    by_destination = sa.select(
        deliveries.c.destination,
        sa.func.count(),
        sa.func.min(deliveries.c.queued_ms),
        leased,
        sa.func.sum(sa.case((is_delayed(now), 1), else_=0)),
    ).where(~deliveries.c.is_set_aside)
    due = connection.execute(by_destination.group_by(deliveries.c.destination)).all()
    aside = connection.execute(
        sa.select(deliveries.c.destination, sa.func.count())
        .where(deliveries.c.is_set_aside)
        .group_by(deliveries.c.destination)
    ).all()
    first = connection.execute(
        sa.select(deliveries.c.destination, deliveries.c.span_id, spans.c.name, deliveries.c.last_error)
        .join(spans, spans.c.span_id == deliveries.c.span_id)
        .where(deliveries.c.is_set_aside)
        .order_by(deliveries.c.position)
        .limit(_MOST_SHOWN)
    ).all()
    states = connection.execute(sa.select(spans.c.state, sa.func.count()).group_by(spans.c.state)).all()
    count = {row[0]: row[1] for row in states}
    known = connection.execute(sa.select(destinations)).all()
    pauses = {row.name: pause_left_s(row.paused_until_ms, now) for row in known}
    waiting = {row[0] for row in due} | {row[0] for row in aside}
    return OutboxStatus(
        due=dict.fromkeys(configured, 0) | {row[0]: row[1] for row in due},
        oldest_s={row[0]: max(0, now - row[2]) / 1000 for row in due},
        delayed={row[0]: int(row[4]) for row in due if row[4]},
        leased={row[0]: int(row[3]) for row in due if row[3]},
        paused_s={name: left for name, left in pauses.items() if left},
        last_errors=_errors(connection, [row[0] for row in due]),
        set_aside={row[0]: row[1] for row in aside},
        set_aside_spans=[SetAside(destination=r[0], span_id=r[1], name=r[2], error=r[3] or "") for r in first],
        removed=sorted(waiting - set(configured)),
        dropped={row.name: row.dropped for row in known if row.dropped},
        provisional=count.get("provisional", 0),
        ready=count.get("ready", 0),
        bytes=int(connection.execute(sa.select(sa.func.sum(spans.c.size))).scalar() or 0),
        max_bytes=max_bytes,
        refused=int(connection.execute(sa.select(sa.func.sum(calls.c.refused))).scalar() or 0),
        corrupt=corrupt,
    )


def _errors(connection: sa.Connection, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in names:
        failed = (deliveries.c.destination == name) & ~deliveries.c.is_set_aside & deliveries.c.last_error.is_not(None)
        query = sa.select(deliveries.c.last_error).where(failed).order_by(deliveries.c.position).limit(1)
        if error := connection.execute(query).scalar():
            found[name] = error
    return found
