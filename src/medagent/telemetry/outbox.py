"""The durable queue between the worker and the wire: admitted spans only, each in its call's hash chain.

A span is *provisional* (its call goes on and may still replace it), *ready* (final, but its call is held until consent
is settled) or *sealed* (numbered, chained, due at every destination). One slice of work is one transaction.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from medagent.errors import OutboxError, OutboxUnavailableError
from medagent.proof import GENESIS, Json, canonical
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.span import SafeSpan, Seal

Release = Literal["held", "released", "withdrawn"]

_metadata = sa.MetaData()
_calls = sa.Table(
    "calls",
    _metadata,
    sa.Column("trace_id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("release", sa.String(10), nullable=False),
    sa.Column("next_sequence", sa.Integer, nullable=False),
    sa.Column("head", sa.String(64), nullable=False),
    sa.Column("latest_us", sa.BigInteger, nullable=False, server_default="0"),
)
_owners = sa.Table(
    "owners",
    _metadata,
    sa.Column("owner", sa.String(80), primary_key=True),
    sa.Column("seen_s", sa.BigInteger, nullable=False),
)
_marks = sa.Table(
    "marks",
    _metadata,
    sa.Column("trace_id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)
_spans = sa.Table(
    "spans",
    _metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("span_id", sa.String(36), nullable=False, unique=True),
    sa.Column("trace_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("state", sa.String(11), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("sequence", sa.Integer),
    sa.Column("previous", sa.String(64)),
    sa.Column("hash", sa.String(64)),
    sa.Column("body", sa.Text, nullable=False),
    sa.UniqueConstraint("trace_id", "sequence"),
)
_deliveries = sa.Table(
    "deliveries",
    _metadata,
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("span_id", sa.String(36), nullable=False),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.String(80)),
    sa.UniqueConstraint("span_id", "destination"),
    sa.Index("due", "destination", "position"),
)

_KEPT_WHEN_WITHDRAWN = ("voice_session", "policy.guardrail")
_NOW_S = sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)
"""The database's own clock, in whole seconds: the one that all hosts share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxStatus:
    """How many spans wait, by destination, and how many are not yet sealed."""

    due: dict[str, int]
    provisional: int
    ready: int
    last_errors: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call whose chain has no end yet: whose it is, and how long its owner has been silent, in seconds."""

    trace_id: str
    owner: str
    silent_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the ledger is still to be told of a call that is closed: by whom, and what."""

    trace_id: str
    owner: str
    content: Mapping[str, Json]
    silent_s: int | None


