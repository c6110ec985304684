"""The local archive: every sealed span of every call, readable without any destination."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

from medagent.errors import BrokenChainError, ExportError, TraceNotFoundError
from medagent.file_access import make_database_file
from medagent.proof import Json
from medagent.telemetry.call_summary import SUMMARISED, call_figures
from medagent.telemetry.chain import Cause, Tombstone
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.exporters.exporter import seal_of
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.span import SafeSpan, Seal

SortKey = Literal["start", "duration", "ttft", "slowest", "cost"]

_ID_PREFIX = re.compile(r"[0-9a-f-]{1,36}")
_MOST_CANDIDATES = 10
_SCHEMA = """
CREATE TABLE IF NOT EXISTS span (
  span_id TEXT PRIMARY KEY, trace_id TEXT NOT NULL, sequence INTEGER NOT NULL, name TEXT NOT NULL,
  start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, document TEXT NOT NULL, occurred_us INTEGER
);
CREATE INDEX IF NOT EXISTS span_of_trace ON span (trace_id, sequence, start_us, end_us);
CREATE TABLE IF NOT EXISTS tombstone (
  trace_id TEXT NOT NULL, sequence INTEGER NOT NULL, previous TEXT NOT NULL, hash TEXT NOT NULL, cause TEXT NOT NULL,
  PRIMARY KEY (trace_id, sequence)
) WITHOUT ROWID;
"""
_CALLS = """
CREATE TABLE IF NOT EXISTS call (
  trace_id TEXT PRIMARY KEY, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, occurred_us INTEGER NOT NULL,
  spans INTEGER NOT NULL, duration_ms REAL NOT NULL, outcome TEXT, reason TEXT, complete INTEGER NOT NULL,
  synthetic INTEGER NOT NULL, failed INTEGER NOT NULL, ttft_ms REAL, dead_air_ms REAL, slowest_ms REAL, cost_usd REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS call_by_start ON call (start_us);
CREATE INDEX IF NOT EXISTS call_by_wait ON call (slowest_ms) WHERE slowest_ms IS NOT NULL;
CREATE INDEX IF NOT EXISTS call_by_failure ON call (start_us) WHERE failed;
"""
"""Figures of each call, made again from its spans in the transaction that changes one of them."""
_INDEX_OF_TIME = "CREATE INDEX IF NOT EXISTS span_by_time ON span (occurred_us)"
_COLUMNS = "SELECT name FROM pragma_table_info('span')"
_UPSERT = """
INSERT INTO span (span_id, trace_id, sequence, name, start_us, end_us, document, occurred_us)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8
WHERE NOT EXISTS (SELECT 1 FROM tombstone WHERE trace_id = ?2 AND sequence = ?3)
ON CONFLICT (span_id) DO UPDATE SET trace_id = excluded.trace_id, sequence = excluded.sequence, name = excluded.name,
  start_us = excluded.start_us, end_us = excluded.end_us, document = excluded.document,
  occurred_us = excluded.occurred_us
"""
_OLD = """
SELECT trace_id, document FROM span
WHERE occurred_us < ? AND (name <> 'policy.guardrail' OR occurred_us < ?) ORDER BY trace_id, sequence LIMIT 1000
"""
_BURY = "INSERT OR IGNORE INTO tombstone (trace_id, sequence, previous, hash, cause) VALUES (?, ?, ?, ?, ?)"
_EXTENT = "SELECT MIN(start_us), MAX(end_us), MAX(occurred_us), COUNT(*) FROM span WHERE trace_id = ?"
_OF_CALL = "SELECT name, document FROM span WHERE trace_id = ? AND name IN (?, ?, ?) ORDER BY sequence"
_NOT_SUMMARISED = "SELECT DISTINCT trace_id FROM span EXCEPT SELECT trace_id FROM call LIMIT 200"
_REPLACE_CALL = "REPLACE INTO call VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS_OF_CALL = (
    "trace_id, start_us, duration_ms, outcome, reason, spans, complete, synthetic, failed, ttft_ms, dead_air_ms,"
    " slowest_ms, cost_usd"
)
_ORDER: Mapping[SortKey, str] = {
    "start": "start_us DESC",
    "duration": "duration_ms DESC, start_us DESC",
    "ttft": "ttft_ms IS NULL, ttft_ms DESC, start_us DESC",
    "slowest": "slowest_ms IS NULL, slowest_ms DESC, start_us DESC",
    "cost": "cost_usd IS NULL, cost_usd DESC, start_us DESC",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """One call of a list; the start in microseconds since the Unix epoch (UTC), what the call did not say is None."""

    trace_id: str
    start_us: int
    duration_ms: float
    outcome: str | None
    reason: str | None
    spans: int
    complete: bool
    synthetic: bool
    """Whether `medagent doctor` made it."""
    failed: bool = False
    ttft_ms: float | None = None
    dead_air_ms: float | None = None
    slowest_ms: float | None = None
    cost_usd: float | None = None


class Archive:
    """An exporter to, and the reader of, `archive.db` in a directory; safe to use from several threads."""

    name = "archive"
    region = "local"

    def __init__(
        self,
        directory: Path,
        *,
        retention_days: int = 90,
        occurred: Callable[[SafeSpan], int] = attrgetter("end_us"),
        gate: Gate,
    ) -> None:
        """Open or make the archive, 0600; raises `ExportError` where that cannot be done.

        `gate` is called before each batch is written, when the file is locked.

        `occurred` tells when a span really ended, in microseconds since the Unix epoch (UTC), where its own times are
        told otherwise; it is kept in a column of its own for the alerts, and no exporter reads it.
        """
        self.retention_days: int | None = retention_days
        self._occurred = occurred
        self._gate = gate
        self._lock = threading.Lock()
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = directory / "archive.db"
            make_database_file(path)
            self._database = sqlite3.connect(path, timeout=5.0, check_same_thread=False, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            message = f"the archive cannot be opened ({type(error).__name__})"
            raise ExportError(message, cause=FailureCause.NOT_WRITTEN) from None
        with self._transaction() as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            database.execute("PRAGMA secure_delete = ON")
            database.executescript(_SCHEMA)
            database.executescript(_CALLS)
            if ("occurred_us",) not in database.execute(_COLUMNS).fetchall():
                database.execute("BEGIN IMMEDIATE")
                if ("occurred_us",) not in database.execute(_COLUMNS).fetchall():
                    database.execute("ALTER TABLE span ADD COLUMN occurred_us INTEGER")
                    database.execute("UPDATE span SET occurred_us = end_us")
                database.execute("COMMIT")
            database.execute(_INDEX_OF_TIME)

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Store a batch, all or nothing, each span once; raises `ExportError` where it cannot be stored."""
        rows = [(*_row(span), self._occurred(span)) for span in batch]
        with self._changes() as database:
            self._gate()
            database.executemany(_UPSERT, rows)
            _summarise(database, {span.trace_id for span in batch})

    def bury(self, tombstones: Sequence[Tombstone], *, record: Callable[[], object] = lambda: None) -> None:
        """Put tombstones in the place of spans, here already or not; a later delivery does not bring one back.

        `record` is called before it counts: what it raises keeps the spans. Raises `ExportError` where it cannot be
        done.
        """
        places = [(stone.trace_id, stone.seal.sequence) for stone in tombstones]
        rows = [(*place, t.seal.previous, t.seal.hash, t.cause) for place, t in zip(places, tombstones, strict=True)]
        with self._changes() as database:
            database.executemany(_BURY, rows)
            database.executemany("DELETE FROM span WHERE trace_id = ? AND sequence = ?", places)
            _summarise(database, {trace_id for trace_id, _ in places})
            record()

    def prune(
        self, *, before_us: int, guardrails_before_us: int, record: Callable[[Sequence[Tombstone]], object]
    ) -> int:
        """Bury what ended before a moment (µs since the Unix epoch, UTC), guardrails before another; returns how many.

        `record` is told of each call's tombstones, in their order, before they count. Raises as `bury`, and
        `BrokenChainError` where what is stored is no span any more.
        """
        count = 0
        while True:
            with self._transaction() as database:
                rows = database.execute(_OLD, (before_us, guardrails_before_us)).fetchall()
            if not rows:
                break
            spans = [_read(document, number) for number, (_, document) in enumerate(rows)]
            for _, of_call in groupby(spans, key=attrgetter("trace_id")):
                stones = [Tombstone(trace_id=s.trace_id, seal=seal_of(s), cause="retention") for s in of_call]
                self.bury(stones, record=partial(record, stones))
            count += len(rows)
        if count:
            with self._transaction() as database:  # what is deleted is to be gone from the log of writes too
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return count

    def holds(self, span: SafeSpan) -> bool:
        """Whether the span is stored."""
        self._gate()
        with self._transaction() as database:
            return database.execute("SELECT 1 FROM span WHERE span_id = ?", (span.span_id,)).fetchone() is not None

    def take_sends(self) -> Mapping[str, Sent]:
        """Return nothing: a span stored here is not sent anywhere."""
        return {}

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._database.close()

    def calls(
        self,
        limit: int = 50,
        *,
        sort: SortKey = "start",
        over_ms: float | None = None,
        failed: bool = False,
        since_us: int | None = None,
    ) -> list[CallSummary]:
        """Return calls, by default the latest, newest first.

        Args:
            limit: Largest number of calls.
            sort: Order: the newest first, or the largest figure first and unknown figures last.
            over_ms: Only calls with a wait over this, in ms; the longest TTFT-A or the longest dead air.
            failed: Only calls that failed, as the alert `error_rate` counts them.
            since_us: Only calls that ended at this moment or later, in microseconds since the Unix epoch (UTC).

        With `over_ms` or `failed` synthetic calls are left out.

        Raises:
            ExportError: The archive cannot be read.
        """
        self._summarise_older()
        conditions: dict[str, object] = {}
        if over_ms is not None:
            conditions["slowest_ms > :over_ms"] = over_ms
        if failed:
            conditions["failed"] = None
        if over_ms is not None or failed:
            conditions["NOT synthetic"] = None
        if since_us is not None:
            conditions["occurred_us >= :since_us"] = since_us
        where = " AND ".join(conditions) or "TRUE"
        query = f"SELECT {_COLUMNS_OF_CALL} FROM call WHERE {where} ORDER BY {_ORDER[sort]} LIMIT :limit"  # noqa: S608  # constants only
        with self._transaction() as database:
            rows = database.execute(query, {"limit": limit, "over_ms": over_ms, "since_us": since_us}).fetchall()
        return [_summary(row) for row in rows]

    def _summarise_older(self) -> None:
        """Summarise calls that an earlier version stored, some in each transaction, so that nobody waits long."""
        while True:
            with self._transaction() as database:
                found = [str(row[0]) for row in database.execute(_NOT_SUMMARISED).fetchall()]
            if not found:
                return
            with self._changes() as database:
                _summarise(database, found)

    def spans(self, trace_id_or_prefix: str) -> list[SafeSpan]:
        """A call's spans in the order of their seals.

        Raises `TraceNotFoundError` where no call's id starts so, or where several do (then it lists them), and
        `BrokenChainError` where what is stored is no span any more.
        """
        trace_id = self._trace_id(trace_id_or_prefix)
        with self._transaction() as database:
            rows = database.execute(
                "SELECT document FROM span WHERE trace_id = ? ORDER BY sequence", (trace_id,)
            ).fetchall()
        return [_read(document, number) for number, (document,) in enumerate(rows)]

    def chain(self, trace_id_or_prefix: str) -> list[SafeSpan | Tombstone]:
        """A call's spans and the tombstones of those that were deleted, by their seals; raises as `spans`."""
        trace_id = self._trace_id(trace_id_or_prefix)
        query = "SELECT sequence, previous, hash, cause FROM tombstone WHERE trace_id = ?"
        with self._transaction() as database:
            rows = database.execute(query, (trace_id,)).fetchall()
        links: list[SafeSpan | Tombstone] = [*self.spans(trace_id), *(_tombstone(trace_id, *row) for row in rows)]
        return sorted(links, key=lambda link: link.seal.sequence if link.seal is not None else -1)

    def spans_between(self, start_us: int, end_us: int, names: Sequence[str]) -> list[tuple[int, SafeSpan]]:
        """What ended in (start, end], each with that moment, in its order; `tool.*` names a family of spans.

        Synthetic calls are left out: whatever is measured or counted is read here.
        Raises `BrokenChainError` where what is stored is no span any more.
        """
        named = " OR ".join(["name GLOB ?"] * len(names))
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT occurred_us, document FROM span WHERE occurred_us > ? AND occurred_us <= ? AND ({named})"  # noqa: S608  # placeholders only
                " ORDER BY occurred_us, span_id",
                (start_us, end_us, *names),
            ).fetchall()
        ended = [(occurred_us, _read(document, number)) for number, (occurred_us, document) in enumerate(rows)]
        return [(occurred_us, span) for occurred_us, span in ended if span.fields.get("synthetic") is not True]

    def has_spans(self) -> bool:
        """Return whether any span is stored."""
        with self._transaction() as database:
            return database.execute("SELECT 1 FROM span LIMIT 1").fetchone() is not None

    def holding(self, values: Sequence[str]) -> list[str]:
        """The ids of the calls, newest first, in which one of these values stands as a value, whole."""
        if not values:
            return []
        stands = " OR ".join(["instr(document, ?) > 0"] * len(values))
        quoted = [json.dumps(value, ensure_ascii=False) for value in values]
        with self._transaction() as database:
            rows = database.execute(
                f"SELECT trace_id FROM span WHERE {stands} GROUP BY trace_id ORDER BY MIN(start_us) DESC",  # noqa: S608  # placeholders only
                quoted,
            ).fetchall()
        return [row[0] for row in rows]

    def trace_ids(self, prefix: str) -> list[str]:
        """The first few ids of calls that start so, deleted ones too; raises `TraceNotFoundError` on what is no id."""
        if not _ID_PREFIX.fullmatch(prefix):
            raise TraceNotFoundError("this is no id of a call", hint="`medagent trace list` shows the ids")
        with self._transaction() as database:
            rows = database.execute(
                "SELECT trace_id FROM span WHERE trace_id >= ?1 AND trace_id < ?2 UNION"
                " SELECT trace_id FROM tombstone WHERE trace_id >= ?1 AND trace_id < ?2 LIMIT ?3",
                (prefix, prefix + "g", _MOST_CANDIDATES),
            ).fetchall()
        return [str(row[0]) for row in rows]

    def _trace_id(self, prefix: str) -> str:
        candidates = self.trace_ids(prefix)
        if not candidates:
            raise TraceNotFoundError("no call has this id", hint="`medagent trace list` shows the ids")
        if len(candidates) > 1:
            raise TraceNotFoundError(
                "several calls' ids start so: " + ", ".join(candidates), hint="give more of the id"
            )
        return str(candidates[0])

    @contextmanager
    def _changes(self) -> Iterator[sqlite3.Connection]:
        with self._transaction() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            finally:
                if database.in_transaction:
                    database.execute("ROLLBACK")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._database
            except sqlite3.Error as error:
                message = f"the archive failed ({type(error).__name__})"
                raise ExportError(message, cause=FailureCause.NOT_WRITTEN) from None


