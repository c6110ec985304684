"""`medagent alerts`: what wakes somebody, now, in the past, and in the words of other tools."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from medagent.alerts.exposition import exposition
from medagent.alerts.metrics import METRICS
from medagent.alerts.notice import amount, length
from medagent.alerts.render.cloudformation import cloudformation
from medagent.alerts.render.grafana import grafana
from medagent.alerts.render.prometheus import prometheus
from medagent.alerts.rules import Alerts, load_alerts
from medagent.alerts.watch import SETTINGS, Finding
from medagent.alerts.watch import check as findings_of
from medagent.cli.output import console, moment, print_json
from medagent.errors import MedagentError, UnansweredError
from medagent.proof import Json
from medagent.runtime.alerting import alert_watch
from medagent.runtime.exports import archive
from medagent.settings import load_settings

app = typer.Typer(help="The alerts: how they stand, watching them, making them for other tools.", no_args_is_help=True)

_STYLES = {"ok": "green", "few": "yellow", "firing": "bold red", "off": "bright_black"}
_WORDS = {"few": "too few to say", "firing": "fires"}


class Format(StrEnum):
    """What the alerts can be rendered for."""

    CLOUDFORMATION = "cloudformation"
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"


@app.command()
def check(
    at: Annotated[str | None, typer.Option("--at", help="A moment in ISO 8601, UTC if it says nothing else.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    as_gauges: Annotated[bool, typer.Option("--prometheus", help="Prometheus' text format.")] = False,
) -> None:
    """Say how every alert stands over the local archive; exit code 1 where one fires."""
    settings = load_settings()
    alerts, at_us = load_alerts(settings.alerts_path), _moment(at)
    findings = findings_of(archive(settings), alerts, at_us=at_us)
    if as_gauges:
        sys.stdout.write(exposition(findings, env=settings.env, at_us=at_us))
        return
    if as_json:
        print_json(_document(finding, at_us) for finding in findings)
    else:
        console().print(_table(findings))
    if any(finding.state == "firing" for finding in findings):
        raise typer.Exit(1)


@app.command()
def watch(
    every: Annotated[float, typer.Option(min=1, help="Seconds between two looks.")] = 60.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, tell, and end; for a scheduler.")] = False,
) -> None:
    """Look at the archive again and again; one message when an incident begins, one when it is over."""
    settings = load_settings()
    alerts = load_alerts(settings.alerts_path)
    watching = alert_watch(settings, alerts)
    for destination in watching.unreachable:
        console(stderr=True).print(f"{destination}: {SETTINGS[destination]} is not set: nobody is told", style="yellow")
    while True:
        try:
            for rule, edge in watching.look(now_us=_moment(None)):
                value = amount(rule.metric, edge.reading.value if edge.reading else None)
                console().print(f"{moment(edge.at_us)}  {edge.kind}  {rule.title}: {value}")
            watching.deliver()
        except (
            MedagentError
        ) as error:  # what is broken now may be whole at the next look, and nothing is lost meanwhile
            if once:
                raise
            console(stderr=True).print(f"medagent: {error}", style="red")
        if once:
            return
        time.sleep(every)


@app.command()
def test() -> None:
    """Send a message that says it is a test to every destination in use; exit code 1 where one did not arrive."""
    settings = load_settings()
    alerts = load_alerts(settings.alerts_path)
    watching = alert_watch(settings, alerts)
    arrived = True
    for destination in sorted({rule.destination for rule in alerts.enabled}):
        said, style = "the test message arrived", "green"
        try:
            watching.test(destination)
        except UnansweredError as error:
            said, style, arrived = f"the test message may have arrived: {error}", "yellow", False
        except MedagentError as error:
            said, style, arrived = f"the test message did not arrive: {error.diagnostics()}", "red", False
        console().print(f"{destination}: {said}", style=style)
    if not arrived:
        raise typer.Exit(1)


@app.command()
def render(
    what: Annotated[Format, typer.Argument(help="Alarms, queries and a dashboard; rules; or a dashboard.")],
) -> None:
    """Print the same alerts for another tool."""
    renderers: Mapping[Format, Callable[[Alerts], str]] = {
        Format.CLOUDFORMATION: cloudformation,
        Format.PROMETHEUS: prometheus,
        Format.GRAFANA: grafana,
    }
    sys.stdout.write(renderers[what](load_alerts(load_settings().alerts_path)))


def _moment(at: str | None) -> int:
    """Microseconds since the Unix epoch (UTC) of a moment, by default of this one."""
    if at is None:
        return time.time_ns() // 1000
    try:
        told = datetime.fromisoformat(at)
    except ValueError:
        raise typer.BadParameter("not a moment in ISO 8601", param_hint="--at") from None
    return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1e6)


def _document(finding: Finding, at_us: int) -> dict[str, Json]:
    rule, reading = finding.rule, finding.reading
    return {
        "id": rule.id,
        "state": finding.state,
        "at_us": at_us,
        "value": reading.value,
        "threshold": rule.threshold,
        "sample": reading.sample,
        "minimum_sample": rule.minimum_sample,
        "failures": reading.failures,
        "or_failures": rule.or_failures,
        "unknown": reading.unknown,
        "window_s": rule.window_us // 1_000_000,
        "destination": rule.destination,
    }


def _table(findings: list[Finding]) -> Table:
    table = Table("alert", "value", "over", "of", "at least", "state", box=None, pad_edge=False)
    for finding in findings:
        rule, reading = finding.rule, finding.reading
        unknown = f", {reading.unknown} unknown" if reading.unknown else ""
        table.add_row(
            rule.title,
            amount(rule.metric, reading.value),
            amount(rule.metric, rule.threshold),
            f"{reading.sample} {METRICS[rule.metric].things} in {length(rule.window_us)}{unknown}",
            f"{rule.minimum_sample}" + (f", or {rule.or_failures} failed" if rule.or_failures else ""),
            Text(_WORDS.get(finding.state, finding.state), style=_STYLES[finding.state]),
        )
    return table
