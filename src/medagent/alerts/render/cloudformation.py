"""CloudWatch from the JSON lines in a log group: metric filters, an alarm for each enabled alert, queries, a dashboard.

CloudWatch measures on its own: its periods are aligned and its p95 is an estimate, where ours slide and take a rank.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from medagent.alerts.metrics import METRICS, MetricName
from medagent.alerts.notice import amount, length
from medagent.alerts.render.queries import QUERIES
from medagent.alerts.rules import Alerts, Rule

_NAMESPACE = {"Fn::Sub": "medagent/${Env}"}
_LONGEST_US = 86_400_000_000
_WIDTH, _HEIGHT = 12, 6

_FILTERS: Mapping[str, tuple[str, str]] = {
    "CallsEnded": ('{ $._event_type = "session_analytics" }', "1"),
    "CallsFailed": (
        '{ $._event_type = "session_analytics" && ($.outcome = "failed" || $.tool_failures > 0) }',
        "1",
    ),
    "ToolRuns": ('{ $._event_type = "tool_metrics" }', "1"),
    "ToolFailures": ('{ $._event_type = "tool_metrics" && $.success IS FALSE }', "1"),
    "TotalLatency": ('{ $._event_type = "voice_metrics" && $.total_latency >= 0 }', "$.total_latency"),
    "Cost": ('{ $._event_type = "session_analytics" && $.cost_usd >= 0 }', "$.cost_usd"),
}
"""Metric → the lines that it is made of, and what each of them counts."""

_SHARES: Mapping[str, tuple[str, str]] = {
    "error_rate": ("CallsFailed", "CallsEnded"),
    "tool_failure_rate": ("ToolFailures", "ToolRuns"),
}
_VALUES: Mapping[str, str] = {"ttft_p95": "TotalLatency", "total_latency_p95": "TotalLatency", "cost_usd": "Cost"}


def cloudformation(alerts: Alerts) -> str:
    """The template's JSON; an enabled alert that CloudWatch cannot watch stands in its metadata, with the reason."""
    watched = [rule for rule in alerts.enabled if rule.window_us <= _LONGEST_US]
    left_out = {rule.id: "its window is over a day" for rule in alerts.enabled if rule not in watched}
    template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "medagent: alarms, queries and a dashboard over its JSON lines",
        "Metadata": {"NotRendered": left_out},
        "Parameters": {
            "Env": {"Type": "String", "AllowedValues": ["dev", "prod"], "Default": "dev"},
            "LogGroupName": {"Type": "String", "Description": "Where the JSON lines are"},
            "AlarmTopicArn": {"Type": "String", "Default": "", "Description": "Who is told; empty: nobody"},
        },
        "Mappings": {"Prefix": {env: {"Text": f"[{env.upper()}][OBS]"} for env in ("dev", "prod")}},
        "Conditions": {"HasTopic": {"Fn::Not": [{"Fn::Equals": [{"Ref": "AlarmTopicArn"}, ""]}]}},
        "Resources": {
            **{f"Count{name}": _filter(name, *made_of) for name, made_of in _FILTERS.items()},
            **{_alarm_id(rule): _alarm(rule) for rule in watched},
            **{f"Query{number}": _query(title) for number, title in enumerate(QUERIES, start=1)},
            "Dashboard": _dashboard(watched),
        },
    }
    return json.dumps(template, indent=2, ensure_ascii=False) + "\n"


def _filter(name: str, pattern: str, value: str) -> dict[str, Any]:
    counted: dict[str, Any] = {"MetricName": name, "MetricNamespace": _NAMESPACE, "MetricValue": value}
    if value == "1":
        counted["DefaultValue"] = 0
    properties = {
        "LogGroupName": {"Ref": "LogGroupName"},
        "FilterPattern": f"{pattern.removesuffix('}')}&& $.synthetic NOT EXISTS }}",  # calls of `medagent doctor`
        "MetricTransformations": [counted],
    }
    return {"Type": "AWS::Logs::MetricFilter", "Properties": properties}


