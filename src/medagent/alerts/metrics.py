"""What an alert counts: from a call's spans to rows of a time and a number; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from medagent.telemetry.call_summary import is_failed, number
from medagent.telemetry.span import SafeSpan

MetricName: TypeAlias = Literal["error_rate", "tool_failure_rate", "ttft_p95", "total_latency_p95", "cost_usd"]
Measure: TypeAlias = Literal["share", "p95", "sum"]
Moment: TypeAlias = tuple[int, SafeSpan]
"""A span and when it ended, in microseconds since the Unix epoch (UTC)."""

_FAILED = ("failed", "timeout", "unreadable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One call, turn or tool run: when it ended (µs since the Unix epoch, UTC) and its number, None where unknown.

    Of a share the number is 1.0 for a failure and 0.0 for anything else.
    """

    at_us: int
    value: float | None
    trace_id: str = ""
    offset_ms: float | None = None
    """Where in the call it began, in ms; None for the whole call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One thing that can be alerted on: how it is measured, in which unit, over which spans."""

    measure: Measure
    unit: Literal["%", "s", "$"]
    things: str
    names: tuple[str, ...]
    rows: Callable[[Sequence[Moment]], list[Row]]


def _calls(moments: Iterable[Moment]) -> list[Row]:
    """Return one row for the session and the end of each call; a tool that failed counts, whatever came after it."""
    ended: dict[str, Row] = {}
    for at_us, span in moments:
        before = ended.get(span.trace_id, Row(at_us=at_us, value=0.0, trace_id=span.trace_id))
        failed = before.value == 1.0 or is_failed(span.fields)
        ended[span.trace_id] = replace(before, at_us=max(at_us, before.at_us), value=float(failed))
    return list(ended.values())


def _tools(moments: Iterable[Moment]) -> list[Row]:
    return [
        _row(at_us, span, float(span.status == "error" or span.fields.get("outcome") in _FAILED))
        for at_us, span in moments
    ]


def _seconds_of(field: str) -> Callable[[Iterable[Moment]], list[Row]]:
    """Turns without the figure – a greeting, a turn without a sound – are no turns of this metric."""

    def rows(moments: Iterable[Moment]) -> list[Row]:
        told = ((at_us, span, number(span.fields.get(field))) for at_us, span in moments)
        return [_row(at_us, span, ms / 1000) for at_us, span, ms in told if ms is not None]

    return rows


def _costs(moments: Iterable[Moment]) -> list[Row]:
    return [
        Row(at_us=at_us, value=number(span.fields.get("cost_usd")), trace_id=span.trace_id) for at_us, span in moments
    ]


def _row(at_us: int, span: SafeSpan, value: float) -> Row:
    began_us = span.ancestors[0].start_us if span.ancestors else span.start_us
    return Row(at_us=at_us, value=value, trace_id=span.trace_id, offset_ms=(span.start_us - began_us) / 1000)


METRICS: Mapping[MetricName, Metric] = {
    "error_rate": Metric(
        measure="share", unit="%", things="calls", names=("voice_session", "session.end"), rows=_calls
    ),
    "tool_failure_rate": Metric(measure="share", unit="%", things="tool runs", names=("tool.*",), rows=_tools),
    "ttft_p95": Metric(measure="p95", unit="s", things="turns", names=("agent_turn",), rows=_seconds_of("ttft_ms")),
    "total_latency_p95": Metric(
        measure="p95",
        unit="s",
        things="turns",
        names=("agent_turn", "conversation_turn"),
        rows=_seconds_of("total_latency_ms"),
    ),
    "cost_usd": Metric(measure="sum", unit="$", things="calls", names=("session.end",), rows=_costs),
}
