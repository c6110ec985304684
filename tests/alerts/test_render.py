"""The same alerts in other tools' words: whole, deterministic, and of fields that exist."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from medagent.alerts.exposition import exposition
from medagent.alerts.render.cloudformation import cloudformation
from medagent.alerts.render.grafana import grafana
from medagent.alerts.render.prometheus import prometheus
from medagent.alerts.render.queries import QUERIES
from medagent.alerts.rules import Alerts, load_alerts
from medagent.alerts.watch import Finding
from medagent.alerts.windows import Reading

ALERTS = load_alerts()
ALL = replace(ALERTS, rules=tuple(replace(rule, enabled=True) for rule in ALERTS.rules))
FIELDS = {
    "voice_metrics": {"total_latency", "llm.ttft", "tts.ttfb", "eou.delay"},
    "tool_metrics": {"tool", "success", "duration"},
    "session_analytics": {"tool_failures", "duration", "outcome", "tool_calls", "cost_usd", "complete"}
    | {f"metrics_summary.{name}" for name in ("llm_tokens", "stt_audio_seconds", "tts_audio_seconds")},
}
EVERY_LINE = {"synthetic", "_event_type", "_timestamp", "_session_id", "trace_id", "@timestamp", "@message"}
WORDS = {"fields", "filter", "sort", "limit", "stats", "by", "bin", "as", "and", "or", "not", "in", "desc"} | {
    "pct",
    "avg",
    "sum",
    "count",
    "ispresent",
    "strcontains",
}


@pytest.mark.parametrize("renderer", [cloudformation, prometheus, grafana])
def test_equal_rules_give_equal_texts(renderer: Any) -> None:
    """Rendering is a function of the rules: twice the same, and a changed threshold shows."""
    assert renderer(ALERTS) == renderer(load_alerts())
    louder = replace(ALERTS, rules=tuple(replace(rule, threshold=0.07) for rule in ALERTS.rules))
    assert renderer(louder) != renderer(ALERTS)


@pytest.mark.parametrize("query", QUERIES.values(), ids=list(QUERIES))
def test_queries_ask_for_fields_that_exist(query: str) -> None:
    """Each of the five queries names only functions of Logs Insights and fields of the lines that it filters."""
    event = re.search(r'_event_type = "(\w+)"', query)
    assert event is not None
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", query)
    aliases = set(re.findall(r" as (\w+)", bare))
    named = set(re.findall(r"[@_a-zA-Z][\w.@]*", re.sub(r"bin\(\w+\)", "", bare)))
    assert named - WORDS - aliases <= FIELDS[event[1]] | EVERY_LINE
    assert "percentile" not in query
    assert "not ispresent(synthetic)" in query


def test_there_are_five_queries() -> None:
    """The five questions are there; the one for sales leads has become one for callers who were not helped."""
    assert len(QUERIES) == 5
    assert "pct(total_latency, 95)" in QUERIES["Latency p95"]
    assert any('outcome in ["refused"' in query for query in QUERIES.values())


def references(value: Any) -> set[str]:
    """Every logical name that a template refers to."""
    if isinstance(value, dict):
        found = {value["Ref"]} if set(value) == {"Ref"} else set()
        for key, inner in value.items():
            if key == "Fn::Sub":
                text, given = (inner, {}) if isinstance(inner, str) else inner
                found |= {name.partition(".")[0] for name in re.findall(r"\$\{([\w.:]+)\}", text)} - set(given)
            if key == "Fn::FindInMap":
                found.add(inner[0])
            if key == "Fn::If":
                found.add(inner[0])
            found |= references(inner)
        return found
    if isinstance(value, list):
        return {name for inner in value for name in references(inner)}
    return set()


@pytest.mark.parametrize("alerts", [ALERTS, ALL], ids=["shipped", "all"])
def test_the_template_is_whole(alerts: Alerts) -> None:
    """Every name in the template is defined, every alarm counts what a filter makes, and what is left out is named."""
    template = json.loads(cloudformation(alerts))
    resources = template["Resources"]
    defined = {*resources, *template["Parameters"], *template["Conditions"], *template["Mappings"]}
    assert references(resources) - defined <= {"AWS::NoValue", "AWS::Region"}
    made = {
        t["MetricName"]
        for r in resources.values()
        if r["Type"] == "AWS::Logs::MetricFilter"
        for t in r["Properties"]["MetricTransformations"]
    }
    alarms = {n: r["Properties"] for n, r in resources.items() if r["Type"] == "AWS::CloudWatch::Alarm"}
    assert len(alarms) + len(template["Metadata"]["NotRendered"]) == len(alerts.enabled)
    for alarm in alarms.values():
        value, *stats = alarm["Metrics"]
        assert {s["MetricStat"]["Metric"]["MetricName"] for s in stats} <= made
        assert all(s["MetricStat"]["Period"] % 60 == 0 and s["MetricStat"]["Period"] <= 86_400 for s in stats)
        ids = {s["Id"] for s in stats}
        assert set(re.findall(r"\b[a-z]\w*", value["Expression"])) == ids
        assert alarm["TreatMissingData"] == "notBreaching"
    body = json.loads(resources["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"])
    assert sum(widget["type"] == "log" for widget in body["widgets"]) == 5
    places = {(w["x"], w["y"]) for w in body["widgets"]}
    assert len(places) == len(body["widgets"])


def test_filters_read_fields_that_exist() -> None:
    """A metric filter names only fields of the lines that it counts."""
    for name, resource in json.loads(cloudformation(ALL))["Resources"].items():
        if name.startswith("Count"):
            pattern = resource["Properties"]["FilterPattern"]
            assert pattern.endswith(" && $.synthetic NOT EXISTS }")
            event = re.search(r'_event_type = "(\w+)"', pattern)
            assert event is not None
            assert set(re.findall(r"\$\.([\w.]+)", pattern)) <= FIELDS[event[1]] | EVERY_LINE


def test_the_alarms_carry_the_rules() -> None:
    """Threshold, window and minimum of an alarm are those of its rule, and its text has the environment's prefix."""
    resources = json.loads(cloudformation(ALERTS))["Resources"]
    alarm = resources["AlarmErrorRate"]["Properties"]
    assert alarm["Threshold"] == 0.05
    assert alarm["Metrics"][0]["Expression"] == "IF(ended >= 10 OR FILL(failed, 0) >= 3, FILL(failed, 0) / ended, 0)"
    assert {m["MetricStat"]["Period"] for m in alarm["Metrics"][1:]} == {3600}
    assert alarm["AlarmDescription"]["Fn::Sub"][0].startswith("${Prefix} Error rate over 5 % in 1 h.")
    latency = resources["AlarmTtftP95"]["Properties"]["Metrics"]
    assert [m["MetricStat"]["Stat"] for m in latency[1:]] == ["p95", "SampleCount"]


