"""A realtime model that dies inside a call, and the one that takes its place."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import pytest
from livekit.agents import AgentSession, APIConnectionError, llm, metrics
from livekit.plugins import openai

from failing import ONCE
from medagent import trace_call
from medagent.pricing import Usage, load_prices
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry.span import SafeSpan
from other_realtime import OtherModel
from sessions import HELLO, PACE, PLAIN, THANKS, Desk, Line, line, one, realtime_session, spans_of

pytestmark = pytest.mark.timing

MINI, WHOLE = "gpt-realtime-mini", "gpt-realtime"
DIES: dict[str, Any] = {
    **PLAIN,
    "name": "dies",
    "turns": [
        {"model": [{"says": "Clinic, good morning."}]},
        {
            "caller": {"says": HELLO},
            "model": [
                {
                    "says": "Yes, we are open from eight until five on every day but Sunday.",
                    "fault": {"kind": "reconnect", "seconds": 1},
                }
            ],
        },
    ],
}
TAKES_OVER: dict[str, Any] = {
    **PLAIN,
    "name": "takes_over",
    "turns": [
        {"model": [{"says": "As I said, we are open from eight."}]},
        {"caller": {"says": THANKS}, "model": [{"says": "Goodbye."}]},
    ],
}


def mini(provider: Line, name: str) -> openai.realtime.RealtimeModel:
    """A smaller model of OpenAI's whose first lost connection is its last."""
    url = f"{provider.simulator.endpoint}/openai/v1/realtime?model={name}"
    return openai.realtime.RealtimeModel(model=MINI, base_url=url, api_key="simulator", conn_options=ONCE)


class Answered:
    """Counts the responses that LiveKit measured of each model; waits until the agent is silent after them."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self._session = session
        self._changed = asyncio.Event()
        self.by_model: Counter[str] = Counter()
        session.on("metrics_collected", self._measured)
        session.on("agent_state_changed", lambda _event: self._changed.set())

    def _measured(self, event: Any) -> None:
        measured = event.metrics
        if isinstance(measured, metrics.RealtimeModelMetrics) and measured.request_id:
            self.by_model[measured.metadata.model_name] += 1
            self._changed.set()

    async def times(self, model: str, number: int) -> None:
        try:
            async with asyncio.timeout(120):
                while self.by_model[model] < number or self._session.agent_state != "listening":
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            pytest.fail(f"{self.by_model} in state {self._session.agent_state}, expected {number} of {model}")


def uses(spans: list[SafeSpan]) -> dict[str, dict[str, Any]]:
    """The realtime models of a call, as `session.end` lists them."""
    return {use["model"]: use for use in one(spans, "session.end")["models"] if use["part"] == "realtime"}


async def test_model_that_takes_over_has_its_own_turns_tokens_and_price() -> None:
    """The first model's connection is cut while it speaks: that answer's usage is missing, the rest is each one's."""
    async with line(DIES, TAKES_OVER) as provider:
        adapter = llm.RealtimeModelFallbackAdapter([mini(provider, "dies"), provider.model("takes_over")])
        session = realtime_session(llm=adapter)
        bridge, answered, voice = trace_call(session), Answered(session), CallerVoice(pace=PACE)
        session.input.audio, session.output.audio = voice, CallerEar(pace=PACE, on_change=lambda _audible: None)
        states, reconnected = asyncio.Queue[str](), asyncio.Event()
        adapter.on("realtime_availability_changed", lambda _event: states.put_nowait(session.agent_state))
        await session.start(Desk(), record=False)
        activity: Any = session._activity
        activity.realtime_llm_session.on("session_reconnected", lambda _event: reconnected.set())
        await answered.times(MINI, 1)
        await voice.say(4.0)
        state_at_cut = await asyncio.wait_for(states.get(), 120)
        await asyncio.wait_for(reconnected.wait(), 120)
        if state_at_cut == "listening":  # no word of the answer was heard yet: LiveKit does not ask for it again
            await voice.say(4.0)
        await answered.times(WHOLE, 1)
        await voice.say(4.0)
        await answered.times(WHOLE, 2)
        voice.close()
        await session.aclose()
        spans = spans_of(bridge.trace_id)
    assert bridge.failures == 0
    began, ends, whole = (one(spans, name) for name in ("session.start", "session.end", "voice_session"))
    assert (began["model"], began["provider"]) == (whole["model"], whole["provider"]) == (MINI, "other")
    found = uses(spans)
    assert {name: use["provider"] for name, use in found.items()} == {MINI: "other", WHOLE: "azure.ai.openai"}
    assert {name: use["requests"] for name, use in found.items()} == answered.by_model
    for counted in (usage for usage in session.usage.model_usage if usage.type == "llm_usage"):
        use = found[counted.model]
        assert (use["input_tokens"], use["output_tokens"]) == (counted.input_tokens, counted.output_tokens)
        assert use["cost_usd"] == pytest.approx(load_prices().realtime_cost(counted.model, usage_of(counted)))
    turns = sorted((span for span in spans if span.name == "agent_turn"), key=lambda span: span.fields["index"])
    models = [span.fields["model"] for span in turns]
    assert models == sorted(models, key=[MINI, WHOLE].index)
    assert set(models) == {MINI, WHOLE}
    assert (ends["missing"], ends["cost_missing"], ends["reconnects"]) == (["usage"], ["realtime"], 1)
    assert (ends["reason"], ends["unrecovered"], ends["outcome"]) == ("agent_ended", False, "informed")
    [error] = ends["errors"]
    assert (error["error_source"], error["error_recoverable"]) == ("realtime", True)


