"""Simulated calls side by side on one loop, with and without tracing; what the loop and the memory felt."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import SecretStr

from medagent.agent.bridge import Bridge
from medagent.clinic import Clinic, seed_demo
from medagent.clinic.demo import CLINIC_NAME
from medagent.rehearsal import phoning
from medagent.settings import Settings
from medagent.simulator.play import play
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.tracing import Tracing

TICK_S = 0.005
_PAGE = 4096
_EXCHANGE_S = 7.7
"""About so long a caller's line, the thinking, a tool and the answer of `scenario` take."""


@dataclass(slots=True)
class Felt:
    """Milliseconds that the loop was late, with the moment (s since the start); resident memory (MB) each second."""

    lag_ms: list[float] = field(default_factory=list)
    lag_at_s: list[float] = field(default_factory=list)
    rss_mb: list[float] = field(default_factory=list)


def rss_mb() -> float:
    """This process's resident memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def scenario(directory: Path, *, seconds: float) -> Path:
    """A call of about so many seconds: every exchange has a tool with identifiers and free text in it."""
    turns: list[dict[str, Any]] = [{"model": [{"says": "Good day, how can I help?", "seconds": 1.2}]}]
    person = {"patient_name": "Maren Oldfield", "phone": "+14155550137", "dob": "1982-03-03"}
    complaints = ("a sore knee, worse in the evening", "a cough since last week", "a rash on the left arm")
    for number in range(max(1, round(seconds / _EXCHANGE_S))):
        complaint = complaints[number % len(complaints)]
        lookup = {"tool": "get_medical_guidelines", "arguments": {"query": f"What helps against {complaint}?"}}
        slots = {"tool": "check_availability", "arguments": {"doctor_name": "Dr. Amara Okafor"}}
        turns.append(
            {
                "caller": {"says": f"I am ${{person.patient_name}} and I have {complaint}.", "seconds": 3.0},
                "model": [lookup if number % 2 else slots, {"says": "There is a slot on Monday.", "seconds": 3.0}],
            }
        )
    document = {
        "name": "load",
        "description": "Exchanges with a tool each.",
        "seed": 5,
        "person": person,
        "turns": turns,
        "expects": {"outcome": "informed"},
    }
    path = directory / "load.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


class Line:
    """A clinic and a simulator on which calls are played, any number at once."""

    def __init__(self, settings: Settings, clinic: Clinic, script: Scenario) -> None:
        self._settings = settings
        self._clinic = clinic
        self._script = script

    async def calls(self, count: int, tracing: Tracing | None) -> tuple[Felt, list[str]]:
        """Play so many calls at once; returns what was felt and the traces' ids (none without tracing)."""
        felt, bridges = Felt(), list[Bridge]()
        ticking = asyncio.create_task(_tick(felt))
        try:
            await asyncio.gather(*(self._call(tracing, bridges, delay=0.37 * number) for number in range(count)))
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
        return felt, [bridge.trace_id for bridge in bridges]

    async def _call(self, tracing: Tracing | None, bridges: list[Bridge], *, delay: float) -> None:
        await asyncio.sleep(delay)

        def watch(session: Any) -> Any:
            if tracing is None:
                return _Blind()
            bridges.append(tracing.watch(session, caller=phoning(self._script)))
            return bridges[-1]

        await play(
            self._script,
            settings=self._settings,
            clinic=self._clinic,
            clinic_name=CLINIC_NAME,
            now=lambda: datetime.now(UTC),
            watch=watch,
        )


class _Blind:
    """A call that nobody watches."""

    def end(self, _reason: str) -> None:
        """Nothing to tell."""

    def hide_tool(self, _name: str) -> None:
        """Nothing to hide."""


@asynccontextmanager
async def line(settings: Settings, *, seconds: float) -> AsyncIterator[Line]:
    """Set up at pace 1 and tear down; tracing is the caller's."""
    clinic = Clinic.open(settings.clinic_url)
    seed_demo(clinic)
    with tempfile.TemporaryDirectory() as directory:
        path = scenario(Path(directory), seconds=seconds)
        simulator = SimulatorProcess([path], pace=1.0, environment=settings.child_environment())
        await asyncio.to_thread(simulator.__enter__)
        try:
            model = {
                "azure_endpoint": simulator.endpoint,
                "azure_api_key": SecretStr("simulator"),
                "call_max_cost_usd": 100.0,
            }
            yield Line(settings.model_copy(update=model), clinic, load_scenario(path))
        finally:
            await asyncio.to_thread(simulator.__exit__, None, None, None)
            clinic.close()


async def _tick(felt: Felt) -> None:
    begun = due = time.perf_counter()
    seen = 0
    while True:
        due += TICK_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        now = time.perf_counter()
        felt.lag_ms.append((now - due) * 1000)
        felt.lag_at_s.append(now - begun)
        due = max(due, now - TICK_S)
        if int(now - begun) >= seen:
            seen = int(now - begun) + 1
            felt.rss_mb.append(rss_mb())
