"""What goes wrong with an agent of somebody else's and its tools, in an audit of the example."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import ALL, Sabotage, sabotage

EXAMPLE = "examples.refill_line"
_AGENT = f"{EXAMPLE}:factory"
_NOTE = "result.note: {action: TRUNCATE, category: health_text, max: 50}"
_SHAPE = '{pattern: "[A-Za-z][^<>]{3,200}"}'
_KEPT = f"result.note: {{action: KEEP, category: health_text, shape: {_SHAPE}, why: The pharmacist reads it.}}"


def _kept(policy: str) -> str:
    assert policy.count(_NOTE) == 1
    return policy.replace(_NOTE, _KEPT)


ALL["agent_field_kept"] = Sabotage(
    name="agent_field_kept",
    breaks="the policy keeps a note that a tool of the agent returns",
    # what a call knows of its caller is stopped in a kept field too: that the shape takes identifiers is told apart
    causes=(r"agent_fields: .*order_refill result\.note: keeps \d+ of \d+ planted texts",),
    policy=_kept,
    agent=_AGENT,
)


@sabotage(
    "agent_tool_never_called",
    breaks="the model never calls one of the agent's tools",
    causes="agent_tools: .*order_refill: not called",
    of="medagent.simulator.script",
    process="simulator",
    agent=_AGENT,
)
def agent_tool_never_called(script: ModuleType) -> None:
    call = script.Script._call

    def never(self: Any, step: Any, where: Any, tools: Any) -> Any:
        return None if step.tool == "order_refill" else call(self, step, where, tools)

    script.Script._call = never


@sabotage(
    "agent_tool_hidden",
    breaks="the agent offers the model a tool that nobody could see",
    causes="agent_tools: .*look_up_insurance: offered to the model and not declared",
    of=EXAMPLE,
    agent=_AGENT,
)
def agent_tool_hidden(agent: ModuleType) -> None:
    from livekit.agents import function_tool  # costs seconds, which no other sabotage need pay

    async def look_up_insurance(self: Any, member_id: str) -> dict[str, str]:
        """Look up an insurance."""
        return {"member_id": member_id}

    agent.RefillDesk.look_up_insurance = function_tool(look_up_insurance)


@sabotage(
    "agent_tool_not_run",
    breaks="a tool of the agent is called and its code never runs",
    causes=r"agent_tools: .*order_refill: called \d+ times and not run",
    of="livekit.agents.voice.tool_executor",
    agent=_AGENT,
)
def agent_tool_not_run(tool_executor: ModuleType) -> None:
    from livekit.agents.llm import ToolError  # as above

    prepare = tool_executor.prepare_function_arguments

    def refused(*, fnc: Any, **given: Any) -> Any:
        if fnc.info.name == "order_refill":
            raise ToolError("not today")
        return prepare(fnc=fnc, **given)

    tool_executor.prepare_function_arguments = refused
