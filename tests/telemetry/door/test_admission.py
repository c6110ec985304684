"""Admission: nothing that the call knows gets in, in no form and no field; what is clean always does."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import DoorError
from medagent.proof import PseudonymKey
from medagent.redaction import (
    REDACTED,
    WITHHELD,
    Action,
    Category,
    Identifier,
    KnownValues,
    Redactor,
    Rule,
)
from medagent.redaction.policy import Leaf, ListNode, Node
from medagent.redaction.shapes import Boolean, Member, Moment, Number, OneOf, Pattern
from medagent.telemetry.door.admission import Admission, Admitted
from medagent.telemetry.span import SafeSpan, SpanKind
from packaged import packaged_policy
from strategies import made_up_names, records_of_any_kind

POLICY = packaged_policy()
ORDINARY = ("knee", "fever", "since", "yesterday", "the", "hurts", "walking", "after", "a", "my", "call", "back", "see")
KEYS = PseudonymKey(secret=b"k" * 32)
ROSTERS = {"doctors": ["Dr. Amara Okafor", "Dr. Will Park"], "locations": ["Lakeside Main Street"]}
TRACE = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
KNOWN = [
    (Category.NAME, "Jane Okonkwo"),
    (Category.PHONE, "+1 555 010 0142"),
    (Category.EMAIL, "jane.okonkwo@example.com"),
    (Category.DATE_OF_BIRTH, "1982-03-14"),
    (Category.MRN, "00412877"),
    (Category.ADDRESS, "12 Rosewood Crescent"),
]
FORMS = {
    "plain": lambda value: value,
    "upper": str.upper,
    "lower": str.lower,
    "joined": lambda value: "".join(c for c in value if c.isalnum()),
    "grouped": lambda value: " ".join(c for c in value if c.isalnum()),
    "dashed": lambda value: value.replace(" ", "-"),
    "full width": lambda value: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in value),
}


def span(name: str, fields: Mapping[str, Any]) -> SafeSpan:
    return SafeSpan(
        trace_id=TRACE,
        span_id=TRACE,
        ancestors=(),
        name=name,
        kind=SpanKind.TOOL,
        start_us=0,
        end_us=1,
        status="ok",
        env="dev",
        policy_digest=POLICY.digest,
        fields=dict(fields),
    )


def admit(name: str, fields: Mapping[str, Any], known: list[tuple[Category, str]] | None = None) -> Admitted:
    return Admission(POLICY).admit(span(name, fields), KNOWN if known is None else known)


def refused(name: str, fields: Mapping[str, Any], known: list[tuple[Category, str]] | None = None) -> str:
    with pytest.raises(DoorError) as caught:
        admit(name, fields, known)
    return str(caught.value)


# ---- what must not get in --------------------------------------------------------------------------------------------

SAYABLE = [
    ("tool.book_appointment", ("arguments", "notes")),
    ("tool.book_appointment", ("arguments", "doctor_name")),
    ("tool.book_appointment", ("result", "confirmation_id")),
    ("tool.check_availability", ("result", "slots", 0, "clinic_location")),
    ("tool.check_availability", ("error_message",)),
    ("session.end", ("errors", 0, "error_message")),
    ("voice_session", ("model",)),
    ("policy.guardrail", ("consent", "basis")),
]


def nested(path: tuple[str | int, ...], value: object) -> Any:
    for step in reversed(path):
        value = [value] if isinstance(step, int) else {step: value}
    return value


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("category", "value"), KNOWN)
@pytest.mark.parametrize(("name", "path"), SAYABLE)
def test_a_known_value_gets_in_nowhere(
    name: str, path: tuple[str | int, ...], category: Category, value: str, form: str
) -> None:
    """In any form, in any field that words may stand in; the error says where and by which rule, never what."""
    disguised = FORMS[form](value)
    message = refused(name, nested(path, f"as of now {disguised} it is"))
    assert message.startswith(f"{name}: {'.'.join('[]' if isinstance(step, int) else step for step in path)}: ")
    assert value not in message
    assert disguised not in message
    assert admit(name, nested(path, "as of now it is"))


def test_a_part_of_a_name_gets_into_no_free_text() -> None:
    """The first name alone names the caller; a doctor may share it where only a roster's names stand."""
    assert "known name" in refused("tool.book_appointment", {"arguments": {"notes": "ask jane about it"}})
    assert admit("tool.book_appointment", {"arguments": {"doctor_name": "Dr. Jane Amari"}})


@pytest.mark.parametrize("text", ["see the doctor", "ask mrs or miss or professor", "a good day for it", "o my"])
@pytest.mark.parametrize("name", ["Doctor Jane O'Day", "Mrs. Ann O’Day", "Prof. Miss Sir Madam Li"])
def test_a_title_and_the_end_of_a_name_are_ordinary_words(name: str, text: str) -> None:
    """A caller who is a doctor, or whose name ends like a word, does not keep every such word inside."""
    assert admit("tool.book_appointment", {"arguments": {"notes": text}}, [(Category.NAME, name)])


