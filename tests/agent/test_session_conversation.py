"""Real sessions, each with another way to end a turn: what we say of them beside what LiveKit says itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from livekit import rtc
from livekit.agents import (
    DEFAULT_API_CONNECT_OPTIONS,
    Agent,
    AgentSession,
    AgentTask,
    APIConnectionError,
    APIError,
    RunContext,
    StopResponse,
    function_tool,
    llm,
    stt,
)
from livekit.agents.voice.room_io.types import _default_text_input_cb

from conversations import Conversation, hold
from scripted import CLOSE_S, Ears, Loudness, Mind, Mouth

pytestmark = pytest.mark.timing

LONG = "We are open from nine to five, " * 12


class Desk(Agent):
    """Greets, and has tools of every kind."""

    def __init__(self, *, greeting: str | None = "Good morning.") -> None:
        super().__init__(instructions="You are a receptionist.")
        self._greeting = greeting

    async def on_enter(self) -> None:
        if self._greeting is not None:
            self.session.say(self._greeting)

    @function_tool
    async def get_hours(self) -> str:
        """The hours."""
        return '{"outcome": "ok"}'

    @function_tool
    async def search(self, context: RunContext[Any]) -> str:
        """A slow search that tells the caller to wait."""
        self.session.say("One moment please.")
        await asyncio.sleep(1.0)
        return '{"outcome": "ok"}'

    @function_tool
    async def look_up(self, context: RunContext[Any]) -> str:
        """A slow search with LiveKit's own filler."""
        async with context.with_filler("Hold on.", delay=0.05):
            await asyncio.sleep(1.0)
        return '{"outcome": "ok"}'

    @function_tool
    async def tell(self) -> None:
        """Answers by itself."""
        self.session.say("You are booked.")

    @function_tool
    async def book(self) -> str:
        """Asks for a date in a task of its own."""
        await AskDate()
        return '{"outcome": "ok"}'

    @function_tool
    async def to_billing(self) -> Agent:
        """Hands over."""
        return Billing()


class AskDate(AgentTask[None]):
    """Asks one question."""

    def __init__(self) -> None:
        super().__init__(instructions="Ask for the date.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the date.")

    @function_tool
    async def done(self) -> None:
        """The date is known."""
        self.complete(None)


class Billing(Agent):
    """Greets by its model."""

    def __init__(self) -> None:
        super().__init__(instructions="You are billing.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet.")


def pipeline(answers: list[Any], transcripts: list[str], **options: Any) -> AgentSession[Any]:
    """A session of STT, LLM and TTS; LiveKit's VAD ends the turns unless `options` say otherwise."""
    chosen: dict[str, Any] = {
        "tts": Mouth(),
        "vad": Loudness(),
        "turn_handling": {"turn_detection": "vad", "interruption": {"resume_false_interruption": False}},
        "aec_warmup_duration": None,
        "session_close_transcript_timeout": CLOSE_S,
    }
    return AgentSession(**({"stt": Ears(transcripts), "llm": Mind(answers)} | chosen | options))


async def greeting(call: Conversation) -> None:
    await call.agent_speaks()
    await call.agent_is_done()


async def asks(call: Conversation, seconds: float = 0.8) -> None:
    await call.voice.say(seconds)
    await call.agent_speaks()
    await call.agent_is_done()


async def asks_once(call: Conversation) -> None:
    await greeting(call)
    await asks(call)


def agrees(call: Conversation) -> None:
    """Turns and interruptions are those of LiveKit's own history, and nothing is open at the end."""
    totals, messages = call.one("session.end"), call.messages
    assert totals["user_turns"] == sum(role == "user" for role, _ in messages)
    spoken = [
        turn for turn in call.all("agent_turn") if turn["first_sound_ms"] is not None or turn["kind"] == "proactive"
    ]
    assert len(spoken) == sum(role == "assistant" for role, _ in messages)
    assert totals["interruptions"] == sum(one.interrupted for one in call.speeches if one.scheduled)
    assert sum(turn["interrupted"] for turn in spoken) == sum(cut for role, cut in messages if role == "assistant")
    assert (totals["complete"], totals["missing"]) == (True, [])


# ---- where a turn ends -----------------------------------------------------------------------------------------------


async def test_livekits_vad_ends_a_turn_at_the_user_state() -> None:
    """A greeting has no latency; the answer's begins when the user state leaves `speaking`."""
    call = await hold(pipeline([("get_hours", "{}"), "From nine."], ["When?"]), Desk(), asks_once)
    agrees(call)
    first, answer = call.all("agent_turn")
    assert (first["kind"], first["ttft_ms"], answer["kind"], answer["ttft_start"]) == (
        "greeting",
        None,
        "reply",
        "user_state",
    )
    assert 0 < answer["ttft_ms"] < answer["perceived_ms"]
    assert (call.one("user_turn")["ended_by"], call.one("tool.get_hours")["outcome"]) == ("silence", "ok")
    assert {turn["agent"] for turn in (first, answer, call.one("user_turn"))} == {"desk"}


