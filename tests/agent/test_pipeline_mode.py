"""STT → LLM → TTS through a real session: an exchange is a turn, and what took how long is known of each part."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, APIError, function_tool

from medagent import trace_call
from medagent.runtime.exports import archive
from medagent.settings import load_settings
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.span import SafeSpan
from medagent.tracing import tracing
from scripted import CLOSE_S, Ears, Loudness, Mind, Mouth
from sink import Sink

pytestmark = pytest.mark.timing

PRICES = """
version: 1
realtime: {}
llm: {gpt-4o-mini: {input: 0.15, cached: 0.075, output: 0.60, source: a test, as_of: 2026-11-20}}
stt: {nova-3: {per_second: 0.0001, source: a test, as_of: 2026-11-20}}
tts: {sonic-2: {per_character: 0.00003, source: a test, as_of: 2026-11-20}}
line: {}
"""
LLM_COST = (36 * 0.15 + 64 * 0.075 + 12 * 0.60) / 1_000_000


class Desk(Agent):
    """Tells the hours."""

    def __init__(self) -> None:
        super().__init__(instructions="You are a receptionist.")

    async def on_enter(self) -> None:
        self.session.say("Good morning, Lakeside.")

    @function_tool
    async def get_opening_hours(self, date: str) -> str:
        """The hours of a day."""
        await asyncio.sleep(0.02)
        return json.dumps({"outcome": "ok", "open": True})


class Call:
    """One call on a pipeline: the session, the caller's microphone, and whether the agent can be heard."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self.session = session
        self.voice = CallerVoice(pace=1.0)
        self.audible = False
        self.ear = CallerEar(pace=4.0, on_change=self._changed)

    def _changed(self, audible: bool) -> None:
        self.audible = audible

    async def until(self, holds: Callable[[], bool], within_s: float = 60.0) -> None:
        deadline = asyncio.get_running_loop().time() + within_s
        while not holds():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)

    async def agent_speaks(self) -> None:
        await self.until(lambda: self.session.agent_state == "speaking")

    async def agent_is_done(self) -> None:
        await self.until(lambda: self.session.agent_state == "listening" and self.session.current_speech is None)


async def play(
    talk: Callable[[Call], Awaitable[None]],
    *,
    ears: Ears,
    mind: Mind,
    mouth: Mouth | None = None,
) -> list[SafeSpan]:
    """What the archive has of a call, traced by `trace_call` alone."""
    tracing.cache_clear()
    session: AgentSession[Any] = AgentSession(
        stt=ears,
        llm=mind,
        tts=mouth or Mouth(),
        vad=Loudness(),
        turn_handling={"turn_detection": "vad", "interruption": {"resume_false_interruption": False}},
        aec_warmup_duration=None,
        session_close_transcript_timeout=CLOSE_S,
    )
    call = Call(session)
    bridge = trace_call(session)
    session.input.audio, session.output.audio = call.voice, call.ear
    try:
        await session.start(Desk(), record=False)
        await talk(call)
        bridge.end("caller_hung_up")
    finally:
        call.voice.close()
        await session.aclose()
    assert bridge.failures == 0
    assert not tracing().flush(60)
    running = tracing().loaded(60)
    assert running is not None
    assert running.switch.is_on()
    tracing().close()
    tracing.cache_clear()
    return archive(load_settings()).spans(bridge.trace_id)


def under(spans: list[SafeSpan], name: str) -> list[tuple[SafeSpan, list[SafeSpan]]]:
    """The spans of a name in order of their starts, each with its children."""
    own = sorted((span for span in spans if span.name == name), key=lambda span: span.start_us)
    return [(one, [span for span in spans if span.parent_id == one.span_id]) for one in own]


def one(spans: list[SafeSpan], name: str) -> dict[str, Any]:
    [found] = [span for span in spans if span.name == name]
    return dict(found.fields)


async def asks_for_the_hours(call: Call) -> None:
    await call.agent_speaks()
    await call.agent_is_done()
    await call.voice.say(0.8)
    await call.agent_speaks()
    await call.agent_is_done()


