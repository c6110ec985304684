"""One simulated call with everything real, for measurements and end-to-end tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from livekit.agents import AgentSession

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.clinic import Clinic, seed_demo
from medagent.compose import Telemetry, archive
from medagent.settings import Settings, load_settings
from medagent.simulator.appointments import check_clinic, prepare
from medagent.simulator.play import play
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan
from medagent.tools import TOOLS, Tool

DELIVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a call, seen from every side; `wrong` is what the clinic holds otherwise than it should."""

    ended: str
    trace_id: str
    spans: Sequence[SafeSpan]
    server: dict[str, Any]
    lacking: Sequence[str]
    wrong: Sequence[str]
    bridge: Bridge
    settings: Settings


async def ring(
    scenario: str | Path,
    *,
    home: Path,
    pace: float,
    caller: Caller | None = None,
    before: Callable[[AgentSession[Any], Bridge], None] | None = None,
    tools: Sequence[Tool[Any]] = TOOLS,
    simulator: SimulatorProcess | None = None,
    **settings: object,
) -> Outcome:
    """Play a scenario and wait for its delivery; `before` sees the session and its bridge before the session starts.

    A `simulator` that runs already must serve the scenario at this pace; without one the call has its own.
    """
    running = SimulatorProcess([scenario], pace=pace) if simulator is None else nullcontext(simulator)
    with running as model:
        configured = load_settings(
            MEDAGENT_HOME=home, AZURE_OPENAI_ENDPOINT=model.endpoint, AZURE_OPENAI_API_KEY="simulator", **settings
        )
        clinic = Clinic.open(configured.clinic_url)
        seed_demo(clinic)
        telemetry = Telemetry(configured, rosters=clinic.rosters()).start()
        bridges: list[Bridge] = []
        script = load_scenario(scenario)
        held = prepare(script, clinic, now=datetime.now(UTC))

        def watch(session: AgentSession[Any]) -> Bridge:
            bridges.append(telemetry.watch(session, caller=caller))
            if before is not None:
                before(session, bridges[0])
            return bridges[0]

        try:
            ended = await play(
                script,
                settings=configured,
                clinic=clinic,
                clinic_name="Lakeside Family Clinic",
                now=lambda: datetime.now(UTC),
                watch=watch,
                pace=pace,
                tools=tools,
                before=held,
            )
            lacking = await asyncio.to_thread(telemetry.flush, DELIVERY_S)
            spans = archive(configured).spans(bridges[0].trace_id) if telemetry.switch.is_on() else []
            return Outcome(
                ended=ended,
                trace_id=bridges[0].trace_id,
                spans=spans,
                server=model.record(),
                lacking=lacking,
                wrong=check_clinic(script, clinic, held),
                bridge=bridges[0],
                settings=configured,
            )
        finally:
            telemetry.close()
            clinic.close()
