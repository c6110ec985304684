"""The only queue and the only worker: events on the loop, everything up to the outbox's commit on one thread."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from medagent.errors import OutboxError, OutboxUnavailableError
from medagent.telemetry.events import CallEnded, CallEvent, CallStarted, Gap
from medagent.telemetry.outbox import Outbox, Transaction
from medagent.telemetry.session import Session, SessionMaker, Write
from medagent.telemetry.span import SafeSpan

_QUEUE_LIMIT = 20_000
_SLICE = 64
_MOST_UNWRITTEN = 10_000
_RETRY_EVERY_S = 0.5
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class PipelineCounts:
    """What the worker did with what it was given, since the process began."""

    events: int = 0
    events_lost: int = 0
    spans_suppressed: int = 0
    spans_lost: int = 0
    failures: int = 0


class Line:
    """One call's way into the pipeline: numbers and stamps its events; never blocks, never raises."""

    __slots__ = ("_lost", "_put", "_seq", "trace_id")

    def __init__(self, trace_id: str, put: Callable[[str, CallEvent], bool]) -> None:
        self.trace_id = trace_id
        self._put = put
        self._seq = 0
        self._lost = 0

    def send(self, kind: type[Any], **fields: Any) -> None:
        """Hand over an event that happened now; what does not fit into the queue is counted and told later."""
        if self._lost:
            self._lost = 0 if self._put_one(Gap, {"lost": self._lost}) else self._lost
        if not self._put_one(kind, fields):
            self._lost += 1

    def _put_one(self, kind: type[Any], fields: dict[str, Any]) -> bool:
        if not self._put(self.trace_id, kind(seq=self._seq, at_ns=time.monotonic_ns(), **fields)):
            return False
        self._seq += 1
        return True


class Pipeline:
    """Takes the events of all calls of a process and turns them into sealed spans in the outbox.

    `on_span` is told of each stored span and `on_due` that the outbox has work; both are called on the worker's thread.
    """

    def __init__(
        self,
        *,
        sessions: SessionMaker,
        outbox: Outbox,
        on_due: Callable[[], None] = lambda: None,
        on_span: Callable[[SafeSpan], None] | None = None,
    ) -> None:
        self._make_session = sessions
        self._outbox = outbox
        self._on_due = on_due
        self._on_span = on_span
        self._queue: queue.SimpleQueue[tuple[str, CallEvent] | None] = queue.SimpleQueue()
        self._sessions: dict[str, Session] = {}
        self._unwritten: list[Write] = []
        self._idle = threading.Event()
        self._idle.set()
        self._stopping = False
        self.counts = PipelineCounts()
        self._thread = threading.Thread(target=self._run, name="medagent-worker", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def line(self) -> Line:
        """A new call: its trace id is random and says nothing of anybody."""
        return Line(str(uuid4()), self._put)

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event so far is in the outbox; False where the time ran out first."""
        deadline = time.monotonic() + timeout_s
        while not (self._queue.empty() and self._idle.is_set() and not self._unwritten):
            if time.monotonic() > deadline or not self._thread.is_alive():
                return False
            time.sleep(0.002)
        return True

    def stop(self, timeout_s: float) -> None:
        """End the calls that are still open as shut down, write what is left, end the thread."""
        self._queue.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _put(self, trace_id: str, event: CallEvent) -> bool:
        if self._queue.qsize() >= _QUEUE_LIMIT:
            self.counts.events_lost += 1
            return False
        self._queue.put((trace_id, event))
        return True

    def _run(self) -> None:
        while not self._stopping:
            writes = list(self._unwritten)
            for trace_id, event in self._next_slice():
                try:
                    writes += self._take(trace_id, event)
                except Exception as error:  # noqa: BLE001  # the worker outlives any event; no message: it may quote
                    self.counts.failures += 1
                    _log.error("telemetry failed on an event: %s", type(error).__name__)
            self._write(writes)
            self._idle.set()

    def _next_slice(self) -> list[tuple[str, CallEvent]]:
        """Wait for work; with unwritten work at hand, not for long."""
        taken: list[tuple[str, CallEvent]] = []
        try:
            first = self._queue.get(timeout=_RETRY_EVERY_S if self._unwritten else None)
            self._idle.clear()
            while True:
                if first is None:
                    self._stopping = True
                    return taken + [(trace_id, self._shutdown()) for trace_id in self._sessions]
                taken.append(first)
                if len(taken) >= _SLICE:
                    return taken
                first = self._queue.get_nowait()
        except queue.Empty:
            return taken

    @staticmethod
    def _shutdown() -> CallEnded:
        return CallEnded(seq=-2, at_ns=time.monotonic_ns(), reason="shutdown")

    def _take(self, trace_id: str, event: CallEvent) -> list[Write]:
        self.counts.events += 1
        session = self._sessions.get(trace_id)
        if session is None:
            if not isinstance(event, CallStarted):
                return []
            session = self._sessions[trace_id] = self._make_session(trace_id, event)
        try:
            return session.take(event)
        finally:
            if session.over:
                del self._sessions[trace_id]
                self.counts.spans_suppressed += session.suppressed

    def _write(self, writes: list[Write]) -> None:
        """Commit a slice; what the outbox cannot take now is kept for the next try, up to a bound."""
        if not writes:
            return
        try:
            with self._outbox.transaction() as transaction:
                for write in writes:
                    self._apply(write, transaction)
        except OutboxUnavailableError as error:
            _log.error("telemetry waits: %s", error)
            self.counts.spans_lost += max(0, len(writes) - _MOST_UNWRITTEN)
            self._unwritten = writes[:_MOST_UNWRITTEN]
            return
        self._unwritten = []
        self._on_due()
        for write in writes:
            if write.span is not None and self._on_span is not None:
                self._on_span(write.span)

    def _apply(self, write: Write, transaction: Transaction) -> None:
        try:
            write.apply(transaction)
        except OutboxUnavailableError:
            raise
        except OutboxError as error:
            self.counts.failures += 1
            _log.error("telemetry failed on a span: %s", error)
