"""Totals for metrics, added up in the transaction that takes a span off its destination's list: each span once.

They are cumulative, so that sending them again changes nothing, and outlive the processes that add to them. Of several
processes one sends at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.telemetry.metric_totals import Series, SpanCounter, Total, Totals
from medagent.telemetry.outbox.schema import metric_streams, metric_totals
from medagent.telemetry.outbox.shared_clock import now_ms
from medagent.telemetry.span import SafeSpan

SEND_EVERY_MS = 5_000
"""Changes within this time are sent together."""
REPEAT_EVERY_MS = 60_000
"""Totals that did not change are sent again after this time: a time series database forgets one that is silent."""
LEASE_MS = 40_000
"""Longer than a request may take."""
_log = logging.getLogger(__name__)


def add(connection: sa.Connection, counter: SpanCounter, batch: Sequence[SafeSpan]) -> None:
    """Count spans that were just delivered; a failure is logged and changes nothing else of the transaction."""
    try:
        amounts = counter.count(batch)
        if not amounts:
            return
        with connection.begin_nested():
            _touch(connection, counter.stream)
            rows = [  # sorted: two writers then lock in the same order
                {"stream": counter.stream, "series": text, "bucket": bucket, "count": amount.count, "sum": amount.sum}
                for text, bucket, amount in sorted(
                    ((series.text(), bucket, amount) for (series, bucket), amount in amounts.items()),
                    key=lambda row: row[:2],
                )
            ]
            insert = _insert(connection, metric_totals)
            changed = {
                "count": metric_totals.c.count + insert.excluded.count,
                "sum": metric_totals.c.sum + insert.excluded.sum,
            }
            connection.execute(
                insert.on_conflict_do_update(index_elements=["stream", "series", "bucket"], set_=changed), rows
            )
    except Exception as error:  # noqa: BLE001  # metrics hold back no span; no message: it may quote a row
        spans = len(batch)
        _log.error("metrics: %d spans were delivered and not counted (%s)", spans, type(error).__name__)


def claim(connection: sa.Connection, stream: str, *, at_once: bool) -> Totals | None:
    """Return the totals for the caller to send within 40 s, or None where nothing is due or somebody else sends.

    Args:
        connection: A transaction that may write.
        stream: The stream.
        at_once: Send what changed however short the last request is ago.
    """
    row = _due(connection, stream, at_once=at_once)
    if row is None:
        return None
    free = (metric_streams.c.stream == stream) & (metric_streams.c.leased_until_ms == row["leased_until_ms"])
    until = {"leased_until_ms": now_ms(connection) + LEASE_MS}
    if connection.execute(sa.update(metric_streams).where(free).values(until)).rowcount != 1:
        return None
    return Totals(
        instance_id=row["instance_id"],
        started_ms=row["started_ms"],
        version=row["version"],
        totals=_read(connection, stream),
    )


def is_due(connection: sa.Connection, stream: str, *, at_once: bool) -> bool:
    """Return whether there is something to claim; a look that changes nothing."""
    return _due(connection, stream, at_once=at_once) is not None


def is_unsent(connection: sa.Connection, stream: str) -> bool:
    """Return whether totals changed since they were last sent."""
    query = sa.select(metric_streams.c.stream).where(
        metric_streams.c.stream == stream, metric_streams.c.version > metric_streams.c.sent_version
    )
    return connection.execute(query).first() is not None


def sent(connection: sa.Connection, stream: str, *, version: int) -> None:
    """Note that the destination took the totals of a version, and end the lease."""
    values = {"sent_version": version, "sent_ms": now_ms(connection), "leased_until_ms": 0}
    connection.execute(sa.update(metric_streams).where(metric_streams.c.stream == stream).values(values))


def release(connection: sa.Connection, stream: str) -> None:
    """End the lease: the totals were not taken."""
    connection.execute(sa.update(metric_streams).where(metric_streams.c.stream == stream).values(leased_until_ms=0))


def _due(connection: sa.Connection, stream: str, *, at_once: bool) -> sa.RowMapping | None:
    row = connection.execute(sa.select(metric_streams).where(metric_streams.c.stream == stream)).mappings().first()
    now = now_ms(connection)
    if row is None or now < row["leased_until_ms"] <= now + LEASE_MS:
        return None
    is_changed = row["version"] > row["sent_version"]
    wait_ms = (0 if at_once else SEND_EVERY_MS) if is_changed else REPEAT_EVERY_MS
    return None if 0 <= now - row["sent_ms"] < wait_ms else row  # before 0 the clock went back


def _touch(connection: sa.Connection, stream: str) -> None:
    """Begin a stream, or count its version up; locks it where the database locks by the row."""
    first = {"stream": stream, "instance_id": str(uuid4()), "started_ms": now_ms(connection), "version": 1}
    insert = _insert(connection, metric_streams).values(**first)
    changed = {"version": metric_streams.c.version + 1}
    connection.execute(insert.on_conflict_do_update(index_elements=["stream"], set_=changed))


def _read(connection: sa.Connection, stream: str) -> list[Total]:
    buckets: dict[str, dict[int, int]] = {}
    sums: dict[str, float] = {}
    query = sa.select(metric_totals).where(metric_totals.c.stream == stream)
    for row in connection.execute(query.order_by(metric_totals.c.series, metric_totals.c.bucket)).mappings():
        series = str(row["series"])
        buckets.setdefault(series, {})[int(row["bucket"])] = int(row["count"])
        sums[series] = sums.get(series, 0.0) + float(row["sum"])
    found = []
    for text, counts in buckets.items():
        try:
            found.append(Total(series=Series.read(text), buckets=counts, sum=sums[text]))
        except (ValueError, TypeError):
            _log.error("metrics: a stored series cannot be read, it is not sent")
    return found


def _insert(connection: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    insert: postgresql.Insert | sqlite.Insert = (
        postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    )
    return insert
