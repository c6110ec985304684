"""The three lines on somebody else's agent: its tools, its policy, our trace."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from examples.refill_line import RefillDesk
from livekit.plugins import openai

from command import medagent
from medagent import trace_call
from medagent.agent.limit import CallLimit
from medagent.agent.local import answer
from medagent.pricing import load_prices
from medagent.runtime.exports import archive
from medagent.settings import load_settings
from medagent.simulator.caller import Caller
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.span import SafeSpan
from medagent.tracing import tracing

pytestmark = pytest.mark.timing

EXAMPLES = Path(__file__).parents[2] / "examples"
POLICY = EXAMPLES / "refill-line.yaml"
PACE = 20.0
PERSON = {"patient_name": "Tamsin Quillfeather", "dob": "1975-08-19", "rx_number": "RX-4471902", "home": "9 Osprey Row"}
SCENARIO: dict[str, Any] = {
    "name": "refill",
    "description": "A caller orders a refill from somebody else's agent.",
    "seed": 3,
    "person": PERSON,
    "turns": [
        {"model": [{"says": "Harbor Pharmacy, good morning."}]},
        {
            "caller": {"says": "A refill for ${person.patient_name}, please, number ${person.rx_number}."},
            "model": [
                {
                    "tool": "find_prescription",
                    "arguments": {name: f"${{person.{name}}}" for name in ("patient_name", "dob", "rx_number")},
                },
                {
                    "tool": "order_refill",
                    "arguments": {
                        "rx_number": "${person.rx_number}",
                        "deliver_to": "${person.home}",
                        "note": "Tamsin asked for a call before the delivery",
                    },
                },
                {"says": "It is on its way."},
            ],
        },
    ],
    "expects": {"outcome": "informed"},
}


@pytest.fixture
async def spans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[SafeSpan]:
    """What the archive has of one call to the example's agent, traced by `trace_call` alone."""
    path = tmp_path / "refill.yaml"
    path.write_text(yaml.safe_dump(SCENARIO))
    monkeypatch.setenv("MEDAGENT_POLICY", str(POLICY))
    tracing.cache_clear()
    with SimulatorProcess([path], pace=PACE) as simulator:
        caller = Caller(load_scenario(path), pace=PACE)
        model = openai.realtime.RealtimeModel.with_azure(
            azure_deployment="refill", azure_endpoint=simulator.endpoint, api_key="simulator"
        )
        bridges = []

        def watch(session: Any) -> Any:
            bridges.append(trace_call(session, agent_name="refill-line", agent_version="2.1.0-rc.1"))
            return bridges[0]

        await answer(
            RefillDesk(),
            model=model,
            watch=watch,
            audio_in=caller.input,
            audio_out=caller.output,
            caller=caller.run,
            limit=CallLimit(seconds=60, cost_usd=10),
            prices=load_prices(),
            model_name="gpt-realtime",
        )
    assert not tracing().flush(60)
    tracing().close()
    tracing.cache_clear()
    return archive(load_settings()).spans(bridges[0].trace_id)


async def test_a_stranger_s_agent_is_traced_under_its_own_policy(spans: list[SafeSpan]) -> None:
    """Its tools are spans under their turn, its policy decides, and what no rule names is dropped and counted."""
    verify_chain(spans)
    tools = {span.name: span for span in spans if span.name.startswith("tool.")}
    names = {span.span_id: span.name for span in spans}
    assert set(tools) == {"tool.find_prescription", "tool.order_refill"}
    assert all(names[span.parent_id or ""] == "agent_turn" for span in tools.values())
    found, ordered = tools["tool.find_prescription"].fields, tools["tool.order_refill"].fields
    assert found["result"] == {"found": True, "patient_name": "<REDACTED>", "refills_left": 2}
    assert ordered["arguments"] == {
        "deliver_to": "<REDACTED>",
        "note": "<REDACTED> asked for a call before the delivery",
        "rx_number": "<REDACTED>",
    }
    [session] = [span.fields for span in spans if span.name == "voice_session"]
    assert (session["agent_name"], session["agent_version"], session["outcome"]) == (
        "refill-line",
        "2.1.0-rc.1",
        "ordered",
    )
    [end] = [span.fields for span in spans if span.name == "session.end"]
    tools_at_end: Any = end["tools"]
    assert [tool["name"] for tool in tools_at_end] == ["find_prescription", "order_refill"]
    guardrail: Any = next(span.fields for span in spans if span.name == "policy.guardrail")
    assert guardrail["policy"]["name"] == "refill-line"
    assert guardrail["actions"]["drop"] >= 2
    left = json.dumps([span.document() for span in spans])
    assert not re.search("Tamsin|Quillfeather|4471902|Osprey|1975-08", left)


def test_lint_lists_what_no_rule_names(tmp_path: Path) -> None:
    """`policy lint --agent MODULE` passes on the example, and names the field whose rule is taken away."""
    words = ("policy", "lint", "--agent", "examples.refill_line", "--policy")
    where = {"PYTHONPATH": str(EXAMPLES.parent)}
    assert medagent(*words, str(POLICY), home=tmp_path, **where).code == 0
    bare = tmp_path / "bare.yaml"
    bare.write_text(POLICY.read_text().replace("    result.shelf: {action: DROP, category: machine}\n", ""))
    done = medagent(*words, str(bare), home=tmp_path, **where)
    assert (done.code, "result.shelf" in done.out) == (1, True)
