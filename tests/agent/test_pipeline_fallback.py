"""Fallback adapters of a pipeline: which plugin served, what it cost, and errors that LiveKit survives."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from livekit.agents import Agent, AgentSession, APIConnectionError, llm, stt, tts
from livekit.agents.voice.agent_session import SessionConnectOptions

from failing import ONCE, Breaking, FailingEars, FailingMouth
from medagent import trace_call
from medagent.agent.bridge import Bridge
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry.span import SafeSpan
from medagent.tracing import tracing
from scripted import CLOSE_S, Loudness, Mind, Named
from sessions import one, spans_of

pytestmark = [pytest.mark.timing, pytest.mark.usefixtures("traced")]

FIRST, SECOND = "gpt-4o", "gpt-4o-mini"
FAILS = APIConnectionError("gone")
LLM_PRICES = {FIRST: (2.5, 1.25, 10.0), SECOND: (0.15, 0.075, 0.6)}
STT_PRICES = {"nova-3": 0.0001, "whisper-1": 0.0002}
TTS_PRICES = {"sonic-2": 0.00003, "tts-1": 0.00001}
SOURCE = {"source": "a test", "as_of": "2026-11-20"}


@pytest.fixture
def traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A tracing of its own, with a price for each model."""
    llm_prices = {
        name: {"input": price[0], "cached": price[1], "output": price[2], **SOURCE}
        for name, price in LLM_PRICES.items()
    }
    stt_prices = {name: {"per_second": price, **SOURCE} for name, price in STT_PRICES.items()}
    tts_prices = {name: {"per_character": price, **SOURCE} for name, price in TTS_PRICES.items()}
    prices = {"version": 1, "realtime": {}, "llm": llm_prices, "stt": stt_prices, "tts": tts_prices, "line": {}}
    path = tmp_path / "pricing.yaml"
    path.write_text(yaml.safe_dump(prices))
    monkeypatch.setenv("MEDAGENT_PRICING", str(path))
    tracing.cache_clear()
    yield
    tracing().close()
    tracing.cache_clear()


def typed(**options: Any) -> AgentSession[Any]:
    once = SessionConnectOptions(stt_conn_options=ONCE, llm_conn_options=ONCE, tts_conn_options=ONCE)
    return AgentSession(
        vad=None,
        turn_handling={"turn_detection": None},
        conn_options=once,
        session_close_transcript_timeout=CLOSE_S,
        **options,
    )


async def ask(session: AgentSession[Any], words: str = "When?") -> None:
    """Ask by text; the answer may fail."""
    with contextlib.suppress(APIConnectionError):
        await asyncio.wait_for(session.run(user_input=words), 60)


async def when(adapter: Any, event: str, is_met: Callable[[], bool]) -> None:
    """Wait until an adapter's event finds a condition met."""
    met = asyncio.Event()

    def look(_event: object = None) -> None:
        if is_met():
            met.set()

    adapter.on(event, look)
    look()
    await asyncio.wait_for(met.wait(), 60)
    adapter.off(event, look)


async def closed(session: AgentSession[Any], bridge: Bridge) -> list[SafeSpan]:
    """The spans of a call, whose models have the usage that LiveKit's session counted."""
    await session.aclose()
    assert bridge.failures == 0
    spans = spans_of(bridge.trace_id)
    ends = one(spans, "session.end")
    ours = {(use["part"], use["model"]): use for use in ends["models"]}
    counted = {(usage.type.removesuffix("_usage"), usage.model): usage for usage in session.usage.model_usage}
    assert set(ours) == set(counted)
    for key, usage in counted.items():
        measures, cost_usd = counted_by_livekit(usage)
        assert {name: ours[key][name] for name in measures} == pytest.approx(measures, abs=1e-4)
        assert ours[key]["cost_usd"] == pytest.approx(cost_usd, rel=1e-3)
    return spans


