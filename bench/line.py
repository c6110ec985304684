"""One simulated call with everything real, for measurements and end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from medagent.simulator.play import play
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan

DELIVERY_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a call, seen from every side."""

    ended: str
    trace_id: str
    spans: Sequence[SafeSpan]
    server: dict[str, Any]
    lacking: Sequence[str]
    bridge: Bridge
    settings: Settings


async def ring(
    scenario: str | Path,
    *,
    home: Path,
    pace: float,
    caller: Caller | None = None,
    before: Callable[[AgentSession[Any], Bridge], None] | None = None,
    **settings: object,
) -> Outcome:
    """Play a scenario and wait for its delivery; `before` sees the session and its bridge before the session starts."""
    with SimulatorProcess([scenario], pace=pace) as simulator:
        configured = load_settings(
            MEDAGENT_HOME=home, AZURE_OPENAI_ENDPOINT=simulator.endpoint, AZURE_OPENAI_API_KEY="simulator", **settings
        )
        clinic = Clinic.open(configured.clinic_url)
        seed_demo(clinic)
        telemetry = Telemetry(configured, rosters=clinic.rosters()).start()
        bridges: list[Bridge] = []

        def watch(session: AgentSession[Any]) -> Bridge:
            bridges.append(telemetry.watch(session, caller=caller))
            if before is not None:
                before(session, bridges[0])
            return bridges[0]

        try:
            ended = await play(
                load_scenario(scenario),
                settings=configured,
                clinic=clinic,
                clinic_name="Lakeside Family Clinic",
                now=lambda: datetime.now(UTC),
                watch=watch,
                pace=pace,
            )
            lacking = telemetry.flush(DELIVERY_S)
            spans = archive(configured).spans(bridges[0].trace_id) if telemetry.switch.is_on() else []
            return Outcome(
                ended=ended,
                trace_id=bridges[0].trace_id,
                spans=spans,
                server=simulator.record(),
                lacking=lacking,
                bridge=bridges[0],
                settings=configured,
            )
        finally:
            telemetry.close()
            clinic.close()
