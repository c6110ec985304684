"""What tracing does to a session before it starts: its own exits shut, a bridge attached, an end with the job's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from livekit.agents import AgentSession

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.agent.declaration import Declaration, declare
from medagent.agent.exits import shut_exits
from medagent.agent.job import when_job_ends
from medagent.settings import Settings
from medagent.telemetry.door.logs import guard_logging
from medagent.telemetry.line import Line
from medagent.telemetry.overhead import Overhead

_JOB_S = 2.5


def watch(
    session: AgentSession[Any],
    *,
    line: Line,
    overhead: Overhead,
    settings: Settings,
    caller: Caller | None = None,
    declared: Declaration | None = None,
    asks: bool = False,
    deliver: Callable[[float], object],
) -> Bridge:
    """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it.

    From here on log lines pass the door too, whatever handlers there are or will be, and LiveKit's own exits are shut.
    Inside a LiveKit job the call ends with the job, for which `deliver` has up to 2.5 s.
    """
    guard_logging(in_clear=settings.logs_in_clear)
    shut_exits(session, leave_open=settings.livekit_open)
    bridge = Bridge(line, declared=declared or declare(settings), overhead=overhead, caller=caller)
    bridge.attach(session, asks=asks)

    def end() -> None:
        bridge.end("shutdown")
        deliver(_JOB_S)

    when_job_ends(end)
    return bridge