class Outbox:
    """Sealed spans on disk until every destination has them; several processes may share one file.

    Every method raises `OutboxUnavailableError` where the store cannot do it: nothing of the transaction was accepted.
    """

    def __init__(self, url: str, *, destinations: Sequence[str], owner: str) -> None:
        self._destinations = tuple(destinations)
        self._owner = owner
        try:
            self._engine = _engine(url)
        except OSError as error:
            raise OutboxUnavailableError(f"the outbox cannot be used: {type(error).__name__}") from None
        with self._reading() as connection:  # a writer elsewhere may not keep us from opening what is there
            complete = set(_metadata.tables) <= set(sa.inspect(connection).get_table_names())
        if not complete:
            with _translated():
                _metadata.create_all(self._engine)

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """One slice of work: all of it is accepted or nothing."""
        with _translated(), self._engine.begin() as connection:
            yield Transaction(connection, self._destinations, self._owner)

    def due(self, destination: str, limit: int) -> list[SafeSpan]:
        """The oldest sealed spans that a destination has not had."""
        query = (
            sa.select(_spans)
            .join(_deliveries, _deliveries.c.span_id == _spans.c.span_id)
            .where(_deliveries.c.destination == destination)
            .order_by(_deliveries.c.position)
            .limit(limit)
        )
        with self._reading() as connection:
            return [_span(row) for row in connection.execute(query)]

    def delivered(self, destination: str, spans: Sequence[SafeSpan]) -> None:
        """Take spans off a destination's list; a span that is on no list any more leaves the outbox."""
        ids = [span.span_id for span in spans]
        mine = (_deliveries.c.destination == destination) & _deliveries.c.span_id.in_(ids)
        waiting = sa.select(_deliveries.c.span_id).where(_deliveries.c.span_id.in_(ids))
        with _translated(), self._engine.begin() as connection:
            connection.execute(sa.delete(_deliveries).where(mine))
            done = _spans.c.span_id.in_(ids) & _spans.c.span_id.not_in(waiting)
            connection.execute(sa.delete(_spans).where(done))

    def failed(self, destination: str, spans: Sequence[SafeSpan], *, error: str) -> None:
        """Note a failed attempt by the name of its error; the spans stay due."""
        ids = [span.span_id for span in spans]
        mine = (_deliveries.c.destination == destination) & _deliveries.c.span_id.in_(ids)
        change = sa.update(_deliveries).where(mine)
        with _translated(), self._engine.begin() as connection:
            connection.execute(change.values(attempts=_deliveries.c.attempts + 1, last_error=error[:80]))

    def status(self) -> OutboxStatus:
        """What waits where."""
        by_destination = sa.select(_deliveries.c.destination, sa.func.count(), sa.func.max(_deliveries.c.last_error))
        by_state = sa.select(_spans.c.state, sa.func.count()).group_by(_spans.c.state)
        with self._reading() as connection:
            rows = connection.execute(by_destination.group_by(_deliveries.c.destination)).all()
            states = {row[0]: row[1] for row in connection.execute(by_state)}
        return OutboxStatus(
            due=dict.fromkeys(self._destinations, 0) | {row[0]: row[1] for row in rows},
            provisional=states.get("provisional", 0),
            ready=states.get("ready", 0),
            last_errors={row[0]: row[2] for row in rows if row[2]},
        )

    # ---- whose calls these are -------------------------------------------------------------------------------------

    def beat(self) -> None:
        """Say that this owner is alive, by the database's clock."""
        with self.transaction() as transaction:
            transaction.beat()

    def open_calls(self) -> list[OpenCall]:
        """The calls of other owners that have not ended."""
        query = _with_silence(_calls, _calls.c.trace_id, _calls.c.owner).where(
            _calls.c.state == "open", _calls.c.owner != self._owner
        )
        with self._reading() as connection:
            return [
                OpenCall(trace_id=row.trace_id, owner=row.owner, silent_s=row.silent_s)
                for row in connection.execute(query)
            ]

    def marks(self, trace_id: str | None = None) -> list[Mark]:
        """What the ledger is still to be told, of one call or of all."""
        query = _with_silence(_marks, _marks.c.trace_id, _marks.c.owner, _marks.c.content)
        if trace_id is not None:
            query = query.where(_marks.c.trace_id == trace_id)
        with self._reading() as connection:
            return [
                Mark(trace_id=row.trace_id, owner=row.owner, content=json.loads(row.content), silent_s=row.silent_s)
                for row in connection.execute(query)
            ]

    def unmark(self, trace_id: str) -> None:
        """The ledger has been told."""
        with self.transaction() as transaction:
            transaction.unmark(trace_id)

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with _translated(), self._engine.connect().execution_options(reading=True) as connection:
            yield connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """A dead owner's call: whether it was released, what of it is not sealed, when the last of it ended (Unix µs)."""

    release: Release
    spans: Sequence[SafeSpan]
    latest_us: int


