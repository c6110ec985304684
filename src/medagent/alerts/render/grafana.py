"""A Grafana dashboard over the gauges that `medagent alerts check --prometheus` writes, one row for each alert."""

from __future__ import annotations

import json

from medagent.alerts.exposition import FIRING, SAMPLE, VALUE
from medagent.alerts.metrics import METRICS
from medagent.alerts.notice import amount, length
from medagent.alerts.rules import Alerts, Rule

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_UNITS = {"%": "percentunit", "s": "s", "$": "currencyUSD"}
_HEIGHT = 8


def grafana(alerts: Alerts) -> str:
    """The dashboard's JSON; alerts that are not enabled are shown without a state."""
    panels = [panel for number, rule in enumerate(alerts.rules) for panel in _row(rule, number)]
    dashboard = {
        "uid": "medagent-alerts",
        "title": "medagent alerts",
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "time": {"from": "now-24h", "to": "now"},
        "refresh": "1m",
        "templating": {
            "list": [
                {"name": "datasource", "type": "datasource", "query": "prometheus"},
                {"name": "env", "type": "custom", "query": "dev,prod", "current": {"text": "prod", "value": "prod"}},
            ]
        },
        "panels": [{"id": number, **panel} for number, panel in enumerate(panels, start=1)],
    }
    return json.dumps(dashboard, indent=2, ensure_ascii=False) + "\n"


def _row(rule: Rule, number: int) -> list[dict[str, object]]:
    top = number * _HEIGHT
    of = f'{{alert="{rule.id}", env="$env"}}'
    things = METRICS[rule.metric].things
    title = f"{rule.title}, {length(rule.window_us)}"
    value: dict[str, object] = {
        "type": "timeseries",
        "title": title,
        "description": rule.why,
        "datasource": _SOURCE,
        "gridPos": {"x": 0, "y": top, "w": 14, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {
                "unit": _UNITS[METRICS[rule.metric].unit],
                "custom": {"thresholdsStyle": {"mode": "line"}, "spanNulls": False},
                "thresholds": _steps(rule.threshold),
            },
            "overrides": [],
        },
        "targets": [_target(VALUE + of, rule.title)],
    }
    sample: dict[str, object] = {
        "type": "timeseries",
        "title": f"{things.capitalize()} in {length(rule.window_us)}, at least {rule.minimum_sample}",
        "datasource": _SOURCE,
        "gridPos": {"x": 14, "y": top, "w": 6, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": "short", "min": 0}, "overrides": []},
        "targets": [_target(SAMPLE + of, things)],
    }
    words = {"0": {"text": "ok", "color": "green"}, "1": {"text": "fires", "color": "red"}}
    state: dict[str, object] = {
        "type": "stat",
        "title": f"Over {amount(rule.metric, rule.threshold)}",
        "datasource": _SOURCE,
        "gridPos": {"x": 20, "y": top, "w": 4, "h": _HEIGHT},
        "fieldConfig": {
            "defaults": {"mappings": [{"type": "value", "options": words}], "thresholds": _steps(1)},
            "overrides": [],
        },
        "targets": [_target(FIRING + of, rule.title)],
    }
    return [value, sample, *([state] if rule.enabled else [])]


def _steps(threshold: float) -> dict[str, object]:
    return {"mode": "absolute", "steps": [{"color": "green", "value": None}, {"color": "red", "value": threshold}]}


def _target(expression: str, legend: str) -> dict[str, object]:
    return {"refId": "A", "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
