"""Which spans are due where, who is sending them right now, and what becomes of those that are not taken.

A batch is *leased* while it is being sent, so that of several processes one sends it; a lease that is not renewed ends
soon, and one that ends further ahead than any can was given before the clock went back: it is none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.outbox import receipts
from medagent.telemetry.outbox.receipts import Attempted
from medagent.telemetry.outbox.schema import calls, deliveries, destinations, spans
from medagent.telemetry.outbox.shared_clock import now_ms
from medagent.telemetry.span import SafeSpan, Seal

LEASE_S = 15.0
"""How long a batch stays with a process that died while it sent it."""
LONGEST_PAUSE_S = 3600.0
_MOST_BYTES = 2 * 2**20
"""Stored bytes of a batch, a tenth of what a destination takes: on the wire a span is a few times as long."""
_CALLS_AT_ONCE = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What one call lost of what was queued: the seals that each destination will never have, in their order."""

    trace_id: str
    lacking: Mapping[str, Sequence[Seal]]

    @property
    def seals(self) -> list[Seal]:
        """All of them, each once."""
        return sorted({seal for each in self.lacking.values() for seal in each}, key=lambda seal: seal.sequence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """How many spans of one call a destination has not had, how many of them are set aside, and the first error."""

    destination: str
    spans: int
    set_aside: int
    error: str | None


def is_leased(now: int) -> sa.ColumnElement[bool]:
    """Whether some process is sending it."""
    until = deliveries.c.leased_until_ms
    return (until > now) & (until <= now + int(LEASE_S * 1000))


def pause_left_s(until_ms: int, now: int) -> float:
    """What is left of a pause; one that ends further ahead than any can is none."""
    left = (until_ms - now) / 1000
    return left if 0 < left <= LONGEST_PAUSE_S else 0.0


def is_due(destination: str, now: int) -> sa.ColumnElement[bool]:
    """What a destination has not had and was not refused, and whose release is not delayed any more."""
    return (deliveries.c.destination == destination) & ~deliveries.c.is_set_aside & ~is_delayed(now)


def is_delayed(now: int) -> sa.ColumnElement[bool]:
    """Whether a delivery waits for the day of its release (milliseconds since the Unix epoch)."""
    return deliveries.c.due_ms > now


def free(connection: sa.Connection, destination: str) -> bool:
    """Whether there is something to lease; a look that changes nothing."""
    now = now_ms(connection)
    paused = sa.select(destinations.c.paused_until_ms).where(destinations.c.name == destination)
    if pause_left_s(connection.execute(paused).scalar() or 0, now):
        return False
    query = sa.select(deliveries.c.position).where(is_due(destination, now), ~is_leased(now)).limit(1)
    return connection.execute(query).first() is not None


def lease(connection: sa.Connection, destination: str, *, owner: str, limit: int) -> tuple[list[SafeSpan], list[str]]:
    """The oldest free spans, now leased; and the ids of those that are not what was sealed, now set aside."""
    now = now_ms(connection)
    query = (
        sa.select(spans, deliveries.c.position.label("place"), deliveries.c.leased_by, deliveries.c.leased_until_ms)
        .join(deliveries, deliveries.c.span_id == spans.c.span_id)
        .where(is_due(destination, now), ~is_leased(now))
        .order_by(deliveries.c.position)
        .limit(limit)
        .with_for_update(of=deliveries, skip_locked=True)
    )
    batch: list[SafeSpan] = []
    altered: list[str] = []
    places: list[int] = []
    stale: dict[str, int] = {}
    size = 0
    for row in connection.execute(query):
        size += row.size
        if places and size > _MOST_BYTES:
            break
        if row.leased_by is not None:
            stale[row.span_id] = row.leased_until_ms - int(LEASE_S * 1000)
        try:
            batch.append(read(row))
        except (ValueError, KeyError, TypeError, AttributeError):
            altered.append(row.span_id)
        else:
            places.append(row.place)
    if stale:  # its holder never ended it: the request may have been sent
        sent_ms = min(*stale.values(), now)
        _note_sent(connection, destination, dict.fromkeys(stale, Sent.UNKNOWN), at_ms=sent_ms)
    until = {"leased_by": owner, "leased_until_ms": now + int(LEASE_S * 1000)}
    connection.execute(sa.update(deliveries).where(deliveries.c.position.in_(places)).values(**until))
    if altered:
        set_aside(connection, destination, altered, error=FailureCause.SPAN_ALTERED, sent={})
    return batch, altered


def read(row: sa.Row[Any]) -> SafeSpan:
    """The span of a row; raises `ValueError`, `KeyError` or `TypeError` where it is not the one that was sealed."""
    if hashlib.sha256(row.body.encode()).hexdigest() != row.digest:
        raise ValueError("the stored span has not its digest")
    seal = Seal(sequence=row.sequence, previous=row.previous, hash=row.hash)
    return SafeSpan.from_document(json.loads(row.body)).sealed(seal)


def renew(connection: sa.Connection, destination: str, ids: Sequence[str], *, owner: str) -> None:
    """Hold what is still ours for as long again."""
    mine = _of(destination, ids) & (deliveries.c.leased_by == owner)
    until = now_ms(connection) + int(LEASE_S * 1000)
    connection.execute(sa.update(deliveries).where(mine).values(leased_until_ms=until))


def delivered(
    connection: sa.Connection, destination: str, batch: Sequence[SafeSpan], *, sent: Mapping[str, Sent] | None
) -> list[SafeSpan]:
    """Take spans off a destination's list; a span that is on no list any more leaves the outbox.

    Spans in `sent`, or all where it is None, get a receipt. Returns those that were still on the list.
    """
    ids, now = [span.span_id for span in batch], now_ms(connection)
    history = (deliveries.c.span_id, deliveries.c.attempts, deliveries.c.first_sent_ms)
    gone = connection.execute(sa.delete(deliveries).where(_of(destination, ids)).returning(*history))
    before = {row.span_id: row for row in gone}
    receipts.append(
        connection,
        destination,
        [
            Attempted(
                trace_id=span.trace_id,
                span_id=span.span_id,
                name=span.name,
                outcome=Sent.DELIVERED,
                first_ms=(earlier.first_sent_ms if (earlier := before.get(span.span_id)) else 0) or now,
                last_ms=now,
                attempts=(earlier.attempts if earlier else 0) + 1,
            )
            for span in batch
            if sent is None or span.span_id in sent
        ],
    )
    _forget(connection, ids)
    return [span for span in batch if span.span_id in before]


def failed(
    connection: sa.Connection, destination: str, ids: Sequence[str], *, error: str, sent: Mapping[str, Sent]
) -> None:
    """Note a failed attempt and let go of the lease; the spans stay due."""
    of_ids = {span_id: sent[span_id] for span_id in ids if span_id in sent}
    _note_sent(connection, destination, of_ids, at_ms=now_ms(connection))
    change = sa.update(deliveries).where(_of(destination, ids))
    values = {"last_error": error[:80], "leased_by": None, "leased_until_ms": 0}
    connection.execute(change.values(attempts=deliveries.c.attempts + 1, **values))


def let_go(connection: sa.Connection, destination: str, ids: Sequence[str], *, sent: Mapping[str, Sent]) -> None:
    """End a lease without a failed attempt; what was sent of it before is noted."""
    of_ids = {span_id: sent[span_id] for span_id in ids if span_id in sent}
    _note_sent(connection, destination, of_ids, at_ms=now_ms(connection))
    change = sa.update(deliveries).where(_of(destination, ids))
    connection.execute(change.values(leased_by=None, leased_until_ms=0))


def set_aside(
    connection: sa.Connection, destination: str, ids: Sequence[str], *, error: str, sent: Mapping[str, Sent]
) -> None:
    """Stop offering spans to a destination that will not take them."""
    failed(connection, destination, ids, error=error, sent=sent)
    connection.execute(sa.update(deliveries).where(_of(destination, ids)).values(is_set_aside=True))


def offer_again(connection: sa.Connection, destination: str | None) -> int:
    """Make due what was set aside, at one destination or at all; returns how many deliveries."""
    aside = deliveries.c.is_set_aside if destination is None else _of_one(destination) & deliveries.c.is_set_aside
    change = sa.update(deliveries).where(aside).values(is_set_aside=False, leased_by=None, leased_until_ms=0)
    return connection.execute(change).rowcount


def pause(connection: sa.Connection, destination: str, seconds: float) -> None:
    """Leave a destination alone for as long as it asked, in every process; at most an hour."""
    until = now_ms(connection) + int(min(seconds, LONGEST_PAUSE_S) * 1000)
    _note(connection, destination, {"paused_until_ms": until}, paused_until_ms=until)


def refused_rounds(connection: sa.Connection, destination: str) -> int:
    """Return how many rounds in a row ended with every span refused."""
    query = sa.select(destinations.c.refused_rounds).where(destinations.c.name == destination)
    return int(connection.execute(query).scalar() or 0)


def refused_all(connection: sa.Connection, destination: str) -> int:
    """Count a round in which a destination refused every span; returns how many there were in a row."""
    _note(connection, destination, {"refused_rounds": destinations.c.refused_rounds + 1}, refused_rounds=1)
    return refused_rounds(connection, destination)


def took_some(connection: sa.Connection, destination: str) -> None:
    """Forget the rounds in which a destination refused every span."""
    connection.execute(sa.update(destinations).where(destinations.c.name == destination).values(refused_rounds=0))


def lacking(connection: sa.Connection, trace_id: str) -> list[Lacking]:
    """Return what of a call each destination has not had."""
    joined = sa.join(deliveries, spans, deliveries.c.span_id == spans.c.span_id)
    query = (
        sa.select(deliveries.c.destination, deliveries.c.is_set_aside, deliveries.c.last_error)
        .select_from(joined)
        .where(spans.c.trace_id == trace_id)
        .order_by(deliveries.c.position)
    )
    found: dict[str, list[Any]] = {}
    for row in connection.execute(query):
        found.setdefault(row.destination, []).append(row)
    return [
        Lacking(
            destination=destination,
            spans=len(rows),
            set_aside=sum(row.is_set_aside for row in rows),
            error=next((row.last_error for row in rows if row.last_error), None),
        )
        for destination, rows in sorted(found.items())
    ]


def has_old(connection: sa.Connection, *, which: sa.ColumnElement[bool]) -> bool:
    """Whether `drop` would find something; a look that changes nothing."""
    return connection.execute(sa.select(deliveries.c.position).where(which).limit(1)).first() is not None


def drop(connection: sa.Connection, *, which: sa.ColumnElement[bool]) -> list[Deleted]:
    """Give up deliveries of some calls, such as those `queued` before a moment; returns what of which.

    Nothing more is to be given up once it returns nothing. Of what was sent already, a receipt stays.
    """
    joined = sa.join(deliveries, spans, deliveries.c.span_id == spans.c.span_id)
    query = sa.select(spans.c.trace_id).select_from(joined).where(which).distinct().limit(_CALLS_AT_ONCE)
    found: list[Deleted] = []
    for trace_id in connection.execute(query).scalars().all():
        of_call = sa.select(deliveries.c.position, deliveries.c.destination, spans).select_from(joined)
        rows = connection.execute(of_call.where(which, spans.c.trace_id == trace_id).order_by(spans.c.sequence)).all()
        lacking: dict[str, list[Seal]] = {}
        for row in rows:
            seal = Seal(sequence=row.sequence, previous=row.previous, hash=row.hash)
            lacking.setdefault(row.destination, []).append(seal)
        doomed = deliveries.c.position.in_([row[0] for row in rows])
        receipts.keep(connection, doomed, now=now_ms(connection))
        connection.execute(sa.delete(deliveries).where(doomed))
        _forget(connection, [row.span_id for row in rows])
        for destination, seals in lacking.items():
            count = len(seals)
            _note(connection, destination, {"dropped": destinations.c.dropped + count}, dropped=count)
        found.append(Deleted(trace_id=trace_id, lacking=lacking))
    return found


def to_be_buried(connection: sa.Connection) -> list[tuple[str, list[Seal]]]:
    """The calls that were refused after something of them was sealed, with the seals that are still here."""
    found = connection.execute(sa.select(calls.c.trace_id).where(calls.c.is_to_be_buried)).scalars().all()
    seals = sa.select(spans.c.sequence, spans.c.previous, spans.c.hash).where(spans.c.state == "refused")
    return [
        (trace_id, [Seal(**row) for row in connection.execute(seals.where(spans.c.trace_id == trace_id)).mappings()])
        for trace_id in found
    ]


def buried(connection: sa.Connection, trace_id: str) -> None:
    """The archive has the tombstones."""
    connection.execute(sa.delete(spans).where((spans.c.trace_id == trace_id) & (spans.c.state == "refused")))
    connection.execute(sa.update(calls).where(calls.c.trace_id == trace_id).values(is_to_be_buried=False))


def forget_calls(connection: sa.Connection, *, before_ms: int) -> None:
    """Delete what is known of closed calls of which nothing waits any more."""
    gone = (calls.c.state == "closed") & (calls.c.opened_ms < before_ms)
    connection.execute(sa.delete(calls).where(gone & calls.c.trace_id.not_in(sa.select(spans.c.trace_id))))


def queued(before_ms: int | None) -> sa.ColumnElement[bool]:
    """Select deliveries queued and due before a moment, or all."""
    if before_ms is None:
        return sa.true()
    return (deliveries.c.queued_ms < before_ms) & (deliveries.c.due_ms < before_ms)


def queued_of(trace_id: str, *, but_of: Sequence[str]) -> sa.ColumnElement[bool]:
    """Select one call's deliveries, but to some destinations."""
    of_call = sa.select(spans.c.span_id).where(spans.c.trace_id == trace_id)
    return deliveries.c.span_id.in_(of_call) & deliveries.c.destination.not_in(but_of)


def _note_sent(connection: sa.Connection, destination: str, sent: Mapping[str, Sent], *, at_ms: int) -> None:
    """Note outcomes on deliveries that stay; the surer outcome and the first time stay."""
    for outcome in sorted(set(sent.values())):
        ids = [span_id for span_id, one in sent.items() if one is outcome]
        surer = sa.case((deliveries.c.sent < int(outcome), int(outcome)), else_=deliveries.c.sent)
        first = sa.case((deliveries.c.first_sent_ms == 0, at_ms), else_=deliveries.c.first_sent_ms)
        noted = {"sent": surer, "first_sent_ms": first, "last_sent_ms": at_ms}
        connection.execute(sa.update(deliveries).where(_of(destination, ids)).values(noted))


def _of_one(destination: str) -> sa.ColumnElement[bool]:
    return deliveries.c.destination == destination


def _of(destination: str, ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return _of_one(destination) & deliveries.c.span_id.in_(ids)


def _forget(connection: sa.Connection, ids: Sequence[str]) -> None:
    waiting = sa.select(deliveries.c.span_id).where(deliveries.c.span_id.in_(ids))
    done = spans.c.span_id.in_(ids) & spans.c.span_id.not_in(waiting) & (spans.c.state == "sealed")
    connection.execute(sa.delete(spans).where(done))


def _note(connection: sa.Connection, name: str, change: Mapping[str, Any], **first: int) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(destinations).values(name=name, **first)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=dict(change)))
