from __future__ import annotations

import base64
import json
import logging
import pickle
import urllib.parse
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_record import DOCTOR, KEY, PLACE, RawRecord

from medagent.proof import PseudonymKey
from medagent.redaction import REDACTED, Identifier, KnownValues, Policy, Redacted, Redactor
from medagent.redaction.policy import Action, Leaf, ListNode, Node, ObjectNode, leaves
from packaged import packaged_policy

ROSTERS = {"doctors": [DOCTOR], "locations": [PLACE]}
POLICIES = [packaged_policy(name) for name in ("clinic", "safe-harbor")]
BOTH = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: str(policy.name))
CLINIC, STRICT = POLICIES
NAME, NUMBER, MAIL = "Quillon Zephyrine", "5550100142", "q.zephyrine@example.com"
PARTS = ("quillon", "zephyrine", "5550100142")


def redactor(policy: Policy, *, key: PseudonymKey = KEY) -> Redactor:
    return Redactor(policy, keys=key, rosters=ROSTERS)


def treat(policy: Policy, span: str, fields: Mapping[str, object], *, key: PseudonymKey = KEY) -> Redacted:
    record = RawRecord(name=span, fields=fields)
    made, known = redactor(policy, key=key), KnownValues()
    known.learn(made.identifiers(record))
    return made.redact(record, known)


# ---- a planted value never leaves ------------------------------------------------------------------------------------

ENCODINGS: Mapping[str, Callable[[str], object]] = {
    "plain": str,
    "upper": str.upper,
    "bytes": str.encode,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "hex": lambda text: text.encode().hex(),
    "url": lambda text: urllib.parse.quote(text, safe=""),
    "json": lambda text: json.dumps({"patient_name": text, "x": [text]}),
    "json twice": lambda text: json.dumps(json.dumps([text])),
    "reversed": lambda text: text[::-1],
    "wide": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "spaced": " ".join,
    "dashed": "-".join,
    "zero width": "\u200b".join,
    "cyrillic": lambda text: text.replace("e", "\u0435").replace("o", "\u043e"),
    "combining": "\u0301".join,
    "html": lambda text: "".join(f"&#{ord(c)};" for c in text),
    "escaped": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "padded": lambda text: f"{'a cough ' * 300}{text}",
    "line": lambda text: f"a cough\n{text}\n",
    "set": lambda text: {text},
    "digits": lambda text: int("".join(str(ord(c)) for c in text)),
}


def at_every_leaf(node: Node, planted: object) -> object:
    match node:
        case Leaf():
            return planted
        case ListNode():
            return [at_every_leaf(node.item, planted)]
        case ObjectNode():
            return {name: at_every_leaf(child, planted) for name, child in node.children.items()}


def told_of(output: object, encoded: object) -> list[str]:
    """The planted parts that stand in an output, in plain letters, read backwards, or as they were encoded."""
    text = (repr(output) + json.dumps(output, default=repr, ensure_ascii=False)).casefold()
    plain = "".join(sign for sign in text if sign.isalnum())
    own = [str(encoded).casefold()] if isinstance(encoded, str) and len(encoded) < 300 else []
    return [part for part in (*PARTS, *(p[::-1] for p in PARTS)) if part in plain] + [o for o in own if o in text]


