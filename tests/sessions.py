"""Sessions of any agent against the simulated Realtime server, traced by `trace_call` alone."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from livekit.agents import Agent, AgentSession
from livekit.agents.utils import http_context
from livekit.plugins import openai

from medagent import trace_call
from medagent.agent.bridge import Bridge
from medagent.runtime.exports import archive
from medagent.settings import load_settings
from medagent.simulator.caller import Caller
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan
from medagent.tracing import tracing

PACE = 10.0
HELLO = "Hello, are you open on Monday please, in the morning?"
THANKS = "Thank you very much, and goodbye then."
PLAIN: Mapping[str, Any] = {
    "name": "plain",
    "description": "two questions, two answers",
    "seed": 3,
    "person": {"patient_name": "Tamsin Quill"},
    "turns": [
        {"model": [{"says": "Clinic, good morning."}]},
        {"caller": {"says": HELLO}, "model": [{"says": "Yes, we are open from eight."}]},
        {"caller": {"says": THANKS}, "model": [{"says": "Goodbye."}]},
    ],
    "expects": {"outcome": "informed"},
}


class Desk(Agent):
    """An agent that greets by itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(instructions="You answer the phone.", **options)

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet the caller.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A simulated provider and what its scenarios are."""

    simulator: SimulatorProcess
    paths: Mapping[str, Path]

    def model(self, deployment: str = "plain", **options: Any) -> openai.realtime.RealtimeModel:
        return openai.realtime.RealtimeModel.with_azure(
            azure_deployment=deployment, azure_endpoint=self.simulator.endpoint, api_key="simulator", **options
        )

    def caller(self, name: str = "plain") -> Caller:
        return Caller(load_scenario(self.paths[name]), pace=PACE)

    def responses(self) -> list[Mapping[str, Any]]:
        """What the server answered: scenario, kind and status of each response."""
        found: list[Mapping[str, Any]] = self.simulator.record()["responses"]
        return found


@asynccontextmanager
async def line(*scenarios: Mapping[str, Any]) -> AsyncIterator[Line]:
    """A provider that plays scenarios, each as a deployment of its name; by default the plain one."""
    paths = {}
    with tempfile.TemporaryDirectory() as directory:
        for scenario in scenarios or (PLAIN,):
            path = paths[scenario["name"]] = Path(directory) / f"{scenario['name']}.yaml"
            path.write_text(yaml.safe_dump(dict(scenario)))
        tracing.cache_clear()
        with SimulatorProcess(list(paths.values()), pace=PACE) as simulator:
            async with http_context.open():
                yield Line(simulator=simulator, paths=paths)
        running = tracing().loaded(60)
        assert running is not None
        tracing().close()
        tracing.cache_clear()


def realtime_session(**options: Any) -> AgentSession[Any]:
    """A session whose turns are the server's."""
    turns = {"turn_detection": "realtime_llm"}
    return AgentSession(vad=None, turn_handling=turns, aec_warmup_duration=None, **options)  # type: ignore[arg-type]


async def talk(session: AgentSession[Any], agent: Agent, caller: Caller) -> Bridge:
    """One traced call from start to close."""
    bridge = trace_call(session)
    session.input.audio, session.output.audio = caller.input, caller.output
    await session.start(agent, record=False)
    await caller.run()
    bridge.end("caller_hung_up")
    await session.aclose()
    assert bridge.failures == 0
    return bridge


def spans_of(trace_id: str) -> list[SafeSpan]:
    """What the archive has of a call."""
    assert not tracing().flush(60)
    return archive(load_settings()).spans(trace_id)


def one(spans: list[SafeSpan], name: str) -> dict[str, Any]:
    """The fields of the only span of a name."""
    [found] = [span for span in spans if span.name == name]
    return dict(found.fields)


def tokens(session: AgentSession[Any]) -> int:
    """LiveKit's own count of a session's tokens of language models."""
    usage = session.usage.model_usage
    return sum(one.input_tokens + one.output_tokens for one in usage if one.type == "llm_usage")


class Spoken:
    """Counts how often the agent has spoken to the end."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self._times = 0
        self._changed = asyncio.Event()
        session.on("agent_state_changed", self._state)

    def _state(self, event: Any) -> None:
        if event.old_state == "speaking":
            self._times += 1
            self._changed.set()

    async def times(self, number: int) -> None:
        async with asyncio.timeout(120):
            while self._times < number:
                self._changed.clear()
                await self._changed.wait()
