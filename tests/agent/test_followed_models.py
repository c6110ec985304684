"""Whatever LLM, STT and TTS a session uses, wherever it was given, is what its trace is made of."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, function_tool

from sessions import HELLO, PLAIN, THANKS, Desk, line, one, realtime_session, spans_of, talk, tokens

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