@pytest.fixture
def prices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pricing.yaml"
    path.write_text(PRICES)
    monkeypatch.setenv("MEDAGENT_PRICING", str(path))


@pytest.mark.usefixtures("prices")
async def test_an_exchange_is_a_turn_with_its_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Greeting and answer are exchanges; their children are both turns and each request, the tool under the agent's."""
    lines = tmp_path / "calls.jsonl"
    with Sink(tmp_path) as sink:
        monkeypatch.setenv("MEDAGENT_DESTINATIONS", "jsonlog,otlp")
        monkeypatch.setenv("MEDAGENT_JSONLOG", str(lines))
        monkeypatch.setenv("MEDAGENT_OTLP_ENDPOINT", sink.url)
        spans = await play(
            asks_for_the_hours,
            ears=Ears(["When are you open on Monday?"]),
            mind=Mind([("get_opening_hours", '{"date": "2026-05-04"}'), "We are open from nine to five."]),
        )
        assert len(sink.spans()) == len(spans)
    verify_chain(spans)
    greeting, exchange = under(spans, "conversation_turn")
    assert Counter(span.name for span in greeting[1]) == {"agent_turn": 1, "tts_synthesis": 1}
    assert Counter(span.name for span in exchange[1]) == {
        "user_turn": 1,
        "stt_processing": 1,
        "llm_generation": 2,
        "tts_synthesis": 1,
        "agent_turn": 1,
    }
    [answer] = [span for span in exchange[1] if span.name == "agent_turn"]
    [tool] = [span for span in spans if span.name == "tool.get_opening_hours"]
    assert (tool.parent_id, answer.fields["tool_calls"]) == (answer.span_id, 1)
    assert (greeting[0].fields["kind"], greeting[0].fields["total_latency_ms"]) == ("greeting", None)

    told: Any = exchange[0].fields
    eou, llm, tts = told["eou"], told["llm"], told["tts"]
    waits = (eou["end_of_utterance_delay"], llm["ttft"], tts["ttfb"])
    assert told["total_latency_ms"] == pytest.approx(sum(waits) * 1000, abs=0.01)
    assert (llm["ttft"] >= 0.05, tts["ttfb"] >= 0.04, eou["transcription_delay"] > 0.02) == (True, True, True)
    assert (told["slow"], told["status"], told["kind"]) == (told["total_latency_ms"] > 1500, "completed", "reply")
    assert told["stt"]["streamed"] is False
    assert 0.8 <= told["stt"]["audio_duration"] < 1.5  # no clock
    assert (tts["characters"], tts["streamed"]) == (len("We are open from nine to five."), False)
    assert (told["input_tokens"], told["output_tokens"], llm["prompt_cached_tokens"]) == (200, 24, 128)

    spoken: Any = answer.fields
    assert not {"model", "input_tokens", "cost_usd", "total_latency_ms"} & spoken.keys()
    assert 0 < spoken["ttft_ms"] < spoken["perceived_ms"]
    heard = next(span for span in exchange[1] if span.name == "user_turn")
    spoken_ms: Any = heard.fields["audio_ms"]
    assert 0 < spoken_ms < (heard.end_us - heard.start_us) / 1000  # the silence after it is the VAD's

    totals = one(spans, "session.end")
    characters = len("Good morning, Lakeside.") + tts["characters"]
    seconds = told["stt"]["audio_duration"]
    assert (totals["usage"]["tts_characters"], totals["usage"]["stt_audio_seconds"]) == (characters, seconds)
    assert totals["cost_usd"] == pytest.approx(2 * LLM_COST + seconds * 0.0001 + characters * 0.00003, abs=1e-7)
    assert told["cost_usd"] == pytest.approx(totals["cost_usd"] - len("Good morning, Lakeside.") * 0.00003, abs=1e-7)
    assert (totals["complete"], totals["unrecovered"]) == (True, False)
    began = one(spans, "session.start")
    assert (began["mode"], began["model"], began["provider"]) == ("pipeline", "gpt-4o-mini", "openai")

    logged = [json.loads(line) for line in lines.read_text().splitlines()]
    kinds = Counter(line["_event_type"] for line in logged)
    assert kinds == {"voice_metrics": 2, "tool_metrics": 1, "session_analytics": 1}
    [voice] = [line for line in logged if line["_event_type"] == "voice_metrics" and line["kind"] == "reply"]
    assert (voice["llm"]["ttft"], voice["tts"]["ttfb"]) == (llm["ttft"], tts["ttfb"])
    assert voice["total_latency"] == pytest.approx(told["total_latency_ms"] / 1000)
    left = json.dumps([span.document() for span in spans]) + lines.read_text()
    assert not re.search("nine to five|Monday|Lakeside", left)


