from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_record import DOCTOR, KEY, PLACE, POLICY, REDACTOR, SLOT, RawRecord, booking, treat

from medagent.errors import PolicyError
from medagent.proof import canonical
from medagent.redaction import REDACTED, Action, Category, Counts, KnownValues, Redactor
from medagent.redaction.policy import Leaf, ListNode, Node, ObjectNode

SPANS = [*(span for span in POLICY.spans if "*" not in span), "tool.unheard_of", "nobody.knows", "Quillon Zephyrine"]
NAME, NUMBER = "Quillon Zephyrine", 15_550_100_142
TOKENS = ("quillon", "zephyrine", "15550100142", "5550100142")


def steps_of(node: Node) -> set[str]:
    match node:
        case Leaf():
            return set()
        case ListNode():
            return steps_of(node.item)
        case ObjectNode():
            return set(node.children).union(*map(steps_of, node.children.values()))


NAMES = sorted(set().union(*map(steps_of, POLICY.spans.values())))
KEYS = st.sampled_from([*NAMES, NAME, "MRN", "Patient-Name", "unnamed"])


class Stranger:
    def __repr__(self) -> str:
        return NAME

    def __str__(self) -> str:
        return NAME


class Breaking(dict[str, object]):
    def items(self) -> Any:
        raise ValueError(NAME)


class NameText(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "Yes"


PLANTED: list[object] = [
    NAME,
    f"ask for {NAME}, please",
    f"{SLOT} {NAME}",
    f"{NAME}'s",
    "q u i l l o n",
    NameText(NAME),
    str(NUMBER),
    f"+{NUMBER}",
    NUMBER,
    float(NUMBER),
    NUMBER**40,
    json.dumps({"mrn": NAME}),
    NAME.encode(),
    Decimal(NUMBER),
    Stranger(),
    NAME * 500,
    f"\u202e{NAME}",
    "".join(f"{sign}\u200b" for sign in NAME),
    f"{NAME}\ud800",
    {NAME},
    float("nan"),
    float("inf"),
    Breaking({"patient_name": NAME}),
]
CANARIES = st.sampled_from(PLANTED)
ANYTHING = st.recursive(
    CANARIES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner),
        st.dictionaries(KEYS, inner, max_size=5),
        st.dictionaries(st.sampled_from([1, None, (NAME,)]), inner, max_size=2),
    ),
    max_leaves=12,
)


def nested(value: object, depth: int) -> object:
    for _ in range(depth):
        value = {"arguments": [value]}
    return value


def says(output: object) -> list[str]:
    text = (repr(output) + json.dumps(output, default=repr)).casefold()
    plain = "".join(sign for sign in text if sign.isalnum())
    return [token for token in TOKENS if token in plain]


def without_basis(span: str, fields: Mapping[str, object]) -> dict[str, object]:
    """Without the operator's own words in `consent.basis`, which nobody on the phone can reach."""
    consent = fields.get("consent")
    if span != "policy.guardrail" or not isinstance(consent, Mapping):
        return dict(fields)
    return {**fields, "consent": {name: value for name, value in consent.items() if name != "basis"}}


def at_every_leaf(node: Node, canary: object) -> object:
    match node:
        case Leaf():
            return canary
        case ListNode():
            return [at_every_leaf(node.item, canary)]
        case ObjectNode():
            return {name: at_every_leaf(child, canary) for name, child in node.children.items()} | {NAME: canary}


@settings(max_examples=300, deadline=None)
@given(span=st.sampled_from(SPANS), fields=st.dictionaries(KEYS, ANYTHING, max_size=6), withhold=st.booleans())
def test_no_canary_leaves(span: str, fields: dict[str, object], withhold: bool) -> None:
    """Whatever key, type, nesting or position holds an identifier: not the fields, counts, findings or repr do."""
    record = RawRecord(name=span, fields=fields)
    known = KnownValues()
    known.learn(REDACTOR.identifiers(record))
    left = REDACTOR.redact(record, known, withhold_text=withhold)
    canonical(left.fields)
    for output in (
        without_basis(span, left.fields),
        left.counts,
        left.findings,
        left,
        known,
        REDACTOR.identifiers(record),
    ):
        assert says(output) == []