def gauges(alerts: Alerts) -> set[str]:
    """The names of the gauges that are really written, all alerts having a value."""
    reading = Reading(at_us=1, value=0.5, sample=20, failures=10, unknown=0)
    findings = [Finding(rule=rule, reading=reading, state="firing") for rule in alerts.rules]
    families = text_string_to_metric_families(exposition(findings, env="prod", at_us=10**15))
    return {sample.name for family in families for sample in family.samples}


def test_prometheus_rules() -> None:
    """There is one rule an enabled alert, each on gauges that we write, with the alert's numbers and prefix."""
    [group] = yaml.safe_load(prometheus(ALERTS))["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [
        "MedagentErrorRate",
        "MedagentTtftP95",
        "MedagentToolFailureRate",
    ]
    for rule, made in zip(ALERTS.enabled, group["rules"], strict=True):
        assert set(made) == {"alert", "expr", "keep_firing_for", "labels", "annotations"}
        assert set(re.findall(r"medagent_\w+", made["expr"])) <= gauges(ALERTS)
        assert f"> {rule.threshold} and" in made["expr"]
        assert f">= {rule.minimum_sample}" in made["expr"]
        assert made["expr"].count("(") == made["expr"].count(")")
        assert "][OBS] " in made["annotations"]["summary"]
    assert len(yaml.safe_load(prometheus(ALL))["groups"][0]["rules"]) == len(ALL.rules)


def test_the_grafana_dashboard() -> None:
    """Every alert has a panel with its threshold on gauges that we write; no two panels lie on each other."""
    dashboard = json.loads(grafana(ALERTS))
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels}) == len(panels)
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert {e.partition("{")[0] for e in expressions} <= gauges(ALERTS)
    assert {rule.id for rule in ALERTS.rules} == {re.findall(r'alert="(\w+)"', e)[0] for e in expressions}
    values = [panel["fieldConfig"]["defaults"] for panel in panels if panel["gridPos"]["x"] == 0]
    thresholds = [value["thresholds"]["steps"][1]["value"] for value in values]
    assert thresholds == [rule.threshold for rule in ALERTS.rules]


def test_an_unknown_value_has_no_gauge() -> None:
    """Where there is no figure none is written, so that no rule compares a zero that nobody measured."""
    reading = Reading(at_us=1, value=None, sample=0, failures=0, unknown=0)
    text = exposition([Finding(rule=ALERTS.rules[0], reading=reading, state="ok")], env="dev", at_us=1)
    assert "medagent_alert_value{" not in text
    assert 'medagent_alert_sample{alert="error_rate",env="dev"} 0.0' in text
