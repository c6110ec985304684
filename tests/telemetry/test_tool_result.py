"""Texts of tools: JSON, Python's print, or words; a text that cannot be read is never `ok`."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.telemetry.python_repr import NotReadableError, parse_repr
from medagent.telemetry.tool_result import OUTCOMES, UNREADABLE, read_arguments, read_result
from tape import Tape

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.dictionaries(st.text(max_size=8), PLAIN, max_size=5)


@given(fields=FIELDS, outcome=st.sampled_from(OUTCOMES), write=st.sampled_from([json.dumps, repr]))
def test_a_text_of_fields_is_read_with_its_outcome(fields: dict[str, Any], outcome: str, write: Any) -> None:
    """JSON and what Python prints of the same fields are the same fields."""
    read = read_result(write({**fields, "outcome": outcome}))
    assert (read.fields, read.outcome, read.is_whole) == ({**fields, "outcome": outcome}, outcome, True)


@given(fields=FIELDS, cut=st.integers(min_value=1, max_value=200), write=st.sampled_from([json.dumps, repr]))
def test_a_text_that_is_cut_off_is_unreadable(fields: dict[str, Any], cut: int, write: Any) -> None:
    """A stream that broke leaves half a text: nobody knows which outcome stood in the other half."""
    text = write({**fields, "outcome": "failed"})
    read = read_result(text[: max(1, len(text) - cut)])
    assert (read.outcome, read.is_whole) == (UNREADABLE, False)


@given(text=st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """Any text of a tool has one of the outcomes, and nothing of it is lost."""
    read = read_result(text)
    assert read.outcome in {*OUTCOMES, UNREADABLE}
    assert read.fields or not text.replace("\ufeff", " ").strip() or json.loads(text) in ({}, None, "")


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("{'outcome': 'failed', 'when': datetime.datetime(2026, 1, 1, 9, 30)}", "failed"),
        ("{'outcome': 'failed', 'at': datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)}", "failed"),
        ("{'outcome': 'failed', 'cost': Decimal('1.5'), 'rate': nan, 'most': -inf}", "failed"),
        ("{'outcome': <Outcome.REFUSED: 'refused'>, 'id': UUID('6924fe43-26b7-4551-a8e7-26ff1ce36b5f')}", "refused"),
        ("Booking(outcome='timeout', slots={'a', 'b'}, raw=b'x', left=datetime.timedelta(days=1))", "timeout"),
        ("outcome='failed' patient_name='Jane (Doe) x=1' when=datetime.date(2026, 1, 1)", "failed"),
        ("namespace(outcome='failed')", "failed"),
        ("OrderedDict([('outcome', 'failed')])", "failed"),
        ("defaultdict(<class 'list'>, {'outcome': 'failed'})", UNREADABLE),
        ('"{\\"outcome\\": \\"failed\\"}"', "failed"),
        ('\ufeff {"outcome": "FAILED"}\n', "failed"),
        ('{"outcome": "failed", "notes": "' + "x" * 1_000_000 + '"}', "failed"),
        ('{"outcome": "failed", "x": NaN}', "failed"),
        ('{"outcome": "done"}', UNREADABLE),
        ('{"outcome": ["ok"]}', UNREADABLE),
        ('{"outcome": null}', UNREADABLE),
        ("{'outcome': 'ok', 'of': <__main__.Thing object at 0x7f3a>}", UNREADABLE),
        ("<__main__.Thing object at 0x7f3a>", UNREADABLE),
        ("Thing(outcome='ok', of=open('/etc/passwd'))", UNREADABLE),
        ("refused", "refused"),
        ("You are booked (see you) on Monday.", "ok"),
        ("(We are closed) on Monday", "ok"),
        ('"Yes," she said', "ok"),
        ("{}", "ok"),
        ("", "ok"),
        (None, "ok"),
    ],
)
def test_a_text_has_the_outcome_that_it_states(text: str | None, outcome: str) -> None:
    """A value that cannot be read is unreadable; words for the model state nothing, and the tool has returned."""
    assert read_result(text).outcome == outcome


def test_times_keep_their_distance_from_utc() -> None:
    """Python's print of times, numbers and sets is read as the JSON values."""
    printed = (
        "{'a': datetime.datetime(2026, 1, 1, 9, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600))), "
        "'b': {1}, 'c': Decimal('2'), 'd': datetime.timedelta(seconds=90), 'e': inf}"
    )
    expected = {"a": "2026-01-01T09:00:00+01:00", "b": [1], "c": 2, "d": 90.0, "e": math.inf}
    assert parse_repr(printed) == expected


@pytest.mark.parametrize(
    "text", ["__import__('os').system('x')", "[x for x in ()]", "f'{1}'", "(" * 3000, "1 if 1 else 2"]
)
def test_nothing_of_a_text_is_executed(text: str) -> None:
    """Only values are read, whatever else the text is."""
    with pytest.raises(NotReadableError):
        parse_repr(text)


def test_arguments_that_are_no_object_stand_under_output() -> None:
    """A policy can name them there."""
    assert read_arguments('{"a": {"outcome": "X"}}') == {"a": {"outcome": "X"}}
    assert read_arguments("[1]") == {"output": [1]}
    assert (read_arguments("{{{not"), read_arguments("")) == ({"output": "{{{not"}, {})


def test_an_unreadable_result_is_a_failure_and_is_missing() -> None:
    """It counts for the alert, is named in `missing`, and a change that ended so was not made."""
    tape = Tape().answers("r1", 0, 100, 200).uses("t1", "book_appointment", "{'outcome': 'ok', 'at': <X object>}", 300)
    totals, tool = tape.ends(900), tape.one("tool.book_appointment")
    assert (tool["outcome"], tape.record("tool.book_appointment").status) == ("unreadable", "error")
    assert (totals["tool_failures"], totals["outcome"]) == (1, "failed")
    assert (totals["complete"], totals["missing"]) == (False, ["tool_result"])
