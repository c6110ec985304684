"""First policy for any agent: it loads, and of the agent's own fields only booleans and closed members are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from medagent.agent.agent_schema import ITEM, AgentSchema, FieldKind, ToolField, ToolSchema, Unseen, merged, path_of
from medagent.agent.first_policy import guesses, policy_text
from medagent.agent.tool_fields import consistent
from medagent.redaction import REDACTED, Action, KnownValues, Policy, Redactor
from medagent.redaction.loading import parse_policy
from medagent.redaction.review import Problem, objections
from medagent.redaction.trial import TrialRecord
from medagent.telemetry.tool_result import read_result
from packaged import packaged_policy

_ODD = ["patientName", "patient-name", "Größe", "名前", "2nd", "is_ok", "notes", "doctor_name", "x.y", "Dob", "outcome"]
_CLINICS = [
    "book_appointment",
    "Check-Availability",
    "get_opening_hours",
    "slots",
    "alternatives",
    "available",
    "hours",
]
_names = st.sampled_from(_ODD + _CLINICS) | st.text(min_size=1, max_size=12).filter(lambda text: text.strip() != ITEM)
_steps = st.lists(_names | st.just(ITEM), max_size=4)
_kinds = st.sampled_from(FieldKind)
_choices = st.lists(
    st.sampled_from(["open", "closed", "Jane Doe", "555 0147 4471", "no", "<REDACTED>", "ü\n"]), min_size=1
)
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.sampled_from(["open", "ok"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_names, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def _fields(draw: st.DrawFn) -> ToolField:
    kind = draw(_kinds)
    first = draw(st.sampled_from(["arguments", "result"]))
    choices = tuple(dict.fromkeys(draw(_choices))) if kind is FieldKind.CHOICE else ()
    return ToolField(declared=(first, draw(_names), *draw(_steps)), kind=kind, choices=choices)


@st.composite
def _schemas(draw: st.DrawFn) -> AgentSchema:
    tools = [
        ToolSchema(name=name, fields=consistent(draw(st.lists(_fields(), max_size=5))))
        for name in draw(st.lists(_names, min_size=1, max_size=4))
    ]
    unseen = [
        Unseen(where="", reason="unknown", span=tool.span, path=path_of(draw(_fields()).declared))
        for tool in tools
        if draw(st.booleans())
    ]
    return AgentSchema(tools=tuple(tools), unseen=tuple(unseen))


def _load(schema: AgentSchema) -> Policy:
    return parse_policy(policy_text(schema, name="theirs", extends="clinic", agent="theirs"), file="theirs.yaml")


def _filled(steps: Sequence[str], value: object, into: Any) -> Any:
    """An object of the agent with a value at declared names."""
    if not steps:
        return value
    if steps[0] == ITEM:
        return [_filled(steps[1:], value, into[0] if isinstance(into, list) and into else None)]
    found = dict(into) if isinstance(into, dict) else {}
    return found | {steps[0]: _filled(steps[1:], value, found.get(steps[0]))}


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


@given(schema=_schemas(), data=st.data())
@settings(
    max_examples=10,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
def test_a_first_policy_sends_booleans_and_closed_members_alone(schema: AgentSchema, data: st.DataObject) -> None:
    """Whatever an agent declares, its first policy loads, lacks reviews alone, and hides every other value."""
    policy = _load(schema)
    redactor = Redactor(policy)
    for span, tool in schema.by_span().items():
        if span == "tool.unnamed":
            continue
        paths = tuple(each.path for each in tool.fields if each.has_path)
        assert not [one.fields for one in objections(policy, {span: paths}) if one.problem is Problem.UNNAMED]
        fields: Any = {}
        for each in tool.fields:
            fields = _filled(each.declared, data.draw(_values), fields)
        record = TrialRecord(name=span, fields=fields)
        left = redactor.redact(record, KnownValues()).fields
        members = {member for each in tool.fields for member in each.choices}
        for value in _leaves(left):
            assert value is None or isinstance(value, bool) or value == REDACTED or value in members


@pytest.mark.parametrize(
    "answer", ["ready for Jane Doe", '{"notes": "Jane has a cough", "doctor_name": "Dr. Kay Osei"}']
)
def test_a_text_of_a_tool_is_redacted_whatever_it_holds(answer: str) -> None:
    """A text that is JSON has fields that the base policy sends, and that nobody declared."""
    words = ToolField(declared=("result", "output"))
    policy = _load(AgentSchema(tools=(ToolSchema(name="tell", fields=(words,)),)))
    record = TrialRecord(name="tool.tell", fields={"result": read_result(answer).fields})
    assert Redactor(policy, rosters={"doctors": {"Dr. Kay Osei"}}).redact(record, KnownValues()).fields == {
        "result": REDACTED
    }


@pytest.mark.parametrize(
    ("declared", "kind", "action"),
    [
        (("arguments", "confirmed"), FieldKind.BOOLEAN, Action.KEEP),
        (("arguments", "phone"), FieldKind.BOOLEAN, Action.REDACT),
        (("arguments", "age"), FieldKind.NUMBER, Action.REDACT),
        (("arguments", "when"), FieldKind.TIME, Action.REDACT),
        (("result", "doctor_name"), FieldKind.TEXT, Action.REDACT),
        (("result", "appointment_datetime"), FieldKind.TIME, Action.REDACT),
    ],
    ids=lambda value: value if isinstance(value, str) else ".".join(value),
)
def test_a_field_has_its_own_guess_before_the_base_policy_s(
    declared: tuple[str, ...], kind: FieldKind, action: Action
) -> None:
    """A rule of the base for a name is about the clinic's field, and not about the agent's."""
    field = ToolField(declared=declared, kind=kind)
    schema = AgentSchema(tools=(ToolSchema(name="tell", fields=(field,)),))
    [guess] = guesses(schema, packaged_policy())["tool.tell"]
    assert guess.action is action
    rule = _load(schema).rule_for("tool.tell", tuple(declared))
    assert rule is not None
    assert rule.action is action


def test_fields_of_one_name_are_dropped_and_their_identifier_is_learned() -> None:
    """Two spellings of a patient's name leave in no form, and both values are known again in a text."""
    fields = tuple(ToolField(declared=("arguments", name)) for name in ("patientName", "patient_name"))
    schema = AgentSchema(tools=(ToolSchema(name="find", fields=merged(fields)), ToolSchema(name="find", fields=fields)))
    policy = _load(schema)
    record = TrialRecord(name="tool.find", fields={"arguments": {"patientName": "Ann Osprey", "patient_name": "Bo"}})
    redactor = Redactor(policy)
    assert redactor.redact(record, KnownValues()).fields == {"arguments": {}}
    assert {one.value for one in redactor.identifiers(record)} >= {"Ann Osprey", "Bo"}
