"""Keys of any spelling: a rule holds for each of them, several of one name hide each other, and no key is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import DoorError
from medagent.redaction import REDACTED, Action, KnownValues, Redactor
from medagent.redaction.explanation import explain
from medagent.redaction.loading import parse_policy
from medagent.redaction.raw import plain_key
from medagent.redaction.trial import TrialRecord
from medagent.snake_case import snake_case
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind

POLICY = parse_policy(
    """\
name: small
version: 0.1.0
fields:
  rx_number: {action: REDACT, category: identifier, safe_harbor: J}
spans:
  tool.*:
    outcome: {action: KEEP, category: machine, shape: {enum: [ok, failed]}, why: A word.}
    arguments: fields
    result.outcome: {action: KEEP, category: machine, shape: {enum: [ok, failed]}, why: A word.}
    result.error_type: {action: KEEP, category: machine, shape: {enum: [off]}, why: A word.}
  tool.order_refill:
    arguments.is_urgent: {action: KEEP, category: measurement, shape: boolean, why: Yes or no.}
    arguments.who.nick: {action: REDACT, category: health_text}
    arguments.note: {action: TRUNCATE, category: health_text, max: 50}
    arguments.order_id:
      action: KEEP
      category: confirmation
      shape: {pattern: "R-[a-z]{4}"}
      only_if_answered: true
      then: REDACT
      why: Named by a result.
    arguments.secret: {action: DROP, category: machine}
    result.order_id:
      action: KEEP
      category: confirmation
      shape: {pattern: "R-[a-z]{4}"}
      only_if_answered: true
      then: REDACT
      why: Named by itself.
    result.lines[].is_new: {action: KEEP, category: measurement, shape: boolean, why: Yes or no.}
  tool.quiet:
    result: {action: DROP, category: health_text}
  tool.hushed:
    result: {action: REDACT, category: health_text}
""",
    file="small.yaml",
)
REDACTOR = Redactor(POLICY)
_SPELLINGS = ["is_urgent", "isUrgent", "Is-Urgent", "IS URGENT", "ìs_ürgent"]


def sent(fields: dict[str, Any], span: str = "tool.order_refill", known: KnownValues | None = None) -> dict[str, Any]:
    return dict(REDACTOR.redact(TrialRecord(name=span, fields=fields), known or KnownValues()).fields)


@pytest.mark.parametrize("spelling", _SPELLINGS, ids=ascii)
def test_a_rule_holds_for_every_spelling(spelling: str) -> None:
    """A value has its rule's treatment, under the rule's own name."""
    assert sent({"arguments": {spelling: True}}) == {"arguments": {"is_urgent": True}}
    assert sent({"arguments": {spelling: "Jane Doe"}}) == {"arguments": {"is_urgent": REDACTED}}
    assert sent({"result": {"Lines": [{"isNew": False}]}}) == {"result": {"lines": [{"is_new": False}]}}


@pytest.mark.parametrize("spelling", ["rxNumber", "Rx-Number", "RX_NUMBER"])
def test_a_value_is_learned_under_every_spelling(spelling: str) -> None:
    """What a rule by name or by path takes away is known again in a text."""
    record = TrialRecord(
        name="tool.order_refill", fields={"arguments": {spelling: "QX-9917", "Who": {"Nick": "Tamsinette"}}}
    )
    known = KnownValues()
    known.learn(REDACTOR.identifiers(record))
    assert {value for _, value in known} >= {"QX-9917", "Tamsinette"}
    left = sent({"arguments": {"Note": "Tamsinette asked for QX-9917"}}, known=known)
    assert "Tamsinette" not in json.dumps(left)
    assert "9917" not in json.dumps(left)


@pytest.mark.parametrize(
    "twins",
    [
        {"isUrgent": True, "is_urgent": True},
        {"is_urgent": True, "Is Urgent": False},
        {"isUrgent": True, "is-urgent": None, "IS_URGENT": 1},
    ],
    ids=["foreign first", "own first", "three"],
)
def test_values_of_one_name_hide_each_other(twins: dict[str, Any]) -> None:
    """Neither is sent, whichever comes first, and each is counted."""
    redacted = REDACTOR.redact(TrialRecord(name="tool.order_refill", fields={"arguments": twins}), KnownValues())
    assert redacted.fields == {"arguments": {"is_urgent": REDACTED}}
    assert [one.action for one in redacted.findings] == [Action.REDACT] * len(twins)


def test_objects_of_one_name_are_dropped() -> None:
    """No object is merged with another; a dropped value stays dropped."""
    both = {"who": {"nick": "Ann"}, "Who": {"nick": "Bo"}, "secret": "x", "Secret": "y"}
    assert sent({"arguments": both}) == {"arguments": {}}
    assert sent({"arguments": {"is_urgent": True}, "Arguments": {"is_urgent": True}}) == {}


def test_what_has_a_twin_answers_nothing() -> None:
    """An id is let out by a result that names it, and not by one that names two."""
    one = {"result": {"orderId": "R-abcd"}, "arguments": {"orderID": "R-abcd"}}
    assert sent(one) == {"result": {"order_id": "R-abcd"}, "arguments": {"order_id": "R-abcd"}}
    two = {"result": {"orderId": "R-abcd", "order_id": "R-efgh"}, "arguments": {"orderID": "R-abcd"}}
    assert sent(two) == {"result": {"order_id": REDACTED}, "arguments": {"order_id": REDACTED}}
    refused = {"result": {"orderId": "R-abcd", "Outcome": "failed"}, "arguments": {"order_id": "R-abcd"}}
    assert sent(refused)["arguments"] == {"order_id": REDACTED}


@given(keys=st.lists(st.text(max_size=20) | st.sampled_from(["Jane Doe", "jane_doe", "503 555 0147"]), max_size=5))
def test_no_key_is_sent(keys: list[str]) -> None:
    """Only names of the policy are keys of what is sent: a key may be a patient's name."""
    left = sent({"arguments": dict.fromkeys(keys, True), **{key: {key: "x"} for key in keys}})
    assert left.keys() <= {"outcome", "arguments", "result"}
    declared = {"is_urgent", "who", "note", "order_id", "secret", "rx_number"}
    for inner in left.values():
        assert inner.keys() <= declared if isinstance(inner, dict) else inner == REDACTED


