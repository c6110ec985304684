"""What tracing does to a session before it starts: its own exits shut, a bridge attached, an end with the job's."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

from livekit.agents import AgentSession

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.agent.declaration import Declaration, declare
from medagent.agent.exits import shut_exits, shut_running
from medagent.agent.job import when_job_ends
from medagent.settings import Settings
from medagent.telemetry.door.logs import guard_logging
from medagent.telemetry.line import Line
from medagent.telemetry.overhead import Overhead

_JOB_S = 2.5
_traced: WeakKeyDictionary[AgentSession[Any], ref[Bridge]] = WeakKeyDictionary()
"""The bridge of each session; the session's own `start` keeps it."""

_log = logging.getLogger(__name__)


def watch(
    session: AgentSession[Any],
    *,
    new_line: Callable[[], Line],
    overhead: Overhead,
    settings: Settings,
    caller: Caller | None = None,
    declared: Declaration | None = None,
    asks: bool = False,
    deliver: Callable[[float], object],
) -> Bridge:
    """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it.

    From here on log lines pass the door too, whatever handlers there are or will be, and LiveKit's own exits are shut.
    Inside a LiveKit job the call ends with the job, for which `deliver` has up to 2.5 s. A session that is started
    again after it was closed is the next call of the same bridge, and so is one that is traced again; a second trace of
    one call is refused, and named in its `missing`.
    """
    guard_logging(in_clear=settings.logs_in_clear)
    known = _traced.get(session)
    if known is not None and (bridge := known()) is not None:
        if bridge.is_over:
            bridge.renew(caller=caller, asks=asks, declared=declared)
        else:
            _log.error("call %s: session is traced already, expected one trace_call for a session", bridge.trace_id)
            bridge.missing("attached_twice")
        return bridge
    bridge = Bridge(
        new_line(),
        new_line=new_line,
        declared=declared or declare(settings),
        overhead=overhead,
        caller=caller,
        caller_identity=settings.caller_identity,
        azure_model=settings.model if "model" in settings.model_fields_set else None,
        watch_spans="spans" not in settings.livekit_open,
    )
    _traced[session] = ref(bridge)
    are_alone = shut_exits(session, leave_open=settings.livekit_open, before_start=bridge.starting)
    bridge.attach(session, asks=asks)
    if not are_alone:
        bridge.spans_found()
    if bridge.is_late:
        shut_running(session, leave_open=settings.livekit_open)

    def end() -> None:
        bridge.end("shutdown")
        deliver(_JOB_S)

    when_job_ends(end)
    return bridge
