"""Calls for the alerts: spans that end when a test says, in an archive, with a watch over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from uuid import UUID, uuid5

from medagent.alerts.post import Post
from medagent.alerts.rules import Alerts, load_alerts
from medagent.alerts.slack import Slack
from medagent.alerts.state import AlertState
from medagent.alerts.watch import Watch
from medagent.proof import Json
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from medagent.telemetry.switch import Switch
from sink import Sink
from spans import START_US, seal
from switches import audited

MINUTE_US = 60_000_000
NOON_US = START_US + 12 * 60 * MINUTE_US
_SPACE = UUID("5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a")
_KINDS = {"voice_session": SpanKind.SESSION, "session.end": SpanKind.MARKER, "agent_turn": SpanKind.AGENT_TURN}


def span(name: str, end_us: int, *, call: object = "", number: int = 0, fields: Mapping[str, Json]) -> SafeSpan:
    """One sealed span of a call that ended then."""
    trace_id = str(uuid5(_SPACE, f"call {call}"))
    root = name == "voice_session"
    made = SafeSpan(
        trace_id=trace_id,
        span_id=trace_id if root else str(uuid5(_SPACE, f"{call} {name} {end_us} {number}")),
        ancestors=() if root else (Ancestor(span_id=trace_id, start_us=end_us - 1000),),
        name=name,
        kind=_KINDS.get(name, SpanKind.TOOL),
        start_us=end_us - 1000,
        end_us=end_us,
        status="error" if fields.get("outcome") in ("failed", "timeout") else "ok",
        env="dev",
        policy_digest="ab" * 32,
        fields=fields,
    )
    return seal([made])[0]


def turns(count: int, end_us: int, *, ttft_ms: float, call: object = "turns") -> list[SafeSpan]:
    """So many turns, each a second after the other, the last ending then."""
    return [
        span("agent_turn", end_us - (count - 1 - n) * 1_000_000, call=call, number=n, fields={"ttft_ms": ttft_ms})
        for n in range(count)
    ]


def tools(outcomes: list[str], end_us: int, *, call: object = "tools") -> list[SafeSpan]:
    return [
        span("tool.book_appointment", end_us - n, call=call, number=n, fields={"outcome": outcome})
        for n, outcome in enumerate(outcomes)
    ]


@contextmanager
def watching(
    home: Path,
    sink: Sink | str,
    *,
    alerts: Alerts | None = None,
    timeout_s: tuple[float, float] = (1.0, 1.0),
    names_calls: bool = True,
) -> Iterator[tuple[Watch, Archive]]:
    """A watch as one process has it: everything of it is opened here and closed at the end."""
    archive, state = Archive(home / "archive", gate=always_open), AlertState(home / "alerts")
    url = sink if isinstance(sink, str) else f"{sink.url}/services/T000/B000/secret"
    rules = alerts or load_alerts()
    post = Post(name="slack", timeout_s=timeout_s, gate=always_open)
    watch = Watch(
        rules,
        spans=archive,
        state=state,
        senders={"slack": Slack(url, channel=rules.slack_channel, post=post)},
        switch=Switch(home, forced=None, env="dev", audited=audited),
        env="dev",
        names_calls=names_calls,
    )
    yield watch, archive
    state.close()
    archive.close()


def step(home: Path, sink: Sink | str, now_us: int, *, timeout_s: tuple[float, float] = (1.0, 1.0)) -> None:
    """One process that looks, tells, and is gone."""
    with watching(home, sink, timeout_s=timeout_s) as (watch, _):
        watch.look(now_us=now_us)
        watch.deliver()


def store(home: Path, spans: list[SafeSpan]) -> None:
    archive = Archive(home / "archive", gate=always_open)
    archive.export(spans)
    archive.close()


def alone(alerts: Alerts, rule_id: str, **changes: object) -> Alerts:
    """The alerts with one rule enabled, changed."""
    rule = next(rule for rule in alerts.rules if rule.id == rule_id)
    return replace(alerts, rules=(replace(rule, enabled=True, **changes),))  # type: ignore[arg-type]  # names of fields
