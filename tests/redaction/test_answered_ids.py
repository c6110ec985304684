"""An id in a tool's arguments: kept where a tool's result of this call names it, else a pseudonym."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from raw_record import REDACTOR, RawRecord

from medagent.errors import PolicyError
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction import REDACTED, KnownValues
from medagent.redaction.loading import parse_policy
from medagent.redaction.trial import treat

ID, OTHER = "LC-K7M4Q9", "LC-M4Q9K7"
TICKETS = """\
name: tickets
version: 0.1.0
fields:
  ticket:
    {action: KEEP, category: machine, shape: {pattern: "T[0-9]{3}"}, only_if_answered: true, then: DROP, why: Ours.}
spans:
  tool.*:
    arguments: fields
    result: fields
"""


def record(name: str, *, said: str | None = None, answer: str | None = None, outcome: str = "ok") -> RawRecord:
    arguments = {} if said is None else {"confirmation_id": said}
    result = {"outcome": outcome} if answer is None else {"outcome": outcome, "confirmation_id": answer}
    return RawRecord(name=f"tool.{name}", fields={"arguments": arguments, "result": result, "outcome": outcome})


def call(*records: RawRecord) -> list[tuple[object, object]]:
    """What is left of the ids in arguments and result of each record of one call."""
    known, found = KnownValues(), []
    for one in records:
        known.learn(REDACTOR.identifiers(one))
        known.learn_answers(REDACTOR.answers(one))
        fields = REDACTOR.redact(one, known).fields
        parts = [fields.get(part) for part in ("arguments", "result")]
        found.append(tuple(part.get("confirmation_id") if isinstance(part, Mapping) else None for part in parts))
    return found  # type: ignore[return-value]


def is_pseudonym(value: object) -> bool:
    return isinstance(value, str) and PSEUDONYM_SHAPE.fullmatch(value) is not None


def test_id_that_the_same_span_answers_is_kept() -> None:
    """The clinic cancelled the appointment of this id: it is the clinic's own."""
    assert call(record("cancel_appointment", said=ID, answer=ID)) == [(ID, ID)]


def test_id_that_an_earlier_span_answered_is_kept_in_any_tool() -> None:
    """Booked in this call by one tool, refused a change by another."""
    spans = [record("book_appointment", answer=ID), record("cancel_appointment", said=ID, outcome="refused")]
    assert call(*spans) == [(None, ID), (ID, None)]


@pytest.mark.parametrize("outcome", ["refused", "failed", "timeout"])
def test_id_that_only_a_refusal_repeats_is_a_pseudonym(outcome: str) -> None:
    """A tool that says no may repeat what the model wrote: that is no answer."""
    ((said, answered),) = call(record("cancel_appointment", said=ID, answer=ID, outcome=outcome))
    assert is_pseudonym(said)
    assert said == answered


def test_id_that_another_answer_names_is_a_pseudonym() -> None:
    """One wrong sign is another id."""
    ((said, answered),) = call(record("cancel_appointment", said=OTHER, answer=ID))
    assert is_pseudonym(said)
    assert answered == ID


@pytest.mark.parametrize("said", ["LC-031482", "LC-7K4M9Q", "Tess Barker", "lc-k7m4q9"])
def test_id_of_another_form_is_redacted(said: str) -> None:
    """Digits first or four in a row, words, small letters: not the clinic's pattern."""
    assert call(record("cancel_appointment", said=said))[0][0] == REDACTED


def test_rule_holds_for_any_field_of_any_tool() -> None:
    """The framework names no tool: a stranger's tickets are treated alike."""
    policy = parse_policy(TICKETS, file="tickets.yaml")
    for said, answer, left in (("T123", "T123", {"ticket": "T123"}), ("T124", "T123", {})):
        fields = treat(policy, "tool.repair", {"arguments": {"ticket": said}, "result": {"ticket": answer}}).fields
        assert fields == {"arguments": left, "result": {"ticket": "T123"}}


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("only_if_answered: true", "'then' is missing"),
        ("only_if_answered: false, then: DROP", "'only_if_answered' is not true, expected true"),
        ("then: DROP", "'unless_present' is missing"),
        ("only_if_answered: true, then: KEEP", "unknown word, expected one of REDACT"),
    ],
)
def test_rule_that_is_not_whole_is_an_error(rule: str, problem: str) -> None:
    """The error names what is missing."""
    with pytest.raises(PolicyError) as caught:
        parse_policy(TICKETS.replace("only_if_answered: true, then: DROP", rule), file="tickets.yaml")
    assert problem in str(caught.value)
