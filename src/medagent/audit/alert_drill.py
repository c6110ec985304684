"""The three alerts made to fire and to clear: bad calls in an archive of their own, looked at by the real watch."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from medagent.alerts.rules import Alerts, Rule, load_alerts
from medagent.attestation.report import AlertDrill
from medagent.audit.capture import Capture
from medagent.compose import alert_watch, archive
from medagent.proof import GENESIS, Json
from medagent.settings import Settings
from medagent.telemetry.span import Ancestor, SafeSpan, Seal, SpanKind

_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000
_EXTRA = 5


def drill_alerts(settings: Settings, names: Sequence[str], capture: Capture, *, now_us: int) -> list[AlertDrill]:
    """Let each alert fire at `now_us` and clear once its window and its calm have passed, in a time of the drill's own.

    `settings` lead to a state directory of the drill's and to the capture; times are microseconds since the epoch.
    """
    alerts = load_alerts(settings.alerts_path)
    rules = [rule for rule in alerts.enabled if rule.id in names]
    store = archive(settings)
    try:
        for rule in rules:
            store.export(list(_bad(rule, now_us - _MINUTE_US)))
    finally:
        store.close()
    before = len(capture.documents())
    later_us = now_us + max((rule.window_us for rule in rules), default=0) + alerts.settle_us + 5 * _MINUTE_US
    seen: dict[tuple[str, str], int] = {}
    for look_us in (now_us, later_us):
        watch = alert_watch(settings, alerts)
        for rule, edge in watch.look(now_us=look_us):
            seen[rule.id, edge.kind] = edge.at_us
        watch.deliver()
    texts = [str(json.loads(each.raw)) for each in capture.documents()[before:] if each.path.endswith("body")]
    return [_drilled(name, alerts, seen, texts) for name in names]


def _drilled(name: str, alerts: Alerts, seen: dict[tuple[str, str], int], texts: Sequence[str]) -> AlertDrill:
    title = next((rule.title for rule in alerts.rules if rule.id == name), None)
    return AlertDrill(
        name=name,
        fired_at=_moment(seen.get((name, "fired"))),
        cleared_at=_moment(seen.get((name, "cleared"))),
        messages=sum(title is not None and f" {title}: " in text for text in texts),
    )


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="seconds")


def _bad(rule: Rule, end_us: int) -> Iterator[SafeSpan]:
    """As many calls, turns or tools as it takes, all of them bad, a second apart, the last ending then."""
    name, kind, fields = _WORST.get(rule.metric, _WORST["cost_usd"])
    count = rule.minimum_sample + _EXTRA
    for number in range(count):
        told = {**fields, **({"ttft_ms": rule.threshold * 2000} if rule.metric == "ttft_p95" else {})}
        yield _span(name, kind, end_us - (count - 1 - number) * _SECOND_US, told)


_WORST: dict[str, tuple[str, SpanKind, dict[str, Json]]] = {
    "error_rate": ("session.end", SpanKind.MARKER, {"outcome": "failed", "reason": "error"}),
    "ttft_p95": ("agent_turn", SpanKind.AGENT_TURN, {}),
    "total_latency_p95": ("agent_turn", SpanKind.AGENT_TURN, {"total_latency_ms": 60_000.0}),
    "tool_failure_rate": ("tool.book_appointment", SpanKind.TOOL, {"outcome": "failed"}),
    "cost_usd": ("session.end", SpanKind.MARKER, {"cost_usd": 1_000.0}),
}


def _span(name: str, kind: SpanKind, end_us: int, fields: dict[str, Json]) -> SafeSpan:
    trace_id = str(uuid4())
    span = SafeSpan(
        trace_id=trace_id,
        span_id=str(uuid4()),
        ancestors=(Ancestor(span_id=trace_id, start_us=end_us - 1000),),
        name=name,
        kind=kind,
        start_us=end_us - 1000,
        end_us=end_us,
        status="ok",
        env="dev",
        policy_digest="00" * 32,
        fields=fields,
    )
    return span.sealed(Seal.over(sequence=0, previous=GENESIS, span_digest=span.digest()))
