"""Realtime sessions against the simulated server: turns without its VAD, voices beside it, survived errors."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, APIError

from medagent import trace_call
from medagent.simulator.caller import Caller
from medagent.telemetry.span import SafeSpan
from scripted import Mouth
from sessions import HELLO, PLAIN, THANKS, Desk, Line, line, one, realtime_session, spans_of

pytestmark = pytest.mark.timing

WAIT_S = 60.0


async def until(holds: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + WAIT_S
    while not holds():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


class Heard:
    """One traced call and what LiveKit says of it."""

    def __init__(self, spans: list[SafeSpan], session: AgentSession[Any], cut: list[bool]) -> None:
        self.spans = spans
        self.roles = [message.role for message in session.history.messages()]
        self.cut = cut

    def all(self, name: str) -> list[dict[str, Any]]:
        found = [dict(span.fields) for span in self.spans if span.name == name]
        return sorted(found, key=lambda fields: fields["index"])

    @property
    def totals(self) -> dict[str, Any]:
        return one(self.spans, "session.end")

    def agrees(self) -> None:
        """Turns and interruptions are LiveKit's own, and nothing is missing."""
        totals = self.totals
        assert (totals["complete"], totals["missing"]) == (True, [])
        spoken = [turn for turn in self.all("agent_turn") if turn["first_sound_ms"] is not None]
        assert len(spoken) == self.roles.count("assistant")
        assert sum(turn["interrupted"] for turn in spoken) == sum(self.cut)


async def call(
    provider: Line,
    session: AgentSession[Any],
    agent: Agent,
    talk: Callable[[AgentSession[Any], Caller], Awaitable[None]],
) -> Heard:
    """Hold a traced call; it ends with the session's own close."""
    bridge, caller, cut = trace_call(session), provider.caller(), list[bool]()
    session.on("conversation_item_added", lambda event: cut.append(getattr(event.item, "interrupted", False)))
    session.input.audio, session.output.audio = caller.input, caller.output
    await session.start(agent, record=False)
    await talk(session, caller)
    caller.input.close()
    await session.aclose()
    assert bridge.failures == 0
    return Heard(spans_of(bridge.trace_id), session, cut)


async def is_idle(session: AgentSession[Any], messages: int) -> None:
    await until(lambda: len(session.history.messages()) >= messages)
    await until(lambda: session.agent_state == "listening" and session.current_speech is None)


async def test_a_push_to_talk_call_has_turns() -> None:
    """No VAD at all: a turn is what the host commits, its length is null, the wait begins at the commit."""

    async def talk(session: AgentSession[Any], caller: Caller) -> None:
        await is_idle(session, 1)
        for number in (1, 2):
            await caller.input.say(3.0)
            session.commit_user_turn()
            await is_idle(session, 1 + 2 * number)

    async with line() as provider:
        session: AgentSession[Any] = AgentSession(
            llm=provider.model(turn_detection=None),
            vad=None,
            turn_handling={"turn_detection": "manual"},
            aec_warmup_duration=None,
        )
        heard = await call(provider, session, Desk(), talk)
    heard.agrees()
    assert heard.totals["user_turns"] == 2
    assert [turn["ttft_start"] for turn in heard.all("agent_turn")] == [None, "commit", "commit"]
    assert all(turn["ttft_ms"] > 0 for turn in heard.all("agent_turn")[1:])
    assert {turn["audio_ms"] for turn in heard.all("user_turn")} == {None}


async def test_text_to_a_realtime_model_has_turns() -> None:
    """Typed text beside a server's VAD is a turn of its own, with a wait of its own."""

    async def talk(session: AgentSession[Any], _caller: Caller) -> None:
        await is_idle(session, 1)
        await session.generate_reply(user_input="Are you open on Monday?")
        await is_idle(session, 3)

    async with line() as provider:
        heard = await call(provider, realtime_session(llm=provider.model()), Desk(), talk)
    heard.agrees()
    first, answer = heard.all("agent_turn")
    assert (first["kind"], answer["kind"], answer["ttft_start"]) == ("greeting", "reply", "text")
    assert (heard.totals["user_turns"], heard.all("user_turn")[0]["modality"]) == (1, "text")
    assert answer["total_tokens"] > 0


