"""Agents of kinds that ours is not: what their traces say beside what their sessions report."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.voice import FunctionToolsExecutedEvent

from medagent import trace_call
from medagent.telemetry.span import SafeSpan
from scripted import Mind
from sessions import one, spans_of

pytestmark = [pytest.mark.timing, pytest.mark.usefixtures("traced")]


async def asked(session: AgentSession[Any], agent: Agent, *questions: str) -> list[SafeSpan]:
    """The spans of a call in which the caller types each question."""
    bridge = trace_call(session)
    await session.start(agent)
    for question in questions:
        await asyncio.wait_for(session.run(user_input=question), 60)
    await session.aclose()
    assert bridge.failures == 0
    return spans_of(bridge.trace_id)


def typed(answers: list[Any]) -> AgentSession[Any]:
    return AgentSession(vad=None, llm=Mind(answers))


class Desk(Agent):
    """Has a tool that tells and one that changes its model."""

    def __init__(self, *, cancels: bool = False) -> None:
        super().__init__(instructions="Hours.")
        self.cancels = cancels

    async def on_enter(self) -> None:
        if self.cancels:
            self.session.on("function_tools_executed", FunctionToolsExecutedEvent.cancel_tool_reply)

    @function_tool
    async def hours(self) -> dict[str, str]:
        """The hours."""
        await asyncio.sleep(0.2)
        return {"outcome": "ok"}

    @function_tool
    async def days(self) -> dict[str, str]:
        """The days."""
        return {"outcome": "ok"}

    @function_tool
    async def think_harder(self) -> str:
        """Take another model."""
        self.update_options(llm=Mind(["From nine."]))
        return "done"


@pytest.mark.parametrize("other", ["hours", "days"])
async def test_calls_with_one_id_have_each_their_own_outcome(other: str) -> None:
    """LiveKit runs the first of two calls with one id and refuses the second, be it of the same tool."""
    spans = await asked(typed([[("hours", "{}", "c1"), (other, "{}", "c1")], "Nine."]), Desk(), "When?")
    tools = sorted(str(span.fields["outcome"]) for span in spans if span.name.startswith("tool."))
    ends = one(spans, "session.end")
    assert (tools, ends["tool_failures"]) == (["failed", "ok"], 1)


async def test_request_of_a_model_that_was_replaced_meanwhile_is_missing() -> None:
    """The usage of a request that asked for a tool which replaced the model reaches no handler of the session."""
    spans = await asked(typed([("think_harder", "{}")]), Desk(), "When?")
    ends = one(spans, "session.end")
    assert ([use["requests"] for use in ends["models"]], ends["missing"]) == ([1], ["llm"])
    assert (ends["complete"], ends["cost_usd"]) == (False, None)


@pytest.mark.parametrize("cancels", [False, True])
async def test_every_request_that_was_made_is_counted_and_no_other_is_missing(cancels: bool) -> None:
    """A tool without a reply is one request, with a reply two."""
    spans = await asked(typed([("hours", "{}"), "Nine."]), Desk(cancels=cancels), "When?")
    ends = one(spans, "session.end")
    assert ([use["requests"] for use in ends["models"]], ends["missing"]) == ([1 if cancels else 2], [])


@pytest.mark.parametrize(("answers", "outcome"), [(["From nine."], "informed"), ([RuntimeError("gone")], "abandoned")])
async def test_caller_who_reads_the_answer_is_informed(answers: list[Any], outcome: str) -> None:
    """In a session of text alone an answer is given where its text is."""
    session = typed(answers)
    bridge = trace_call(session)
    await session.start(Desk())
    await session.generate_reply(user_input="When?")
    await session.aclose()
    assert one(spans_of(bridge.trace_id), "session.end")["outcome"] == outcome