class Transaction:
    """The changes of one slice of work."""

    def __init__(self, connection: sa.Connection, destinations: tuple[str, ...], owner: str) -> None:
        self._connection = connection
        self._destinations = destinations
        self._owner = owner

    def open_call(self, trace_id: str, *, release: Release) -> None:
        """Begin a call's chain; held until consent is settled, or released from the start."""
        row = {"trace_id": trace_id, "owner": self._owner, "state": "open", "release": release}
        self._connection.execute(sa.insert(_calls).values(**row, next_sequence=0, head=GENESIS))
        self.beat()

    def put(self, admitted: Admitted, *, final: bool) -> None:
        """Store a span, in place of its provisional form if there is one; a final one of a released call is sealed."""
        span = admitted.span
        call = self._call(span.trace_id)
        if call.release == "withdrawn" and span.name not in _KEPT_WHEN_WITHDRAWN:
            return
        row = {
            "span_id": span.span_id,
            "trace_id": span.trace_id,
            "name": span.name,
            "state": "ready" if final else "provisional",
            "digest": admitted.digest,
            "body": canonical(span.body()).decode(),
        }
        self._upsert(row)
        if final and call.release == "held":
            self._set(span.trace_id, latest_us=max(call.latest_us, span.end_us))
        elif final:
            self._seal(call, [(span.span_id, admitted.digest)], latest_us=span.end_us)

    def release(self, trace_id: str) -> None:
        """Consent is given or not needed: number what is ready and let the rest follow as it comes."""
        call = self._call(trace_id)
        if call.release == "held":
            self._set(trace_id, release="released")
            self._seal(call, self._ready(trace_id))

    def withdraw(self, trace_id: str) -> None:
        """Consent is refused: delete what is not sealed but the session and its guardrail, and take nothing else."""
        if self._call(trace_id).release != "withdrawn":
            self._set(trace_id, release="withdrawn")
            unsealed = (_spans.c.trace_id == trace_id) & (_spans.c.state != "sealed")
            self._connection.execute(sa.delete(_spans).where(unsealed & _spans.c.name.not_in(_KEPT_WHEN_WITHDRAWN)))

    def close_call(self, trace_id: str) -> str:
        """End the chain, without what never became final; returns its head, the hash of the last sealed span."""
        call = self._call(trace_id)
        if call.release == "held":
            raise OutboxError(f"call {trace_id} is still held: settle its consent before it is closed")
        if call.release == "withdrawn":
            self._seal(call, self._ready(trace_id))
        head = str(self._call(trace_id).head)
        self.abandon(trace_id)
        return head

    def abandon(self, trace_id: str) -> None:
        """The call ended while telemetry was off: drop what is not sealed, leave the rest without an end."""
        self._call(trace_id)
        unsealed = (_spans.c.trace_id == trace_id) & (_spans.c.state != "sealed")
        self._connection.execute(sa.delete(_spans).where(unsealed))
        self._set(trace_id, state="closed")

    # ---- what the next process does for one that died ---------------------------------------------------------------

    def beat(self) -> None:
        """Say that this owner is alive."""
        insert = self._dialect.insert(_owners).values(owner=self._owner, seen_s=_NOW_S)
        self._connection.execute(insert.on_conflict_do_update(index_elements=["owner"], set_={"seen_s": _NOW_S}))

    def adopt(self, trace_id: str, *, owner: str) -> Adopted | None:
        """Take over an open call of a dead owner, for this transaction alone; None where somebody else has."""
        mine = (_calls.c.trace_id == trace_id) & (_calls.c.owner == owner) & (_calls.c.state == "open")
        if self._connection.execute(sa.update(_calls).where(mine).values(owner=self._owner)).rowcount != 1:
            return None
        call = self._call(trace_id)
        query = sa.select(_spans).where(_spans.c.trace_id == trace_id, _spans.c.state != "sealed")
        rows = self._connection.execute(query.order_by(_spans.c.position)).all()
        spans = [SafeSpan.from_document(json.loads(row.body)) for row in rows]
        latest_us = max([call.latest_us, *(span.end_us for span in spans)])
        return Adopted(release=call.release, spans=spans, latest_us=latest_us)

    def seal_as_stored(self, trace_id: str) -> None:
        """What is provisional becomes final as it stands, its text withheld; not the session and its guardrail."""
        call = self._call(trace_id)
        query = sa.select(_spans.c.span_id, _spans.c.digest).where(
            _spans.c.trace_id == trace_id,
            _spans.c.state == "provisional",
            _spans.c.name.not_in(_KEPT_WHEN_WITHDRAWN),
        )
        rows = self._connection.execute(query.order_by(_spans.c.position))
        self._seal(call, [(row.span_id, row.digest) for row in rows])

    def mark(self, trace_id: str, content: Mapping[str, Json]) -> None:
        """The ledger is to be told this of a call, in whichever process: it is committed with the call's end."""
        row = {"trace_id": trace_id, "owner": self._owner, "content": canonical(content).decode()}
        self._connection.execute(sa.insert(_marks).values(**row))

    def unmark(self, trace_id: str) -> None:
        """The ledger has been told."""
        self._connection.execute(sa.delete(_marks).where(_marks.c.trace_id == trace_id))

    @property
    def _dialect(self) -> Any:
        return postgresql if self._connection.dialect.name == "postgresql" else sqlite

    def _call(self, trace_id: str) -> sa.Row[Any]:
        row = self._connection.execute(sa.select(_calls).where(_calls.c.trace_id == trace_id)).one_or_none()
        if row is None:
            raise OutboxError(f"call {trace_id} is not open")
        if row.state != "open":
            raise OutboxError(f"call {trace_id} is closed")
        return row

    def _set(self, trace_id: str, **values: str | int) -> None:
        self._connection.execute(sa.update(_calls).where(_calls.c.trace_id == trace_id).values(**values))

    def _ready(self, trace_id: str) -> list[tuple[str, str]]:
        query = sa.select(_spans.c.span_id, _spans.c.digest).where(
            _spans.c.trace_id == trace_id, _spans.c.state == "ready"
        )
        return [(row.span_id, row.digest) for row in self._connection.execute(query.order_by(_spans.c.position))]

    def _seal(self, call: sa.Row[Any], spans: Sequence[tuple[str, str]], *, latest_us: int = 0) -> None:
        sequence, head = call.next_sequence, call.head
        for span_id, span_digest in spans:
            seal = Seal.over(sequence=sequence, previous=head, span_digest=span_digest)
            change = sa.update(_spans).where(_spans.c.span_id == span_id)
            values = {"state": "sealed", "sequence": seal.sequence, "previous": seal.previous, "hash": seal.hash}
            self._connection.execute(change.values(**values))
            due = [{"span_id": span_id, "destination": name} for name in self._destinations]
            self._connection.execute(sa.insert(_deliveries), due)
            sequence, head = sequence + 1, seal.hash
        self._set(call.trace_id, next_sequence=sequence, head=head, latest_us=max(call.latest_us, latest_us))

    def _upsert(self, row: dict[str, Any]) -> None:
        """Insert, or replace a provisional form; a span that is final already is refused."""
        insert = self._dialect.insert(_spans).values(**row)
        replace = insert.on_conflict_do_update(
            index_elements=["span_id"],
            set_={name: value for name, value in row.items() if name != "span_id"},
            where=_spans.c.state == "provisional",
        )
        if self._connection.execute(replace).rowcount != 1:
            raise OutboxError(f"span {row['span_id']} ({row['name']}) is final already")


