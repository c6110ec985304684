"""One simulated call with everything real, for measurements and end-to-end tests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.rehearsal import Before, stage
from medagent.settings import Settings, load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan
from medagent.tools import TOOLS, Tool

DELIVERY_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a call, seen from every side; `problems` is what is otherwise than the scenario says."""

    ended: str
    trace_id: str
    spans: Sequence[SafeSpan]
    server: dict[str, Any]
    lacking: Sequence[str]
    problems: Sequence[str]
    bridge: Bridge
    settings: Settings


async def ring(
    scenario: str | Path,
    *,
    home: Path,
    pace: float,
    caller: Caller | None = None,
    before: Before | None = None,
    tools: Sequence[Tool[Any]] = TOOLS,
    simulator: SimulatorProcess | None = None,
    **settings: object,
) -> Outcome:
    """Play a scenario and wait for its delivery; `before` sees the session and its bridge before the session starts.

    A `simulator` that runs already must serve the scenario at this pace; without one the call has its own.
    """
    configured = load_settings(MEDAGENT_HOME=home, **settings)
    async with stage(configured, [scenario], pace=pace, simulator=simulator) as line:
        call = await line.play(load_scenario(scenario), before=before, caller=lambda _scenario: caller, tools=tools)
        lacking = await asyncio.to_thread(line.telemetry.flush, DELIVERY_S)
        assert line.simulator is not None  # noqa: S101  # the stage has made one
        return Outcome(
            ended=call.ended,
            trace_id=call.trace_id,
            spans=call.spans,
            server=await asyncio.to_thread(line.simulator.record),
            lacking=lacking,
            problems=call.problems,
            bridge=call.bridge,
            settings=line.settings,
        )