@given(st.dictionaries(st.text(max_size=12) | st.sampled_from(_SPELLINGS), st.booleans() | st.text(max_size=5)))
def test_a_foreign_spelling_sends_no_more_than_the_rule(arguments: dict[str, Any]) -> None:
    """Of all the keys, what is sent is what the same values under the rules' own names would send, or less."""
    left = sent({"arguments": arguments})["arguments"]
    for name, value in left.items():
        values = [given for key, given in arguments.items() if snake_case(key) == name]
        alone = [sent({"arguments": {name: given}})["arguments"].get(name) for given in values]
        assert value in ([REDACTED] if len(values) > 1 else alone)


def test_admission_takes_declared_names_alone() -> None:
    """A span that still has a foreign key, or a value of one, does not get into the outbox."""
    admission = Admission(POLICY)

    def span(fields: dict[str, Any]) -> SafeSpan:
        return SafeSpan(
            trace_id="0d0f5c1e-9c5f-4a37-9e0f-0e6f2f8f9a11",
            span_id="1d0f5c1e-9c5f-4a37-9e0f-0e6f2f8f9a12",
            ancestors=(Ancestor(span_id="0d0f5c1e-9c5f-4a37-9e0f-0e6f2f8f9a11", start_us=1),),
            name="tool.order_refill",
            kind=SpanKind.TOOL,
            start_us=1,
            end_us=2,
            status="ok",
            env="dev",
            policy_digest=POLICY.digest,
            fields=fields,
        )

    assert admission.admit(span({"arguments": {"is_urgent": True}}), ()).span.name == "tool.order_refill"
    for key in ("isUrgent", "Jane Doe"):
        with pytest.raises(DoorError, match="a field that no rule names"):
            admission.admit(span({"arguments": {key: True}}), ())


@pytest.mark.parametrize("value", ["words", {"outcome": "ok", "note": "x"}, [1], None, 7], ids=str)
def test_an_object_can_be_hidden_as_a_whole(value: object) -> None:
    """A span's own rule for all of a result comes before the family's rules for parts of it."""
    assert sent({"outcome": "ok", "result": value}, "tool.quiet") == {"outcome": "ok"}
    assert sent({"result": value}, "tool.hushed") == {"result": None if value is None else REDACTED}


def test_a_field_is_explained_under_every_spelling() -> None:
    """`policy explain` finds the rule of the agent's own spelling."""
    [told] = explain(POLICY, "Arguments.isUrgent", True)
    assert (told.path, told.left) == ("arguments.is_urgent", True)


@pytest.mark.parametrize("spelling", ["pátient_id", "Patient-ID", "ＰＡＴＩＥＮＴ＿ＩＤ"], ids=ascii)
def test_an_accent_hides_no_key_of_a_condition(spelling: str) -> None:
    """`unless_present` finds a key in every spelling that a rule would match."""
    assert plain_key(spelling) == "patientid"
