"""The calls that are sent: a booking, one with a failing tool, one of a pipeline; together with every kind of span."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool
from tests.scripted import Ears, Loudness, Mind, Mouth, Named

from medagent.agent.caller import Caller
from medagent.rehearsal import Stage, found, stage
from medagent.settings import Settings
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan

PRICES = """
version: 1
realtime:   # another contract than the public prices: a backend that uses its own table is seen at once
  gpt-realtime:
    text: {input: 3.00, cached: 0.90, output: 11.00}
    audio: {input: 27.00, cached: 2.10, output: 49.00}
    source: a contract of this run
    as_of: 2026-11-30
llm:
  gpt-4o-mini: {input: 0.41, cached: 0.13, output: 1.70, source: a contract of this run, as_of: 2026-11-30}
stt:
  whisper-1: {per_second: 0.0003, source: a contract of this run, as_of: 2026-11-30}
  nova-3: {per_second: 0.0002, source: a contract of this run, as_of: 2026-11-30}
tts:
  sonic-2: {per_character: 0.00003, source: a contract of this run, as_of: 2026-11-30}
line: {livekit_per_minute: 0.01, sip_per_minute: 0.004}
"""
UNPRICED = "gpt-4.1-mini"
"""A model that both backends know and our price list does not."""
_PERSON = {
    "patient_name": "Theodora Winterbourne",
    "phone": "+14155550168",
    "dob": "1964-07-23",
    "email": "t.winterbourne@example.com",
}
_DELIVERED_WITHIN_S = 90.0
_ENDS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One call: its spans as our archive has them, and the caller's identifiers."""

    name: str
    spans: Sequence[SafeSpan]
    person: Mapping[str, str]

    @property
    def trace_id(self) -> str:
        """The trace's id."""
        return self.spans[0].trace_id


class CallsWentWrongError(Exception):
    """A call did not come out as it was to, or was not delivered."""


async def play(settings: Settings, *, short: bool) -> list[Played]:
    """Play the calls and wait until the collector has all of them.

    Args:
        settings: Destination, home and prices.
        short: Without the booking, and faster.

    Raises:
        CallsWentWrongError: A call came out otherwise, or something of it was not delivered.
    """
    names = ["tool_raises"] if short else ["book", "tool_raises"]
    async with stage(settings, names, pace=40.0 if short else 20.0) as line:
        realtime = [await line.play(load_scenario(name)) for name in names]
        spoken = await _pipeline(line)
        lacking = await asyncio.to_thread(line.telemetry.flush, _DELIVERED_WITHIN_S)
        in_force = line.policy
    problems = [f"{one.scenario.name}: {problem}" for one in realtime for problem in one.problems]
    problems += [f"{name}: not all of it was delivered" for name in lacking]
    if problems:
        raise CallsWentWrongError("; ".join(problems))
    played = [Played(name=one.scenario.name, spans=one.spans, person=one.scenario.person) for one in realtime]
    for one in realtime:
        if leaked := found(one.scenario, one.spans, in_force):
            raise CallsWentWrongError(f"{one.scenario.name}: found in what left: {', '.join(leaked)}")
    return [*played, Played(name="pipeline", spans=spoken, person=_PERSON)]


class _Billing(Agent):
    """Takes over, with a model that our price list does not know."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You answer questions about bills.", llm=Named(UNPRICED, ["The bill is on its way."])
        )

    async def on_enter(self) -> None:
        await self.session.generate_reply()


class _Desk(Agent):
    """Books, and hands over to billing."""

    def __init__(self) -> None:
        super().__init__(instructions="You are a receptionist.")

    async def on_enter(self) -> None:
        self.session.say("Good morning, Lakeside.")

    @function_tool
    async def book_appointment(self, patient_name: str, phone: str, dob: str, email: str, reason_for_visit: str) -> str:
        """Book a visit."""
        del patient_name, phone, dob, email, reason_for_visit
        await asyncio.sleep(0.02)
        return json.dumps({"outcome": "ok", "confirmation_id": "LC-HV6NPG"})

    @function_tool
    async def ask_billing(self) -> Agent:
        """Hand the caller over to billing."""
        return _Billing()


async def _pipeline(line: Stage) -> list[SafeSpan]:
    """Play a call on STT, LLM and TTS: a booking, then a hand-over to an agent with another model."""
    ears = Ears([f"I am {_PERSON['patient_name']}, my knee hurts.", "And what of my bill?"])
    booking = json.dumps({**_PERSON, "reason_for_visit": "Sore knee"})
    mind = Mind([("book_appointment", booking), "You are booked.", ("ask_billing", "{}")])
    session: AgentSession[Any] = AgentSession(
        stt=ears,
        llm=mind,
        tts=Mouth(),
        vad=Loudness(),
        turn_handling={"turn_detection": "vad", "interruption": {"resume_false_interruption": False}},
        aec_warmup_duration=None,
    )
    voice = CallerVoice(pace=1.0)
    number = _PERSON["phone"]
    caller = Caller(room=f"clinic_{number}_backends", participant=f"sip_{number}", number=number)
    bridge = line.telemetry.watch(session, caller=caller)
    session.input.audio, session.output.audio = voice, CallerEar(pace=4.0, on_change=lambda _: None)
    try:
        await session.start(_Desk(), record=False)
        await _spoken(session)
        for _ in range(2):
            await voice.say(0.8)
            await _spoken(session)
        bridge.end("caller_hung_up")
    finally:
        voice.close()
        await session.aclose()
    return await line._sealed(bridge.trace_id)


async def _spoken(session: AgentSession[Any]) -> None:
    """Wait until the agent has spoken and waits for the caller."""
    async with asyncio.timeout(_ENDS_WITHIN_S):
        while session.agent_state != "speaking":  # noqa: ASYNC110  # LiveKit has no event to wait for
            await asyncio.sleep(0.01)
        quiet = 0
        while quiet < 30:  # a hand-over speaks again within 0.3 s
            quiet = quiet + 1 if _is_listening(session) else 0
            await asyncio.sleep(0.01)


def _is_listening(session: AgentSession[Any]) -> bool:
    return session.agent_state == "listening" and session.current_speech is None


def write_prices(path: Path) -> None:
    """Write the price list of this run."""
    path.write_text(PRICES, encoding="utf-8")