def _row(span: SafeSpan) -> tuple[str, str, int, str, int, int, str]:
    document = json.dumps(span.document(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return span.span_id, span.trace_id, seal_of(span).sequence, span.name, span.start_us, span.end_us, document


def _read(document: str, number: int) -> SafeSpan:
    try:
        return SafeSpan.from_document(json.loads(document))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise BrokenChainError(f"span {number} cannot be read") from None


def _tombstone(trace_id: str, sequence: int, previous: str, hash_: str, cause: Cause) -> Tombstone:
    return Tombstone(trace_id=trace_id, seal=Seal(sequence=sequence, previous=previous, hash=hash_), cause=cause)


def _summarise(database: sqlite3.Connection, trace_ids: Iterable[str]) -> None:
    for trace_id in trace_ids:
        start_us, end_us, occurred_us, spans = database.execute(_EXTENT, (trace_id,)).fetchone()
        if not spans:
            database.execute("DELETE FROM call WHERE trace_id = ?", (trace_id,))
            continue
        rows = database.execute(_OF_CALL, (trace_id, *SUMMARISED)).fetchall()
        figures = call_figures((name, _fields(document)) for name, document in rows)
        duration_ms = (end_us - start_us) / 1000 if figures.duration_ms is None else figures.duration_ms
        extent = (trace_id, start_us, end_us, end_us if occurred_us is None else occurred_us, spans, duration_ms)
        came_to = (figures.outcome, figures.reason, figures.complete, figures.synthetic, figures.failed)
        waits = (figures.ttft_ms, figures.dead_air_ms, figures.slowest_ms)
        database.execute(_REPLACE_CALL, (*extent, *came_to, *waits, figures.cost_usd))


def _fields(document: str) -> Mapping[str, Json]:
    try:
        fields = json.loads(document).get("fields")
    except (ValueError, AttributeError):  # a broken span is `check`'s to report
        return {}
    return fields if isinstance(fields, dict) else {}


def _summary(row: Sequence[Any]) -> CallSummary:
    trace_id, start_us, duration_ms, outcome, reason, spans, complete, synthetic, failed, *figures = row
    ttft_ms, dead_air_ms, slowest_ms, cost_usd = figures
    return CallSummary(
        trace_id=trace_id,
        start_us=start_us,
        duration_ms=duration_ms,
        outcome=outcome,
        reason=reason,
        spans=spans,
        complete=bool(complete),
        synthetic=bool(synthetic),
        failed=bool(failed),
        ttft_ms=ttft_ms,
        dead_air_ms=dead_air_ms,
        slowest_ms=slowest_ms,
        cost_usd=cost_usd,
    )
