"""Findings in Prometheus' text format: what another tool alerts on is what we measured, by the same windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from medagent.alerts.watch import Finding
from medagent.settings import Env

VALUE, SAMPLE, FAILURES = "medagent_alert_value", "medagent_alert_sample", "medagent_alert_failures"
UNKNOWN, THRESHOLD, FIRING = "medagent_alert_unknown", "medagent_alert_threshold", "medagent_alert_firing"
CHECKED = "medagent_alerts_checked_timestamp_seconds"


def exposition(findings: Sequence[Finding], *, env: Env, at_us: int) -> str:
    """All alerts as gauges with the labels `alert` and `env`; a value that is not known has no line."""
    registry = CollectorRegistry()

    def gauge(name: str, says: str) -> Gauge:
        return Gauge(name, says, ("alert", "env"), registry=registry)

    value = gauge(VALUE, "The alert's metric over its window: a share of 1, seconds or US dollars.")
    counts: dict[Gauge, Callable[[Finding], float]] = {
        gauge(SAMPLE, "Calls, turns or tool runs in the window."): lambda f: f.reading.sample,
        gauge(FAILURES, "Failures among them, of a share."): lambda f: f.reading.failures,
        gauge(UNKNOWN, "Calls in the window whose figure is not known."): lambda f: f.reading.unknown,
        gauge(THRESHOLD, "What the value must exceed to fire."): lambda f: f.rule.threshold,
        gauge(FIRING, "1 while the alert fires."): lambda f: f.state == "firing",
    }
    for finding in findings:
        if finding.reading.value is not None:
            value.labels(finding.rule.id, env).set(finding.reading.value)
        for counted, of in counts.items():
            counted.labels(finding.rule.id, env).set(of(finding))
    Gauge(CHECKED, "When this was measured, Unix time.", registry=registry).set(at_us / 1e6)
    return generate_latest(registry).decode()