async def test_a_host_that_commits_ends_a_turn_by_hand() -> None:
    """Push to talk: TTFT-A begins at the commit, whatever a VAD heard before; the method is the session's again."""
    session = pipeline(["From nine."], ["When?"], turn_handling={"turn_detection": "manual"})

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.until(lambda: call.session.user_state == "listening")
        await call.session.commit_user_turn()
        await call.agent_speaks()
        await call.agent_is_done()

    call = await hold(session, Desk(), talk)
    answer, user = call.all("agent_turn")[1], call.all("user_turn")[0]
    assert (answer["ttft_start"], user["ended_by"], user["committed"]) == ("commit", "manual", True)
    assert answer["ttft_ms"] > 0
    assert answer["perceived_ms"] is None
    assert "commit_user_turn" not in vars(session)


async def test_an_stt_without_a_vad_ends_a_turn_by_its_transcript() -> None:
    """Nothing tells when the caller began: the turn is known by its commit, its length is null."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        heard = call.session.stt
        assert isinstance(heard, _Streamed)
        heard.hear("When are you open?")
        await call.agent_speaks()
        await call.agent_is_done()

    session = pipeline(["From nine."], [], stt=_Streamed(), vad=None, turn_handling={"turn_detection": "stt"})
    call = await hold(session, Desk(), talk)
    agrees(call)
    assert (call.one("user_turn")["audio_ms"], call.all("agent_turn")[1]["ttft_start"]) == (None, "commit")


@pytest.mark.parametrize("way", ["generate_reply", "run", "chat"])
async def test_what_is_typed_is_a_turn(way: str) -> None:
    """TTFT-A begins when the text arrives, which is no speech, whatever state the session takes meanwhile."""

    class Typed:
        text = "Are you open?"

    async def talk(call: Conversation) -> None:
        await greeting(call)
        if way == "generate_reply":
            call.session.generate_reply(user_input=Typed.text)
        elif way == "run":
            await call.session.run(user_input=Typed.text)
        else:
            await _default_text_input_cb(call.session, Typed)  # type: ignore[arg-type]
        await call.until(lambda: len(call.messages) == 3)
        await call.agent_is_done()

    call = await hold(pipeline(["From nine."], []), Desk(), talk)
    agrees(call)
    answer, user = call.all("agent_turn")[1], call.one("user_turn")
    assert (answer["kind"], answer["ttft_start"], user["modality"], user["ended_by"]) == (
        "reply",
        "text",
        "text",
        "typed",
    )
    assert answer["ttft_ms"] > 0


async def test_a_session_without_a_tts_that_plays_sound_is_heard() -> None:
    """Speech from a file is a turn as any other; a session of text alone has no TTFT-A."""

    class Recorded(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="x")

        async def on_user_turn_completed(self, *_: Any, **__: Any) -> None:
            self.session.say("We are open.", audio=_tone())
            raise StopResponse

    call = await hold(pipeline([], ["When?"], tts=None), Recorded(), asks)
    assert (call.one("agent_turn")["kind"], call.one("agent_turn")["ttft_start"]) == ("reply", "user_state")
    assert call.one("agent_turn")["ttft_ms"] > 0

    async def types(call: Conversation) -> None:
        call.session.output.audio = None
        await call.session.run(user_input="When?")

    call = await hold(pipeline(["From nine."], [], tts=None, stt=None, vad=None), Desk(greeting=None), types)
    assert (call.one("agent_turn")["ttft_ms"], call.one("agent_turn")["first_sound_ms"]) == (None, None)
    assert call.one("session.end")["user_turns"] == 1


# ---- what is an answer -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", ["search", "look_up"])
async def test_a_filler_has_its_own_turn(tool: str) -> None:
    """Speech of a tool at work, by `say` or LiveKit's `with_filler`, does not end the wait."""
    call = await hold(pipeline([(tool, "{}"), "From nine."], ["When?"]), Desk(), asks_once)
    agrees(call)
    _, answer, filler = call.all("agent_turn")
    assert (answer["kind"], filler["kind"], filler["ttft_ms"]) == ("reply", "filler", None)
    assert answer["ttft_ms"] > 1000 > answer["first_sound_ms"] == filler["first_sound_ms"] > 0  # no clock


