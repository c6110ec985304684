"""When a session may be traced, how often, and what is left of it afterwards."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession
from livekit.agents.ipc.mock_room import create_mock_room
from livekit.agents.telemetry import set_tracer_provider, tracer
from livekit.agents.testing import fake_job_context
from livekit.agents.voice.room_io import RoomOptions
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from medagent import trace_call
from medagent.agent import exits
from medagent.tracing import tracing
from scripted import CLOSE_S, Ears, Mind, Mouth
from sessions import one, spans_of

pytestmark = pytest.mark.timing

NAME = "Tamsin Quill"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """A tracing of its own for each test, and LiveKit's tracer as it was."""
    before = tracer._tracer_provider
    tracing.cache_clear()
    yield
    tracing().close()
    tracing.cache_clear()
    tracer.set_provider(before)


def typed_session(**options: Any) -> AgentSession[Any]:
    return AgentSession(
        vad=None, turn_handling={"turn_detection": None}, session_close_transcript_timeout=CLOSE_S, **options
    )


async def ask(session: AgentSession[Any], words: str = "When are you open?") -> None:
    await asyncio.wait_for(session.run(user_input=words), 60)


def desk() -> Agent:
    return Agent(instructions="You tell the hours.")


async def test_session_that_is_started_again_is_another_call() -> None:
    """After `aclose` the same session has another trace with turns of its own, and its exits are shut again."""
    session = typed_session(llm=Mind(["From nine.", "Until five."]))
    bridge = trace_call(session)
    traces = []
    for _ in range(2):
        await session.start(desk(), record=True)
        assert not any(session.options.recording_options.values())
        await ask(session)
        traces.append(bridge.trace_id)
        await session.aclose()
    assert len(set(traces)) == 2
    for trace_id in traces:
        ends = one(spans_of(trace_id), "session.end")
        assert (ends["agent_turns"], ends["missing"], ends["usage"]["input_tokens"]) == (1, [], 100)


async def test_session_that_is_traced_again_after_its_end_is_another_call() -> None:
    """Who traces each start gets a trace for each, from one bridge."""
    session = typed_session(llm=Mind(["From nine.", "Until five."]))
    traces = []
    for _ in range(2):
        bridge = trace_call(session)
        traces.append(bridge.trace_id)
        await session.start(desk())
        await ask(session)
        await session.aclose()
    assert [one(spans_of(trace_id), "session.end")["agent_turns"] for trace_id in traces] == [1, 1]


async def test_second_trace_of_a_call_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    """Two `trace_call` on one session are one trace, an error in the log and `attached_twice`."""
    session = typed_session(llm=Mind(["From nine."]))
    first, second = trace_call(session), trace_call(session)
    assert second is first
    await session.start(desk())
    await ask(session)
    await session.aclose()
    ends = one(spans_of(first.trace_id), "session.end")
    assert (ends["complete"], ends["missing"], ends["agent_turns"]) == (False, ["attached_twice"], 1)
    assert [record.levelno for record in caplog.records if "traced already" in record.message] == [logging.ERROR]


async def test_trace_after_the_start_says_so_and_shuts_the_exits(caplog: pytest.LogCaptureFixture) -> None:
    """What follows is traced, `attached_late` is missing, and recording and transcripts stop."""
    session = typed_session(llm=Mind(["From nine.", "Until five."]))
    await session.start(desk(), record=False)
    session.options.recording_options["transcript"] = True
    await ask(session)
    bridge = trace_call(session)
    await ask(session)
    assert not any(session.options.recording_options.values())
    assert session.output.transcription_enabled is False
    await session.aclose()
    ends = one(spans_of(bridge.trace_id), "session.end")
    assert (ends["complete"], ends["missing"], ends["agent_turns"]) == (False, ["attached_late"], 1)
    assert any(record.levelno == logging.ERROR and "runs already" in record.message for record in caplog.records)


class Late(Agent):
    """An agent that traces its session by itself, once the session starts."""

    def __init__(self) -> None:
        super().__init__(instructions="You tell the hours.")
        self.bridge: Any = None

    async def on_enter(self) -> None:
        self.bridge = trace_call(self.session)


