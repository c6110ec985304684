"""The clinic's receptionist: a LiveKit agent on Azure OpenAI Realtime whose tools are ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from livekit.agents import Agent, llm
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from medagent.clinic import Clinic
from medagent.errors import SettingsError
from medagent.settings import Settings
from medagent.tools import TOOLS, Tool, invoke

TOOL_TIMEOUT_S = 8.0
SERVER_VAD = ServerVad(
    type="server_vad",
    threshold=0.5,
    prefix_padding_ms=300,
    silence_duration_ms=500,
    create_response=True,
    interrupt_response=True,
)
"""Half a second of silence ends a turn: a caller who looks for a word is not cut off."""

_log = logging.getLogger(__name__)

_INSTRUCTIONS = """\
You are the receptionist of {clinic}, on the phone. Speak briefly and warmly, one question at a time.
You book appointments with the clinic's tools and never invent a slot, a doctor or a confirmation.
Before you book, ask for the caller's full name, phone number and date of birth, and read the slot back once.
When a tool refuses, say in plain words what is missing or taken, and offer what it suggests.
You give no medical advice. If someone may be in danger, tell them to call emergency services at once.
Today is {today}.
"""


class ClinicAgent(Agent):
    """Answers, asks, books; what its tools do is decided in the clinic, not here."""

    def __init__(
        self, clinic: Clinic, *, name: str, now: Callable[[], datetime], tools: Sequence[Tool[Any]] = TOOLS
    ) -> None:
        super().__init__(
            instructions=_INSTRUCTIONS.format(clinic=name, today=f"{now():%A, %B %d, %Y}"),
            tools=[_offer(tool, clinic, now) for tool in tools],
        )

    async def on_enter(self) -> None:
        """Greet: the clinic speaks first when it picks up."""
        self.session.generate_reply(instructions="Greet the caller in one sentence and ask how you can help.")


def azure_model(settings: Settings) -> openai.realtime.RealtimeModel:
    """The realtime model; only these settings differ between Azure and the simulator. Raises `SettingsError`."""
    if not settings.azure_endpoint or settings.azure_api_key is None:
        raise SettingsError(
            "there is no model to talk to",
            hint="set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY, or play a simulated call with `medagent call`",
        )
    return openai.realtime.RealtimeModel.with_azure(
        azure_deployment=settings.azure_deployment,
        azure_endpoint=settings.azure_endpoint,
        api_key=settings.azure_api_key.get_secret_value(),
        turn_detection=SERVER_VAD,
    )


def _offer(tool: Tool[Any], clinic: Clinic, now: Callable[[], datetime]) -> llm.RawFunctionTool[..., Any]:
    """A tool of ours as LiveKit offers it to the model; it answers with JSON, also when it refuses or fails."""

    async def run(raw_arguments: dict[str, object]) -> str:
        work = asyncio.to_thread(invoke, tool, raw_arguments, clinic=clinic, now=now())
        try:
            answer = await asyncio.wait_for(work, TOOL_TIMEOUT_S)
        except TimeoutError:
            _log.warning("tool %s did not answer within %s s", tool.name, TOOL_TIMEOUT_S)
            answer = {
                "outcome": "timeout",
                "error_type": "timeout",
                "error_message": "the clinic's system did not answer; offer to call back",
            }
        return json.dumps(answer)

    schema = {"name": tool.name, "description": tool.description, "parameters": tool.json_schema}
    return llm.function_tool(run, raw_schema=schema)
