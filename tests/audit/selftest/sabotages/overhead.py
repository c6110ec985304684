"""Telemetry that takes the call's time."""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import sabotage

_SLEEP_S = 0.03
_BUSY_S = 0.012
_BRIDGE = "medagent.agent.bridge"


@sabotage(
    "loop_sleeps",
    breaks="the handler sleeps on the loop: the thread is idle, the caller waits",
    causes=r"overhead_wall: p99 (2\d|[3-9]\d|\d{3})\d{3} ",
    of=_BRIDGE,
    timed=True,
)
def loop_sleeps(bridge: ModuleType) -> None:
    handle = bridge.Bridge._server_event

    def asleep(self: Any, event: Any) -> None:
        time.sleep(_SLEEP_S)
        handle(self, event)

    bridge.Bridge._server_event = asleep


@sabotage(
    "loop_busy",
    breaks="the handler works on the loop for longer than 5 ms",
    causes=r"overhead: p99 ([5-9]|\d\d|\d{3})\d{3} ",
    of=_BRIDGE,
    timed=True,
)
def loop_busy(bridge: ModuleType) -> None:
    handle = bridge.Bridge._server_event

    def busy(self: Any, event: Any) -> None:
        until = time.thread_time() + _BUSY_S
        while time.thread_time() < until:
            pass
        handle(self, event)

    bridge.Bridge._server_event = busy
