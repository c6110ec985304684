"""Trace every session of this process from its start on, observe it, and compare both accounts at the end."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession, llm, stt, tts

from bench.livekit_suite.comparison import compare
from bench.livekit_suite.facts import SessionFacts, TraceFacts
from bench.livekit_suite.observer import SessionObserver
from medagent import trace_call
from medagent.errors import MedagentError
from medagent.runtime.exports import archive
from medagent.settings import load_settings
from medagent.tracing import tracing

_FLUSH_S = 120.0


@dataclass(slots=True)
class _Started:
    owner: str
    number: int
    session: AgentSession[Any] | None
    trace_id: str | None
    observer: SessionObserver | None
    facts: SessionFacts | None = None
    wrapped: list[str] = field(default_factory=list)


class TracedSessions:
    """All sessions that start in this process, each under the test or example that owns it."""

    def __init__(self, *, trace: bool) -> None:
        self.owner = ""
        self._traces = trace
        self._started: list[_Started] = []
        self._open: list[_Started] = []

    @property
    def started(self) -> list[AgentSession[Any]]:
        """The sessions that are not settled yet, in their order."""
        return [one.session for one in self._open if one.session is not None]

    def install(self) -> None:
        """Replace `AgentSession.start` by one that calls `trace_call` first."""
        start = AgentSession.start

        @functools.wraps(start)
        async def traced(session: AgentSession[Any], *arguments: Any, **options: Any) -> Any:
            if not session._started:
                self._begin(session)
            return await start(session, *arguments, **options)

        AgentSession.start = traced  # type: ignore[method-assign]  # every session of this process, unchanged otherwise

    def _begin(self, session: AgentSession[Any]) -> None:
        number = sum(one.owner == self.owner for one in self._started)
        trace_id = trace_call(session).trace_id if self._traces else None
        observer = SessionObserver(session) if self._traces else None
        begun = _Started(owner=self.owner, number=number, session=session, trace_id=trace_id, observer=observer)
        self._started.append(begun)
        self._open.append(begun)

    def settle(self) -> None:
        """Take the account of each session that is still open, and let go of it."""
        for one in self._open:
            if one.observer is not None and one.session is not None:
                one.facts = one.observer.facts()
                one.wrapped = list(_ours(one.session))
            one.session, one.observer = None, None
        self._open.clear()

    def end(self) -> None:
        """End tracing in this process: what is delivered now can be compared."""
        self.settle()
        if self._traces:
            tracing().flush(_FLUSH_S)
            tracing().close(_FLUSH_S)

    def compare(self) -> list[dict[str, Any]]:
        """Return each session's comparison with its archived trace; call `end` first."""
        if not self._traces:
            return [{"owner": one.owner, "number": one.number} for one in self._started]
        stored = archive(load_settings())
        return [self._compared(one, stored) for one in self._started]

    def _compared(self, one: _Started, stored: Any) -> dict[str, Any]:
        if one.facts is None or one.trace_id is None:
            raise RuntimeError("session: not settled, expected `end` before `compare`")
        try:
            trace = TraceFacts.of(stored.spans(one.trace_id))
        except MedagentError:
            trace = None
        return {
            "owner": one.owner,
            "number": one.number,
            "trace_id": one.trace_id,
            "livekit": one.facts.document(),
            "trace": None if trace is None else trace.document(),
            "wrapped": one.wrapped,
            **compare(one.facts, trace).document(),
        }


def remaining() -> dict[str, Any]:
    """Return what is there now: threads, descriptors and asyncio tasks of medagent's."""
    home = str(load_settings().home)
    return {
        "threads": sorted(one.name for one in threading.enumerate() if one.name.startswith("medagent")),
        "descriptors": sorted(target.removeprefix(home) for target in _descriptors() if target.startswith(home)),
        "tasks": sorted(_tasks()),
    }


def _descriptors() -> Iterator[str]:
    for one in Path("/proc/self/fd").iterdir():
        try:
            yield str(one.readlink())
        except OSError:
            continue


def _tasks() -> Iterator[str]:
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs here
        tasks = {one for one in gc.get_objects() if isinstance(one, asyncio.Task) and not one.done()}
    for task in tasks:
        code = getattr(task.get_coro(), "cr_code", None)
        if code is not None and "/medagent/" in code.co_filename:
            yield str(code.co_qualname if hasattr(code, "co_qualname") else code.co_name)


def _ours(session: AgentSession[Any]) -> Iterator[str]:
    """Yield what of medagent's is still on a closed session's models."""
    if session._started:
        return
    for model in (session.llm, session.stt, session.tts):
        if not isinstance(model, llm.LLM | llm.RealtimeModel | stt.STT | tts.TTS):
            continue
        for name, value in vars(model).items():
            if str(getattr(value, "__module__", "")).startswith("medagent"):
                yield f"{type(model).__name__}.{name}"
        for event, handlers in getattr(model, "_events", {}).items():
            for handler in handlers:
                if str(getattr(handler, "__module__", "")).startswith("medagent"):
                    yield f"{type(model).__name__}.on({event!r})"
