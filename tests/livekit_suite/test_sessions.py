"""Real sessions under `TracedSessions`: an agreeing one, and ones whose trace is broken on purpose."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from bench.livekit_suite import scripted, sessions
from bench.livekit_suite.sessions import TracedSessions
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.utils import http_context

from medagent.tracing import tracing

pytestmark = pytest.mark.timing


class Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You answer the phone.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet the caller.")

    @function_tool
    async def look_up(self, day: str) -> str:
        """Look something up.

        Args:
            day: the day
        """
        return f"open on {day}"


@pytest.fixture
def traced(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracedSessions]:
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path))
    monkeypatch.setattr(scripted, "_CALLED", set())
    monkeypatch.setattr(AgentSession, "start", AgentSession.start)
    tracing.cache_clear()
    made = TracedSessions(trace=True)
    made.owner = "a test"
    made.install()
    yield made
    tracing.cache_clear()


async def talk() -> None:
    async with http_context.open():
        session: AgentSession[Any] = AgentSession(
            stt=scripted.ScriptedSTT(),
            llm=scripted.ScriptedLLM(),
            tts=scripted.ScriptedTTS(),
            vad=scripted.ScriptedVAD(),
            turn_handling={"turn_detection": "vad"},
            aec_warmup_duration=None,
            session_close_transcript_timeout=0.3,
        )
        session.input.audio, session.output.audio = scripted.Microphone(), scripted.Loudspeaker()
        heard: asyncio.Queue[str] = asyncio.Queue()
        session.on("conversation_item_added", lambda event: heard.put_nowait(getattr(event.item, "role", "")))
        await session.start(Desk())
        await answer(heard)
        await scripted.Caller.say("Are you open on Monday?")
        await answer(heard)
        await session.aclose()


async def answer(heard: asyncio.Queue[str]) -> None:
    async with asyncio.timeout(60):
        while await heard.get() != "assistant":
            continue


async def test_session_with_a_tool_agrees(traced: TracedSessions) -> None:
    """A session of STT, LLM and TTS with a tool is observed, traced and agrees."""
    await talk()
    traced.end()
    (one,) = traced.compare()
    assert one["livekit"]["timeline"] == ("agent", "user", "agent")
    assert [tool["status"] for tool in one["livekit"]["tools"]] == ["done"]
    assert one["livekit"]["usage"]["input_tokens"] > 0
    assert (one["verdict"], list(one["differences"])) == ("agrees", [])


@pytest.mark.parametrize(
    ("lost", "kind"), [("tool.unknown", "tools"), ("agent_turn", "agent_turns"), ("user_turn", "user_turns")]
)
async def test_session_whose_trace_lost_spans_is_silent(
    traced: TracedSessions, monkeypatch: pytest.MonkeyPatch, lost: str, kind: str
) -> None:
    """A trace of the same session without its spans of one kind is found, and is silent."""
    await talk()
    traced.end()
    stored = sessions.archive

    def without(settings: Any) -> Any:
        whole = stored(settings)
        spans = whole.spans
        monkeypatch.setattr(whole, "spans", lambda trace: [one for one in spans(trace) if one.name != lost])
        return whole

    monkeypatch.setattr(sessions, "archive", without)
    (one,) = traced.compare()
    assert one["verdict"] == "silent"
    assert kind in [found["kind"] for found in one["differences"]]


async def test_session_whose_totals_are_wrong_is_silent(
    traced: TracedSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A trace that counts interruptions that LiveKit does not know is silent."""
    await talk()
    traced.end()
    stored = sessions.archive

    def changed(settings: Any) -> Any:
        whole = stored(settings)
        spans = whole.spans

        def read(trace: str) -> list[Any]:
            return [
                dataclasses.replace(one, fields={**one.fields, "interruptions": 5})
                if one.name == "session.end"
                else one
                for one in spans(trace)
            ]

        monkeypatch.setattr(whole, "spans", read)
        return whole

    monkeypatch.setattr(sessions, "archive", changed)
    (one,) = traced.compare()
    assert [found["kind"] for found in one["differences"]] == ["interruptions"]
    assert one["verdict"] == "silent"
