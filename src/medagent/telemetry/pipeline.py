"""The only queue and the only worker: events on the loop, everything up to the spool on one thread."""

from __future__ import annotations

import functools
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from medagent.errors import LedgerError, OutboxError, OutboxUnavailableError
from medagent.telemetry.events import CallEnded, CallStarted
from medagent.telemetry.interpreter import give_way, take_time
from medagent.telemetry.line import Arrival, Inlet, Line
from medagent.telemetry.session import Session, SessionMaker, Write
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.span_store import CallChanges, SpanStore
from medagent.telemetry.storage_log import storage_log

_SLICE = 64
_FEW = 16
"""Of so few events at a time the worker makes spans at leisure; ten calls have three."""
_GATHER_S = 0.05
"""What follows an event so soon is written with it: the calls' thread wakes the worker once, not for every event."""
_MOST_UNWRITTEN = 10_000
_RETRY_EVERY_S = 0.5
_log = logging.getLogger(__name__)


class Pipeline:
    """Take the events of all calls of a process and turn them into admitted spans in a store.

    Events that wait in `inlet` already are taken first. On the worker's thread are called: `on_span` with each span
    that is stored for export, `on_due` when the store has something new, `on_lost` with each call of which a change was
    given up (its trace id).
    """

    def __init__(
        self,
        *,
        sessions: SessionMaker,
        store: SpanStore,
        on_due: Callable[[], object] = lambda: None,
        on_span: Callable[[SafeSpan], None] | None = None,
        on_lost: Callable[[str], object] = lambda _trace_id: None,
        inlet: Inlet | None = None,
    ) -> None:
        self._make_session = sessions
        self._store = store
        self._on_due = on_due
        self._on_span = on_span
        self._on_lost = on_lost
        self._inlet = inlet or Inlet()
        self._queue = self._inlet.queue
        self._sessions: dict[str, Session] = {}
        self._unwritten: list[Write] = []
        self._flushed: list[threading.Event] = []
        self._hurry = threading.Event()
        self._stopping = False
        self.counts = self._inlet.counts
        self._thread = threading.Thread(target=self._run, name="medagent-worker", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def line(self) -> Line:
        """A new call: its trace id is random and says nothing of anybody."""
        return self._inlet.line()

    def flush(self, timeout_s: float) -> bool:
        """Wait until every event so far is stored; False where the time ran out first."""
        written = threading.Event()
        self._queue.put(written)
        self._hurry.set()
        return self._thread.is_alive() and written.wait(timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """End the calls that are still open as shut down, write what is left; return whether the thread has ended."""
        self._queue.put(None)
        self._hurry.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping:
            writes = list(self._unwritten)
            arrivals = self._next_slice()
            take_time(len(arrivals) < _FEW)
            for arrival in arrivals:
                writes += self._take(arrival)
            still_open: list[str] = list(self._sessions) if self._stopping else []
            for trace_id in still_open:
                writes += self._take(Arrival(trace_id, CallEnded, -2, time.monotonic_ns(), {"reason": "shutdown"}))
            self._write(writes)
            while self._flushed and not self._unwritten:
                self._flushed.pop().set()
        self._lose(self._unwritten)

    def _next_slice(self) -> list[Arrival]:
        """Wait for work; with unwritten work at hand, not for long."""
        taken: list[Arrival] = []
        try:
            item = self._queue.get(timeout=_RETRY_EVERY_S if self._unwritten else None)
            if self._queue.qsize() < _SLICE:
                self._hurry.wait(_GATHER_S)
            self._hurry.clear()
            while True:
                if item is None:
                    self._stopping = True
                    return taken
                if isinstance(item, threading.Event):
                    self._flushed.append(item)
                else:
                    taken.append(item)
                if len(taken) >= _SLICE:
                    return taken
                item = self._queue.get_nowait()
        except queue.Empty:
            return taken

    def _take(self, arrival: Arrival) -> list[Write]:
        """What an event leads to: nothing where it fails; a call that it ends is forgotten all the same."""
        self.counts.events += 1
        give_way()
        try:
            event = arrival.event()
            session = self._sessions.get(arrival.trace_id)
            if session is None:
                if not isinstance(event, CallStarted):
                    return []
                session = self._sessions[arrival.trace_id] = self._make_session(arrival.trace_id, event)
            return session.take(event)
        except Exception as error:  # noqa: BLE001  # the worker outlives any event
            self._failed("on an event", error)
            return []
        finally:
            ended = self._sessions.pop(arrival.trace_id, None) if arrival.kind is CallEnded else None
            if ended is not None:
                self.counts.spans_suppressed += ended.suppressed

    def _write(self, writes: list[Write]) -> None:
        """Commit a slice; what the store cannot take now is kept for the next try, up to a bound."""
        if not writes:
            return
        try:
            with self._store.transaction() as changes:
                for write in writes:
                    self._apply(write, changes)
        except OutboxUnavailableError as error:
            storage_log.error(_log, "telemetry waits", error)
            self._lose(writes[_MOST_UNWRITTEN:])
            self._unwritten = writes[:_MOST_UNWRITTEN]
        except Exception as error:  # noqa: BLE001  # what no second try would mend must not end the worker
            self._failed("on a slice of work", error)
            self._lose(writes)
            self._unwritten = []
        else:
            self._unwritten = []
            self._tell(writes)

    def _lose(self, writes: Sequence[Write]) -> None:
        """Count changes that are given up, and report each call that they are of."""
        self.counts.spans_lost += len(writes)
        for trace_id in dict.fromkeys(write.trace_id for write in writes):
            try:
                self._on_lost(trace_id)
            except LedgerError as error:
                storage_log.error(_log, "the ledger does not record a call that was not stored", error)

    def _tell(self, writes: list[Write]) -> None:
        told: list[Callable[[], object]] = [self._on_due]
        for write in writes:
            if write.after is not None:
                told.append(write.after)
            if write.span is not None and self._on_span is not None:
                told.append(functools.partial(self._on_span, write.span))
        for tell in told:
            try:
                tell()
            except LedgerError as error:
                self.counts.failures += 1
                storage_log.error(_log, "telemetry failed to tell of what it stored: LedgerError", error)
            except Exception as error:  # noqa: BLE001  # what is stored is stored, whatever a listener makes of it
                self._failed("to tell of what it stored", error)

    def _failed(self, what: str, error: Exception) -> None:
        """Count a failure; its message stays unsaid, since it may quote a value."""
        self.counts.failures += 1
        _log.error("telemetry failed %s: %s", what, type(error).__name__)

    def _apply(self, write: Write, changes: CallChanges) -> None:
        give_way()
        try:
            write.apply(changes)
        except OutboxUnavailableError:
            raise
        except OutboxError as error:
            self.counts.failures += 1
            _log.error("telemetry failed on a span: %s", error)
