"""The loop's side of the only queue: an event costs a call one function and one put, whoever is there to take it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import uuid4

from medagent.telemetry.events import CallEnded, CallEvent, CallStarted

_QUEUE_LIMIT = 20_000


class Arrival(NamedTuple):
    """An event as a call left it: what it is and when it came. Making it costs more than handing it over, so that is
    the worker's part."""

    trace_id: str
    kind: type[CallEvent]
    seq: int
    at_ns: int
    fields: dict[str, Any]

    def event(self) -> CallEvent:
        """The event itself; raises `TypeError` where the fields are not its kind's."""
        return self.kind(seq=self.seq, at_ns=self.at_ns, **self.fields)


@dataclass(slots=True)
class PipelineCounts:
    """What the worker did with what it was given, since the process began."""

    events: int = 0
    events_lost: int = 0
    spans_suppressed: int = 0
    spans_lost: int = 0
    failures: int = 0


class Line:
    """One call's way into the pipeline: numbers and stamps its events; never blocks, and no failure comes back."""

    __slots__ = ("_put", "_seq", "trace_id")

    def __init__(self, trace_id: str, put: Callable[[Arrival], None]) -> None:
        self.trace_id = trace_id
        self._put = put
        self._seq = 0

    def send(self, kind: type[Any], **fields: Any) -> None:
        """Hand over an event that happened now; what does not fit into the queue leaves a hole in the numbers."""
        arrival = Arrival(self.trace_id, kind, self._seq, time.monotonic_ns(), fields)
        self._seq += 1
        self._put(arrival)


class Inlet:
    """Where the events of all calls of a process wait for the worker; it may be opened before there is one."""

    def __init__(self, *, limit: int = _QUEUE_LIMIT) -> None:
        self.queue: queue.SimpleQueue[Arrival | threading.Event | None] = queue.SimpleQueue()
        self.counts = PipelineCounts()
        self._limit = limit
        self._is_shut = False

    def line(self) -> Line:
        """A new call: its trace id is random and says nothing of anybody."""
        return Line(str(uuid4()), self.put)

    def put(self, arrival: Arrival) -> None:
        """A full queue takes no more than the two events without which a call has no trace or no end."""
        if self._is_shut or (self.queue.qsize() >= self._limit and arrival.kind not in (CallStarted, CallEnded)):
            self.counts.events_lost += 1
        else:
            self.queue.put(arrival)

    def shut(self) -> None:
        """There will be no worker: let go of what waits and take nothing more."""
        self._is_shut = True
        try:
            while True:
                self.queue.get_nowait()
        except queue.Empty:
            return