def usage_of(counted: Any) -> Usage:
    """LiveKit's count of one model, without cached tokens."""
    return Usage(
        input_tokens=counted.input_tokens,
        output_tokens=counted.output_tokens,
        total_tokens=counted.input_tokens + counted.output_tokens,
        input_text_tokens=counted.input_text_tokens,
        input_audio_tokens=counted.input_audio_tokens,
        input_image_tokens=0,
        input_cached_tokens=0,
        input_cached_text_tokens=0,
        input_cached_audio_tokens=0,
        input_cached_image_tokens=0,
        output_text_tokens=counted.output_text_tokens,
        output_audio_tokens=counted.output_audio_tokens,
    )


class Talk:
    """A session on an adapter of models without a server; `hears` is a question, answered to the end."""

    def __init__(self, adapter: llm.RealtimeModelFallbackAdapter) -> None:
        self.session = realtime_session(llm=adapter)
        self.session.output.audio = CallerEar(pace=4.0, on_change=lambda _audible: None)
        self.bridge, self._answered = trace_call(self.session), Answered(self.session)

    async def start(self) -> None:
        await self.session.start(Desk(), record=False)
        await self._answered.times("first", 1)

    @property
    def serving(self) -> Any:
        activity: Any = self.session._activity
        return activity.realtime_llm_session._active

    async def hears(self) -> None:
        model = self.serving.realtime_model.model
        before = self._answered.by_model[model]
        await self.serving.hears(0.2)
        await self._answered.times(model, before + 1)

    async def loses_its_model(self) -> None:
        """The model's connection is gone for good; the next one serves when this returns."""
        swapped = asyncio.Event()
        activity: Any = self.session._activity
        activity.realtime_llm_session.on("session_reconnected", lambda _event: swapped.set())
        error = llm.RealtimeModelError(
            timestamp=time.time(), label="x", error=APIConnectionError("gone"), recoverable=False
        )
        self.serving.emit("error", error)
        await asyncio.wait_for(swapped.wait(), 60)

    async def spans(self) -> list[SafeSpan]:
        await self.session.aclose()
        assert self.bridge.failures == 0
        return spans_of(self.bridge.trace_id)


@pytest.mark.usefixtures("traced")
async def test_session_whose_model_died_is_the_only_one_that_says_so() -> None:
    """Two calls share an adapter: the first call goes on with the second model, the other call has none of that."""
    adapter = llm.RealtimeModelFallbackAdapter([OtherModel(model="first"), OtherModel(model="second")])
    one_call, other = Talk(adapter), Talk(adapter)
    await one_call.start()
    await other.start()
    await one_call.loses_its_model()
    await one_call.hears()
    await other.hears()
    late = Talk(adapter)
    await late.start()
    swapped, calm, new = [await call.spans() for call in (one_call, other, late)]
    assert {name: use["requests"] for name, use in uses(swapped).items()} == {"first": 1, "second": 1}
    assert {name: use["requests"] for name, use in uses(calm).items()} == {"first": 2}
    for spans, errors in ((swapped, 1), (calm, 0), (new, 0)):
        ends = one(spans, "session.end")
        assert (len(ends["errors"]), ends["missing"], ends["reason"]) == (errors, [], "agent_ended")
        assert one(spans, "session.start")["model"] == one(spans, "voice_session")["model"] == "first"
    turns = [span.fields["model"] for span in calm if span.name == "agent_turn"]
    assert turns == ["first", "first"]
    assert "session" not in vars(adapter)


@pytest.mark.usefixtures("traced")
async def test_last_model_that_dies_ends_the_call() -> None:
    """Where no model is left LiveKit closes the session, and the trace ends as failed with both errors."""
    adapter = llm.RealtimeModelFallbackAdapter([OtherModel(model="first"), OtherModel(model="second")])
    call, over = Talk(adapter), asyncio.Event()
    call.session.on("close", lambda _event: over.set())
    await call.start()
    await call.loses_its_model()
    error = llm.RealtimeModelError(
        timestamp=time.time(), label="x", error=APIConnectionError("gone"), recoverable=False
    )
    call.serving.emit("error", error)
    await asyncio.wait_for(over.wait(), 60)
    ends = one(await call.spans(), "session.end")
    assert (ends["reason"], ends["unrecovered"]) == ("error", True)
    assert [found["error_recoverable"] for found in ends["errors"]] == [True, False]
