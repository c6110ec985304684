"""Whatever LLM, STT and TTS a session uses, wherever it was given, is what its trace is made of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, AgentTask, APIConnectionError, function_tool, llm, stt, tts
from livekit.plugins import openai

from medagent import trace_call
from medagent.agent.bridge import Bridge
from medagent.agent.plugins import ModelNames
from medagent.pricing import Usage, load_prices
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry.span import SafeSpan
from other_realtime import OtherModel
from scripted import CLOSE_S, Ears, Loudness, Mouth, Named
from sessions import HELLO, PLAIN, THANKS, Desk, Spoken, line, one, realtime_session, spans_of, talk, tokens

pytestmark = pytest.mark.timing

TRANSFERS: dict[str, Any] = {
    **PLAIN,
    "turns": [
        {"model": [{"says": "Clinic, good morning."}]},
        {"caller": {"says": HELLO}, "model": [{"tool": "to_billing", "arguments": {}}]},
        {"caller": {"says": THANKS}, "model": [{"says": "Goodbye."}]},
    ],
}
BILLING: dict[str, Any] = {
    **PLAIN,
    "name": "billing",
    "turns": [
        {"model": [{"says": "This is billing, how can I help you today?"}]},
        {"caller": {"says": THANKS}, "model": [{"says": "Goodbye."}]},
    ],
}


async def test_realtime_model_of_the_agent_is_followed() -> None:
    """A model given to the agent, not to the session, has turns, tokens and cost."""
    async with line() as provider:
        session = realtime_session()
        bridge = await talk(session, Desk(llm=provider.model()), provider.caller())
        spans = spans_of(bridge.trace_id)
    began, ends = one(spans, "session.start"), one(spans, "session.end")
    assert (began["mode"], began["provider"]) == ("realtime", "azure.ai.openai")
    assert (ends["user_turns"], ends["agent_turns"], ends["missing"]) == (2, 3, [])
    assert ends["usage"]["total_tokens"] == tokens(session) > 0
    assert ends["cost_usd"] > 0


async def test_realtime_model_of_the_next_agent_is_followed() -> None:
    """After a hand-over to an agent with a model of its own, the call has every response of both."""
    async with line(TRANSFERS, BILLING) as provider:
        first, second = provider.model(), provider.model("billing")

        class First(Desk):
            @function_tool
            async def to_billing(self) -> Agent:
                """To billing."""
                return Desk(llm=second)

        session = realtime_session(llm=first)
        bridge = await talk(session, First(), provider.caller())
        spans, served = spans_of(bridge.trace_id), provider.responses()
    ends = one(spans, "session.end")
    assert {response["scenario"] for response in served} == {"plain", "billing"}
    turns = [span.fields for span in spans if span.name == "agent_turn"]
    assert sum(int(str(turn["responses"])) for turn in turns) == len(served)
    assert ends["usage"]["total_tokens"] == tokens(session)
    assert (ends["complete"], ends["missing"]) == (True, [])
    assert "session" not in vars(first) | vars(second)


async def test_realtime_model_behind_an_adapter_is_named() -> None:
    """Of a fallback adapter the model that serves is named, and its own events are read."""
    async with line() as provider:
        adapter = llm.RealtimeModelFallbackAdapter([provider.model(), provider.model()])
        session = realtime_session(llm=adapter)
        bridge = await talk(session, Desk(), provider.caller())
        spans = spans_of(bridge.trace_id)
    began, ends = one(spans, "session.start"), one(spans, "session.end")
    assert (began["model"], began["provider"]) == ("gpt-realtime", "azure.ai.openai")
    assert (ends["user_turns"], ends["agent_turns"], ends["missing"]) == (2, 3, [])
    assert ends["usage"]["total_tokens"] == tokens(session) > 0


@pytest.mark.parametrize("azure", [True, False])
async def test_price_follows_the_name_of_the_model(azure: bool) -> None:
    """Another model of OpenAI's, by its object or by what the server calls it, has its own name and price."""
    mini = "gpt-realtime-mini"
    scenario = {**PLAIN, "name": f"{mini}-2025-10-06"}
    async with line(scenario) as provider:
        url = f"{provider.simulator.endpoint}/openai/v1/realtime?model={scenario['name']}"
        if azure:  # the server names another model than the deployment is called
            model = openai.realtime.RealtimeModel.with_azure(
                azure_deployment="voice", base_url=url, api_key="simulator"
            )
        else:
            model = openai.realtime.RealtimeModel(model=mini, base_url=url, api_key="simulator")
        session = realtime_session(llm=model)
        bridge = await talk(session, Desk(), provider.caller(scenario["name"]))
        ends = one(spans_of(bridge.trace_id), "session.end")
    [use] = [use for use in ends["models"] if use["part"] == "realtime"]
    assert use["model"] == (scenario["name"] if azure else mini)
    assert ends["cost_parts"]["realtime"] == pytest.approx(load_prices().realtime_cost(mini, usage_of(ends)))


