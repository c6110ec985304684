"""`python -m scripts.backends`: send the same calls to Phoenix and MLflow and read them back; 1 where one differs."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from medagent.cli.backend_prices import MLFLOW_PROVIDERS, for_mlflow, for_phoenix
from medagent.pricing import load_prices
from medagent.settings import Settings, load_settings
from medagent.telemetry.door.logs import guard_logging
from scripts.backends import read_mlflow, read_phoenix, servers
from scripts.backends.calls import CallsWentWrongError, Played, play, write_prices
from scripts.backends.checks import Row, compare
from scripts.backends.collector import Collector
from scripts.backends.install import NotInstalledError, installed
from scripts.backends.pins import load_pins
from scripts.backends.servers import NotStartedError, Server

PROJECT = "Reception, north"
_EXPERIMENT = "x-mlflow-experiment-id"
_TAKEN_OVER = "MEDAGENT_OTLP_VOICE_DRAFTS"
_WIDTH = 180


def main() -> int:
    """Install what is missing, start both, send, read back, and print what differs."""
    parser = argparse.ArgumentParser(prog="python -m scripts.backends", description=__doc__)
    parser.add_argument("--short", action="store_true", help="two calls instead of three, and faster; for CI")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--keep", action="store_true", help="leave the backends running until Enter, to look at them")
    arguments = parser.parse_args()
    console = Console(stderr=True)
    try:
        with tempfile.TemporaryDirectory(prefix="medagent-backends-") as directory, ExitStack() as running:
            rows = _run(Path(directory), running, console, short=arguments.short)
            _print(rows, as_json=arguments.json)
            if arguments.keep:
                console.print("Enter ends the backends.")
                sys.stdin.readline()
    except (NotInstalledError, NotStartedError, CallsWentWrongError, ValueError) as error:
        console.print(f"backends: {error}", style="red", markup=False)
        return 1
    failed = [row for row in rows if row.ok is False]
    console.print(f"{len(rows)} rows, {len(failed)} differ", style="red" if failed else "green")
    return 1 if failed else 0


def _run(place: Path, running: ExitStack, console: Console, *, short: bool) -> list[Row]:
    began = time.monotonic()

    def said(what: str) -> None:
        console.print(f"{time.monotonic() - began:6.1f} s  {what}", markup=False)

    pins = load_pins()
    with ThreadPoolExecutor() as threads:
        homes = dict(zip(pins, threads.map(installed, pins.values()), strict=True))
    said(", ".join(f"{name} {each.version}" for name, each in pins.items()))
    prices = place / "pricing.yaml"
    write_prices(prices)
    catalog = place / "catalog"
    _write_catalog(prices, catalog)
    with ThreadPoolExecutor() as threads:
        first = threads.submit(running.enter_context, servers.phoenix(homes["phoenix"], place / "phoenix"))
        second = threads.submit(
            running.enter_context, servers.mlflow(homes["mlflow"], place / "mlflow", catalog=catalog)
        )
        phoenix, mlflow = first.result(), second.result()
    said(f"they answer: {phoenix.url} {mlflow.url}")
    read_phoenix.post(phoenix, for_phoenix(load_prices()).document)  # ours as shipped, to be updated
    read_phoenix.set_prices(phoenix, for_phoenix(load_prices(prices), read_phoenix.models(phoenix)).document)
    experiment = read_mlflow.make_experiment(mlflow, PROJECT)
    said("they have our prices")
    to = {f"{phoenix.url}/v1/traces": {}, f"{mlflow.url}/v1/traces": {_EXPERIMENT: experiment}}
    with Collector(to) as collector:
        calls = _play(place, prices, collector, short=short)
        if collector.refused:
            raise ValueError(f"refused: {'; '.join(collector.refused[:3])}")
        said(
            f"{len(calls)} calls, {sum(len(call.spans) for call in calls)} spans, {collector.requests} requests to each"
        )
    rows = list(_rows(calls, phoenix, mlflow))
    said("read back")
    return rows


def _play(place: Path, prices: Path, collector: Collector, *, short: bool) -> list[Played]:
    """Play with settings of this run alone: nothing of it goes where the environment's settings lead.

    Only `MEDAGENT_OTLP_VOICE_DRAFTS` is taken over.
    """
    for field in Settings.model_fields.values():
        if field.alias is not None and field.alias != _TAKEN_OVER:
            os.environ.pop(field.alias, None)
    logging.basicConfig(level=logging.CRITICAL)
    settings = load_settings(
        MEDAGENT_HOME=place / "home",
        MEDAGENT_ENV="dev",
        MEDAGENT_PRICING=prices,
        MEDAGENT_DESTINATIONS="otlp",
        MEDAGENT_OTLP_ENDPOINT=collector.url,
        MEDAGENT_OTLP_METRICS=False,  # neither takes them
        PHOENIX_PROJECT_NAME=PROJECT,
    )
    guard_logging(in_clear=settings.logs_in_clear)
    return asyncio.run(play(settings, short=short))


def _write_catalog(prices: Path, catalog: Path) -> None:
    catalog.mkdir()
    text = json.dumps(for_mlflow(load_prices(prices)).document)
    for provider in MLFLOW_PROVIDERS:
        (catalog / f"{provider}.json").write_text(text, encoding="utf-8")


def _rows(calls: Sequence[Played], phoenix: Server, mlflow: Server) -> list[Row]:
    shown = read_mlflow.read(mlflow, [(call.trace_id, len(call.spans)) for call in calls])
    rows: list[Row] = []
    for call, in_mlflow in zip(calls, shown, strict=True):
        in_phoenix = read_phoenix.read(phoenix, PROJECT, call.trace_id, spans=len(call.spans))
        rows += compare("phoenix", call, in_phoenix, project=PROJECT, holds_measures=False)
        rows += compare("mlflow", call, in_mlflow, project=PROJECT, holds_measures=True)
    return rows


def _print(rows: Sequence[Row], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        return
    table = Table(box=None, pad_edge=False)
    for name, width in {"backend": 7, "what": 20, "ours": 20, "theirs": 20, "ok": 6}.items():
        table.add_column(name, no_wrap=True, min_width=width)
    words = {True: "yes", False: "[red]no[/red]", None: "listed"}
    for row in sorted(rows, key=lambda one: one.backend):
        table.add_row(row.backend, row.what, row.ours, row.theirs, words[row.ok])
    Console(width=_WIDTH).print(table)


if __name__ == "__main__":
    sys.exit(main())
