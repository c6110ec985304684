"""Prometheus rules over the gauges that `medagent alerts check --prometheus` writes."""

from __future__ import annotations

import yaml

from medagent.alerts.exposition import FAILURES, SAMPLE, VALUE
from medagent.alerts.notice import amount, length
from medagent.alerts.rules import Alerts, Rule

_HEAD = """\
# Rendered by `medagent alerts render prometheus`. The gauges come from `medagent alerts check --prometheus`, run each
# minute into a file of the node exporter's textfile collector; windows and percentiles are measured there.
"""


def prometheus(alerts: Alerts) -> str:
    """A rules file with one alert for each enabled rule."""
    settle = f"{alerts.settle_us // 1_000_000}s"
    rules = [_rule(rule, settle) for rule in alerts.enabled]
    groups = {"groups": [{"name": "medagent", "interval": "1m", "rules": rules}]}
    return _HEAD + yaml.safe_dump(groups, sort_keys=False, allow_unicode=True, width=110)


def _rule(rule: Rule, settle: str) -> dict[str, object]:
    said = f"{rule.title} over {amount(rule.metric, rule.threshold)} in {length(rule.window_us)}"
    return {
        "alert": "Medagent" + rule.id.title().replace("_", ""),
        "expr": expression(rule),
        "keep_firing_for": settle,
        "labels": {"destination": rule.destination},
        "annotations": {
            "summary": "[{{ $labels.env | toUpper }}][OBS] " + said,
            "description": rule.why,
        },
    }


def expression(rule: Rule) -> str:
    """The condition of a rule: over the threshold, and made of enough."""
    of = f'{{alert="{rule.id}"}}'
    enough = f"{SAMPLE}{of} >= {rule.minimum_sample}"
    if rule.or_failures is not None:
        enough = f"({enough} or {FAILURES}{of} >= {rule.or_failures})"
    return f"{VALUE}{of} > {rule.threshold} and {enough}"