def counted_by_livekit(usage: Any) -> tuple[dict[str, float], float]:
    """LiveKit's count of one model, by our names, and its cost."""
    if usage.type == "llm_usage":
        fresh, cached, written = LLM_PRICES[usage.model]
        cost = (usage.input_tokens - usage.input_cached_tokens) * fresh + usage.input_cached_tokens * cached
        tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
        return tokens, (cost + usage.output_tokens * written) / 1_000_000
    if usage.type == "tts_usage":
        return {"characters": usage.characters_count}, usage.characters_count * TTS_PRICES[usage.model]
    return {"audio_seconds": usage.audio_duration}, usage.audio_duration * STT_PRICES[usage.model]


def requests(spans: list[SafeSpan], part: str) -> dict[str, int]:
    """The number of requests to each model of a part."""
    uses = one(spans, "session.end")["models"]
    return {use["model"]: use["requests"] for use in uses if use["part"] == part}


def assert_survived(spans: list[SafeSpan], *, errors: int = 0) -> None:
    """The call ended as any other, and no error ended its trace."""
    ends = one(spans, "session.end")
    assert (ends["reason"], ends["unrecovered"], len(ends["errors"])) == ("agent_ended", False, errors)
    assert ends["outcome"] != "failed"


LLM_CASES: dict[str, tuple[list[Any], list[Any], dict[str, int]]] = {
    "first fails at once": ([FAILS] * 9, ["Nine.", "Five."], {SECOND: 2}),
    "first fails later": (["Nine.", *[FAILS] * 9], ["Five."], {FIRST: 1, SECOND: 1}),
    "first recovers": ([FAILS, "A probe.", "Five."], ["Nine."], {FIRST: 2, SECOND: 1}),
}


@pytest.mark.parametrize("case", LLM_CASES)
async def test_llm_that_served_has_requests_and_cost(case: str) -> None:
    """Tokens and cost of each model are its own; a probe of one that failed is in no turn."""
    first, second, expected = LLM_CASES[case]
    adapter = llm.FallbackAdapter([Named(FIRST, list(first)), Named(SECOND, list(second))], attempt_timeout=60.0)
    session = typed(llm=adapter)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."))
    await ask(session)
    if case == "first recovers":
        await when(adapter, "llm_availability_changed", lambda: adapter._status[0].available)
    await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert requests(spans, "llm") == expected
    assert_survived(spans)
    ends = one(spans, "session.end")
    assert (ends["complete"], ends["cost_missing"]) == (True, [])
    turns = [span.fields for span in spans if span.name == "conversation_turn"]
    assert [turn["input_tokens"] for turn in turns] == [100, 100]


async def test_llm_that_breaks_off_its_answer_is_a_hole() -> None:
    """LiveKit counts nothing of an answer that broke off: the error is listed, `llm` is missing, the cost is null."""
    adapter = llm.FallbackAdapter([Breaking(FIRST, ["We are", "Five."], [True]), Named(SECOND, ["Nine."])])
    session = typed(llm=adapter)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."))
    await ask(session)
    await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert_survived(spans, errors=1)
    ends = one(spans, "session.end")
    assert (ends["complete"], ends["missing"], ends["cost_missing"]) == (False, ["llm"], ["llm"])
    [error] = ends["errors"]
    assert (error["error_source"], error["error_type"]) == ("llm", "APIConnectionError")


async def test_adapter_whose_models_all_fail_once_does_not_fail_the_call() -> None:
    """LiveKit answers the next question: the error is listed, and the call goes on."""
    adapter = llm.FallbackAdapter([Named(FIRST, [FAILS, FAILS]), Named(SECOND, [FAILS, FAILS, "Nine."])])
    session = typed(llm=adapter)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."))
    await ask(session)
    probes: list[Any] = [status.recovering_task for status in adapter._status]
    await asyncio.wait_for(asyncio.gather(*(probe for probe in probes if probe is not None)), 60)
    await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert_survived(spans, errors=1)
    assert one(spans, "session.end")["errors"][0]["error_source"] == "llm"
    assert bridge.failures == 0