async def test_azure_deployment_with_the_name_of_its_model_has_its_price() -> None:
    """Where server and deployment have one name, of a realtime model, it is the model's, not LiveKit's default."""
    mini = "gpt-realtime-mini"
    async with line({**PLAIN, "name": mini}) as provider:
        session = realtime_session(llm=provider.model(mini))
        bridge = await talk(session, Desk(), provider.caller(mini))
        ends = one(spans_of(bridge.trace_id), "session.end")
    [use] = [use for use in ends["models"] if use["part"] == "realtime"]
    assert use["model"] == mini
    assert ends["cost_parts"]["realtime"] == pytest.approx(load_prices().realtime_cost(mini, usage_of(ends)))


@pytest.mark.parametrize(("stated", "named"), [(None, "gpt-realtime"), ("gpt-realtime-mini", "gpt-realtime-mini")])
@pytest.mark.parametrize("deployment", ["voice", "gpt-realtime-2025-08-28"])
def test_deployments_name_counts_after_what_the_operator_states(
    deployment: str, stated: str | None, named: str
) -> None:
    """A name that is no model's is none, and the operator's statement is stronger than a deployment's name."""
    model = openai.realtime.RealtimeModel.with_azure(
        azure_deployment=deployment, azure_endpoint="http://127.0.0.1:1", api_key="x"
    )
    names = ModelNames(azure_model=stated)
    names.serves(model, deployment)
    expected = deployment if stated is None and deployment != "voice" else named
    assert names.of(model) == (expected, "azure.ai.openai")


def usage_of(ends: dict[str, Any]) -> Usage:
    counted = {name: count for name, count in ends["usage"].items() if name in Usage.__dataclass_fields__}
    return Usage(**counted)


async def test_two_sessions_that_share_a_realtime_model_are_not_mixed() -> None:
    """A model made once for the process serves two calls at a time: each trace has its own turns and tokens."""
    async with line() as provider:
        shared = provider.model()

        async def call(wait_s: float) -> tuple[Any, list[Any]]:
            await asyncio.sleep(wait_s)
            session = realtime_session(llm=shared)
            bridge = await talk(session, Desk(), provider.caller())
            return session, spans_of(bridge.trace_id)

        calls = await asyncio.gather(call(0.0), call(0.3))
    for session, spans in calls:
        ends = one(spans, "session.end")
        assert (ends["user_turns"], ends["agent_turns"], ends["missing"]) == (2, 3, [])
        assert ends["usage"]["total_tokens"] == tokens(session) > 0
    assert "session" not in vars(shared)


class Entered(Agent):
    """An agent that tells when the session is its."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.entered = asyncio.Event()

    async def on_enter(self) -> None:
        self.entered.set()


async def ask(session: AgentSession[Any], words: str) -> None:
    await asyncio.wait_for(session.run(user_input=words), 60)


async def closed(session: AgentSession[Any], bridge: Bridge) -> list[SafeSpan]:
    """The spans of a call, which agree with LiveKit's own count of tokens."""
    await session.aclose()
    assert bridge.failures == 0
    spans = spans_of(bridge.trace_id)
    assert (one(spans, "session.end")["usage"]["total_tokens"] or 0) == tokens(session)
    return spans


def models(spans: list[SafeSpan]) -> list[tuple[str, str | None, int]]:
    """Part, model and number of requests, as `session.end` lists them."""
    return [(use["part"], use["model"], use["requests"]) for use in one(spans, "session.end")["models"]]


def typed(**options: Any) -> AgentSession[Any]:
    return AgentSession(
        vad=None, turn_handling={"turn_detection": None}, session_close_transcript_timeout=CLOSE_S, **options
    )


@pytest.mark.usefixtures("traced")
async def test_model_that_replaces_another_is_heard_from_its_first_request() -> None:
    """After `update_options(llm=…)` the next request is the new model's, and the trace names both."""
    agent, session = Agent(instructions="Hours."), typed(llm=Named("first-model", ["Nine."]))
    bridge = trace_call(session)
    await session.start(agent)
    await ask(session, "When?")
    agent.update_options(llm=Named("second-model", ["Five."]))
    await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert models(spans) == [("llm", "first-model", 1), ("llm", "second-model", 1)]
    assert one(spans, "session.end")["missing"] == []