@pytest.mark.parametrize("canary", PLANTED, ids=[f"{n}-{type(planted).__name__}" for n, planted in enumerate(PLANTED)])
@pytest.mark.parametrize("span", SPANS)
def test_no_canary_at_a_declared_leaf(span: str, canary: object) -> None:
    """At every place that the policy declares, an identifier in place of the value stays here."""
    root = POLICY.tree(span)
    left = treat(span, {name: at_every_leaf(child, canary) for name, child in root.children.items()}).fields
    assert says(without_basis(span, left)) == []


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(KEYS, ANYTHING, max_size=6), span=st.sampled_from(SPANS))
def test_counts_add_up(fields: dict[str, object], span: str) -> None:
    """Every decision is counted once, and a leaf that left as `<REDACTED>` was counted as redacted."""
    left = treat(span, fields)
    assert sum(left.counts.actions.values()) == len(left.findings)
    assert repr(left.fields).count(f"'{REDACTED}'") <= left.counts.actions.get(Action.REDACT, 0)
    assert left.counts + Counts() == left.counts


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(KEYS, st.recursive(st.text(), lambda inner: st.dictionaries(KEYS, inner)), max_size=5))
def test_what_no_rule_names_is_gone(fields: dict[str, object]) -> None:
    """The output holds no key that the policy does not declare at that place, and each that went is counted."""
    left = treat("tool.book_appointment", fields)
    root = POLICY.tree("tool.book_appointment")
    assert set(left.fields) <= set(root.children)
    arguments, raw = left.fields.get("arguments"), fields.get("arguments")
    if isinstance(arguments, dict) and isinstance(raw, dict):
        assert set(arguments) <= set(POLICY.fields)
        unnamed = [finding for finding in left.findings if finding.path == "arguments.<unnamed>"]
        assert len(unnamed) == len([key for key in raw if key not in POLICY.fields])
    assert "unnamed" not in [finding.path for finding in left.findings]


@settings(max_examples=100, deadline=None)
@given(fields=st.dictionaries(st.sampled_from(NAMES), ANYTHING, max_size=6))
def test_the_input_is_not_touched(fields: dict[str, object]) -> None:
    """A record is the same after its redaction."""
    before = repr(fields)
    treat("tool.book_appointment", fields)
    assert repr(fields) == before


def test_a_clean_booking_twice() -> None:
    """What has left once leaves unchanged, but for pseudonyms, which are pseudonyms of something else then."""
    once = treat(
        "tool.book_appointment",
        {
            "arguments": {
                "patient_name": NAME,
                "doctor_name": DOCTOR,
                "clinic_location": PLACE,
                "appointment_datetime": SLOT,
                "notes": f"{NAME} has had a sore throat and a headache since yesterday evening",
                "symptoms": "unheard-of words",
            },
            "duration_ms": 3.5,
        },
    ).fields
    assert once["arguments"]["notes"] == "<REDACTED> has had a sore throat and a headache…"  # type: ignore[index,call-overload]  # an object, as declared
    assert treat("tool.book_appointment", once).fields == once


def test_a_name_in_the_doctors_place() -> None:
    """A model that puts the patient's name into `doctor_name` leaks nothing."""
    left = booking(doctor_name=NAME, clinic_location=f"{PLACE} ", patient_name=None)
    assert left.fields == {"arguments": {"doctor_name": REDACTED, "clinic_location": REDACTED, "patient_name": None}}
    assert left.counts.actions == {Action.REDACT: 2}


def test_a_word_of_an_enum_leaves_as_plain_text() -> None:
    """A member of a string enum is its value, so that a record may be made of them."""

    class Kind(StrEnum):
        REPLY = "reply"

    left = treat("agent_turn", {"kind": Kind.REPLY}).fields
    assert left == {"kind": "reply"}
    assert type(left["kind"]) is str


def test_counts_by_category() -> None:
    """A category counts what did not leave as it was; counts add up over spans and are reported with their zeros."""
    first = booking(patient_name=NAME, doctor_name=DOCTOR, appointment_datetime=SLOT, mrn="7", x=1).counts
    assert first.categories == {Category.NAME: 1, Category.MRN: 1, Category.APPOINTMENT: 1}
    assert first.actions == {Action.REDACT: 2, Action.KEEP: 1, Action.BUCKET: 1, Action.DROP: 1}
    both = (first + booking(patient_name=NAME).counts).document()
    assert both["categories"]["name"] == 2
    assert both["actions"] == {"redact": 3, "truncate": 0, "keep": 1, "drop": 1, "pseudonym": 0, "bucket": 1}


def test_no_roster_no_key() -> None:
    """Without a roster and without a key, what rests on them is redacted."""
    bare = Redactor(POLICY)
    record = RawRecord(name="tool.book_appointment", fields={"arguments": {"doctor_name": DOCTOR}})
    assert bare.redact(record, KnownValues()).fields == {"arguments": {"doctor_name": REDACTED}}
    session = RawRecord(name="voice_session", fields={"room_id": "room-1"})
    assert bare.redact(session, KnownValues()).fields == {"room_id": REDACTED}
    assert REDACTOR.redact(session, KnownValues()).fields == {"room_id": KEY.pseudonym("identifier", "room-1")}


def test_containers_and_scalars_do_not_pass_for_each_other() -> None:
    """A container where a scalar is declared is redacted, a scalar where a container is declared is dropped."""
    left = treat("tool.book_appointment", {"arguments": NAME, "outcome": {"outcome": "ok"}, "result": ["ok"]})
    assert left.fields == {"outcome": REDACTED}
    assert left.counts.dropped == 2