async def test_a_realtime_model_that_writes_and_a_tts_that_speaks() -> None:
    """The model's audio never comes: TTFT-A ends at the voice's first frame, on the server's clock of turns."""

    async def talk(_session: AgentSession[Any], caller: Caller) -> None:
        await caller.run()

    long = [
        {
            **turn,
            "model": [{"says": f"{turn['model'][0]['says']} We are glad that you called us here today by the lake."}],
        }
        for turn in PLAIN["turns"]
    ]
    async with line({**PLAIN, "turns": long}) as provider:
        session = realtime_session(llm=provider.model(modalities=["text"]), tts=Mouth())
        heard = await call(provider, session, Desk(), talk)
    heard.agrees()
    assert [turn["ttft_start"] for turn in heard.all("agent_turn")] == [None, "speech_stopped", "speech_stopped"]
    assert all(turn["ttft_ms"] > 0 and turn["total_tokens"] > 0 for turn in heard.all("agent_turn")[1:])


async def test_a_caller_who_speaks_into_a_greeting_of_a_tts_interrupts_it() -> None:
    """The greeting has no tokens, is interrupted by LiveKit's word, and the caller's turn says that it did so."""

    class Talker(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="x")

        async def on_enter(self) -> None:
            self.session.say("Thank you for calling. This call may be recorded. How can I help you today? " * 4)

    scenario = {
        **PLAIN,
        "turns": [
            {"caller": {"says": HELLO, "barge_in_after_s": 1.0}, "model": [{"says": "Yes, from eight."}]},
            {"caller": {"says": THANKS}, "model": [{"says": "Goodbye."}]},
        ],
    }

    async def talk(_session: AgentSession[Any], caller: Caller) -> None:
        await caller.run()

    async with line(scenario) as provider:
        heard = await call(provider, realtime_session(llm=provider.model(), tts=Mouth()), Talker(), talk)
    heard.agrees()
    greeting, *answers = heard.all("agent_turn")
    assert (greeting["kind"], greeting["interrupted"], "total_tokens" in greeting) == ("greeting", True, False)
    assert [turn["kind"] for turn in answers] == ["reply", "reply"]
    assert heard.all("user_turn")[0]["interrupted_agent"] is True


async def test_an_error_of_a_voice_beside_a_realtime_model_ends_nothing() -> None:
    """LiveKit tolerates it and the call goes on: the trace does too, and the call has not failed."""

    class Broken(Desk):
        async def on_enter(self) -> None:
            await self.session.say("Good morning.")
            self.session.generate_reply(instructions="Greet the caller.")

    async def talk(_session: AgentSession[Any], caller: Caller) -> None:
        await caller.run()

    async with line() as provider:
        session = realtime_session(llm=provider.model(), tts=Mouth(broken=True))
        heard = await call(provider, session, Broken(), talk)
    totals = heard.totals
    assert (totals["reason"], totals["outcome"], totals["unrecovered"]) == ("agent_ended", "informed", False)
    assert "tts" in {error["error_source"] for error in totals["errors"]}
    assert sum(turn["ttft_ms"] is not None for turn in heard.all("agent_turn")) == 2


async def test_an_error_that_ends_a_call_fails_it() -> None:
    """LiveKit closes the session after a fatal error of its model: the close event says so."""
    closed = asyncio.Event()

    async def talk(session: AgentSession[Any], _caller: Caller) -> None:
        await is_idle(session, 1)
        session.on("close", lambda _event: closed.set())
        activity: Any = session._activity
        activity.realtime_llm_session._emit_error(APIError("gone", retryable=False), recoverable=False)
        await asyncio.wait_for(closed.wait(), WAIT_S)

    async with line() as provider:
        heard = await call(provider, realtime_session(llm=provider.model()), Desk(), talk)
    assert (heard.totals["reason"], heard.totals["outcome"], heard.totals["unrecovered"]) == ("error", "failed", True)