def _with_silence(table: sa.Table, *columns: sa.Column[Any]) -> sa.Select[Any]:
    """The rows of a table with how long their owners have been silent."""
    joined = sa.outerjoin(table, _owners, table.c.owner == _owners.c.owner)
    return sa.select(*columns, (_NOW_S - _owners.c.seen_s).label("silent_s")).select_from(joined)


def _span(row: sa.Row[Any]) -> SafeSpan:
    seal = Seal(sequence=row.sequence, previous=row.previous, hash=row.hash)
    return SafeSpan.from_document(json.loads(row.body)).sealed(seal)


@contextmanager
def _translated() -> Iterator[None]:
    """A driver's message may quote a row: only its class passes."""
    try:
        yield
    except sa.exc.TimeoutError:
        raise OutboxUnavailableError("the outbox cannot be used: no connection is free") from None
    except DBAPIError as error:
        cause = type(error.orig).__name__ if error.orig is not None else type(error).__name__
        code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None) or ""
        raise OutboxUnavailableError(f"the outbox cannot be used: {cause} {code}".rstrip()) from None


def _engine(url: str) -> sa.Engine:
    if url.startswith("sqlite:///"):
        path = Path(url.removeprefix("sqlite:///"))
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    engine = sa.create_engine(url, hide_parameters=True, pool_pre_ping=not url.startswith("sqlite"))
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _configure_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to keep two writers apart
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
