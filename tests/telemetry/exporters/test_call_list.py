"""The list of calls: its figures are those of the spans, whatever was stored, repeated or deleted in which order."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medagent.proof import Json
from medagent.telemetry.call_summary import call_figures, is_failed
from medagent.telemetry.chain import Tombstone
from medagent.telemetry.exporters.archive import Archive, SortKey
from medagent.telemetry.exporters.exporter import always_open, seal_of
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from spans import START_US, seal

_MS = st.none() | st.floats(0, 20_000).map(lambda value: round(value, 3))
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "waits": st.lists(_MS, max_size=3),
            "dead_air": _MS,
            "cost": st.none() | st.floats(0, 5).map(lambda value: round(value, 4)),
            "duration": st.floats(1, 900_000).map(lambda value: round(value, 3)),
            "outcome": st.sampled_from([None, "booked", "failed"]),
            "tool_failures": st.integers(0, 1),
            "synthetic": st.booleans(),
        }
    ),
    min_size=1,
    max_size=6,
)
SORTS: st.SearchStrategy[SortKey] = st.sampled_from(["start", "duration", "ttft", "slowest", "cost"])
Call = Mapping[str, Any]


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path / "archive", gate=always_open)
    yield archive
    archive.close()


def spans_of(call: Call, number: int) -> list[SafeSpan]:
    """A call of some turns, its session and its end, a minute after the call before it."""
    trace_id, start_us = str(uuid4()), START_US + number * 60_000_000
    end: dict[str, Json] = {
        "duration_ms": call["duration"],
        "outcome": call["outcome"],
        "tool_failures": call["tool_failures"],
        "dead_air_longest_ms": call["dead_air"],
        "cost_usd": call["cost"],
        **({"synthetic": True} if call["synthetic"] else {}),
    }
    parts: list[tuple[str, SpanKind, dict[str, Json]]] = [
        *(("agent_turn", SpanKind.AGENT_TURN, {"ttft_ms": wait}) for wait in call["waits"]),
        ("session.end", SpanKind.MARKER, end),
        ("voice_session", SpanKind.SESSION, {"outcome": call["outcome"]}),
    ]
    return seal(
        [
            SafeSpan(
                trace_id=trace_id,
                span_id=trace_id if name == "voice_session" else str(uuid4()),
                ancestors=() if name == "voice_session" else (Ancestor(span_id=trace_id, start_us=start_us),),
                name=name,
                kind=kind,
                start_us=start_us,
                end_us=start_us + 1000,
                status="ok",
                env="dev",
                policy_digest="ab" * 32,
                fields=fields,
            )
            for name, kind, fields in parts
        ]
    )


def expected(call: Call) -> tuple[float | None, float | None, bool]:
    """The longest TTFT-A, the slowest wait, and whether the call failed, by their definitions."""
    ttft = max((wait for wait in call["waits"] if wait is not None), default=None)
    known = [value for value in (ttft, call["dead_air"]) if value is not None]
    return ttft, max(known, default=None), call["outcome"] == "failed" or call["tool_failures"] > 0


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(calls=CALLS, sort=SORTS, over=st.none() | st.floats(0, 15_000), failed=st.booleans(), data=st.data())
def test_list_is_what_the_spans_report(
    *,
    tmp_path_factory: pytest.TempPathFactory,
    calls: list[Call],
    sort: SortKey,
    over: float | None,
    failed: bool,
    data: Any,
) -> None:
    """Stored in any order and twice, filtered and sorted: the list is that of a plain look at every call."""
    made = [spans_of(call, number) for number, call in enumerate(calls)]
    delivered = data.draw(st.permutations([span for spans in made for span in spans]))
    with closing(Archive(tmp_path_factory.mktemp("list"), gate=always_open)) as archive:
        for at in range(0, len(delivered), 3):
            archive.export(delivered[at : at + 3])
        archive.export(delivered[:2])
        found = archive.calls(100, sort=sort, over_ms=over, failed=failed)
        again = archive.calls(1, sort=sort, over_ms=over, failed=failed)
    wanted = []
    for call, spans in zip(calls, made, strict=True):
        ttft, slowest, has_failed = expected(call)
        is_slow = over is None or (slowest is not None and slowest > over)
        if is_slow and (has_failed or not failed) and not (call["synthetic"] and (failed or over is not None)):
            wanted.append((spans[0].trace_id, ttft, slowest, has_failed, call["cost"], call["duration"]))
    assert {
        (one.trace_id, one.ttft_ms, one.slowest_ms, one.failed, one.cost_usd, one.duration_ms) for one in found
    } == set(wanted)
    figure = {
        "start": "start_us",
        "duration": "duration_ms",
        "ttft": "ttft_ms",
        "slowest": "slowest_ms",
        "cost": "cost_usd",
    }
    values = [getattr(one, figure[sort]) for one in found]
    known = [value for value in values if value is not None]
    assert values == sorted(known, reverse=True) + [None] * (len(values) - len(known))
    assert again == found[:1]


def test_deleted_spans_are_gone_from_the_figures(archive: Archive) -> None:
    """A tombstone in the place of a call's end takes its outcome and cost out of the list; the last span, the row."""
    call = {"waits": [500.0], "dead_air": 900.0, "cost": 0.5, "duration": 1000.0, "outcome": "failed"}
    spans = spans_of({**call, "tool_failures": 1, "synthetic": False}, 0)
    archive.export(spans)
    stones = [Tombstone(trace_id=span.trace_id, seal=seal_of(span), cause="purge") for span in spans]
    archive.bury(stones[1:2])
    [left] = archive.calls()
    assert (left.ttft_ms, left.dead_air_ms, left.cost_usd, left.spans) == (500.0, None, None, 2)
    archive.export(spans)
    assert archive.calls() == [left]
    archive.bury(stones)
    assert archive.calls() == []


