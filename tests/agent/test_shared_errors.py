"""Two sessions on one LLM, STT or TTS, where one session has an error."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, APIConnectionError, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions

from failing import ONCE, FailingEars, FailingMouth
from medagent import trace_call
from medagent.agent.bridge import Bridge
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry.span import SafeSpan
from scripted import CLOSE_S, Loudness, Mind
from sessions import one, spans_of

pytestmark = [pytest.mark.timing, pytest.mark.usefixtures("traced")]

FAILS = APIConnectionError("gone")


class Shared:
    """A LLM, a TTS and an STT for two sessions, through adapters that both use where `adapted`."""

    def __init__(self, *, adapted: bool, most_errors: int = 3) -> None:
        self.mind, self.mouth, self.ears = (
            Mind([]),
            FailingMouth("sonic-2", []),
            FailingEars("nova-3", ["When?"] * 9, []),
        )
        self.vad = Loudness()
        plugins: dict[str, Any] = {"llm": self.mind, "tts": self.mouth, "stt": self.ears}
        if adapted:
            plugins = {
                "llm": llm.FallbackAdapter([self.mind], attempt_timeout=60.0),
                "tts": tts.FallbackAdapter([self.mouth], max_retry_per_tts=0),
                "stt": stt.FallbackAdapter([self.ears], vad=self.vad, attempt_timeout=60.0, max_retry_per_stt=0),
            }
        self.plugins = plugins
        self.before = [count_of(one) for one in self.emitters]
        self._options = SessionConnectOptions(
            stt_conn_options=ONCE,
            llm_conn_options=ONCE,
            tts_conn_options=ONCE,
            max_unrecoverable_errors=most_errors,
        )

    @property
    def emitters(self) -> list[Any]:
        return [self.mind, self.mouth, self.ears, *self.plugins.values()]

    def session(self) -> AgentSession[Any]:
        session = AgentSession[Any](
            vad=self.vad,
            turn_handling={"turn_detection": "vad"},
            conn_options=self._options,
            aec_warmup_duration=None,
            session_close_transcript_timeout=CLOSE_S,
            **self.plugins,
        )
        session.output.audio = CallerEar(pace=8.0, on_change=lambda _audible: None)
        session.input.audio = CallerVoice(pace=1.0)
        return session


def count_of(emitter: Any) -> dict[str, int]:
    return {event: len(listeners) for event, listeners in emitter._events.items() if listeners}


async def ask(session: AgentSession[Any]) -> None:
    """Ask by text; the answer may fail."""
    with contextlib.suppress(APIConnectionError):
        await asyncio.wait_for(session.run(user_input="When?"), 60)


def voice_of(session: AgentSession[Any]) -> CallerVoice:
    assert isinstance(session.input.audio, CallerVoice)
    return session.input.audio


async def ended(session: AgentSession[Any], bridge: Bridge) -> dict[str, Any]:
    if isinstance(voice := session.input.audio, CallerVoice):
        voice.close()
    await session.aclose()
    assert bridge.failures == 0
    spans: list[SafeSpan] = spans_of(bridge.trace_id)
    return one(spans, "session.end")


async def pair(shared: Shared, *, trace: bool = True) -> tuple[list[AgentSession[Any]], list[Bridge]]:
    """Two sessions that have started: the one that will fail, and the other."""
    sessions = [shared.session(), shared.session()]
    bridges = [trace_call(session) for session in (sessions if trace else sessions[1:])]
    for session in sessions:
        await session.start(Agent(instructions="Hours."), record=False)
    return sessions, bridges


@pytest.mark.parametrize("adapted", [False, True])
@pytest.mark.parametrize("part", ["llm", "tts"])
async def test_error_of_a_request_is_of_the_session_that_made_it(part: str, adapted: bool) -> None:
    """The call whose request failed lists the error; the other call lists none, lacks nothing, and goes on."""
    shared = Shared(adapted=adapted)
    shared.mind.answers = [FAILS, FAILS, "Nine."] if part == "llm" else ["Nine.", "Nine."]
    shared.mouth.fails = [part == "tts"] * 2
    if not adapted:
        shared.mind.answers, shared.mouth.fails = shared.mind.answers[-2:], shared.mouth.fails[:1]
        shared.mind.answers[0] = FAILS if part == "llm" else "Nine."
    sessions, bridges = await pair(shared)
    await ask(sessions[0])
    await probed(shared)
    await ask(sessions[1])
    failed, other = [await ended(session, bridge) for session, bridge in zip(sessions, bridges, strict=True)]
    assert {error["error_source"] for error in failed["errors"]} == {part}
    assert (failed["reason"], failed["unrecovered"]) == ("agent_ended", False)
    assert (other["errors"], other["missing"], other["reason"]) == ([], [], "agent_ended")
    assert [count_of(one) for one in shared.emitters] == shared.before


async def probed(shared: Shared) -> None:
    """Wait until the adapters have tried again what failed."""
    for adapter in shared.plugins.values():
        for status in getattr(adapter, "_status", ()):
            tasks = [getattr(status, name, None) for name in ("recovering_task", "recovering_synthesize_task")]
            await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)


async def test_error_of_a_transcriber_is_of_the_session_that_spoke() -> None:
    """An utterance that one call's transcriber failed on is no error of the call that shares it."""
    shared = Shared(adapted=False)
    shared.ears.fails = [True]
    sessions, bridges = await pair(shared)
    raised = asyncio.Event()
    sessions[0].on("error", lambda _event: raised.set())
    await voice_of(sessions[0]).say(0.4)
    await asyncio.wait_for(raised.wait(), 60)
    failed, other = [await ended(session, bridge) for session, bridge in zip(sessions, bridges, strict=True)]
    assert {error["error_source"] for error in failed["errors"]} == {"stt"}
    assert (other["errors"], "stt" in other["missing"], other["reason"]) == ([], False, "agent_ended")
    assert [count_of(one) for one in shared.emitters] == shared.before


async def test_error_that_may_be_another_session_s_is_not_taken() -> None:
    """Beside a session that is not traced an STT's error has no owner: it is not listed, and `stt` is missing."""
    shared = Shared(adapted=False)
    shared.ears.fails = [True]
    sessions, bridges = await pair(shared, trace=False)
    raised = asyncio.Event()
    sessions[0].on("error", lambda _event: raised.set())
    await voice_of(sessions[0]).say(0.4)
    await asyncio.wait_for(raised.wait(), 60)
    ends = await ended(sessions[1], bridges[0])
    await sessions[0].aclose()
    assert (ends["errors"], "stt" in ends["missing"], ends["complete"]) == ([], True, False)


async def test_error_that_closes_both_sessions_is_in_both_traces() -> None:
    """LiveKit closes every session on an object that failed too often: the trace of each says what ended it."""
    shared = Shared(adapted=False, most_errors=0)
    shared.mind.answers = [FAILS]
    sessions, bridges = await pair(shared)
    over = [asyncio.Event() for _ in sessions]
    for session, event in zip(sessions, over, strict=True):
        session.on("close", lambda _event, event=event: event.set())
    await ask(sessions[0])
    await asyncio.wait_for(asyncio.gather(*(event.wait() for event in over)), 60)
    for session, bridge in zip(sessions, bridges, strict=True):
        ends = await ended(session, bridge)
        assert (ends["reason"], [error["error_source"] for error in ends["errors"]]) == ("error", ["llm"])
