"""One slice of work: what a call's spans become, until they are sealed and due.

A span is *provisional* (its call goes on and may still replace it), *ready* (final, but its call is held until consent
is settled), *sealed* (numbered, chained, due at every destination) or *refused* (a seal alone, due nowhere).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.errors import OutboxError
from medagent.proof import GENESIS, Json
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.outbox import ownership, receipts, spools
from medagent.telemetry.outbox.schema import calls, deliveries, spans
from medagent.telemetry.outbox.shared_clock import now_ms
from medagent.telemetry.span import SafeSpan, Seal
from medagent.telemetry.span_store import KEPT_ALWAYS, LARGEST_SPAN, EndOfCall, Release

Delay = Callable[[str, str], int]
"""For how many whole days a call (its trace id) is held from a destination (its name)."""

_UNSEALED = ("provisional", "ready")
_DAY_MS = 86_400_000
_log = logging.getLogger(__name__)

# Made once: to build a statement costs more than to carry it out.
# Locked where the database locks by the row: who recovers a call must not meet who still writes it.
_CALL = sa.select(calls).where(calls.c.trace_id == sa.bindparam("of")).with_for_update()
_CHANGED = ("state", "release", "next_sequence", "head", "latest_us", "refused", "is_to_be_buried")
_CHANGE = sa.update(calls).where(calls.c.trace_id == sa.bindparam("of")).values({c: sa.bindparam(c) for c in _CHANGED})
_DUE = sa.insert(deliveries)
_SEALED = (
    sa.update(spans)
    .where(spans.c.span_id == sa.bindparam("of"))
    .values({c: sa.bindparam(c) for c in ("state", "sequence", "previous", "hash")})
)


def _put(insert: postgresql.Insert | sqlite.Insert) -> Any:
    """Insert a span, or replace its provisional form; no row comes back where it is final already."""
    written = ("trace_id", "name", "state", "digest", "sequence", "previous", "hash", "body", "size")
    replaced = insert.on_conflict_do_update(
        index_elements=["span_id"],
        set_={name: insert.excluded[name] for name in written},
        where=spans.c.state == "provisional",
    )
    return replaced.returning(spans.c.span_id)


_PUT = {"sqlite": _put(sqlite.insert(spans)), "postgresql": _put(postgresql.insert(spans))}


@dataclass(slots=True, kw_only=True)
class _Call:
    """An open call as this transaction has it so far; written back at its end."""

    state: str
    release: Release
    next_sequence: int
    head: str
    latest_us: int
    refused: int
    is_to_be_buried: bool
    is_crowded_out: bool

    def seal(self, span_digest: str) -> Seal:
        """The next place in the chain."""
        seal = Seal.over(sequence=self.next_sequence, previous=self.head, span_digest=span_digest)
        self.next_sequence, self.head = seal.sequence + 1, seal.hash
        return seal


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A dead owner's call: whether it was released, what of it is not sealed, when the last of it ended (Unix µs)."""

    release: Release
    spans: Sequence[SafeSpan]
    latest_us: int