@pytest.mark.usefixtures("prices")
async def test_what_is_not_counted_is_null() -> None:
    """A model that counts no tokens costs nobody knows what; no figure of it is 0."""
    mind = Mind(["We are open from nine to five."], counts=False)
    spans = await play(asks_for_the_hours, ears=Ears(["When are you open?"]), mind=mind)
    generation = one(spans, "llm_generation")
    assert {generation[name] for name in ("input_tokens", "output_tokens", "total_tokens", "cost_usd")} == {None}
    assert generation["llm"]["prompt_cached_tokens"] is None
    assert generation["llm"]["ttft"] > 0
    totals = one(spans, "session.end")
    assert (totals["cost_usd"], totals["usage"]["input_tokens"]) == (None, None)
    assert totals["usage"]["tts_characters"] > 0


async def test_a_barge_in_begins_another_exchange() -> None:
    """The caller who speaks over the answer opens the next exchange; the one before is interrupted, all add up."""

    async def interrupts(call: Call) -> None:
        await asks_for_the_hours(call)
        await call.voice.say(0.6)
        await call.agent_speaks()
        await call.voice.say(1.0)
        await call.agent_speaks()
        await call.agent_is_done()

    long = "We are open from nine to five, " * 12
    mind = Mind(["Hello.", long, "Yes, on Monday too."])
    spans = await play(interrupts, ears=Ears(["Hello?", "When are you open?", "On Monday too?"]), mind=mind)
    exchanges = [exchange.fields for exchange, _ in under(spans, "conversation_turn")]
    assert [one["index"] for one in exchanges] == [0, 1, 2, 3]
    assert [one["interrupted"] for one in exchanges] == [False, False, True, False]
    assert [one["status"] for one in exchanges] == ["completed", "completed", "cancelled", "completed"]
    totals = one(spans, "session.end")
    assert (totals["user_turns"], totals["agent_turns"], totals["interruptions"]) == (3, 4, 1)
    requests = [span.fields for span in spans if span.name == "llm_generation"]
    assert totals["usage"]["input_tokens"] == 100 * sum(one["input_tokens"] is not None for one in requests)
    assert len({span.span_id for span in spans}) == len(spans)


async def test_a_model_that_fails_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failed answer is a failed turn, and the error stands in one line, once; the call goes on after it."""
    monkeypatch.setenv("MEDAGENT_DESTINATIONS", "jsonlog")
    monkeypatch.setenv("MEDAGENT_JSONLOG", str(tmp_path / "calls.jsonl"))

    async def asks_twice(call: Call) -> None:
        await call.agent_speaks()
        await call.agent_is_done()
        await call.voice.say(0.6)
        await call.until(lambda: any(message.role == "user" for message in call.session.history.messages()))
        await call.agent_is_done()
        await call.voice.say(0.6)
        await call.agent_speaks()
        await call.agent_is_done()

    mind = Mind([APIError("Jane Doe is unknown", retryable=False), "We are open."])
    spans = await play(asks_twice, ears=Ears(["Hello?", "When are you open?"]), mind=mind)
    assert [turn.fields["status"] for turn, _ in under(spans, "agent_turn")] == ["completed", "failed", "completed"]
    [error] = one(spans, "session.end")["errors"]
    assert (error["error_source"], error["error_type"]) == ("llm", "APIError")
    logged = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert Counter(line["_event_type"] for line in logged)["session_error"] == 1
    assert "Jane" not in json.dumps([span.document() for span in spans])
