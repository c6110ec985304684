"""The three alerts made to fire and to clear: bad calls in an archive of their own, looked at by the real watch."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from uuid import uuid4

from medagent.alerts.rules import Alerts, Rule, load_alerts
from medagent.attestation.report import AlertDrill
from medagent.audit.capture import Capture, Document
from medagent.audit.child import Rooms, ask
from medagent.proof import GENESIS, Json
from medagent.runtime.alerting import alert_watch
from medagent.runtime.exports import archive
from medagent.settings import Settings, load_settings
from medagent.telemetry.span import Ancestor, SafeSpan, Seal, SpanKind

_MINUTE_US = 60_000_000
_SECOND_US = 1_000_000
_EXTRA = 5


Seen = Mapping[tuple[str, str], int]
"""When (microseconds since the epoch) which alert came to which edge, `fired` or `cleared`."""
Look = Callable[[Settings, Sequence[str], int], Seen]


def drill_alerts(
    settings: Settings, names: Sequence[str], capture: Capture, *, now_us: int, look: Look | None = None
) -> list[AlertDrill]:
    """Let each alert fire at `now_us` and clear once its window and its calm have passed, in a time of the drill's own.

    `settings` lead to a state directory of the drill's and to the capture; times are microseconds since the epoch.
    `look` does it elsewhere than in this process; the messages are counted here, as they came.
    """
    before = len(capture.documents())
    seen = (look or look_twice)(settings, names, now_us)
    texts = [str(json.loads(each.raw)) for each in capture.documents()[before:] if each.path.endswith("body")]
    alerts = load_alerts(settings.alerts_path)
    return [_drilled(name, alerts, seen, texts) for name in names]


def look_twice(settings: Settings, names: Sequence[str], now_us: int) -> Seen:
    """Put bad calls into the archive, look, look again when they are long past; tell each time who is to be told."""
    alerts = load_alerts(settings.alerts_path)
    rules = [rule for rule in alerts.enabled if rule.id in names]
    store = archive(settings)
    try:
        for rule in rules:
            store.export(list(_bad(rule, now_us - _MINUTE_US)))
    finally:
        store.close()
    later_us = now_us + max((rule.window_us for rule in rules), default=0) + alerts.settle_us + 5 * _MINUTE_US
    seen: dict[tuple[str, str], int] = {}
    for look_us in (now_us, later_us):
        watch = alert_watch(settings, alerts)
        for rule, edge in watch.look(now_us=look_us):
            seen[rule.id, edge.kind] = edge.at_us
        watch.deliver()
    return seen


class LookedAt:
    """The same in a process of the audited system, since the alerts are part of it; keeps what that printed."""

    def __init__(self, *, rooms: Rooms, settings: Settings, system: Mapping[str, str]) -> None:
        self._rooms = rooms
        self._settings = settings
        self._system = system
        self.documents: list[Document] = []

    def __call__(self, _settings: Settings, names: Sequence[str], now_us: int) -> Seen:
        """Raises `AuditError` where the process died."""
        told = {"settings": self._system, "names": list(names), "now_us": now_us}
        answer, self.documents = ask(__name__, json.dumps(told), rooms=self._rooms, settings=self._settings)
        return {(name, kind): at_us for name, kind, at_us in json.loads(answer)}


def _drilled(name: str, alerts: Alerts, seen: Seen, texts: Sequence[str]) -> AlertDrill:
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


def main() -> int:
    """Read settings, names and the moment as one JSON object, look twice, print what was seen."""
    told = json.load(sys.stdin)
    seen = look_twice(load_settings(**told["settings"]), told["names"], told["now_us"])
    sys.stdout.write(json.dumps([[*edge, at_us] for edge, at_us in seen.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