async def test_a_tool_that_answers_by_itself_has_answered() -> None:
    """The answer is whoever's speech it is; the silent turn that called the tool has no TTFT-A."""
    call = await hold(pipeline([("tell", "{}")], ["Book me."]), Desk(), asks_once)
    agrees(call)
    _, asked, answer = call.all("agent_turn")
    assert (asked["ttft_ms"], answer["kind"], answer["ttft_start"]) == (None, "reply", "user_state")
    assert answer["ttft_ms"] > 0


async def test_a_declared_kind_holds() -> None:
    """The host knows best: what it calls a hold or a disclosure is one."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        call.watch.mark(call.session.say("This call may be recorded."), "disclosure")
        await call.until(lambda: len(call.messages) == 2)
        await call.agent_is_done()

    call = await hold(pipeline([], []), Desk(), talk)
    assert [turn["kind"] for turn in call.all("agent_turn")] == ["greeting", "disclosure"]


async def test_what_the_agent_says_by_itself_is_no_answer() -> None:
    """The question has been answered: what follows answers nothing."""

    async def talk(call: Conversation) -> None:
        await asks_once(call)
        call.session.say("Are you still there?")
        await call.agent_speaks()
        await call.agent_is_done()

    call = await hold(pipeline(["From nine."], ["When?"]), Desk(), talk)
    agrees(call)
    assert [turn["kind"] for turn in call.all("agent_turn")] == ["greeting", "reply", "proactive"]
    assert call.all("agent_turn")[2]["ttft_ms"] is None


# ---- interruptions ---------------------------------------------------------------------------------------------------


async def test_a_barge_in_is_an_interruption() -> None:
    """The speech that LiveKit interrupted is interrupted, by the utterance that began in it."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.agent_speaks()
        await asks(call, 1.0)

    call = await hold(pipeline([LONG, "Yes."], ["When?", "On Monday?"]), Desk(), talk)
    agrees(call)
    assert [turn["interrupted"] for turn in call.all("agent_turn")] == [False, True, False]
    assert [turn["interrupted_agent"] for turn in call.all("user_turn")] == [False, True]
    assert call.all("user_turn")[1]["overlap_ms"] > 0


@pytest.mark.parametrize(
    ("interruption", "second"),
    [
        ({"enabled": False, "resume_false_interruption": False}, "What about Monday?"),
        ({"min_duration": 5.0, "resume_false_interruption": False}, ""),
    ],
    ids=["not allowed", "too short"],
)
async def test_a_caller_whom_livekit_lets_not_interrupt_only_overlaps(
    interruption: dict[str, Any], second: str
) -> None:
    """The agent speaks on to the end: no interruption, an overlap, and no turn of what LiveKit dropped."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.agent_speaks()
        await call.voice.say(0.5)
        await call.agent_is_done()

    session = pipeline([LONG], ["When?", second], turn_handling={"turn_detection": "vad", "interruption": interruption})
    call = await hold(session, Desk(), talk)
    agrees(call)
    totals = call.one("session.end")
    assert (totals["interruptions"], totals["overlaps"], totals["uncommitted_turns"]) == (0, 1, 1)
    assert totals["overlap_ms"] > 0


@pytest.mark.parametrize("way", ["interrupt", "chat"])
async def test_a_host_or_a_text_that_interrupts_does(way: str) -> None:
    """No sound of the caller is needed for an interruption."""

    class Typed:
        text = "On Monday?"

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.agent_speaks()
        if way == "interrupt":
            await call.session.interrupt()
        else:
            await _default_text_input_cb(call.session, Typed)  # type: ignore[arg-type]
            await call.until(lambda: len(call.messages) == 5)
        await call.agent_is_done()

    call = await hold(pipeline([LONG, "Yes."], ["When?"]), Desk(), talk)
    agrees(call)
    assert call.one("session.end")["interruptions"] == 1
    assert not any(turn["interrupted_agent"] for turn in call.all("user_turn"))


# ---- agents, tools, errors -------------------------------------------------------------------------------------------


async def test_an_agent_task_is_visible_and_interrupts_nobody() -> None:
    """Two hand-overs, each turn under its agent's name, and a tool whose time is its own."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.until(lambda: call.session.current_agent.id == "ask_date" and call.session.agent_state == "speaking")
        await call.until(lambda: call.session.agent_state == "listening")
        await call.voice.say(0.8)
        await call.until(lambda: call.session.current_agent.id == "desk")
        await call.agent_speaks()
        await call.agent_is_done()

    answers = [("book", "{}"), "Which date?", ("done", "{}"), "You are booked."]
    call = await hold(pipeline(answers, ["Book me.", "On Monday."]), Desk(), talk)
    agrees(call)
    totals = call.one("session.end")
    assert (totals["interruptions"], totals["handoffs"], totals["tool_calls"]) == (0, 2, 2)
    assert [(one["from_agent"], one["to_agent"]) for one in call.all("agent_handoff")] == [
        ("desk", "ask_date"),
        ("ask_date", "desk"),
    ]
    [booking], [_, answered] = call.spans("tool.book"), call.spans("user_turn")
    assert booking.end_us <= answered.place.start_us
    assert [turn["agent"] for turn in call.all("user_turn")] == ["desk", "ask_date"]
    spoken = [(turn["agent"], turn["ttft_ms"] is not None) for turn in call.all("agent_turn")]
    assert spoken == [
        ("desk", False),
        ("desk", False),
        ("ask_date", True),
        ("ask_date", False),
        ("desk", True),
    ]


