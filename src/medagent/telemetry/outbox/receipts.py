"""Receipts: which spans were sent to which destination, when, how often, and with which outcome.

While a span waits, its delivery row holds the state of its attempts. The row of a delivery that ends, by success, age,
purge or refused consent, becomes a receipt in the same transaction. A lease that its holder never ended counts as sent:
the process may have died between the request and its answer. A receipt holds ids, names and times, and no field.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.outbox.schema import calls, deletion_requests, deliveries, receipts, spans

_INSERT = sa.insert(receipts)
_FORGOTTEN_AT_ONCE = 1000
_MOST_CANDIDATES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """One span's attempts at one destination; times in milliseconds since the Unix epoch (UTC)."""

    trace_id: str
    span_id: str
    name: str
    outcome: Sent
    first_ms: int
    last_ms: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Spans of one call that one destination was sent, names by id; times as in `Attempted`."""

    destination: str
    outcome: Sent
    first_ms: int
    last_ms: int
    attempts: int
    spans: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """Spans of one call that wait for a destination: due, leased at this moment, dead-lettered."""

    due: int = 0
    leased: int = 0
    set_aside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionRequest:
    """The state of the deletion of one call at one destination; `was_shown`: a read found it there."""

    destination: str
    trace_id: str
    status: str
    cause: str | None
    requested_ms: int
    checked_ms: int
    was_shown: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceDelivery:
    """One call in the outbox: receipts, queue, deletion requests."""

    trace_id: str
    is_open: bool
    receipts: Sequence[Receipt]
    queued: Mapping[str, Queued]
    held: int
    """Spans that are due nowhere yet: provisional, or held until consent is settled."""
    deletions: Sequence[DeletionRequest] = field(default=())


def append(connection: sa.Connection, destination: str, attempted: Iterable[Attempted]) -> None:
    """Insert receipts, one for each call and outcome, in one statement."""
    grouped: dict[tuple[str, Sent], list[Attempted]] = {}
    for one in attempted:
        grouped.setdefault((one.trace_id, one.outcome), []).append(one)
    rows = [
        {
            "destination": destination,
            "trace_id": trace_id,
            "outcome": int(outcome),
            "first_ms": min(one.first_ms for one in group),
            "last_ms": max(one.last_ms for one in group),
            "attempts": max(one.attempts for one in group),
            "spans": json.dumps({one.span_id: one.name for one in group}, separators=(",", ":")),
        }
        for (trace_id, outcome), group in grouped.items()
    ]
    if rows:
        connection.execute(_INSERT, rows)


def was_sent() -> sa.ColumnElement[bool]:
    """Whether a delivery may have been sent: an attempt was noted, or a lease was never ended."""
    return (deliveries.c.sent > 0) | deliveries.c.leased_by.is_not(None)


def keep(connection: sa.Connection, doomed: sa.ColumnElement[bool], *, now: int) -> None:
    """Turn the deliveries that are about to be deleted into receipts, where anything of them was sent."""
    for destination, attempted in _attempts(connection, doomed, now=now).items():
        append(connection, destination, attempted)


def find(connection: sa.Connection, trace_id: str, *, now: int) -> TraceDelivery:
    """Return what the outbox knows of one call."""
    rows = connection.execute(sa.select(receipts).where(receipts.c.trace_id == trace_id).order_by(receipts.c.position))
    found = [
        Receipt(
            destination=row.destination,
            outcome=Sent(row.outcome),
            first_ms=row.first_ms,
            last_ms=row.last_ms,
            attempts=row.attempts,
            spans=json.loads(row.spans),
        )
        for row in rows
    ]
    for destination, attempted in _attempts(connection, spans.c.trace_id == trace_id, now=now).items():
        found += [
            Receipt(
                destination=destination,
                outcome=one.outcome,
                first_ms=one.first_ms,
                last_ms=one.last_ms,
                attempts=one.attempts,
                spans={one.span_id: one.name},
            )
            for one in attempted
        ]
    state = connection.execute(sa.select(calls.c.state).where(calls.c.trace_id == trace_id)).scalar()
    unsealed = (spans.c.trace_id == trace_id) & spans.c.state.in_(("provisional", "ready"))
    asked = sa.select(deletion_requests).where(deletion_requests.c.trace_id == trace_id)
    return TraceDelivery(
        trace_id=trace_id,
        is_open=state == "open",
        receipts=found,
        queued=_queued(connection, trace_id),
        held=int(connection.execute(sa.select(sa.func.count()).select_from(spans).where(unsealed)).scalar() or 0),
        deletions=[DeletionRequest(**row) for row in connection.execute(asked).mappings()],
    )


def trace_ids(connection: sa.Connection, prefix: str) -> list[str]:
    """Return the first few ids of known calls that start so; `prefix` is hexadecimal digits and dashes."""
    found: set[str] = set()
    for column in (receipts.c.trace_id, calls.c.trace_id, spans.c.trace_id, deletion_requests.c.trace_id):
        query = sa.select(column).where(column.startswith(prefix)).distinct().order_by(column).limit(_MOST_CANDIDATES)
        found.update(connection.execute(query).scalars())
    return sorted(found)


def put_deletion(connection: sa.Connection, request: DeletionRequest) -> None:
    """Store the state of a deletion in the place of an earlier one."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = {
        "destination": request.destination,
        "trace_id": request.trace_id,
        "status": request.status,
        "cause": request.cause,
        "requested_ms": request.requested_ms,
        "checked_ms": request.checked_ms,
        "was_shown": request.was_shown,
    }
    insert = dialect.insert(deletion_requests).values(**row)
    key = ["destination", "trace_id"]
    changed = {name: value for name, value in row.items() if name not in key}
    connection.execute(insert.on_conflict_do_update(index_elements=key, set_=changed))