class Transaction:
    """The changes of one slice of work."""

    def __init__(
        self,
        connection: sa.Connection,
        *,
        destinations: Sequence[str],
        owner: str,
        max_bytes: int | None,
        delay: Delay | None = None,
    ) -> None:
        self._connection = connection
        self._delay = delay
        self._destinations = destinations
        self._owner = owner
        self._max_bytes = max_bytes
        self._calls: dict[str, _Call] = {}
        self._due: list[dict[str, Any]] = []

    def settle(self) -> None:
        """Write what was gathered: the last thing before the commit."""
        if self._due:
            self._connection.execute(_DUE, self._due)
            self._due = []
        for trace_id, call in self._calls.items():
            changed = {name: value for name, value in asdict(call).items() if name in _CHANGED}
            self._connection.execute(_CHANGE, {"of": trace_id, **changed})
        self._calls = {}

    def open_call(self, trace_id: str, *, release: Release) -> None:
        """Begin a call's chain; held until consent is settled, or released from the start.

        Where the outbox is full by then, it takes nothing of this call but its session and its guardrail.
        """
        is_crowded_out = self._is_full()
        if is_crowded_out:
            _log.error("the outbox is full: it takes no more of call %s than its frame", trace_id)
        row = {
            "trace_id": trace_id,
            "owner": self._owner,
            "state": "open",
            "release": release,
            "next_sequence": 0,
            "head": GENESIS,
            "opened_ms": now_ms(self._connection),
            "is_crowded_out": is_crowded_out,
        }
        opened = self._insert(calls, row).on_conflict_do_nothing(index_elements=["trace_id"])
        if self._connection.execute(opened.returning(calls.c.trace_id)).first() is None:
            raise OutboxError(f"call {trace_id} was opened before")
        ownership.beat(self._connection, owner=self._owner)

    def put(self, admitted: Admitted, *, final: bool) -> bool:
        """Store a span, in place of its provisional form if there is one; a final one of a released call is sealed.

        False where the outbox has no room for it: the call is not whole, and its guardrail should say so.
        """
        span = admitted.span
        call = self._call(span.trace_id)
        if call.release == "withdrawn" and span.name not in KEPT_ALWAYS:
            return True
        size = len(admitted.body)
        if size > LARGEST_SPAN or (call.is_crowded_out and span.name not in KEPT_ALWAYS):
            call.refused += 1
            return False
        is_sealed = final and call.release != "held"
        before = call.next_sequence, call.head
        seal = call.seal(admitted.digest) if is_sealed else None
        row = {
            "span_id": span.span_id,
            "trace_id": span.trace_id,
            "name": span.name,
            "state": "sealed" if is_sealed else "ready" if final else "provisional",
            "digest": admitted.digest,
            "sequence": seal.sequence if seal else None,
            "previous": seal.previous if seal else None,
            "hash": seal.hash if seal else None,
            "body": admitted.body.decode(),
            "size": size,
        }
        if self._connection.execute(_PUT[self._connection.dialect.name], row).first() is None:
            call.next_sequence, call.head = before
            raise OutboxError(f"span {span.span_id} ({span.name}) is final already")
        if final:
            call.latest_us = max(call.latest_us, span.end_us)
        if is_sealed:
            self._make_due(span.span_id, span.trace_id)
        return True

    def release(self, trace_id: str) -> None:
        """Consent is given or not needed: number what is ready and let the rest follow as it comes."""
        call = self._call(trace_id)
        if call.release == "held":
            call.release = "released"
            self._seal(call, trace_id, self._final(trace_id))

    def withdraw(self, trace_id: str) -> None:
        """Consent is refused: delete everything but the session and its guardrail, and take nothing else.

        What was sealed before leaves its seal, and the call is to be buried: see `Outbox.to_be_buried`.
        """
        call = self._call(trace_id)
        if call.release == "withdrawn":
            return
        call.release, call.is_to_be_buried = "withdrawn", call.next_sequence > 0
        self.settle()
        refused = (spans.c.trace_id == trace_id) & spans.c.name.not_in(KEPT_ALWAYS)
        self._connection.execute(sa.delete(spans).where(refused & spans.c.state.in_(_UNSEALED)))
        sealed = sa.select(spans.c.span_id).where(refused)
        receipts.keep(self._connection, deliveries.c.span_id.in_(sealed), now=now_ms(self._connection))
        self._connection.execute(sa.delete(deliveries).where(deliveries.c.span_id.in_(sealed)))
        self._connection.execute(sa.update(spans).where(refused).values(state="refused", body="", size=0))

    def close_call(self, trace_id: str) -> str:
        """End the chain, without what never became final; returns its head, the hash of the last sealed span."""
        call = self._call(trace_id)
        if call.release == "held":
            raise OutboxError(f"call {trace_id} is still held: settle its consent before it is closed")
        if call.release == "withdrawn":
            self._seal(call, trace_id, self._final(trace_id))
        self.abandon(trace_id)
        return call.head

    def abandon(self, trace_id: str) -> None:
        """The call ended while telemetry was off: drop what is not sealed, leave the rest without an end."""
        call = self._call(trace_id)
        unsealed = (spans.c.trace_id == trace_id) & spans.c.state.in_(_UNSEALED)
        self._connection.execute(sa.delete(spans).where(unsealed))
        call.state = "closed"

    def end_call(self, end: EndOfCall) -> None:
        """End a call's chain, or drop what is not sealed, and mark its entry for the ledger in the same transaction."""
        head: str | None = None
        try:
            if end.is_sealed:
                head = self.close_call(end.trace_id)
            elif end.is_open:
                self.abandon(end.trace_id)
        finally:
            self.mark(end.trace_id, end.entry(head))

    def mark(self, trace_id: str, content: Mapping[str, Json]) -> None:
        """The ledger is to be told this of a call, in whichever process: it is committed with the call's end."""
        ownership.mark(self._connection, trace_id, content, owner=self._owner)

    # ---- spool files that are read into it --------------------------------------------------------------------------

    def knows(self, trace_id: str) -> bool:
        """Return whether a call was opened, whether it has ended or not."""
        return trace_id in self._calls or self._connection.execute(_CALL, {"of": trace_id}).first() is not None

    def claim(self, trace_id: str) -> None:
        """Make an open call this process's, whoever had it."""
        ownership.claim(self._connection, trace_id, heir=self._owner)

    def note_spool(self, name: str, offset: int, *, is_ended: bool) -> None:
        """Note that a spool file is stored up to an offset, in bytes."""
        spools.note(self._connection, name, offset, is_ended=is_ended)

    # ---- what the next process does for one that died ---------------------------------------------------------------

    def adopt(self, trace_id: str, *, owner: str) -> Adopted | None:
        """Take over an open call of a dead owner; None where somebody else has."""
        if not ownership.take_over(self._connection, trace_id, owner=owner, heir=self._owner):
            return None
        call = self._call(trace_id)
        query = sa.select(spans.c.body).where(spans.c.trace_id == trace_id, spans.c.state.in_(_UNSEALED))
        bodies = self._connection.execute(query.order_by(spans.c.position)).scalars()
        unsealed = [SafeSpan.from_document(json.loads(body)) for body in bodies]
        latest_us = max([call.latest_us, *(span.end_us for span in unsealed)])
        return Adopted(release=call.release, spans=unsealed, latest_us=latest_us)

    def seal_as_stored(self, trace_id: str) -> None:
        """What is provisional becomes final as it stands, its text withheld; not the session and its guardrail."""
        query = sa.select(spans.c.span_id, spans.c.digest).where(
            spans.c.trace_id == trace_id, spans.c.state == "provisional", spans.c.name.not_in(KEPT_ALWAYS)
        )
        rows = self._connection.execute(query.order_by(spans.c.position))
        self._seal(self._call(trace_id), trace_id, [(row.span_id, row.digest) for row in rows])

    def _is_full(self) -> bool:
        if self._max_bytes is None:
            return False
        held = self._connection.execute(sa.select(sa.func.sum(spans.c.size))).scalar() or 0
        return int(held) >= self._max_bytes

    def _call(self, trace_id: str) -> _Call:
        call = self._calls.get(trace_id)
        if call is None:
            row = self._connection.execute(_CALL, {"of": trace_id}).mappings().one_or_none()
            if row is None:
                raise OutboxError(f"call {trace_id} is not open")
            call = _Call(**{name: row[name] for name in (*_CHANGED, "is_crowded_out")})
            self._calls[trace_id] = call
        if call.state != "open":
            raise OutboxError(f"call {trace_id} is closed")
        return call

    def _final(self, trace_id: str) -> list[tuple[str, str]]:
        query = sa.select(spans.c.span_id, spans.c.digest).where(spans.c.trace_id == trace_id, spans.c.state == "ready")
        return [(row.span_id, row.digest) for row in self._connection.execute(query.order_by(spans.c.position))]

    def _seal(self, call: _Call, trace_id: str, final: Sequence[tuple[str, str]]) -> None:
        for span_id, span_digest in final:
            seal = call.seal(span_digest)
            values = {"state": "sealed", "sequence": seal.sequence, "previous": seal.previous, "hash": seal.hash}
            self._connection.execute(_SEALED, {"of": span_id, **values})
            self._make_due(span_id, trace_id)

    def _make_due(self, span_id: str, trace_id: str) -> None:
        queued_ms = now_ms(self._connection)
        for destination in self._destinations:
            days = self._delay(trace_id, destination) if self._delay is not None else 0
            due_ms = queued_ms + days * _DAY_MS if days else 0
            row = {"span_id": span_id, "destination": destination, "queued_ms": queued_ms, "due_ms": due_ms}
            self._due.append(row)

    def _insert(self, table: sa.Table, row: dict[str, Any]) -> postgresql.Insert | sqlite.Insert:
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        insert: postgresql.Insert | sqlite.Insert = dialect.insert(table).values(**row)
        return insert