def test_a_name_of_one_word_twice_is_not_that_word() -> None:
    """A caller called Clinic Clinic does not stop the policy's own name; both words in a row are the caller's."""
    known = [(Category.NAME, "Clinic Clinic")]
    assert admit("voice_session", {"policy_name": "clinic"}, known)
    refused("tool.book_appointment", {"arguments": {"notes": "for clinic clinic"}}, known)


def test_the_whole_of_such_a_name_stays_out() -> None:
    """What is left of the name after that is still looked for."""
    known = [(Category.NAME, "Mrs. Ann O'Day")]
    for text in ("it is ann", "call oday", "for o'day", "mrs ann o'day"):
        refused("tool.book_appointment", {"arguments": {"notes": text}}, known)


@pytest.mark.parametrize("value", ["1", "0", "10", "4127"])
def test_a_short_number_is_no_trace_of_anybody(value: str) -> None:
    """A record number of 1 is no reason to stop at every version, index and count."""
    known = [(Category.MRN, value), (Category.IDENTIFIER, value)]
    fields = {"index": int(value), "responses": 1, "ttft_ms": float(value), "model": f"gpt-{value}.1"}
    assert admit("agent_turn", fields, known)
    assert admit("session.start", {"agent_version": "0.1.0", "policy_version": "1.10.0"}, known)


def test_a_long_version_is_no_telephone_number() -> None:
    """A release named after its day does not stop every call at its first span."""
    assert admit("session.start", {"agent_version": "2026.11.20.1200"}, [])


def test_a_number_that_is_the_callers_stays_out() -> None:
    """A telephone number among the counts is one, as an integer or not."""
    for value in (15550100, 15550100.0):
        message = refused("agent_turn", {"input_tokens": 1, "ttft_ms": value}, [(Category.PHONE, "1 555-0100")])
        assert message == "agent_turn: ttft_ms: is a number or date that this call knows as an identifier"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("write to jane@example.org", "e-mail"),
        ("call 555 010 0199 please", "phone number"),
        ("call +1 (555) 010-0199", "phone number"),
        ("it is 078-05-1120", "social security"),
        ("see https://example.org/jane", "web address"),
    ],
)
def test_what_looks_like_an_identifier_stays_out(text: str, what: str) -> None:
    """Also where the call has never met it."""
    message = refused("tool.book_appointment", {"arguments": {"notes": text}}, [])
    assert what in message
    assert text not in message


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("agent_turn", ("ttft_ms",), "812"),
        ("agent_turn", ("ttft_ms",), -1),
        ("agent_turn", ("index",), 1.5),
        ("agent_turn", ("index",), True),
        ("agent_turn", ("slow",), "yes"),
        ("agent_turn", ("kind",), "chat"),
        ("tool.book_appointment", ("arguments", "appointment_datetime"), "next tuesday"),
        ("tool.book_appointment", ("arguments", "appointment_datetime"), "1982"[:3]),
        ("policy.guardrail", ("policy", "sha256"), "ab"),
        ("voice_session", ("participant_id",), "sip_15550100142"),
        ("voice_session", ("participant_id",), "psn_0123abcd_" + "0" * 31),
        ("voice_session", ("room_id",), True),
        ("tool.book_appointment", ("arguments", "patient_name"), "somebody"),
        ("tool.book_appointment", ("arguments", "mrn"), 7),
        ("tool.check_availability", ("result", "alternatives"), "anything"),
    ],
)
def test_a_typed_field_is_held_to_its_type(name: str, path: tuple[str, ...], value: object) -> None:
    """A machine's field has the declared shape, a pseudonym is one, what is taken away is not there."""
    message = refused(name, nested(path, value), [])
    assert message.startswith(f"{name}: {'.'.join(path)}: ")


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("agent_turn", {"transcript": "hello"}),
        ("tool.book_appointment", {"arguments": {"insurance": None}}),
        ("tool.book_appointment", {"arguments": "hello"}),
        ("agent_turn", {"index": {"deep": 1}}),
        ("agent_turn", {"index": [1]}),
    ],
)
def test_a_field_that_no_rule_names_stays_out(name: str, fields: dict[str, Any]) -> None:
    """Whatever it holds, at any depth, in any container."""
    assert refused(name, fields, []) == f"{name}: a field that no rule names"


def test_a_refusal_tells_neither_a_key_nor_a_span_name_of_nobodys() -> None:
    """Both may be somebody's name, and a refusal is logged and kept in the ledger."""
    told = refused("tool.book_appointment", {"arguments": {"Kjeltorvan": "yes"}}, [])
    told += refused("tool.kjeltorvan", {"kjeltorvan": 1}, [])
    assert "kjeltorvan" not in told.casefold()


def test_a_tool_that_bears_the_callers_name_stays_out() -> None:
    """The model may call for a tool that does not exist, by any name."""
    message = refused("tool.jane_okonkwo", {"outcome": "ok"})
    assert "jane" not in message
    assert admit("tool.get_opening_hours", {"outcome": "ok"})
    assert admit("user_turn", {"index": 0}, [(Category.NAME, "user turn")])


