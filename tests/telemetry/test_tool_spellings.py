"""A tool's name in every spelling: one span and one name at the end where the policy has rules for it, else none."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.pricing import load_prices
from medagent.redaction import REDACTED, KnownValues, Policy, Redactor
from medagent.redaction.loading import parse_policy
from medagent.telemetry.call import Call
from medagent.telemetry.tool_result import UNREADABLE, read_result, stated
from strategies import started
from tape import Tape

POLICY = parse_policy(
    """\
name: small
version: 0.1.0
extends: clinic
outcomes:
  order_refill: {outcome: ordered, changes: true}
spans:
  tool.order_refill:
    result.is_ready: {action: KEEP, category: measurement, shape: boolean, why: Yes or no.}
""",
    file="small.yaml",
)


def tape_of(policy: Policy) -> Tape:
    """A call under a policy, as the worker begins it."""
    tape = Tape()
    tape.call = Call(
        started(),
        prices=load_prices(),
        policy_name=policy.name,
        policy_version=policy.version,
        outcomes=policy.outcomes,
        tool_names=policy.tool_names,
    )
    tape.records = tape.call.feed(started())
    return tape


def played(*tools: str, output: str = "{}") -> tuple[list[str], list[dict[str, Any]], str]:
    """Names of the tools' spans and at the end as they are sent, and all that is sent."""
    tape = tape_of(POLICY)
    for number, name in enumerate(tools):
        tape.uses(f"t{number}", name, output, 100 + 50 * number)
    tape.ends(900)
    redactor, known = Redactor(POLICY), KnownValues()
    sent = [redactor.redact(record, known) for record in tape.records]
    at_end: Any = next(one.fields["tools"] for one in sent if one.name == "session.end")
    spans = [one.name for one in sent if one.name.startswith("tool.")]
    return spans, at_end, json.dumps([[one.name, one.fields] for one in sent])


@pytest.mark.parametrize(
    "name", ["order_refill", "orderRefill", "Order-Refill", "ORDER REFILL", "órder_refill"], ids=ascii
)
def test_a_tool_of_the_policy_has_one_name(name: str) -> None:
    """Its span, its name at the end and its fields are those of the policy's own spelling."""
    spans, at_end, sent = played(name, output='{"isReady": true, "Jane Doe": 1}')
    assert spans == ["tool.order_refill"]
    assert [tool["name"] for tool in at_end] == ["order_refill"]
    assert '"is_ready": true' in sent
    assert "jane" not in sent.lower()


@pytest.mark.parametrize("name", ["Jane Doe", "jane_doe", "janeDoe", "555-0147", "", "名前"], ids=ascii)
def test_a_name_that_no_rule_knows_is_sent_in_no_form(name: str) -> None:
    """A model can make a name of a caller's: neither the span nor the end of the call tells it."""
    spans, at_end, sent = played(name)
    assert spans == ["tool.unknown"]
    assert [tool["name"] for tool in at_end] == [REDACTED]
    assert not {"jane", "0147", "u540d"} & {word for word in ("jane", "0147", "u540d") if word in sent.lower()}


@given(st.text(max_size=30))
def test_a_foreign_spelling_is_a_name_in_the_policy_or_none(name: str) -> None:
    """Before a policy looks at it: what is not of the normal form is a tool of the policy, or unnamed."""
    tape = tape_of(POLICY).uses("t", name, "{}", 100)
    [span] = [record.name for record in tape.records if record.name.startswith("tool.")]
    assert span in ("tool.unnamed", f"tool.{name}") or span.removeprefix("tool.") in POLICY.tool_names


def test_a_name_of_62_letters_is_one_only_where_the_policy_has_it() -> None:
    """What a model can write without end is no name of a span."""
    tape = tape_of(POLICY).uses("t", "x" * 62, "{}", 100).uses("u", "x" * 61, "{}", 200)
    assert [one.name for one in tape.records if one.name.startswith("tool.")] == ["tool.unnamed", f"tool.{'x' * 61}"]


def test_two_tools_of_one_name_are_not_one(caplog: pytest.LogCaptureFixture) -> None:
    """The first of a call has the name; the other is unnamed, and the log says that there are two, not which."""
    with caplog.at_level(logging.WARNING):
        spans, at_end, _ = played("orderRefill", "order_refill", "orderRefill")
    assert spans == ["tool.order_refill", "tool.unknown", "tool.order_refill"]
    assert [tool["name"] for tool in at_end] == ["order_refill", REDACTED, "order_refill"]
    assert "two tools of a call have one name" in caplog.text
    assert "refill" not in caplog.text.lower()


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"Outcome": "failed"}, "failed"),
        ({"OUTCOME": " Refused "}, "refused"),
        ({"outcome": "ok", "Outcome": "failed"}, UNREADABLE),
        ({"Outcome": "Jane Doe"}, UNREADABLE),
        ({"outcomes": "failed"}, "ok"),
    ],
    ids=str,
)
def test_a_result_states_its_outcome_in_every_spelling(result: dict[str, str], outcome: str) -> None:
    """Two outcomes are none that can be told."""
    read = read_result(json.dumps(result))
    assert read.outcome == outcome
    assert "Jane" not in json.dumps(read.fields)


def test_an_error_is_stated_in_every_spelling() -> None:
    """A failed tool's type of error leaves by the policy's list, whatever its key is spelled as."""
    assert stated({"errorType": "closed_day"}, "error_type") == "closed_day"
    assert stated({"errorType": "closed_day", "error_type": "off_grid"}, "error_type") is None
    _, _, sent = played("order_refill", output='{"outcome": "failed", "errorType": "closed_day", "errorStatus": 503}')
    assert '"error_type": "closed_day"' in sent
    assert '"error_status": 503' in sent


def test_an_outcome_of_the_policy_counts_for_every_spelling() -> None:
    """A call comes to what the policy declares of the tool."""
    tape = tape_of(POLICY).uses("t", "orderRefill", "{}", 100)
    assert tape.ends(900)["outcome"] == "ordered"