def _alarm_id(rule: Rule) -> str:
    return "Alarm" + rule.id.title().replace("_", "")


def _alarm(rule: Rule) -> dict[str, Any]:
    said = f"{rule.title} over {amount(rule.metric, rule.threshold)} in {length(rule.window_us)}. {rule.why}"
    prefix = {"Fn::FindInMap": ["Prefix", {"Ref": "Env"}, "Text"]}
    topic = {"Fn::If": ["HasTopic", [{"Ref": "AlarmTopicArn"}], {"Ref": "AWS::NoValue"}]}
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": {"Fn::Sub": f"medagent-${{Env}}-{rule.id}"},
            "AlarmDescription": {"Fn::Sub": [f"${{Prefix}} {said}", {"Prefix": prefix}]},
            "Metrics": _metrics(rule),
            "ComparisonOperator": "GreaterThanThreshold",
            "Threshold": rule.threshold,
            "EvaluationPeriods": 1,
            "TreatMissingData": "notBreaching",
            "AlarmActions": topic,
            "OKActions": topic,
        },
    }


def _metrics(rule: Rule) -> list[dict[str, Any]]:
    """The value where there is enough of it, else 0, which is never over a threshold."""
    if rule.metric in _SHARES:
        failed, ended = _SHARES[rule.metric]
        enough = f"ended >= {rule.minimum_sample}"
        if rule.or_failures is not None:
            enough += f" OR FILL(failed, 0) >= {rule.or_failures}"
        value = f"IF({enough}, FILL(failed, 0) / ended, 0)"
        made_of = [_stat("failed", failed, "Sum", rule), _stat("ended", ended, "Sum", rule)]
    else:
        name = _VALUES[rule.metric]
        value = f"IF(sample >= {rule.minimum_sample}, measured, 0)"
        made_of = [
            _stat("measured", name, _statistic(rule.metric), rule),
            _stat("sample", name, "SampleCount", rule),
        ]
    return [{"Id": "value", "Expression": value, "Label": rule.title, "ReturnData": True}, *made_of]


def _statistic(metric: MetricName) -> str:
    return "p95" if METRICS[metric].measure == "p95" else "Sum"


def _stat(name: str, metric: str, statistic: str, rule: Rule) -> dict[str, Any]:
    return {
        "Id": name,
        "ReturnData": False,
        "MetricStat": {
            "Metric": {"Namespace": _NAMESPACE, "MetricName": metric},
            "Period": rule.window_us // 1_000_000,
            "Stat": statistic,
        },
    }


def _query(title: str) -> dict[str, Any]:
    return {
        "Type": "AWS::Logs::QueryDefinition",
        "Properties": {
            "Name": {"Fn::Sub": f"medagent/${{Env}}/{title}"},
            "LogGroupNames": [{"Ref": "LogGroupName"}],
            "QueryString": QUERIES[title],
        },
    }


def _dashboard(watched: list[Rule]) -> dict[str, Any]:
    widgets = [
        {
            "type": "metric",
            "properties": {"title": rule.title, "annotations": {"alarms": [f"${{{_alarm_id(rule)}.Arn}}"]}},
        }
        for rule in watched
    ] + [
        {
            "type": "log",
            "properties": {
                "title": title,
                "region": "${AWS::Region}",
                "view": "timeSeries" if "bin(5m)" in query else "table",
                "query": f"SOURCE '${{LogGroupName}}' | {query}",
            },
        }
        for title, query in QUERIES.items()
    ]
    placed = [
        {"x": _WIDTH * (number % 2), "y": _HEIGHT * (number // 2), "width": _WIDTH, "height": _HEIGHT, **widget}
        for number, widget in enumerate(widgets)
    ]
    body = {"Fn::Sub": json.dumps({"widgets": placed}, ensure_ascii=False)}
    return {
        "Type": "AWS::CloudWatch::Dashboard",
        "Properties": {"DashboardName": {"Fn::Sub": "medagent-${Env}"}, "DashboardBody": body},
    }
