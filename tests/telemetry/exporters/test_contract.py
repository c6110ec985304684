"""What every exporter owes, whatever its wire: each one joins this file with a line in `DESTINATIONS`."""

from __future__ import annotations

import json
import sqlite3
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from medagent.errors import ExportError
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from sink import Sink
from spans import AGENT_TURN, TOOL, call


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An exporter with what a test may ask of its other end."""

    exporter: Exporter
    held: Callable[[], dict[str, dict[str, Any]]]
    """Span id → all that the destination knows of it, as JSON."""
    break_it: Callable[[], None]
    taken: Callable[[], bytes]
    """Every byte that arrived."""


def _langsmith(directory: Path) -> Iterator[Destination]:
    with Sink(directory) as sink:
        exporter = LangSmithExporter(api_key="lsv2_test", endpoint=sink.url, project="medical-voice-agent-dev")
        yield Destination(
            exporter=exporter,
            held=sink.runs,
            break_it=lambda: sink.mode(status=503),
            taken=lambda: b"".join(request.everything() for request in sink.requests()),
        )
        exporter.close()


def _archive(directory: Path) -> Iterator[Destination]:
    archive = Archive(directory)

    def rows() -> list[tuple[str, str]]:
        with closing(sqlite3.connect(directory / "archive.db")) as database:
            return database.execute("SELECT span_id, document FROM span").fetchall()

    yield Destination(
        exporter=archive,
        held=lambda: {span_id: json.loads(document) for span_id, document in rows()},
        break_it=archive.close,
        taken=lambda: b"".join(path.read_bytes() for path in directory.iterdir()),
    )
    archive.close()


DESTINATIONS = {"langsmith": _langsmith, "archive": _archive}


@pytest.fixture(params=DESTINATIONS)
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Destination]:
    yield from DESTINATIONS[request.param](tmp_path)


def _scalars(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [scalar for inner in value.values() for scalar in _scalars(inner)]
    if isinstance(value, list):
        return [scalar for inner in value for scalar in _scalars(inner)]
    return [value]


def _typed(values: Sequence[Any]) -> set[tuple[str, Any]]:
    kinds = {bool: "bool", int: "number", float: "number", str: "string", type(None): "null"}
    return {(kinds[type(value)], value) for value in values}


def test_a_batch_arrives_whole(destination: Destination) -> None:
    """Every span of a batch arrives, and with it every value of its fields, each of its own type."""
    spans = call()
    destination.exporter.export(spans)
    held = destination.held()
    assert held.keys() == {span.span_id for span in spans}
    for span in spans:
        assert _typed(_scalars(dict(span.fields))) <= _typed(_scalars(held[span.span_id]))


def test_a_second_delivery_leaves_one_copy(destination: Destination) -> None:
    """The same batch delivered again changes nothing at the destination."""
    spans = call()
    destination.exporter.export(spans)
    once = destination.held()
    destination.exporter.export(spans)
    assert destination.held() == once


def test_numbers_stay_numbers_and_null_stays_null(destination: Destination) -> None:
    """A duration is a number at the destination, an unknown one is null, and a flag is neither 0 nor 1."""
    turn, tool = call()[2:4]
    destination.exporter.export([turn, tool])
    held = json.dumps(destination.held()[turn.span_id])
    assert f'"ttft_ms": {AGENT_TURN["ttft_ms"]}' in held
    assert '"perceived_ms": null' in held
    assert '"interrupted": true' in held
    assert '"slow": false' in held
    assert f'"duration_ms": {TOOL["duration_ms"]}' in json.dumps(destination.held()[tool.span_id])
    assert '"note": null' in json.dumps(destination.held()[tool.span_id])


def test_a_destination_that_fails_raises(destination: Destination) -> None:
    """A batch that was not taken is an error that quotes nothing of it."""
    destination.break_it()
    with pytest.raises(ExportError) as caught:
        destination.exporter.export(call())
    assert "Okafor" not in "".join(traceback.format_exception(caught.value)) + caught.value.diagnostics()


def test_what_is_not_sealed_is_not_shipped(destination: Destination) -> None:
    """A span without its seal is refused before a byte of the batch leaves."""
    first, second = call()[2:4]
    with pytest.raises(ExportError, match="not sealed"):
        destination.exporter.export([first, replace(second, seal=None)])
    assert destination.held() == {}
    assert b"Okafor" not in destination.taken()


def test_nothing_of_this_machine_or_its_environment_leaves(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of the host, the user, the directory or the environment is among the bytes that arrive."""
    monkeypatch.setenv("MEDAGENT_CANARY", "canary-in-the-environment")
    destination.exporter.export(call())
    arrived = destination.taken()
    for word in (b"canary", str(Path.cwd()).encode(), b"python", b"Linux"):
        assert word not in arrived


def test_a_second_close_does_nothing(destination: Destination) -> None:
    """An exporter may be closed twice, as a shutdown that is repeated does."""
    destination.exporter.export(call())
    destination.exporter.close()
    destination.exporter.close()


def test_the_guardrail_can_name_it(destination: Destination) -> None:
    """Every destination says what it is called, where it is and how long it keeps what it is given."""
    exporter = destination.exporter
    assert exporter.name
    assert exporter.region
    assert exporter.retention_days is None or exporter.retention_days > 0


def test_an_empty_batch_is_no_request(destination: Destination) -> None:
    """Nothing to deliver is delivered by doing nothing."""
    destination.exporter.export([])
    assert destination.held() == {}
