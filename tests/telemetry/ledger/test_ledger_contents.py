"""What may stand in the ledger: typed fields, and reasons that have the shape of no identifier."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers import CONTENTS, guardrail
from medagent.errors import LedgerContentError
from medagent.redaction import Category, Counts
from medagent.redaction.policy import Action
from medagent.telemetry.ledger import KINDS, reason_problem
from medagent.telemetry.ledger.contents import validated

_words = st.sampled_from(["", "call back", "leak seen", "the caller is", "patient of", "see", "(urgent)"])
_user = st.from_regex(r"[a-z0-9.]{1,12}", fullmatch=True)
_emails = st.builds(
    "{}@{}.{}".format, _user, st.sampled_from(["example", "mail.example"]), st.sampled_from(["com", "org"])
)
_phones = st.builds(
    "{}{}{}555{}01{:02d}".format,
    st.sampled_from(["", "+1 ", "1-", "001."]),
    st.sampled_from(["", "212", "(212)", "+1-212"]),
    st.sampled_from(["", " ", "-", "."]),
    st.sampled_from(["", " ", "-", ".", ") "]),
    st.integers(0, 99),
)
_others = st.sampled_from(
    ["078-05-1120", "1982-03-14", "03/14/1982", "14.3.1982 77", "https://clinic.example/p", "www.x.org"]
)
_wide = st.sampled_from([str, lambda text: text.translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789@"})])

FREE = [(kind, name) for kind, model in KINDS.items() for name in model.model_fields if name == "reason"]


def test_every_free_text_is_a_reason() -> None:
    """No other field of any kind takes words that somebody typed."""
    typed = {
        (kind, name)
        for kind, content in CONTENTS.items()
        for name in KINDS[kind].model_fields
        if accepted(kind, {**content, name: "see the note"})
    }
    kinds = ("switch_changed", "not_started", "pseudonym_key_rotated", "access", "deletion", "deletion_requested")
    assert typed == set(FREE) == {(kind, "reason") for kind in kinds}


def accepted(kind: str, content: dict[str, Any]) -> bool:
    try:
        validated(kind, content)
    except LedgerContentError:
        return False
    return True


@given(before=_words, identifier=_emails | _phones | _others, after=_words, wide=_wide, where=st.sampled_from(FREE))
def test_no_reason_holds_an_identifier(before: str, identifier: str, after: str, wide: Any, where: Any) -> None:
    """E-mail, phone, social security number, full date, web address, in wide letters too: refused, not repeated."""
    kind, field = where
    reason = wide(f"{before} {identifier} {after}".strip())
    with pytest.raises(LedgerContentError) as caught:
        validated(kind, {**CONTENTS[kind], field: reason})
    assert f"{kind}: {field}: holds" in str(caught.value)
    assert identifier not in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("reason", "problem"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ("x" * 301, "longer"),
        ("two\nlines", "plain"),
        ("a\x00b", "plain"),
        ("j\u200bd", "plain"),
        ("\u202egnihton", "plain"),
    ],
)
def test_a_reason_is_one_line_of_plain_text(reason: str, problem: str) -> None:
    """Nothing invisible, nothing that a terminal obeys, nothing without end."""
    assert problem in (reason_problem(reason) or "")


@pytest.mark.parametrize(
    "reason",
    [
        "the quarter's drill",
        "ticket OPS-4711, leak at the door in trace 5f0c3b1e",
        "admission: tool.book_appointment: arguments.patient_name: holds a known name of this call",
        "overhead: p99 5.32 ms over 60 s",
        "Übung, §164.312(c)",
        "(withheld)",
    ],
)
def test_an_ordinary_reason_is_accepted(reason: str) -> None:
    """What a person on duty and the machine itself say."""
    assert reason_problem(reason) is None


def test_the_counts_of_a_call_fit() -> None:
    """What a call's redaction counted goes in as it is, the members of its enumerations too."""
    counts = Counts(actions={Action.REDACT: 3}, categories={Category.NAME: 2}).document()
    assert validated("guardrail", guardrail() | counts)["actions"] == counts["actions"]
    by_member = guardrail(actions={"redact": 1}, categories={Category.NAME: 2})
    assert validated("guardrail", by_member)["categories"] == {"name": 2}


@pytest.mark.parametrize(
    "changes",
    [
        {"trace_id": "Jane Doe"},
        {"trace_id": "5550142"},
        {"head": "ab" * 31},
        {"head": "AB" * 32},
        {"policy": None},
        {"complete": "yes"},
        {"complete": 1},
        {"actions": {"redact": -1}},
        {"actions": {"redact": True}},
        {"actions": {"redact": 2**53}},
        {"actions": {"Jane Doe": 1}},
        {"actions": {f"a{n}": n for n in range(65)}},
        {"Jane Doe": 1},
        {"patient_name": "Jane Doe"},
    ],
)
def test_a_field_of_another_shape_is_refused_and_not_repeated(changes: dict[str, Any]) -> None:
    """A value in the wrong place, a key of nobody's: the error names the field and holds nothing of either."""
    with pytest.raises(LedgerContentError) as caught:
        validated("guardrail", guardrail(**changes))
    for part in ("Jane", "5550142", "patient_name"):
        assert part not in caught.value.diagnostics()


def test_a_kind_of_nobodys_is_refused() -> None:
    """And is not repeated: it may be anything."""
    with pytest.raises(LedgerContentError) as caught:
        validated("Jane Doe", {})
    assert "Jane" not in caught.value.diagnostics()


@given(kind=st.sampled_from(sorted(KINDS)), content=st.dictionaries(st.text(max_size=8), st.text(max_size=8)))
def test_what_is_not_declared_is_refused(kind: str, content: dict[str, str]) -> None:
    """No kind takes any field beyond its own."""
    extra = {name: value for name, value in content.items() if name not in KINDS[kind].model_fields}
    assert not accepted(kind, {**CONTENTS.get(kind, {}), **extra}) or not extra