def test_calls_of_an_earlier_version_are_summarised_once(archive: Archive, tmp_path: Path) -> None:
    """An archive without the rows gets them at the first list; a broken span costs no list."""
    call: Call = {"waits": [1.0], "dead_air": None, "cost": 1.0, "duration": 5.0, "outcome": None, "tool_failures": 0}
    spans = [span for n in range(450) for span in spans_of({**call, "synthetic": False}, n)]
    archive.export(spans)
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db", isolation_level=None)) as other:
        other.execute("DELETE FROM call")
        other.execute(
            "UPDATE span SET document = 'broken' WHERE name = 'session.end' AND trace_id = ?", (spans[0].trace_id,)
        )
        listed = archive.calls(1000)
        assert len(listed) == 450
        assert [one.cost_usd for one in listed] == [1.0] * 449 + [None]
        assert other.execute("SELECT COUNT(*) FROM call").fetchone() == (450,)


def test_since_counts_the_end_of_a_call_by_its_real_time(tmp_path: Path) -> None:
    """Under a shifted clock the times of the spans are others; the list since a moment goes by when a call ended."""
    call: Call = {"waits": [], "dead_air": None, "cost": None, "duration": 5.0, "outcome": None, "tool_failures": 0}
    made = [spans_of({**call, "synthetic": False}, n) for n in range(3)]
    shift_us = 40 * 86_400_000_000
    with closing(Archive(tmp_path / "a", gate=always_open, occurred=lambda span: span.end_us + shift_us)) as archive:
        archive.export([span for spans in made for span in spans])
        ended_us = made[1][0].end_us + shift_us
        assert [one.trace_id for one in archive.calls(since_us=ended_us)] == [made[2][0].trace_id, made[1][0].trace_id]
        assert archive.calls(since_us=made[2][0].end_us + shift_us + 1) == []


@pytest.mark.parametrize(
    ("fields", "failed"),
    [
        ({"outcome": "booked", "errors": [{"error_recoverable": True}]}, False),
        ({"outcome": "booked", "errors": [{"error_recoverable": False}]}, True),
        ({"outcome": "booked", "tool_failures": 1}, True),
        ({"reason": "process_lost"}, True),
        ({"outcome": "failed"}, True),
        ({"errors": "text"}, False),
    ],
    ids=["recovered", "unrecovered", "tool failed", "lost", "failed", "no list"],
)
def test_failed_is_what_the_alert_counts(fields: dict[str, Json], failed: bool) -> None:
    """One definition for the list and for the alert on errors."""
    assert is_failed(fields) is failed
    figures: Sequence[tuple[str, Mapping[str, Json]]] = [("session.end", fields)]
    assert call_figures(figures).failed is failed


@pytest.mark.deadline
def test_ten_thousand_calls_are_listed_within_half_a_second(archive: Archive, tmp_path: Path) -> None:
    """However the list is sorted and filtered; the first list of an earlier version's archive may take longer."""
    call: Call = {"waits": [900.0], "dead_air": 1500.0, "cost": 0.1, "duration": 5.0, "outcome": "booked"}
    spans = spans_of({**call, "tool_failures": 0, "synthetic": False}, 0)
    archive.export(spans)
    copied = """
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)
        INSERT INTO span SELECT span_id || i, printf('%08x', i) || substr(trace_id, 9), sequence, name, start_us + i,
        end_us + i, document, occurred_us + i FROM span, n
    """
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as other, other:
        other.execute(copied)
    assert len(archive.calls(20_000)) == 10_000
    choices: list[dict[str, Any]] = [{}, {"sort": "cost"}, {"over_ms": 1000.0, "sort": "slowest"}, {"failed": True}]
    for chosen in choices:
        began = time.monotonic()
        archive.calls(20, **chosen)
        assert time.monotonic() - began < 0.5
