"""What the bridges of real simulated calls reported, event by event, to be played again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medagent.rehearsal import stage
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.simulator.scenario import Scenario, list_scenarios, load_scenario
from medagent.telemetry.events import CallEvent
from medagent.telemetry.line import Arrival, Line

_AT_ONCE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One call: its scenario, who phoned, and all that its bridge reported, in order."""

    scenario: str
    person: Mapping[str, str]
    events: Sequence[CallEvent]


async def record(home: Path, scenarios: Sequence[str] = (), *, pace: float = 20.0) -> list[Recording]:
    """Play scenarios, by default all, each once and with all that is real, and keep what their bridges reported."""
    names = list(scenarios or list_scenarios())
    turn = asyncio.Semaphore(_AT_ONCE)
    async with stage(load_settings(MEDAGENT_HOME=home), names, pace=pace) as line:
        taps = _tap(line.telemetry)

        async def play(script: Scenario) -> Recording:
            async with turn:
                played = await line.play(script)
            return Recording(scenario=script.name, person=script.person, events=tuple(taps[played.trace_id]))

        return await asyncio.gather(*(play(load_scenario(name)) for name in names))


def _tap(telemetry: Telemetry) -> dict[str, list[CallEvent]]:
    """Keep, by call, what each new line of this telemetry hands over, beside letting it through."""
    make, kept = telemetry.pipeline.line, dict[str, list[Any]]()

    def line() -> Line:
        made = make()
        put, events = made._put, kept.setdefault(made.trace_id, [])

        def keep(arrival: Arrival) -> None:
            events.append(arrival.event())
            put(arrival)

        made._put = keep
        return made

    telemetry.pipeline.line = line  # type: ignore[method-assign]  # a bench looks over the pipeline's shoulder
    return kept
