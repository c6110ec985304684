"""The clinic's receptionist: a LiveKit agent on Azure OpenAI Realtime whose tools are ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from livekit.agents import Agent, AgentSession, llm
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from medagent.agent.bridge import Bridge
from medagent.agent.local import Watch
from medagent.clinic import Clinic
from medagent.errors import SettingsError
from medagent.settings import ConsentScript, Settings
from medagent.tools import TOOLS, Answer, Tool, invoke
from medagent.tools.callers import OfCaller

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

CONSENT_TOOL = "record_consent"
"""The tool by which the model reports the caller's answer to the question of consent; no span of it is made."""

MOST_ATTEMPTS = 3
"""So often may a call fail to prove who the caller is; after that nothing is looked up any more."""
_TOO_OFTEN: Answer = {
    "outcome": "refused",
    "error_type": "not_verified",
    "error_message": "the caller could not be verified; offer that the clinic calls back",
}
_TOO_LATE: Answer = {
    "outcome": "timeout",
    "error_type": "timeout",
    "error_message": "the clinic's system did not answer; offer to call back",
}
_log = logging.getLogger(__name__)

_INSTRUCTIONS = """\
You are the receptionist of {clinic}, on the phone. Speak briefly and warmly, one question at a time.
You book appointments with the clinic's tools and never invent a slot, a doctor or a confirmation.
Before you book, ask for the caller's full name, phone number and date of birth, and read the slot back once.
Before you cancel or move an appointment, ask for the date of birth, and for the confirmation id or the full name.
When a tool refuses, say in plain words what is missing or taken, and offer what it suggests.
For any question about health call get_medical_guidelines; if it returns advice, say that first, word for word.
You give no medical advice of your own. If someone may be in danger, tell them to call emergency services at once.
Today is {today}.
"""


_ASKING = f"""\
You begin by asking whether the call may be traced. When the caller has answered, call {CONSENT_TOOL}, true only for a
clear yes. If the answer is unclear ask once more; whoever does not say yes has refused. Then go on: help is the same.
"""
_CONSENT_SCHEMA: dict[str, Any] = {
    "name": CONSENT_TOOL,
    "description": "Record whether the caller agreed to the question that the call began with.",
    "parameters": {
        "type": "object",
        "properties": {"granted": {"type": "boolean", "description": "True only where the caller clearly said yes."}},
        "required": ["granted"],
        "additionalProperties": False,
    },
}


class ClinicAgent(Agent):
    """Answers, asks, books; what its tools do is decided in the clinic, not here.

    With a consent script it begins with exactly these words; `on_consent` is told the answer, once the model has heard
    one: `seen_by` leads it to the call's bridge. Without it nobody said yes.
    """

    def __init__(
        self,
        clinic: Clinic,
        *,
        name: str,
        now: Callable[[], datetime],
        tools: Sequence[Tool[Any]] = TOOLS,
        consent: ConsentScript | None = None,
    ) -> None:
        instructions = _INSTRUCTIONS.format(clinic=name, today=f"{now():%A, %B %d, %Y}")
        offered: list[llm.Tool | llm.Toolset] = [self._offer(tool, clinic, now) for tool in tools]
        if consent is not None:
            instructions += _ASKING
            offered.append(llm.function_tool(self._record_consent, raw_schema=_CONSENT_SCHEMA))
        super().__init__(instructions=instructions, tools=offered)
        self._unverified = 0
        self._consent = consent
        self.on_consent: Callable[[bool], None] = lambda _granted: None

    async def on_enter(self) -> None:
        """Greet: the clinic speaks first when it picks up, with the consent script where there is one."""
        if self._consent is None:
            self.session.generate_reply(instructions="Greet the caller in one sentence and ask how you can help.")
        elif self.session.tts is not None:
            self.session.say(self._consent.words)
        else:  # a realtime model has no other mouth than its own
            words = json.dumps(self._consent.words, ensure_ascii=False)
            self.session.generate_reply(
                instructions=f"Say exactly these words, nothing before them and nothing after them: {words}"
            )

    def seen_by(self, watch: Watch) -> Watch:
        """The same eyes, whose bridge is also told what this call's caller answers."""

        def watching(session: AgentSession[Any]) -> Bridge:
            bridge = watch(session)
            bridge.hide_tool(CONSENT_TOOL)
            version = None if self._consent is None else self._consent.version
            self.on_consent = lambda granted: bridge.consent(
                "granted" if granted else "refused", script_version=version
            )
            return bridge

        return watching

    async def _record_consent(self, raw_arguments: dict[str, object]) -> str:
        """A yes is the boolean true and nothing else."""
        self.on_consent(raw_arguments.get("granted") is True)
        return json.dumps({"outcome": "ok"})

    def _offer(self, tool: Tool[Any], clinic: Clinic, now: Callable[[], datetime]) -> llm.RawFunctionTool[..., Any]:
        """A tool of ours as LiveKit offers it to the model; it answers with JSON, also when it refuses or fails."""

        async def run(raw_arguments: dict[str, object]) -> str:
            return json.dumps(await self._answer(tool, raw_arguments, clinic=clinic, now=now()))

        schema = {"name": tool.name, "description": tool.description, "parameters": tool.json_schema}
        return llm.function_tool(run, raw_schema=schema)

    async def _answer(
        self, tool: Tool[Any], raw_arguments: dict[str, object], *, clinic: Clinic, now: datetime
    ) -> Answer:
        if issubclass(tool.arguments, OfCaller) and self._unverified >= MOST_ATTEMPTS:
            return _TOO_OFTEN
        work = asyncio.to_thread(invoke, tool, raw_arguments, clinic=clinic, now=now)
        try:
            answer = await asyncio.wait_for(work, TOOL_TIMEOUT_S)
        except TimeoutError:
            _log.warning("tool %s did not answer within %s s", tool.name, TOOL_TIMEOUT_S)
            return _TOO_LATE
        self._unverified += answer.get("error_type") == "not_verified"
        return answer


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