TTS_CASES: dict[str, tuple[list[bool], dict[str, int]]] = {
    "first fails at once": ([True] * 9, {"tts-1": 2}),
    "first fails later": ([False, *[True] * 9], {"sonic-2": 1, "tts-1": 1}),
    "first recovers": ([True, False, False], {"sonic-2": 2, "tts-1": 1}),
}


@pytest.mark.parametrize("case", TTS_CASES)
async def test_tts_that_served_has_requests_and_characters(case: str) -> None:
    """Characters of each voice are its own; a probe of one that failed is in no turn."""
    fails, expected = TTS_CASES[case]
    adapter = tts.FallbackAdapter(
        [FailingMouth("sonic-2", list(fails)), FailingMouth("tts-1", [])], max_retry_per_tts=0
    )
    session = typed(llm=Mind(["We open at nine.", "We close at five."]), tts=adapter)
    session.output.audio = CallerEar(pace=8.0, on_change=lambda _audible: None)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."), record=False)
    await ask(session)
    if case == "first recovers":
        await when(adapter, "tts_availability_changed", lambda: adapter._status[0].available)
    await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert requests(spans, "tts") == expected
    assert_survived(spans)
    ends = one(spans, "session.end")
    assert (ends["missing"], ends["cost_missing"]) == ([], [])
    turns = [dict(span.fields) for span in spans if span.name == "conversation_turn"]
    assert [turn["tts"]["characters"] for turn in turns] == [len("We open at nine."), len("We close at five.")]


STT_CASES: dict[str, tuple[list[bool], dict[str, int]]] = {
    "first fails at once": ([True] * 9, {"whisper-1": 2}),
    "first fails later": ([False, *[True] * 9], {"nova-3": 1, "whisper-1": 2}),
    "first recovers": ([True, False], {"nova-3": 1, "whisper-1": 2}),
}


@pytest.mark.parametrize("case", STT_CASES)
async def test_stt_that_served_has_requests_and_seconds(case: str) -> None:
    """Seconds of each transcriber are its own; the utterance in which one fails is lost, and no error ends the call."""
    fails, expected = STT_CASES[case]
    vad = Loudness()
    adapter = stt.FallbackAdapter(
        [FailingEars("nova-3", ["When?"] * 9, list(fails)), FailingEars("whisper-1", ["When?"] * 9, [])],
        vad=vad,
        attempt_timeout=60.0,
        max_retry_per_stt=0,
        retry_interval=0.01,
    )
    session: AgentSession[Any] = AgentSession(
        stt=adapter,
        llm=Mind(["Nine."] * 9),
        vad=vad,
        turn_handling={"turn_detection": "vad"},
        aec_warmup_duration=None,
        session_close_transcript_timeout=CLOSE_S,
    )
    bridge, voice, answers = trace_call(session), CallerVoice(pace=1.0), asyncio.Queue[str]()
    session.on("conversation_item_added", lambda event: answers.put_nowait("") if is_answer(event.item) else None)
    session.input.audio = voice
    await session.start(Agent(instructions="Hours."), record=False)
    if case == "first fails later":
        await voice.say(0.4)
        await asyncio.wait_for(answers.get(), 60)
    await voice.say(0.4)
    await when(adapter, "stt_availability_changed", lambda: not adapter._status[0].available)
    for _ in range(2):
        await voice.say(0.4)
        await asyncio.wait_for(answers.get(), 60)
    voice.close()
    spans = await closed(session, bridge)
    assert requests(spans, "stt") == expected
    assert_survived(spans)
    ends = one(spans, "session.end")
    assert (ends["missing"], "stt" in ends["cost_missing"]) == ([], False)
    probes = [span for span in spans if span.name == "stt_processing" and span.parent_id == root(spans)]
    assert len(probes) == (case == "first recovers")


def is_answer(item: object) -> bool:
    return isinstance(item, llm.ChatMessage) and item.role == "assistant"


def root(spans: list[SafeSpan]) -> str:
    [session] = [span.span_id for span in spans if span.name == "voice_session"]
    return session