# ---- what must get in ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "path"), [*SAYABLE, ("tool.book_appointment", ("arguments", "patient_name"))])
@pytest.mark.parametrize("value", [REDACTED, WITHHELD, None])
def test_a_placeholder_passes_everywhere(name: str, path: tuple[str | int, ...], value: str | None) -> None:
    """What says that something was taken away says nothing else."""
    fields = nested(path, value)
    admitted = admit(name, fields)
    assert admitted.digest == span(name, fields).digest()


def values(rule: Rule) -> st.SearchStrategy[Any]:
    """Whatever the redactor may leave under a rule."""
    placeholders = st.just(REDACTED)
    if rule.action is Action.PSEUDONYM:
        return placeholders | st.text(max_size=9).map(lambda text: KEYS.pseudonym(rule.category.value, text))
    if rule.action is Action.TRUNCATE:
        words = st.sampled_from(ORDINARY)
        return placeholders | st.lists(words, max_size=6).map(" ".join)
    if rule.action is not Action.KEEP:
        return placeholders
    match rule.shape:
        case Number(min=least, max=most, integer=whole):
            numbers = st.integers(int(least), int(most))
            return placeholders | numbers | (st.nothing() if whole else st.floats(least, most))
        case Boolean():
            return placeholders | st.booleans()
        case OneOf(values=allowed):
            return placeholders | st.sampled_from(sorted(allowed))
        case Member(roster=roster):
            return placeholders | st.sampled_from(ROSTERS[roster])
        case Pattern(regex=regex):
            shaped = st.from_regex(re.compile(regex.pattern, re.ASCII), fullmatch=True)
            return placeholders | shaped.filter(lambda value: rule.shape is not None and rule.shape.fits(value, {}))
        case Moment():
            return placeholders | st.datetimes().filter(lambda at: 2000 <= at.year < 2100).map(
                lambda at: at.isoformat(timespec="seconds")
            )
        case _:
            return placeholders


def leaves(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Rule]]:
    match node:
        case Leaf(rule=rule):
            yield path, rule
        case ListNode(item=item):
            yield from leaves(item, (*path, 0))
        case _:
            for key, child in node.children.items():
                yield from leaves(child, (*path, key))


ALL_LEAVES = [
    (name.replace("*", "any"), path, rule) for name, tree in POLICY.spans.items() for path, rule in leaves(tree)
]


@given(data=st.data())
def test_what_the_policy_lets_through_gets_in(data: st.DataObject) -> None:
    """Any value of its declared shape passes, in every field of every span, when the call knows nobody."""
    name, path, rule = data.draw(st.sampled_from(ALL_LEAVES))
    assert admit(name, nested(path, data.draw(values(rule))), [])


@dataclass(frozen=True, kw_only=True)
class Raw:
    name: str
    fields: Mapping[str, object] = field(repr=False)


@st.composite
def said(draw: st.DrawFn) -> str:
    """Ordinary words with the caller's name, titles and places among them, in any spelling."""
    names = draw(made_up_names)
    extra = ["Mrs.", "doctor", "the", "day", "may", "hope", "will", *names.split(), names, names.upper(), f"{names}'s"]
    words = st.sampled_from(ORDINARY) | st.sampled_from(extra)
    return draw(st.sampled_from([" ", ", ", "-", " - "])).join(draw(st.lists(words, max_size=7)))


@given(
    name=made_up_names,
    other=made_up_names,
    notes=said(),
    doctor=st.sampled_from(ROSTERS["doctors"]),
    mrn=st.integers(0, 10**9),
)
def test_what_the_redactor_lets_through_gets_in(name: str, other: str, notes: str, doctor: str, mrn: int) -> None:
    """A caller of any name who says anything does not trip the switch: what the door would refuse never comes to it."""
    raw = Raw(
        name="tool.book_appointment",
        fields={
            "arguments": {"patient_name": name, "mrn": mrn, "doctor_name": doctor, "notes": notes, "symptoms": other},
            "result": {"confirmation_id": "LC-K7M4Q9", "outcome": "ok"},
            "error_message": f"{notes}. {other} {name}",
            "duration_ms": 41.5,
        },
    )
    redactor = Redactor(POLICY, keys=KEYS, rosters=ROSTERS)
    known = KnownValues()
    known.learn([Identifier(category=Category.NAME, value=other), *redactor.identifiers(raw)])
    redacted = redactor.redact(raw, known)
    assert admit(raw.name, redacted.fields, list(known))


@given(records=records_of_any_kind())
def test_the_records_of_any_call_get_in(records: list[Any]) -> None:
    """Whatever happens in a call, its redacted spans pass, their texts withheld or not."""
    redactor, admission, known = Redactor(POLICY, keys=KEYS), Admission(POLICY), KnownValues()
    for record in records:
        for withhold in (True, False):
            redacted = redactor.redact(record, known, withhold_text=withhold)
            assert admission.admit(span(record.name, redacted.fields), tuple(known))


def test_values_learnt_later_count_from_then_on() -> None:
    """The same admission knows more with each span."""
    admission, fields = Admission(POLICY), {"arguments": {"notes": "about okonkwo"}}
    assert admission.admit(span("tool.book_appointment", fields), [])
    with pytest.raises(DoorError):
        admission.admit(span("tool.book_appointment", fields), KNOWN)
