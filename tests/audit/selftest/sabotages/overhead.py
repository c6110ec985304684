"""Telemetry that takes the call's time."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import sabotage

_SLEEP_S = 0.012
_BUSY_S = 0.007
_RAW = "medagent.agent.raw"


@sabotage(
    "loop_sleeps",
    breaks="the handler sleeps on the loop: the thread is idle, the caller waits",
    causes=r"overhead_wall: p99 \d{5,} ",
    of=_RAW,
    timed=True,
)
def loop_sleeps(raw: ModuleType) -> None:
    handle = raw.RealtimeEvents.server_event

    def asleep(self: Any, realtime: Any, event: Any) -> None:
        time.sleep(_SLEEP_S)
        handle(self, realtime, event)

    raw.RealtimeEvents.server_event = asleep


@sabotage(
    "loop_busy",
    breaks="the handler works on the loop for longer than 5 ms",
    causes=r"overhead: p99 ([5-9]\d{3}|\d{5,}) ",
    of=_RAW,
    timed=True,
)
def loop_busy(raw: ModuleType) -> None:
    handle = raw.RealtimeEvents.server_event

    def busy(self: Any, realtime: Any, event: Any) -> None:
        until = time.thread_time() + _BUSY_S
        while time.thread_time() < until:
            pass
        handle(self, realtime, event)

    raw.RealtimeEvents.server_event = busy
