"""Job process that replays the events of recorded calls at their pace through `trace_call`, without media."""

from __future__ import annotations

import asyncio
import heapq
import json
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit.agents import AgentSession

from bench.bare_job import own_figures
from medagent.telemetry.events import CallEnded, CallEvent, CallStarted
from medagent.tracing import trace_call, tracing

if TYPE_CHECKING:
    from medagent.agent.bridge import Bridge
    from medagent.runtime.job import Job
    from medagent.runtime.telemetry import Telemetry
    from medagent.telemetry.spool.spool import SpoolTransaction

_LOADED_S = 120.0
_PAUSE_S = 0.2
_STAMPS = ("seq", "at_ns", "wall_us")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event of a call: how many seconds after the call's start, its kind and its fields."""

    at_s: float
    kind: type[CallEvent]
    fields: dict[str, Any]


def steps_of(events: Sequence[CallEvent], *, seconds: float) -> list[Step]:
    """Return the events of a recorded call as steps, stretched to a duration."""
    first, last = events[0].at_ns, events[-1].at_ns
    scale = seconds / max(1, last - first)
    return [
        Step(
            at_s=(event.at_ns - first) * scale,
            kind=type(event),
            fields={one.name: getattr(event, one.name) for one in fields(event) if one.name not in _STAMPS},
        )
        for event in events
    ]


@dataclass(slots=True)
class _Playing:
    """A traced session, the next of its steps, and how many calls follow it."""

    session: AgentSession[Any]
    bridge: Bridge
    left: int
    index: int = 0


def _traced(left: int) -> _Playing:
    session: AgentSession[Any] = AgentSession()
    return _Playing(session, trace_call(session), left)


async def replay(
    steps: Sequence[Step],
    *,
    starts_s: Sequence[float],
    calls: int,
    on_end: Callable[[str, int], object],
) -> None:
    """Play calls, one after another from each start; `on_end` gets each trace id and when its end was sent (ns)."""
    begun, number = time.monotonic(), count()
    due = [(begun + start, next(number), _traced(calls)) for start in starts_s]
    heapq.heapify(due)
    while due:
        at, _, playing = heapq.heappop(due)
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        step, ended_ns, line = steps[playing.index], time.monotonic_ns(), playing.bridge._line
        stamped = {"wall_us": time.time_ns() // 1000} if step.kind is CallStarted else {}
        line.send(step.kind, **step.fields, **stamped)
        if step.kind is CallEnded:
            on_end(line.trace_id, ended_ns)
        playing.index += 1
        if playing.index < len(steps):
            heapq.heappush(due, (at + steps[playing.index].at_s - step.at_s, next(number), playing))
        elif playing.left > 1:
            heapq.heappush(due, (at + _PAUSE_S, next(number), _traced(playing.left - 1)))


def replay_job(pipe: Connection, plan: dict[str, Any]) -> None:
    """Trace the calls of a plan, and report each end and this process's figures."""
    steps: list[Step] = pickle.loads(Path(plan["steps"]).read_bytes())  # noqa: S301  # written by the bench itself
    own = tracing()
    running = own.loaded(_LOADED_S)
    if running is None:
        raise SystemExit("telemetry did not start")
    if plan.get("accepted"):
        _note_accepted(running, Path(plan["accepted"]))
    pipe.send(("ready", own_figures()))
    pipe.recv()
    asyncio.run(
        replay(
            steps,
            starts_s=plan["starts_s"],
            calls=plan["calls"],
            on_end=lambda trace_id, ended_ns: pipe.send(("ended", [trace_id, ended_ns])),
        )
    )
    own.flush(60)
    counts = running.pipeline.counts
    lost = counts.events_lost + counts.spans_lost + counts.failures
    pipe.send(("done", {**own_figures(), "lost": lost}))
    pipe.recv()
    own.close(30)


def _note_accepted(running: Telemetry | Job, path: Path) -> None:
    """Append call and id of each span to a file after the spool has it on disk."""
    spool = getattr(running, "job", running).spool
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    written = spool.transaction

    @contextmanager
    def transaction() -> Iterator[SpoolTransaction]:
        accepted: list[list[str]] = []
        with written() as changes:
            yield changes
            for trace_id, call in changes.changed.items():
                for record in call.new:
                    if record.operation == "span":
                        accepted.append([trace_id, json.loads(record.body)["span_id"]])
        os.write(descriptor, "".join(f"{json.dumps(one)}\n" for one in accepted).encode())

    spool.transaction = transaction  # type: ignore[method-assign]  # the bench looks over the spool's shoulder