def forget(connection: sa.Connection, *, before_ms: int) -> int:
    """Delete some receipts of what was last sent before a moment; returns how many, 0 once there are none."""
    oldest = sa.select(receipts.c.position, receipts.c.last_ms).order_by(receipts.c.position).limit(_FORGOTTEN_AT_ONCE)
    positions = [row.position for row in connection.execute(oldest) if row.last_ms < before_ms]
    connection.execute(sa.delete(receipts).where(receipts.c.position.in_(positions)))
    connection.execute(sa.delete(deletion_requests).where(deletion_requests.c.requested_ms < before_ms))
    return len(positions)


def _attempts(connection: sa.Connection, which: sa.ColumnElement[bool], *, now: int) -> dict[str, list[Attempted]]:
    """Read the attempts of deliveries that wait, by destination."""
    joined = sa.join(deliveries, spans, deliveries.c.span_id == spans.c.span_id)
    columns = (spans.c.trace_id, spans.c.name, *deliveries.c)
    query = sa.select(*columns).select_from(joined).where(which, was_sent()).order_by(deliveries.c.position)
    found: dict[str, list[Attempted]] = {}
    for row in connection.execute(query):
        found.setdefault(row.destination, []).append(_attempted(row, now=now))
    return found


def _attempted(row: sa.Row[Any], *, now: int) -> Attempted:
    is_in_flight = row.leased_by is not None
    return Attempted(
        trace_id=row.trace_id,
        span_id=row.span_id,
        name=row.name,
        outcome=Sent.UNKNOWN if is_in_flight else Sent(row.sent),
        first_ms=row.first_sent_ms or now,
        last_ms=now if is_in_flight else row.last_sent_ms,
        attempts=row.attempts + is_in_flight,
    )


def _queued(connection: sa.Connection, trace_id: str) -> dict[str, Queued]:
    joined = sa.join(deliveries, spans, deliveries.c.span_id == spans.c.span_id)
    aside = sa.func.sum(sa.case((deliveries.c.is_set_aside, 1), else_=0))
    leased = sa.func.sum(sa.case((deliveries.c.leased_by.is_not(None), 1), else_=0))
    query = sa.select(deliveries.c.destination, sa.func.count(), aside, leased).select_from(joined)
    rows = connection.execute(query.where(spans.c.trace_id == trace_id).group_by(deliveries.c.destination))
    return {row[0]: Queued(due=row[1] - int(row[2]), set_aside=int(row[2]), leased=int(row[3])) for row in rows}
