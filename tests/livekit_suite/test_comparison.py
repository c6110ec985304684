"""The comparison of a trace with LiveKit's own account: it must find what is wrong, and know what is admitted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from bench.livekit_suite.comparison import Verdict, agent_turns, compare, handoffs, interruptions, user_turns
from bench.livekit_suite.facts import SessionFacts, ToolFacts, TraceFacts, Usage
from hypothesis import given
from hypothesis import strategies as st

_COUNTS = ("user_turns", "agent_turns", "interruptions", "handoffs")
_NAMES = {
    "user_turns": "user_turn",
    "agent_turns": "agent_turn",
    "interruptions": "interruption",
    "handoffs": "agent_handoff",
    "tools": "tool",
    "input_tokens": "usage",
    "end": "session.end",
}


def ran(status: str, output: str | None = None) -> ToolFacts:
    return ToolFacts(name="look_up", status=status, output=output)


def livekit(**changes: Any) -> SessionFacts:
    usage = Usage(input_tokens=80, output_tokens=24, tts_characters=50, tts_audio_seconds=3.0, stt_audio_seconds=2.0)
    facts = SessionFacts(
        timeline=("agent", "user", "agent.interrupted", "handoff", "user", "agent"),
        utterances=2,
        speeches=3,
        interrupted_speeches=1,
        tools=(ran("done"), ran("error")),
        usage_at_close=usage,
        usage=usage,
        reason="user_initiated",
    )
    return replace(facts, **changes)


def trace(**changes: Any) -> TraceFacts:
    facts = TraceFacts(
        user_turns=2,
        agent_turns=3,
        interruptions=1,
        handoffs=1,
        tool_outcomes=("ok", "failed"),
        usage={
            "input_tokens": 80,
            "output_tokens": 24,
            "tts_characters": 50,
            "tts_audio_seconds": 3.0,
            "stt_audio_seconds": 2.0,
        },
        reason="agent_ended",
        outcome="informed",
        complete=True,
        missing=(),
        spans={"user_turn": 2, "agent_turn": 3, "tool": 2},
        totals={"user_turns": 2, "agent_turns": 3, "tool_calls": 2},
    )
    return replace(facts, **changes)


def counted(**counts: int) -> TraceFacts:
    """A trace whose spans and totals say the same count."""
    made = trace(**counts)
    turns = {"user_turn": made.user_turns, "agent_turn": made.agent_turns}
    totals = {"user_turns": made.user_turns, "agent_turns": made.agent_turns, "tool_calls": 2}
    return replace(made, spans={**turns, "tool": 2}, totals=totals)


def kinds(found: Sequence[Any]) -> list[str]:
    return [one.kind for one in found]


def test_compare_equal_accounts_agrees() -> None:
    """Two accounts of the same call agree."""
    assert compare(livekit(), trace()).verdict is Verdict.AGREES


def test_compare_without_a_trace_is_silent() -> None:
    """A session that left no trace is a silent one."""
    assert compare(livekit(), None).verdict is Verdict.SILENT


@given(kind=st.sampled_from(_COUNTS), other=st.integers(0, 9))
def test_compare_any_wrong_count_is_silent(kind: str, other: int) -> None:
    """A count outside LiveKit's own bounds is found, whatever it is."""
    bounds = {
        "user_turns": user_turns,
        "agent_turns": agent_turns,
        "interruptions": interruptions,
        "handoffs": handoffs,
    }[kind](livekit())
    found = compare(livekit(), counted(**{kind: other}))
    is_right = bounds[0] <= other <= bounds[1]
    assert kinds(found.differences) == ([] if is_right else [kind])
    assert found.verdict is (Verdict.AGREES if is_right else Verdict.SILENT)


@pytest.mark.parametrize(
    ("wrong", "kind"),
    [
        ({"tool_outcomes": ("ok", "ok")}, "tools"),
        ({"tool_outcomes": ("ok",)}, "tools"),
        ({"tool_outcomes": ("ok", "failed", "failed")}, "tools"),
        ({"tool_outcomes": ("ok", "cancelled")}, "tools"),
        ({"usage": {**trace().usage, "input_tokens": 40}}, "input_tokens"),
        ({"usage": {**trace().usage, "input_tokens": None}}, "input_tokens"),
        ({"usage": {**trace().usage, "input_tokens": 160}}, "input_tokens"),
        ({"reason": "error"}, "end"),
        ({"reason": None}, "end"),
    ],
)
def test_compare_a_wrong_part_is_silent_unless_missing_names_it(wrong: dict[str, Any], kind: str) -> None:
    """Each part is compared; a trace that names it in `missing` admits it, and one that names another does not."""
    assert kinds(compare(livekit(), trace(**wrong)).differences) == [kind]
    assert compare(livekit(), trace(**wrong)).verdict is Verdict.SILENT
    admitting = trace(**wrong, complete=False, missing=(_NAMES[kind],))
    assert compare(livekit(), admitting).verdict is Verdict.ADMITS
    other = "agent_turn" if kind != "agent_turns" else "tool"
    assert compare(livekit(), trace(**wrong, complete=False, missing=(other,))).verdict is Verdict.SILENT


def test_compare_admits_one_difference_of_two_is_silent() -> None:
    """Each difference has to be named."""
    wrong = trace(tool_outcomes=("ok",), reason="error", complete=False, missing=("tool",))
    assert compare(livekit(), wrong).verdict is Verdict.SILENT


def test_compare_complete_trace_with_missing_is_silent() -> None:
    """`complete: true` admits nothing, whatever stands in `missing`."""
    wrong = trace(reason="error", complete=True, missing=("session.end",))
    assert compare(livekit(), wrong).verdict is Verdict.SILENT


def test_compare_failed_call_without_a_failure_is_silent() -> None:
    """A call is failed by its close or by a tool, not by an error that LiveKit survived."""
    survived = livekit(tools=(ran("done"), ran("done")))
    assert kinds(compare(survived, trace(tool_outcomes=("ok", "ok"), outcome="failed")).differences) == ["outcome"]


def test_compare_totals_beside_spans_must_be_equal() -> None:
    """The counts of `session.end` equal the numbers of spans."""
    assert kinds(compare(livekit(), trace(spans={"user_turn": 2, "agent_turn": 3, "tool": 1})).differences) == ["spans"]


@pytest.mark.parametrize(
    ("output", "fits"),
    [
        *[
            ('{"outcome": "refused"}', "refused"),
            ("{'outcome': 'failed'}", "failed"),
            ('{"outcome": "FAILED"}', "failed"),
        ],
        *[("sunny", "ok"), ("b", "unreadable")],
    ],
)
def test_compare_result_names_its_outcome(output: str, fits: str) -> None:
    """A tool's own outcome counts; a result without one is ok or unreadable."""
    told = livekit(tools=(ran("done", output),))
    one = {"spans": {"user_turn": 2, "agent_turn": 3, "tool": 1}}
    one["totals"] = {"user_turns": 2, "agent_turns": 3, "tool_calls": 1}
    assert compare(told, trace(tool_outcomes=(fits,), **one)).verdict is Verdict.AGREES
    wrong = "ok" if fits in ("refused", "failed") else "cancelled"
    assert compare(told, trace(tool_outcomes=(wrong,), **one)).verdict is Verdict.SILENT


def test_compare_interruption_at_the_close_may_be_left_out() -> None:
    """LiveKit interrupts what is said when it closes: that is counted or not."""
    told = livekit(timeline=("user", "agent.interrupted.closing"), interrupted_speeches=1)
    assert interruptions(told) == (0, 1)
