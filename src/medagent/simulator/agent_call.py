"""One simulated call to somebody else's agent: the scenario's caller on one side, what a factory makes on the other."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from livekit.agents import AgentSession
from livekit.agents.voice import FunctionToolsExecutedEvent

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller as Phoning
from medagent.agent.factory import Factory
from medagent.agent.local import Watch, answer_made
from medagent.errors import SimulatorError
from medagent.settings import Settings
from medagent.simulator.app import CALLS_PATH, FAILED_PATH
from medagent.simulator.appointments import Before
from medagent.simulator.caller import Caller, OnEvent
from medagent.simulator.play import expect_call
from medagent.simulator.scenario import Scenario
from medagent.simulator.stand_ins import context_of
from medagent.simulator.steps import Ended

_TIMEOUT_S = 30.0


async def play_agent(
    scenario: Scenario,
    factory: Factory,
    *,
    settings: Settings,
    watch: Watch,
    phoning: Phoning | None = None,
    pace: float = 1.0,
    on_event: OnEvent | None = None,
) -> tuple[Ended, Mapping[str, int]]:
    """Play a call against the simulator that `settings` name.

    Args:
        scenario: What caller and model do; what it expects of the clinic's database has no meaning here.
        factory: Makes session and agent.
        settings: `azure_endpoint` is the simulator's.
        watch: Returns the bridge of a session, traced already or not.
        phoning: Room, participant and number that the factory and the trace see.
        pace: How many times as fast as life.
        on_event: Told what the caller does and hears.

    Returns:
        How the call ended for the caller, and how many requests came to each stand-in: `realtime`, `stt`, `llm`, `tts`.

    Raises:
        SimulatorError: The simulator does not serve the scenario.
        AgentModuleError: The factory raised, or returned something else.
    """
    deployment = await expect_call(settings, scenario, Before())
    simulator = _Simulator(str(settings.azure_endpoint).rstrip("/"), deployment)
    caller = Caller(scenario, pace=pace, on_event=on_event)
    ended: Ended = "cut off"

    async def talk() -> None:
        nonlocal ended
        ended = await caller.run()

    def watching(session: AgentSession[Any]) -> Bridge:
        session.on("function_tools_executed", simulator.tools_executed)
        return watch(session)

    await answer_made(
        factory,
        context_of(simulator.endpoint, deployment, caller=phoning),
        watch=watching,
        audio_in=caller.input,
        audio_out=caller.output,
        caller=talk,
    )
    return ended, simulator.requests()


class _Simulator:
    """What is told to the simulator, and asked of it, about one call; each request takes a few milliseconds."""

    def __init__(self, endpoint: str, deployment: str) -> None:
        self.endpoint = endpoint
        self._deployment = deployment

    def tools_executed(self, event: FunctionToolsExecutedEvent) -> None:
        """Name the tool calls that raised, before the model is asked what to say of their results.

        The protocols have no sign of it. It blocks the event loop, so that it comes first.
        """
        failed = [output.call_id for output in event.function_call_outputs if output is not None and output.is_error]
        if failed:
            self._asked("POST", FAILED_PATH, {"deployment": self._deployment, "call_ids": failed})

    def requests(self) -> Mapping[str, int]:
        """Return how many requests came to each stand-in."""
        counts: dict[str, int] = self._asked("GET", f"{CALLS_PATH}/{self._deployment}")
        return counts

    def _asked(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=_TIMEOUT_S)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            return json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SimulatorError(f"the simulator does not answer ({type(error).__name__})") from None
        finally:
            connection.close()