def test_a_field_that_breaks_takes_none_with_it() -> None:
    """A container that raises is dropped and counted, and the fields beside it leave as they should."""
    left = treat("tool.book_appointment", {"arguments": Breaking(a=1), "outcome": "ok", "duration_ms": Stranger()})
    assert left.fields == {"outcome": "ok", "duration_ms": REDACTED}
    assert left.counts.actions == {Action.DROP: 1, Action.KEEP: 1, Action.REDACT: 1}


def test_over_long_lists_lose_their_end() -> None:
    """Of a list a hundred items are treated, the others are dropped and counted."""
    series = [{"at_ms": n, "rtt_ms": 20.5} for n in range(130)]
    left = treat("voice_session", {"quality": {"series": series}})
    assert left.fields == {"quality": {"series": series[:100]}}
    assert left.counts.dropped == 30


def test_deep_raw_values_do_not_break_the_walk() -> None:
    """A record that is nested a thousand deep, or contains itself, loses its dates and raises nothing."""
    circle: dict[str, object] = {"arguments": {"appointment_datetime": SLOT}}
    circle["more"] = circle
    assert treat("tool.book_appointment", circle).fields == {"arguments": {"appointment_datetime": "2026"}}
    deep = {"arguments": {"appointment_datetime": SLOT, "patient_name": nested(NAME, 1_000)}}
    assert says(treat("tool.book_appointment", copy.copy(deep)).fields) == []


def test_withheld_text() -> None:
    """While a span is provisional every text is `<WITHHELD>`, and only a span with a text has one."""
    record = RawRecord(name="tool.book_appointment", fields={"arguments": {"notes": "a cough", "symptoms": None}})
    assert REDACTOR.waits_for_end(record)
    left = REDACTOR.redact(record, KnownValues(), withhold_text=True)
    assert left.fields == {"arguments": {"notes": "<WITHHELD>", "symptoms": None}}
    assert not REDACTOR.waits_for_end(RawRecord(name="tool.book_appointment", fields={"arguments": {"mrn": "7"}}))


def test_identifiers_are_learned_wherever_they_stand() -> None:
    """A value under REDACT or PSEUDONYM is learned at any depth, under any casing, and from JSON in a string."""
    fields = {
        "arguments": {"patient_name": NAME, "phone": NUMBER, "doctor_name": DOCTOR},
        "extra": [{"Patient-Name": {"first": "Ottoline"}}, '{"mrn": "00417", "note": "x"}'],
    }
    found = REDACTOR.identifiers(RawRecord(name="tool.book_appointment", fields=fields))
    assert {(i.category.value, i.value) for i in found} == {
        ("name", NAME),
        ("phone", str(NUMBER)),
        ("name", "Ottoline"),
        ("mrn", "00417"),
    }
    assert says(found) == []
    session = RawRecord(name="voice_session", fields={"participant_id": "sip_+15550100142"})
    assert [i.value for i in REDACTOR.identifiers(session)] == ["sip_+15550100142"]


def test_recognisers_take_part() -> None:
    """What a recogniser finds in a text does not leave; one that breaks takes the whole text with it."""

    class FindsThroat:
        name = "presidio.UrlRecognizer"

        def spans(self, text: str) -> list[tuple[int, int]]:
            at = text.find("throat")
            return [(at, at + 6)] if at >= 0 else []

    class Breaks:
        name = "presidio.IpRecognizer"

        def spans(self, text: str) -> list[tuple[int, int]]:
            raise RuntimeError(text)

    record = RawRecord(
        name="tool.book_appointment", fields={"arguments": {"notes": "a sore throat today"}, "outcome": "ok"}
    )
    assert Redactor(POLICY).redact(record, KnownValues()).fields["arguments"] == {"notes": "a sore throat today"}
    left = Redactor(POLICY, recognisers=[FindsThroat()]).redact(record, KnownValues())
    assert left.fields["arguments"] == {"notes": "a sore <REDACTED> today"}
    broken = Redactor(POLICY, recognisers=[FindsThroat(), Breaks()]).redact(record, KnownValues())
    assert broken.fields == {"arguments": {"notes": REDACTED}, "outcome": "ok"}


def test_a_recogniser_that_is_not_there() -> None:
    """A policy that asks for a recogniser is not carried out without it."""

    class Given:
        name = "presidio.UrlRecognizer"

        def spans(self, text: str) -> list[tuple[int, int]]:
            return []

    asks = replace(POLICY, recognisers=("presidio.UrlRecognizer",))
    with pytest.raises(PolicyError, match=r"presidio\.UrlRecognizer not given"):
        Redactor(asks)
    assert Redactor(asks, recognisers=[Given()]).policy is asks


def test_what_is_found_in_a_text_is_counted() -> None:
    """Each thing that was taken out of a text is counted by its own category, and nothing says where or what it was."""
    left = booking(patient_name=NAME, notes=f"{NAME} has had a cough for two days")
    assert left.fields == {"arguments": {"patient_name": REDACTED, "notes": f"{REDACTED} has had a cough for two days"}}
    assert left.counts.categories == {Category.NAME: 2, Category.HEALTH_TEXT: 1}
    assert left.counts.actions == {Action.REDACT: 2, Action.TRUNCATE: 1}