@pytest.mark.parametrize("when", ["in on_enter", "after start"])
async def test_trace_of_a_session_in_a_room_shuts_what_leaves_by_the_room(when: str) -> None:
    """A session that joined a room before it was traced sends no text and no session message there from then on."""
    room = create_mock_room()
    room.reset_mock()
    with fake_job_context(room=room):
        session = typed_session(llm=Mind([f"Good morning, {NAME}.", "Until five."]))
        agent = Late() if when == "in on_enter" else desk()
        options = RoomOptions(audio_input=False, audio_output=False, text_output=True)
        await session.start(agent, room=room, room_options=options, record=False)
        host = session._session_host
        if isinstance(agent, Late):
            bridge = agent.bridge
        else:
            assert host is not None
            await ask(session)
            assert carried(room)
            bridge = trace_call(session)
        sent = carried(room)
        await ask(session)
        assert carried(room) == sent
        assert session._session_host is None
        assert host is None or not host._started
        assert session.output.transcription_enabled is False
        await session.aclose()
    ends = one(spans_of(bridge.trace_id), "session.end")
    assert (ends["complete"], ends["missing"], ends["agent_turns"]) == (False, ["attached_late"], 1)


def carried(room: Any) -> list[str]:
    """The calls by which text or session messages were sent into a room."""
    ways = ("send_text", "stream_text", "stream_bytes", "send_file", "publish_transcription", "publish_data")
    return [name for name, _, _ in room.local_participant.mock_calls if name in ways]


async def test_nothing_holds_a_handler_after_the_close() -> None:
    """Models, room and session have the listeners that they had before; `start` alone stays ours, for a next call."""
    plugins = {"stt": Ears([]), "llm": Mind(["From nine."]), "tts": Mouth()}
    room = rtc.Room()
    with fake_job_context(room=room):
        session = typed_session(**plugins)
        watched: list[Any] = [*plugins.values(), room, session]
        before = [count_of(one) for one in watched]
        trace_call(session)
        await session.start(desk(), record=False)
        await ask(session)
        await session.aclose()
        assert [count_of(one) for one in watched] == before
    assert all("session" not in vars(plugin) for plugin in plugins.values())


def count_of(emitter: Any) -> dict[str, int]:
    return {event: len(listeners) for event, listeners in emitter._events.items() if listeners}


async def test_a_closed_session_is_not_kept() -> None:
    """Neither tracing nor a shared model holds a session that is gone."""
    mind = Mind(["From nine."])
    session = typed_session(llm=mind)
    trace_call(session)
    await session.start(desk())
    await ask(session)
    await session.aclose()
    gone = id(session)
    del session
    await asyncio.sleep(0)
    gc.collect()
    assert not [one for one in gc.get_objects() if isinstance(one, AgentSession) and id(one) == gone]


def provider_of_host() -> tuple[TracerProvider, InMemorySpanExporter]:
    kept, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return provider, kept


@pytest.mark.parametrize("when", ["before trace_call", "after trace_call", "after start"])
async def test_provider_of_the_host_gets_no_span(
    when: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the host sets a tracer provider for LiveKit, no span of the call goes there, and the trace says so."""
    monkeypatch.setattr(exits, "LOOK_EVERY_S", 0.01)
    provider, kept = provider_of_host()
    session = typed_session(llm=Mind(["From nine.", f"Good morning, {NAME}."]))
    if when == "before trace_call":
        set_tracer_provider(provider)
    bridge = trace_call(session)
    if when == "after trace_call":
        set_tracer_provider(provider)
    await session.start(desk())
    if when == "after start":
        await ask(session)
        set_tracer_provider(provider)
        async with asyncio.timeout(60):
            while tracer._tracer_provider is provider:  # noqa: ASYNC110  # LiveKit tells nobody of a change
                await asyncio.sleep(0.01)
    await ask(session)
    await session.aclose()
    assert kept.get_finished_spans() == ()
    ends = one(spans_of(bridge.trace_id), "session.end")
    assert (ends["complete"], ends["missing"]) == (False, ["spans_of_livekit"])
    [said] = [record for record in caplog.records if "LiveKit's tracer" in record.message]
    assert said.levelno == logging.ERROR


async def test_global_provider_of_the_host_is_no_hole() -> None:
    """A provider that LiveKit was not given has nothing of the call, and the trace is complete."""
    session = typed_session(llm=Mind(["From nine."]))
    bridge = trace_call(session)
    await session.start(desk())
    await ask(session)
    await session.aclose()
    assert one(spans_of(bridge.trace_id), "session.end")["complete"] is True
