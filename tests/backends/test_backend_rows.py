"""What `make backends` compares: each thing that a backend could show wrong fails a row, and no other row."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripts.backends.calls import Played
from scripts.backends.checks import KINDS, Row, compare
from scripts.backends.pins import load_pins
from scripts.backends.shown import ShownSpan, ShownTrace

from medagent.telemetry.span import SafeSpan, SpanKind
from spans import CALLER, alone, call

SESSION, START, TURN, TOOLED, FAILED, END = call()
SPANS = [alone(SESSION, fields={**SESSION.fields, "participant_id": CALLER}), START, TURN, TOOLED, FAILED, END]
CALL = Played(name="book", spans=SPANS, person={"patient_name": "Theodora Winterbourne", "phone": "+14155550168"})
PROJECT = "Reception"


def short(span_id: str | None) -> str | None:
    return None if span_id is None else span_id.replace("-", "")[:16]


def as_sent(span: SafeSpan) -> ShownSpan:
    fields: dict[str, Any] = dict(span.fields)
    is_generation = span.kind is SpanKind.AGENT_TURN
    return ShownSpan(
        span_id=str(short(span.span_id)),
        parent_id=short(span.parent_id),
        name=span.name,
        kind=KINDS.get(span.kind, "CHAIN"),
        start_us=span.start_us,
        end_us=span.end_us,
        is_error=span.status == "error",
        message=fields.get("error_type", ""),
        taken=fields.get("arguments") or None,
        given=fields.get("result") or None,
        model=fields.get("model"),
        tokens={
            "input": fields["input_tokens"],
            "output": fields["output_tokens"],
            "total": fields["total_tokens"],
            "input_cached": fields["input_cached_tokens"],
            "input_audio": fields["input_audio_tokens"],
            "output_audio": fields["output_audio_tokens"],
        }
        if is_generation
        else {},
        cost_usd=fields.get("cost_usd"),
        attributes={},
    )


WHOLE = ShownTrace(
    trace_id=TURN.trace_id,
    project=PROJECT,
    session=TURN.trace_id,
    user=CALLER,
    is_error=True,
    tokens={},
    cost_usd=0.01234,
    cost_split_usd=None,
    spans=[as_sent(span) for span in SPANS],
    everything=json.dumps([span.document() for span in SPANS]),
)


def rows(shown: ShownTrace) -> list[Row]:
    return list(compare("phoenix", CALL, shown, project=PROJECT, holds_measures=False))


def of_span(number: int, **changes: Any) -> Callable[[ShownTrace], ShownTrace]:
    def change(shown: ShownTrace) -> ShownTrace:
        spans = list(shown.spans)
        spans[number] = replace(spans[number], **changes)
        return replace(shown, spans=spans)

    return change


def of_trace(**changes: Any) -> Callable[[ShownTrace], ShownTrace]:
    return lambda shown: replace(shown, **changes)


AUDIO = {"input": 311, "output": 97, "total": 408, "input_cached": 64, "input_audio": 311, "output_audio": 75}
WRONG: dict[str, tuple[Callable[[ShownTrace], ShownTrace], set[str]]] = {
    "another parent": (of_span(3, parent_id=None), {"parents and order"}),
    "another order": (lambda shown: replace(shown, spans=list(reversed(shown.spans))), {"parents and order"}),
    "another kind": (of_span(3, kind="CHAIN"), {"kinds"}),
    "another time": (of_span(2, end_us=TURN.end_us + 3), {"times (µs off)"}),
    "another input": (of_span(3, taken={"patient_name": "x"}), {"input of 2 tools"}),
    "another output": (of_span(3, given=None), {"output of 2 tools"}),
    "a name": (of_trace(everything="… THEODORA Winterbourne …"), {"identifiers of the caller"}),
    "the digits of a phone number": (of_trace(everything="… 14155550168 …"), {"identifiers of the caller"}),
    "another project": (of_trace(project="default"), {"project"}),
    "another session": (of_trace(session=None), {"session"}),
    "another user": (of_trace(user="+14155550168"), {"user"}),
    "no failure": (of_span(4, is_error=False), {"failed spans"}),
    "a trace that did not fail": (of_trace(is_error=False), {"the trace failed"}),
    "another message": (of_span(4, message="error"), {"error message of tool.check_availability"}),
    "another model": (of_span(2, model="gpt-4o"), {"models"}),
    "other tokens": (of_span(2, tokens={**AUDIO, "input_audio": 100, "total": 409}), {"tokens"}),
    "audio counted as all of it": (of_span(2, tokens=AUDIO), {"audio tokens"}),
    "a cost 2 % too high": (of_trace(cost_usd=0.0126), {"cost of the trace (USD)"}),
    "no cost of a span": (of_span(2, cost_usd=None), {"cost of spans (USD)"}),
}


def test_what_is_as_sent_fails_no_row() -> None:
    """Each row is said to be the same."""
    found = rows(WHOLE)
    assert [row.what for row in found if row.ok is not True] == []
    assert len(found) == len({row.what for row in found}) >= 15


@pytest.mark.parametrize(("change", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_is_shown_wrong_fails_its_row(change: Callable[[ShownTrace], ShownTrace], expected: set[str]) -> None:
    """One row for each, so that the output says what is wrong."""
    failed = {row.what.removeprefix("book: ") for row in rows(change(WHOLE)) if row.ok is False}
    assert failed == expected


def test_a_span_that_is_missing_fails() -> None:
    """Spans, order and kinds differ."""
    failed = {row.what for row in rows(replace(WHOLE, spans=WHOLE.spans[:-1])) if row.ok is False}
    assert {"book: spans", "book: parents and order", "book: kinds"} <= failed


def test_each_set_of_pins_has_a_place_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside the tree; another version of any distribution is another place."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    pins = load_pins()
    assert set(pins) == {"phoenix", "mlflow"}
    assert len({one.directory for one in pins.values()}) == 2
    for one in pins.values():
        assert one.directory.parent == tmp_path / "medagent" / "backends"
        assert f"-{one.version}-" in one.directory.name
        assert replace(one, constraints=(*one.constraints[:-1], "x==1")).directory != one.directory