@pytest.mark.usefixtures("traced")
async def test_model_of_a_task_is_heard() -> None:
    """An AgentTask with a model of its own, and the agent's model before and after it."""

    class Ask(AgentTask[str]):
        def __init__(self) -> None:
            super().__init__(instructions="Ask.", llm=Named("task-model", ["Which day?", ("done", "{}")]))

        async def on_enter(self) -> None:
            await self.session.generate_reply(instructions="Ask.")

        @function_tool
        async def done(self) -> None:
            """Done."""
            self.complete("Monday")

    class Front(Agent):
        @function_tool
        async def ask_for_the_day(self) -> str:
            """Ask."""
            return await Ask()

    session = typed(llm=Named("front-model", [("ask_for_the_day", "{}"), "Monday it is."]))
    bridge = trace_call(session)
    await session.start(Front(instructions="Hours."))
    await ask(session, "When?")
    await ask(session, "Monday")
    spans = await closed(session, bridge)
    assert models(spans) == [("llm", "front-model", 2), ("llm", "task-model", 2)]
    assert one(spans, "session.end")["missing"] == []


@pytest.mark.usefixtures("traced")
async def test_model_that_serves_behind_an_adapter_is_named() -> None:
    """Where the first model fails, the trace names the one that answered."""
    failing = Named("first-model", [APIConnectionError("gone")] * 9)
    adapter = llm.FallbackAdapter([failing, Named("second-model", ["Nine."])], attempt_timeout=60.0)
    session = typed(llm=adapter)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."))
    await ask(session, "When?")
    spans = await closed(session, bridge)
    assert ("llm", "second-model", 1) in models(spans)
    assert "FallbackAdapter" not in str(models(spans))


@pytest.mark.usefixtures("traced")
async def test_pipeline_and_realtime_model_in_one_call() -> None:
    """From a pipeline to a realtime model and back: each answer is counted as what it was, and the mode is mixed."""
    realtime = OtherModel()
    session = typed(llm=Named("text-model", ["Nine.", "Five."]), tts=Mouth())
    session.output.audio = CallerEar(pace=4.0, on_change=lambda _audible: None)
    bridge = trace_call(session)
    await session.start(Agent(instructions="Hours."))
    await ask(session, "When?")
    for agent in (Entered(instructions="Voice.", llm=realtime), Entered(instructions="Text.")):
        session.update_agent(agent)
        await asyncio.wait_for(agent.entered.wait(), 60)
        await ask(session, "Until when?")
    spans = await closed(session, bridge)
    assert [use for use in models(spans) if use[0] != "tts"] == [
        ("llm", "text-model", 2),
        ("realtime", "gemini-live", 1),
    ]
    ends = one(spans, "session.end")
    assert (one(spans, "voice_session")["mode"], ends["missing"]) == ("mixed", [])


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("details", [True, False])
async def test_realtime_model_of_another_plugin_has_what_livekit_has_of_it(details: bool) -> None:
    """Turns, tokens, model and provider are there; the rest is null, and the cost says what lacks."""
    model = OtherModel(details=details)
    session = realtime_session(llm=model)
    session.output.audio = CallerEar(pace=4.0, on_change=lambda _audible: None)
    bridge, spoken = trace_call(session), Spoken(session)
    await session.start(Desk())
    await spoken.times(1)
    await model.sessions[0].hears(0.2)
    await spoken.times(2)
    spans = await closed(session, bridge)
    began, ends = one(spans, "session.start"), one(spans, "session.end")
    assert (began["mode"], began["model"], began["provider"]) == ("realtime", "gemini-live", "gcp.gemini")
    assert (ends["user_turns"], ends["agent_turns"], ends["missing"]) == (1, 2, [])
    assert (ends["usage"]["input_audio_tokens"], ends["usage"]["total_tokens"]) == (80 if details else None, 280)
    assert (ends["cost_usd"], ends["cost_missing"]) == (None, ["realtime"])
    turns = [span.fields for span in spans if span.name == "agent_turn"]
    assert [turn["model"] for turn in turns] == ["gemini-live", "gemini-live"]