def without_basis(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Without what the operator alone writes and nobody on the phone can reach."""
    consent = {name: value for name, value in fields.get("consent", {}).items() if name != "basis"}
    return {**fields, "consent": consent} if consent else {k: v for k, v in fields.items() if k != "consent"}


@BOTH
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("planted", [NAME, NUMBER, MAIL])
def test_a_planted_value_never_leaves(
    policy: Policy, encoding: str, planted: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At every declared place of every span, in any encoding: not in the output, the findings, the counts or a log."""
    caplog.set_level(logging.DEBUG)
    value = ENCODINGS[encoding](planted)
    for span in policy.spans:
        root = policy.tree(span)
        fields = {name: at_every_leaf(child, value) for name, child in root.children.items()}
        left = treat(policy, span, {**fields, planted: value, "made_up": value})
        for output in (without_basis(left.fields), left.name, left.counts.document(), [repr(f) for f in left.findings]):
            assert told_of(output, value) == [], span
    assert told_of(caplog.text, value) == []


@BOTH
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_planted_value_never_leaves_unlearned(policy: Policy, data: st.DataObject) -> None:
    """A name and a number that nobody has learned do not leave a free text or a kept field either."""
    span = data.draw(st.sampled_from([name for name in policy.spans if not name.endswith("*")]))
    words = data.draw(st.lists(st.sampled_from(["a cough", NAME, "call", NUMBER, "since", MAIL, "today"]), max_size=6))
    text = data.draw(st.sampled_from([" ", ", ", ". ", "\n"])).join(words)
    fields = {name: at_every_leaf(child, text) for name, child in policy.tree(span).children.items()}
    left = redactor(policy).redact(RawRecord(name=span, fields=fields), KnownValues())
    assert told_of(without_basis(left.fields), None) == []


@BOTH
def test_what_redacts_does_not_tell(policy: Policy) -> None:
    """Neither the repr nor a pickle of what is left, of a redactor or of known values holds what went in."""
    record = RawRecord(name="tool.book_appointment", fields={"arguments": {"patient_name": NAME, "notes": NAME}})
    made, known = redactor(policy), KnownValues()
    known.learn(made.identifiers(record))
    left = made.redact(record, known)
    assert told_of([repr(left), repr(known), repr(made), repr(record), str(list(known.__class__.__mro__))], None) == []
    assert not any(part.encode() in pickle.dumps((left.fields, left.counts)).lower() for part in PARTS)


# ---- the same facts, the same span -----------------------------------------------------------------------------------

ARGUMENTS: dict[str, object] = {
    "patient_name": NAME,
    "phone": NUMBER,
    "email": MAIL,
    "dob": "1982-03-14",
    "appointment_datetime": "2026-05-04T09:30",
    "doctor_name": DOCTOR,
    "clinic_location": PLACE,
    "notes": f"{NAME} has a cough, call {NUMBER}",
    "symptoms": "a sore throat since yesterday",
    "made_up": "x",
}


@BOTH
@settings(max_examples=60, deadline=None)
@given(order=st.permutations(list(ARGUMENTS)), seed=st.integers())
def test_reordering_and_splitting_change_nothing(policy: Policy, order: list[str], seed: int) -> None:
    """However a record's keys are ordered, and in whatever portions its values were learned, the same leaves."""
    usual = treat(policy, "tool.book_appointment", {"arguments": ARGUMENTS, "outcome": "ok"})
    shuffled = RawRecord(
        name="tool.book_appointment", fields={"outcome": "ok", "arguments": {key: ARGUMENTS[key] for key in order}}
    )
    made, known = redactor(policy), KnownValues()
    identifiers = made.identifiers(shuffled)
    Random(seed).shuffle(identifiers)
    for identifier in identifiers:
        known.learn([identifier])
    left = made.redact(shuffled, known)
    assert left.fields == usual.fields
    assert left.counts == usual.counts


@BOTH
def test_text_before_the_value_was_known(policy: Policy) -> None:
    """What is learned from a later record is taken out of an earlier text, once the call knows it."""
    early = RawRecord(name="tool.book_appointment", fields={"arguments": {"notes": "grace has a cough"}})
    later = RawRecord(name="tool.book_appointment", fields={"arguments": {"patient_name": "Grace Rose"}})
    made, known = redactor(policy), KnownValues()
    known.learn([*made.identifiers(early), *made.identifiers(later)])
    assert made.redact(early, known).fields == {"arguments": {"notes": f"{REDACTED} has a cough"}}


@settings(max_examples=100, deadline=None)
@given(
    chosen=st.sets(st.sampled_from(list(ARGUMENTS))),
    words=st.lists(
        st.sampled_from(["a cough", "sore", "throat", NAME, "since", "yesterday", REDACTED, "head"]), max_size=12
    ),
    mrn=st.booleans(),
)
def test_what_has_left_leaves_again(chosen: set[str], words: list[str], mrn: bool) -> None:
    """A record that was redacted once is not changed by a second time."""
    arguments = {name: ARGUMENTS[name] for name in chosen} | {"reason_for_visit": " ".join(words)}
    once = treat(CLINIC, "tool.book_appointment", {"arguments": {**arguments, **({"mrn": "0041"} if mrn else {})}})
    again = treat(CLINIC, "tool.book_appointment", once.fields)
    assert again.fields == once.fields


# ---- what each action may tell ---------------------------------------------------------------------------------------


@given(name=st.text(), other=st.binary(min_size=32, max_size=32))
def test_a_pseudonym_is_stable_under_its_key_only(name: str, other: bytes) -> None:
    """The same room has the same pseudonym in every span under one key, another under another, and never itself."""
    first, again = (treat(CLINIC, "voice_session", {"room_id": name}).fields["room_id"] for _ in range(2))
    assert first == again
    assert first != name
    elsewhere = treat(CLINIC, "voice_session", {"room_id": name}, key=PseudonymKey(secret=other)).fields["room_id"]
    assert (elsewhere == first) == (other == KEY.secret)


MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2098, 12, 31))  # noqa: DTZ001  # local, as a model writes


