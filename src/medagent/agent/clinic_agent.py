"""The clinic's receptionist: a LiveKit agent on Azure OpenAI Realtime whose tools are ours."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from livekit.agents import Agent, AgentSession, llm
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from medagent.agent.bridge import Bridge
from medagent.agent.local import Watch
from medagent.clinic import Clinic, clock_words
from medagent.errors import ClinicError, SettingsError
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
Before you book, ask for the patient's full name with all surnames, a phone number and the date of birth, and read the
slot and the number back once. Ask for the country code of a number from abroad.
Before you cancel or move an appointment, ask for the date of birth, and for the confirmation id or the full name.
A caller can phone for another person: the patient's own name and date of birth count, the caller's are caller_name.
Names may be in any script: pass them as they are said, and never shorten or complete one yourself.
When a tool refuses, say in plain words what is missing or taken, and offer what it suggests.
For any question about health call get_medical_guidelines; if it returns advice, say that first, word for word.
You give no medical advice of your own. If someone may be in danger, tell them to call emergency services at once.
"Today", "tomorrow" and a weekday are the clinic's own, by the last line here. "Next Tuesday" can mean two days: say the
date and ask. Say each time as its spoken_time has it, with the place's time zone where the tool names another one.
Pass a time to a tool exactly as the tool returned it, offset included; never compute an offset yourself.
"""
CLOCK_S = 20.0
"""Seconds between two looks at the clock in a call."""
_OLDEST_CLOCK = timedelta(minutes=5)
"""The time in the instructions is at most this old, plus one look; a new date is there at the next look."""


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
        self._instructions_before_clock = _INSTRUCTIONS.format(clinic=name)
        self._clock = _Clock(clinic, now)
        offered: list[llm.Tool | llm.Toolset] = [self._offer(tool, clinic, now) for tool in tools]
        if consent is not None:
            self._instructions_before_clock += _ASKING
            offered.append(llm.function_tool(self._record_consent, raw_schema=_CONSENT_SCHEMA))
        super().__init__(instructions=self._instructions_before_clock + self._clock.line(), tools=offered)
        self._keeping_time: asyncio.Task[None] | None = None
        self._unverified = 0
        self._caller_number: Callable[[], str | None] = lambda: None
        self._consent = consent
        self.on_consent: Callable[[bool], None] = lambda _granted: None

    async def on_enter(self) -> None:
        """Greet: the clinic speaks first when it picks up, with the consent script where there is one."""
        self._keeping_time = asyncio.create_task(self._keep_time())
        if self._consent is None:
            self.session.generate_reply(instructions="Greet the caller in one sentence and ask how you can help.")
        elif self.session.tts is not None:
            self.session.say(self._consent.words)
        else:  # a realtime model has no other mouth than its own
            words = json.dumps(self._consent.words, ensure_ascii=False)
            self.session.generate_reply(
                instructions=f"Say exactly these words, nothing before them and nothing after them: {words}"
            )

    async def on_exit(self) -> None:
        """Stop looking at the clock."""
        if self._keeping_time is not None:
            self._keeping_time.cancel()

    async def refresh_clock(self) -> bool:
        """Put the time into the instructions again where it is old or the date is another; return whether it was."""
        if (line := self._clock.newer_line()) is None:
            return False
        await self.update_instructions(self._instructions_before_clock + line)
        return True

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_S)
            try:
                await self.refresh_clock()
            except Exception as error:  # noqa: BLE001  # a model that is away for a moment must not end the clock
                _log.warning("the clock in the instructions could not be set (%s)", type(error).__name__)

    def seen_by(self, watch: Watch) -> Watch:
        """The same eyes, whose bridge is also told what this call's caller answers."""

        def watching(session: AgentSession[Any]) -> Bridge:
            bridge = watch(session)
            bridge.hide_tool(CONSENT_TOOL)
            self._caller_number = bridge.caller_number
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
        number = self._caller_number()

        def use() -> Answer:
            return invoke(tool, raw_arguments, clinic=clinic, now=now, number=number)

        work = asyncio.to_thread(use)
        try:
            answer = await asyncio.wait_for(work, TOOL_TIMEOUT_S)
        except TimeoutError:
            _log.warning("tool %s did not answer within %s s", tool.name, TOOL_TIMEOUT_S)
            return _TOO_LATE
        self._unverified += answer.get("error_type") in ("not_verified", "staff_only")
        return answer


class _Clock:
    """The line of the instructions that has the time, and how old it is."""

    def __init__(self, clinic: Clinic, now: Callable[[], datetime]) -> None:
        self._clinic = clinic
        self._now = now
        self._read: datetime | None = None
        self._dates: tuple[object, ...] = ()

    def line(self) -> str:
        """Return the line as of now."""
        now = self._now()
        places, home = self._zones()
        self._read, self._dates = now, _local_dates(now, places)
        return clock_words(now, places=places, home=home)

    def newer_line(self) -> str | None:
        """Return the line as of now where the last one is too old, or of another date or offset at any place."""
        now = self._now()
        places, _home = self._zones()
        is_old = self._read is None or abs(now - self._read) >= _OLDEST_CLOCK
        return self.line() if is_old or _local_dates(now, places) != self._dates else None

    def _zones(self) -> tuple[Mapping[str, ZoneInfo], ZoneInfo | None]:
        try:
            return self._clinic.places(), self._clinic.zone
        except ClinicError as error:  # the call begins all the same; its tools say that the database is away
            _log.warning("the clinic's zones could not be read (%s)", type(error).__name__)
            return {}, None


def _local_dates(now: datetime, places: Mapping[str, ZoneInfo]) -> tuple[object, ...]:
    there = [now.astimezone(zone) for zone in places.values()]
    return tuple((moment.date(), moment.utcoffset()) for moment in there)


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