@pytest.mark.usefixtures("traced")
async def test_session_without_a_model_claims_none() -> None:
    """A transcriber has the caller's turns, no model of any kind, and lacks nothing."""
    session: AgentSession[Any] = AgentSession(
        stt=Ears(["Hello."]),
        vad=Loudness(),
        turn_handling={"turn_detection": "vad"},
        aec_warmup_duration=None,
        session_close_transcript_timeout=CLOSE_S,
    )
    bridge, voice = trace_call(session), CallerVoice(pace=1.0)
    session.input.audio = voice
    heard = asyncio.Event()
    session.on("user_input_transcribed", lambda event: heard.set() if event.is_final else None)
    await session.start(Agent(instructions=""), record=False)
    await voice.say(0.6)
    await asyncio.wait_for(heard.wait(), 60)
    voice.close()
    spans = await closed(session, bridge)
    began, ends = one(spans, "session.start"), one(spans, "session.end")
    assert (began["mode"], began["model"], began["provider"]) == (None, None, None)
    assert (ends["user_turns"], ends["agent_turns"], ends["missing"]) == (1, 0, [])
    assert [use[:2] for use in models(spans)] == [("stt", "nova-3")]


@pytest.mark.usefixtures("traced")
async def test_answer_of_the_agent_s_own_code_is_a_hole() -> None:
    """A reply from `llm_node` without a request that LiveKit can see: `llm` is missing, and the cost is null."""

    class Own(Agent):
        async def llm_node(self, *_: Any, **__: Any) -> str:
            return "Nine."

    session = typed(llm=Named("text-model", []))
    bridge = trace_call(session)
    await session.start(Own(instructions="Hours."))
    await ask(session, "When?")
    ends = one(await closed(session, bridge), "session.end")
    assert (ends["complete"], ends["missing"], ends["cost_missing"]) == (False, ["llm"], ["llm"])


class Pair:
    """Two traced sessions whose STT, LLM and TTS are shared, through adapters of their own where `adapted`."""

    def __init__(self, *, adapted: bool) -> None:
        self.mind, self.ears, self.mouth = Named("shared", ["Nine."] * 9), Ears(["When?"] * 9), Mouth()
        self.sessions = [self._session(adapted) for _ in range(2)]
        self.voices = [CallerVoice(pace=1.0) for _ in range(2)]

    def _session(self, adapted: bool) -> AgentSession[Any]:
        vad = Loudness()
        return AgentSession(
            stt=stt.FallbackAdapter([self.ears], vad=vad) if adapted else self.ears,
            llm=llm.FallbackAdapter([self.mind]) if adapted else self.mind,
            tts=tts.FallbackAdapter([self.mouth]) if adapted else self.mouth,
            vad=vad,
            turn_handling={"turn_detection": "vad"},
            aec_warmup_duration=None,
            session_close_transcript_timeout=CLOSE_S,
        )

    async def call(self, which: int, questions: int, *, trace: bool = True) -> Bridge | None:
        session, voice = self.sessions[which], self.voices[which]
        bridge, spoken = trace_call(session) if trace else None, Spoken(session)
        session.input.audio = voice
        session.output.audio = CallerEar(pace=8.0, on_change=lambda _audible: None)
        await session.start(Agent(instructions="Hours."), record=False)
        for number in range(questions):
            await voice.say(0.4)
            await spoken.times(number + 1)
        voice.close()
        await session.aclose()
        return bridge


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("adapted", [False, True])
async def test_two_sessions_that_share_their_plugins_are_not_mixed(adapted: bool) -> None:
    """Two calls at a time on one STT, LLM and TTS: each has its own requests, and lacks nothing."""
    pair = Pair(adapted=adapted)
    bridges = await asyncio.gather(pair.call(0, 1), pair.call(1, 2))
    for bridge, questions in zip(bridges, (1, 2), strict=True):
        assert bridge is not None
        spans = spans_of(bridge.trace_id)
        requests = {part: sum(use[2] for use in models(spans) if use[0] == part) for part in ("stt", "llm", "tts")}
        assert requests == dict.fromkeys(("stt", "llm", "tts"), questions)
        assert one(spans, "session.end")["missing"] == []


@pytest.mark.usefixtures("traced")
async def test_requests_of_a_session_that_is_not_traced_are_not_taken() -> None:
    """Beside one that shares its plugins and is not traced, a call has its own LLM and TTS; the STT is said to lack."""
    pair = Pair(adapted=False)
    bridge, _ = await asyncio.gather(pair.call(0, 1), pair.call(1, 2, trace=False))
    assert bridge is not None
    spans = spans_of(bridge.trace_id)
    assert [use for use in models(spans) if use[0] != "stt"] == [("llm", "shared", 1), ("tts", "sonic-2", 1)]
    ends = one(spans, "session.end")
    assert ("stt" in ends["missing"], ends["complete"]) == (True, False)