async def test_a_hand_over_names_the_agent_that_answers() -> None:
    """The next agent's speech on entering answers the caller."""
    call = await hold(pipeline([("to_billing", "{}"), "This is billing."], ["Billing please."]), Desk(), asks_once)
    agrees(call)
    assert [(one["from_agent"], one["to_agent"]) for one in call.all("agent_handoff")] == [("desk", "billing")]
    answer = call.all("agent_turn")[2]
    assert (answer["agent"], answer["kind"], answer["ttft_ms"] > 0) == ("billing", "reply", True)


@pytest.mark.parametrize(
    ("name", "arguments", "span"), [("book_for_jane", "{}", "unnamed"), ("get_hours", "{{{not", "get_hours")]
)
async def test_a_call_that_livekit_refuses_is_a_failed_span(name: str, arguments: str, span: str) -> None:
    """A name that the model made up is no name of a span."""
    call = await hold(pipeline([(name, arguments), "Sorry."], ["When?"]), Desk(), asks_once)
    agrees(call)
    refused = call.one(f"tool.{span}")
    assert (refused["outcome"], call.one("session.end")["tool_failures"]) == ("failed", 1)
    assert not any("jane" in record.name for record in call.records)


async def test_an_error_that_is_retried_fails_nothing() -> None:
    """The request is made again, the caller is answered: the error is listed, and neither turn nor call has failed."""
    call = await hold(pipeline([APIConnectionError("busy"), "From nine."], ["When?"]), Desk(), asks_once)
    agrees(call)
    assert [turn["status"] for turn in call.all("agent_turn")] == ["completed", "completed"]


async def test_a_model_that_fails_for_good_fails_its_turn() -> None:
    """The caller's next turn is answered, and has a wait of its own."""

    async def talk(call: Conversation) -> None:
        await greeting(call)
        await call.voice.say(0.8)
        await call.until(lambda: len(call.messages) == 2)
        await call.agent_is_done()
        await asks(call)

    answers = [APIError("no", retryable=False), "From nine."]
    call = await hold(pipeline(answers, ["When?", "When?"]), Desk(), talk)
    assert [turn["status"] for turn in call.all("agent_turn")] == ["completed", "failed", "completed"]
    assert [turn["ttft_ms"] is None for turn in call.all("agent_turn")] == [True, True, False]


# ---- stand-ins -------------------------------------------------------------------------------------------------------


class _Streamed(stt.STT):
    """Hears what a test tells it, without a word on when it began."""

    def __init__(self) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))
        self._streams: list[_Stream] = []

    def stream(self, **_: Any) -> stt.RecognizeStream:
        self._streams.append(_Stream(stt=self, conn_options=DEFAULT_API_CONNECT_OPTIONS))
        return self._streams[-1]

    async def _recognize_impl(self, *_: Any, **__: Any) -> stt.SpeechEvent:
        raise NotImplementedError

    def hear(self, text: str) -> None:
        said = stt.SpeechData(language="en", text=text)  # type: ignore[arg-type]  # a plain code is taken
        for kind in (stt.SpeechEventType.FINAL_TRANSCRIPT, stt.SpeechEventType.END_OF_SPEECH):
            event = stt.SpeechEvent(type=kind, alternatives=[said])
            self._streams[-1]._event_ch.send_nowait(event)


class _Stream(stt.RecognizeStream):
    async def _run(self) -> None:
        async for _ in self._input_ch:
            pass


async def _tone() -> AsyncIterator[rtc.AudioFrame]:
    for _ in range(20):
        yield rtc.AudioFrame((1000 * np.ones(480)).astype("<i2").tobytes(), 24_000, 1, 480)


def test_typed_text_is_told_by_livekits_own_mark() -> None:
    """A transcript has a confidence, a typed message has none: what we rely on is still LiveKit's convention."""
    assert llm.ChatMessage(role="user", content=["x"]).transcript_confidence is None
