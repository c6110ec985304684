"""The durable queue: one slice of work is one transaction, and what it accepted stays until every destination has it.

Several processes may share it. Every method raises `OutboxUnavailableError` where the store cannot do it now, and
`OutboxError` where no later try would do it either; nothing of the transaction was accepted then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.metric_totals import SpanCounter, Totals
from medagent.telemetry.outbox import deliveries, ownership, receipts, spools, totals
from medagent.telemetry.outbox.database import Database
from medagent.telemetry.outbox.deliveries import Deleted, Lacking
from medagent.telemetry.outbox.ownership import Mark, OpenCall
from medagent.telemetry.outbox.receipts import DeletionRequest, TraceDelivery
from medagent.telemetry.outbox.schema import deliveries as deliveries_table
from medagent.telemetry.outbox.schema import spans
from medagent.telemetry.outbox.shared_clock import now_ms
from medagent.telemetry.outbox.spools import StoredSpool
from medagent.telemetry.outbox.status import OutboxStatus, read_status
from medagent.telemetry.outbox.transaction import Delay, Transaction
from medagent.telemetry.span import SafeSpan, Seal

_NOTHING: Mapping[str, Sent] = {}
_NO_COUNTERS: Mapping[str, SpanCounter] = {}
_log = logging.getLogger(__name__)


class Outbox:
    """Sealed spans on disk until every destination has them."""

    def __init__(
        self,
        url: str | Path,
        *,
        destinations: Sequence[str],
        owner: str,
        max_bytes: int | None = None,
        delay: Delay | None = None,
        counters: Mapping[str, SpanCounter] = _NO_COUNTERS,
    ) -> None:
        """`owner` is this process; `max_bytes` of spans make the outbox full. Raises `OutboxError` on what is no URL.

        `counters` count, by destination, the spans that it took. `delay` gives the days for which a call is held from
        a destination; it is stored with each delivery.

        The database is opened at the first use, so that one that is away does not keep a process from starting.
        """
        self._destinations = tuple(destinations)
        self._owner = owner
        self._max_bytes = max_bytes
        self._delay = delay
        self._counters = counters
        self._database = Database(url)

    @contextmanager
    def transaction(self, *, is_limited: bool = True) -> Iterator[Transaction]:
        """One slice of work: all of it is accepted or nothing.

        With `is_limited` a full outbox takes no more of a new call than its session and its guardrail.
        """
        with self._database.writing() as connection:
            transaction = Transaction(
                connection,
                destinations=self._destinations,
                owner=self._owner,
                max_bytes=self._max_bytes if is_limited else None,
                delay=self._delay,
            )
            yield transaction
            transaction.settle()

    # ---- spool files that are read into it --------------------------------------------------------------------------

    def stored_spools(self, names: Collection[str]) -> dict[str, StoredSpool]:
        """Return how far spool files are stored, by name."""
        with self._database.reading() as connection:
            return spools.find(connection, names)

    def forget_spools(self, names: Collection[str]) -> None:
        """Forget spool files that were deleted."""
        with self._database.writing() as connection:
            spools.forget(connection, names)

    def is_full(self) -> bool:
        """Return whether it holds as many bytes of spans as it may."""
        if self._max_bytes is None:
            return False
        with self._database.reading() as connection:
            return int(connection.execute(sa.select(sa.func.sum(spans.c.size))).scalar() or 0) >= self._max_bytes

    # ---- whose calls these are -------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Say that this owner is alive, by the database's clock."""
        with self._database.writing() as connection:
            ownership.beat(connection, owner=self._owner)

    def is_open(self, trace_id: str) -> bool:
        """Return whether a call has begun and not ended."""
        with self._database.reading() as connection:
            return ownership.is_open(connection, trace_id)

    def open_calls(self) -> list[OpenCall]:
        """The calls of other owners that have not ended."""
        with self._database.reading() as connection:
            return ownership.open_calls(connection, but_of=self._owner)

    def marks(self, trace_id: str | None = None) -> list[Mark]:
        """What the ledger is still to be told, of one call or of all."""
        with self._database.reading() as connection:
            return ownership.find_marks(connection, trace_id)

    def unmark(self, trace_id: str) -> None:
        """The ledger has been told."""
        with self._database.writing() as connection:
            ownership.unmark(connection, trace_id)

    # ---- delivery --------------------------------------------------------------------------------------------------

    def due(self, destination: str, limit: int) -> list[SafeSpan]:
        """The oldest sealed spans that a destination has not had, whoever is sending them."""
        query = (
            sa.select(spans)
            .join(deliveries_table, deliveries_table.c.span_id == spans.c.span_id)
            .order_by(deliveries_table.c.position)
            .limit(limit)
        )
        with self._database.reading() as connection:
            query = query.where(deliveries.is_due(destination, now_ms(connection)))
            return [deliveries.read(row) for row in connection.execute(query)]

    def waits(self, destination: str) -> bool:
        """Whether a destination has not had everything that it may still take."""
        query = sa.select(deliveries_table.c.position).limit(1)
        with self._database.reading() as connection:
            query = query.where(deliveries.is_due(destination, now_ms(connection)))
            return connection.execute(query).first() is not None

    def lease(self, destination: str, limit: int) -> list[SafeSpan]:
        """The oldest due spans that nobody is sending, for us to send within 15 s or to `renew`; a few MB at most.

        Nothing while the destination asked to be left alone.
        """
        with self._database.reading() as connection:
            if not deliveries.free(connection, destination):
                return []
        with self._database.writing() as connection:
            batch, altered = deliveries.lease(connection, destination, owner=self._owner, limit=limit)
        for span_id in altered:
            _log.error("span %s is not what was sealed: it is set aside and not shipped to %s", span_id, destination)
        return batch

    def renew(self, destination: str, batch: Sequence[SafeSpan]) -> None:
        """Sending takes longer: nobody else is to begin."""
        with self._database.writing() as connection:
            deliveries.renew(connection, destination, _ids(batch), owner=self._owner)

    def let_go(self, destination: str, batch: Sequence[SafeSpan], *, sent: Mapping[str, Sent] = _NOTHING) -> None:
        """It will not be sent now; whoever comes may. `sent` has the spans that were sent before."""
        with self._database.writing() as connection:
            deliveries.let_go(connection, destination, _ids(batch), sent=sent)

    def delivered(self, destination: str, batch: Sequence[SafeSpan], *, sent: Mapping[str, Sent] | None = None) -> None:
        """Take spans off a destination's list; a span that is on no list any more leaves the outbox.

        Spans in `sent`, or all where it is None, get a receipt; the others were not sent.
        """
        with self._database.writing() as connection:
            taken = deliveries.delivered(connection, destination, batch, sent=sent)
            if (counter := self._counters.get(destination)) is not None:
                totals.add(connection, counter, taken)

    def failed(
        self, destination: str, batch: Sequence[SafeSpan], *, error: str, sent: Mapping[str, Sent] = _NOTHING
    ) -> None:
        """Note a failed attempt by the name of its error; the spans stay due. `sent` as in `let_go`."""
        with self._database.writing() as connection:
            deliveries.failed(connection, destination, _ids(batch), error=error, sent=sent)

    def pause(self, destination: str, seconds: float) -> None:
        """The destination asked to be left alone: no process sends it anything for so long, at most an hour."""
        with self._database.writing() as connection:
            deliveries.pause(connection, destination, seconds)

    def refused_rounds(self, destination: str) -> int:
        """Return how many rounds in a row ended with every span refused, in whichever process."""
        with self._database.reading() as connection:
            return deliveries.refused_rounds(connection, destination)

    def refused_all(self, destination: str) -> int:
        """Count a round in which a destination refused every span; returns how many there were in a row."""
        with self._database.writing() as connection:
            return deliveries.refused_all(connection, destination)

    def took_some(self, destination: str) -> None:
        """Forget the rounds in which a destination refused every span."""
        with self._database.writing() as connection:
            deliveries.took_some(connection, destination)

    def lacking(self, trace_id: str) -> list[Lacking]:
        """Return what of a call each destination has not had."""
        with self._database.reading() as connection:
            return deliveries.lacking(connection, trace_id)

    def set_aside(
        self, destination: str, batch: Sequence[SafeSpan], *, error: str, sent: Mapping[str, Sent] = _NOTHING
    ) -> None:
        """The destination will never take these: keep them, and do not offer them again unless told to."""
        with self._database.writing() as connection:
            deliveries.set_aside(connection, destination, _ids(batch), error=error, sent=sent)

    def offer_again(self, destination: str | None = None) -> int:
        """Make due what was set aside, at one destination or at all; returns how many deliveries."""
        with self._database.writing() as connection:
            return deliveries.offer_again(connection, destination)

    # ---- metrics ---------------------------------------------------------------------------------------------------

    def claim_totals(self, stream: str, *, at_once: bool = False) -> Totals | None:
        """Return a stream's totals for us to send within 40 s; None where nothing is due or somebody else sends.

        With `at_once` what changed is due, however short the last request is ago.
        """
        with self._database.reading() as connection:
            if not totals.is_due(connection, stream, at_once=at_once):
                return None
        with self._database.writing() as connection:
            return totals.claim(connection, stream, at_once=at_once)

    def totals_sent(self, stream: str, version: int) -> None:
        """Note that the destination took the totals of a version."""
        with self._database.writing() as connection:
            totals.sent(connection, stream, version=version)

    def release_totals(self, stream: str) -> None:
        """Note that the totals were not taken; whoever comes may send them."""
        with self._database.writing() as connection:
            totals.release(connection, stream)

    def has_unsent_totals(self, stream: str) -> bool:
        """Return whether totals changed since they were last sent."""
        with self._database.reading() as connection:
            return totals.is_unsent(connection, stream)

    # ---- what is kept ----------------------------------------------------------------------------------------------

    def expire(self, *, before_ms: int, record: Callable[[Deleted], object]) -> int:
        """Give up deliveries queued before a moment (ms since the Unix epoch, UTC); returns how many calls lost some.

        `record` is told of each call before it counts: what it raises keeps the spans.
        """
        count = self._drop(deliveries.queued(before_ms), record)
        with self._database.writing() as connection:
            deliveries.forget_calls(connection, before_ms=before_ms)
        return count

    def purge(self, *, record: Callable[[Deleted], object]) -> int:
        """Give up every delivery; what is not sealed yet stays. Returns and records as `expire`."""
        return self._drop(deliveries.queued(None), record)

    def purge_call(self, trace_id: str, *, record: Callable[[Deleted], object], but_of: Sequence[str] = ()) -> int:
        """Give up every delivery of one call, but to some destinations; returns and records as `expire`."""
        return self._drop(deliveries.queued_of(trace_id, but_of=but_of), record)

    def _drop(self, which: sa.ColumnElement[bool], record: Callable[[Deleted], object]) -> int:
        with self._database.reading() as connection:
            if not deliveries.has_old(connection, which=which):
                return 0
        count = 0
        while True:
            with self._database.writing() as connection:
                lost = deliveries.drop(connection, which=which)
                for each in lost:
                    record(each)
            if not lost:
                return count
            count += len(lost)

    def to_be_buried(self) -> list[tuple[str, list[Seal]]]:
        """The calls that were refused after something of them was sealed: of what was not delivered, the seals."""
        with self._database.reading() as connection:
            return deliveries.to_be_buried(connection)

    def buried(self, trace_id: str) -> None:
        """All of such a call has its tombstone in the archive."""
        with self._database.writing() as connection:
            deliveries.buried(connection, trace_id)

    # ---- receipts --------------------------------------------------------------------------------------------------

    def trace_ids(self, prefix: str) -> list[str]:
        """The first few ids of calls known here that start so; `prefix` is hexadecimal digits and dashes."""
        with self._database.reading() as connection:
            return receipts.trace_ids(connection, prefix)

    def deliveries_of(self, trace_id: str) -> TraceDelivery:
        """Return receipts, queue and deletion requests of one call."""
        with self._database.reading() as connection:
            return receipts.find(connection, trace_id, now=now_ms(connection))

    def put_deletion(self, request: DeletionRequest) -> None:
        """Store the state of a deletion at a destination, in the place of an earlier one."""
        with self._database.writing() as connection:
            receipts.put_deletion(connection, request)

    def forget_receipts(self, *, before_ms: int) -> int:
        """Delete receipts of what was last sent before a moment (ms since the Unix epoch, UTC); returns how many."""
        count = 0
        while True:
            with self._database.writing() as connection:
                deleted = receipts.forget(connection, before_ms=before_ms)
            if not deleted:
                return count
            count += deleted

    def is_missing(self) -> bool:
        """Return whether the outbox is a file that is not there."""
        return self._database.is_missing()

    def corrupt(self) -> list[str]:
        """The names of files that were broken and set aside, oldest first: receipts in them are not found here."""
        return self._database.corrupt()

    def status(self) -> OutboxStatus:
        """What waits where."""
        corrupt = self._database.corrupt()
        with self._database.reading() as connection:
            return read_status(connection, configured=self._destinations, max_bytes=self._max_bytes, corrupt=corrupt)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()


def _ids(batch: Sequence[SafeSpan]) -> list[str]:
    return [span.span_id for span in batch]