@given(moment=MOMENTS, days=st.integers(0, 400))
def test_a_bucket_never_tells_the_day(moment: datetime, days: int) -> None:
    """Under the stricter policy two days of one year leave as the same, in every field that carries a date."""
    other = moment.replace(month=1, day=1) + timedelta(days=days % 365)
    for field in ("appointment_datetime", "from_date", "to_date"):
        left = [
            treat(STRICT, "tool.check_availability", {"arguments": {field: at.isoformat(timespec="minutes")}}).fields
            for at in (moment, other)
        ]
        assert left[0] == left[1] == {"arguments": {field: str(moment.year)}}


@given(age=st.integers(-5, 200))
def test_an_old_age_is_no_age(age: int) -> None:
    """Up to 89 an age leaves, above it is one age for all."""
    left = treat(CLINIC, "tool.book_appointment", {"arguments": {"age": age}}).fields["arguments"]
    assert left == {"age": age if 0 <= age <= 89 else "90+" if 90 <= age <= 150 else REDACTED}


@BOTH
@given(day=st.dates(min_value=date(1900, 1, 1), max_value=date(2090, 1, 1)))
def test_no_birthday_leaves(policy: Policy, day: date) -> None:
    """Of a date of birth not even the year leaves, wherever a field of that kind stands."""
    left = treat(
        policy, "tool.book_appointment", {"arguments": {"dob": day.isoformat(), "appointment_datetime": f"{day}"}}
    )
    assert left.fields == {
        "arguments": {"dob": REDACTED, "appointment_datetime": REDACTED if policy is CLINIC else str(day.year)}
    }


@BOTH
def test_every_rule_that_keeps_is_typed(policy: Policy) -> None:
    """Whatever is kept in any span has a shape, and no shape takes a name of two words or a phone number."""
    for span in policy.spans:
        for leaf in leaves(policy.tree(span)):
            if leaf.rule.action is Action.KEEP and leaf.path != "consent.basis":
                assert leaf.rule.shape is not None
                assert not any(
                    leaf.rule.shape.fits(v, ROSTERS) for v in (NAME, NUMBER, f"+1{NUMBER}", MAIL, int(NUMBER))
                )


@BOTH
@pytest.mark.parametrize("told", ["Quillon", "quillon", "Jane_Doe", "JaneDoe", "jane doe error", "Error5550100142"])
def test_an_error_type_is_a_programmers_word(policy: Policy, told: str) -> None:
    """A class of error ends as such classes do, a code is words joined; a name alone is neither."""
    left = treat(policy, "tool.book_appointment", {"error_type": told, "result": {"error_type": told}}).fields
    assert left == {"error_type": REDACTED, "result": {"error_type": REDACTED}}
    for usual in ("TimeoutError", "APIConnectionError", "slot_taken", "doctor_not_at_location", "timeout", "ToolError"):
        assert treat(policy, "tool.book_appointment", {"error_type": usual}).fields == {"error_type": usual}


def test_identifiers_know_their_category() -> None:
    """What is learned of a call is what its rules call identifying, with the category of the rule."""
    record = RawRecord(name="tool.book_appointment", fields={"arguments": ARGUMENTS})
    found = redactor(CLINIC).identifiers(record)
    assert {(i.category.value, i.value) for i in found} == {
        ("name", NAME),
        ("phone", NUMBER),
        ("email", MAIL),
        ("date_of_birth", "1982-03-14"),
    }
    assert all(isinstance(each, Identifier) for each in found)
