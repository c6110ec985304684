"""What every exporter owes, whatever its wire: each one joins this file with a line in `DESTINATIONS`."""

from __future__ import annotations

import json
import sqlite3
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from calls import KINDS, real_calls
from medagent.errors import ExportError
from medagent.proof import Json
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter, always_open
from medagent.telemetry.exporters.jsonlog import JsonLog
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.exporters.otlp import LangfuseExporter, OtlpExporter
from medagent.telemetry.span import SafeSpan, SpanKind
from sink import Sink, attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """An exporter with what a test may ask of its other end."""

    exporter: Exporter
    held: Callable[[], dict[str, dict[str, Any]]]
    """Span id → all that the destination knows of it, as JSON."""
    break_it: Callable[[], None]
    taken: Callable[[], bytes]
    """Every byte that arrived."""
    told: Callable[[SafeSpan], Json] = field(default=lambda span: dict(span.fields))
    """What it is to learn of a span's fields; None: nothing at all."""


def _langsmith(directory: Path) -> Iterator[Destination]:
    with Sink(directory) as sink:
        exporter = LangSmithExporter(
            api_key="lsv2_test", endpoint=sink.url, project="medical-voice-agent-dev", gate=always_open
        )
        yield Destination(
            exporter=exporter,
            held=sink.runs,
            break_it=lambda: sink.mode(status=503),
            taken=lambda: b"".join(request.everything() for request in sink.requests()),
        )
        exporter.close()


def _archive(directory: Path) -> Iterator[Destination]:
    archive = Archive(directory, gate=always_open)

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


def _collector(directory: Path, make: Callable[[str], OtlpExporter]) -> Iterator[Destination]:
    with Sink(directory) as sink:
        exporter = make(sink.url)

        def held() -> dict[str, dict[str, Any]]:
            seen = [attributes(span.attributes) for span in sink.spans().values()]
            return {one["medagent.span_id"]: {name: _read(value) for name, value in one.items()} for one in seen}

        yield Destination(
            exporter=exporter,
            held=held,
            break_it=lambda: sink.mode(status=503),
            taken=lambda: b"".join(request.everything() for request in sink.requests()),
        )
        exporter.close()


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value[:1] in ("{", "[") else value


def _otlp(directory: Path) -> Iterator[Destination]:
    yield from _collector(
        directory, lambda url: OtlpExporter(url=f"{url}/v1/traces", headers={"x-api-key": "k"}, gate=always_open)
    )


def _langfuse(directory: Path) -> Iterator[Destination]:
    yield from _collector(
        directory,
        lambda url: LangfuseExporter(public_key="pk-lf-test", secret_key="sk-lf-test", base_url=url, gate=always_open),
    )


def _jsonlog(directory: Path) -> Iterator[Destination]:
    path = directory / "calls.jsonl"
    exporter = JsonLog(path, gate=always_open)

    def held() -> dict[str, dict[str, Any]]:
        lines = map(json.loads, path.read_text().splitlines() if path.exists() else [])
        by_id = {line["_id"]: line for line in lines}
        spans: dict[str, dict[str, Any]] = {}
        for identity, line in by_id.items():
            spans.setdefault(identity.partition(".")[0], {})[identity] = line
        return spans

    yield Destination(
        exporter=exporter,
        held=held,
        break_it=path.mkdir,
        taken=lambda: path.read_bytes() if path.exists() else b"",
        told=_logged,
    )
    exporter.close()


def _logged(span: SafeSpan) -> Json:
    names = {
        SpanKind.AGENT_TURN: ("index", "kind", "model", "slow", "interrupted", "input_tokens", "cost_usd"),
        SpanKind.EXCHANGE: ("index", "kind", "model", "slow", "interrupted", "input_tokens", "cost_usd"),
        SpanKind.TOOL: ("outcome",),
        SpanKind.MARKER: ("reason", "outcome", "complete"),
    }.get(span.kind)
    has_lines = names is not None and span.name != "session.start"
    return {name: span.fields.get(name) for name in names or ()} if has_lines else None


DESTINATIONS = {
    "langsmith": _langsmith,
    "archive": _archive,
    "otlp": _otlp,
    "langfuse": _langfuse,
    "jsonlog": _jsonlog,
}


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


@pytest.mark.timing
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_arrives_whole(destination: Destination, kind: str) -> None:
    """Every span of a real call arrives, and with it every value of its fields, each of its own type."""
    spans = real_calls()[kind]
    destination.exporter.export(spans)
    held = destination.held()
    told = {span.span_id: destination.told(span) for span in spans}
    assert held.keys() == {span_id for span_id, fields in told.items() if fields is not None}
    for span_id, fields in told.items():
        known = [value for value in _scalars(fields) if value is not None]
        assert _typed(known) <= _typed(_scalars(held.get(span_id)))


@pytest.mark.timing
@pytest.mark.parametrize("kind", KINDS)
def test_a_second_delivery_leaves_one_copy(destination: Destination, kind: str) -> None:
    """The same batch delivered again changes nothing at the destination."""
    spans = real_calls()[kind]
    destination.exporter.export(spans)
    once = destination.held()
    destination.exporter.export(spans)
    assert destination.held() == once


def _under(value: Any, name: str) -> set[tuple[str, Any]]:
    """What stands under a name, or under a dotted path that ends with it."""
    if isinstance(value, dict):
        found = [_typed(_scalars(inner)) for key, inner in value.items() if key.rpartition(".")[2] == name]
        return set().union(*found, *(_under(inner, name) for inner in value.values()))
    return set().union(*(_under(inner, name) for inner in value)) if isinstance(value, list) else set()


@pytest.mark.timing
def test_numbers_stay_numbers_and_null_stays_null(destination: Destination) -> None:
    """A cost is a number at the destination, an unknown is null or not there, and a flag is neither 0 nor 1."""
    spans = real_calls()["realtime"]
    greeting, reply = [span for span in spans if span.name == "agent_turn"][:2]
    destination.exporter.export(spans)
    held = destination.held()
    assert _under(held[reply.span_id], "cost_usd") == {("number", reply.fields["cost_usd"])}
    tokens = _under(held[reply.span_id], "output_tokens")  # of each modality too, where the destination takes them
    assert ("number", reply.fields["output_tokens"]) in tokens
    assert {kind for kind, _ in tokens} == {"number"}
    assert _under(held[reply.span_id], "interrupted") == {("bool", reply.fields["interrupted"])}
    for name in ("ttft_ms", "perceived_ms", "total_latency_ms", "slow"):
        assert greeting.fields[name] is None
        assert _under(held[greeting.span_id], name) <= {("null", None)}


def _doctor() -> str:
    """A kept value of the real call."""
    [booking] = [span for span in real_calls()["realtime"] if span.name == "tool.book_appointment"]
    arguments = booking.fields["arguments"]
    assert isinstance(arguments, dict)
    assert str(arguments["doctor_name"]).startswith("Dr. ")
    return str(arguments["doctor_name"])


@pytest.mark.timing
def test_a_destination_that_fails_raises(destination: Destination) -> None:
    """A batch that was not taken is an error that quotes nothing of it."""
    destination.break_it()
    with pytest.raises(ExportError) as caught:
        destination.exporter.export(real_calls()["realtime"])
    assert _doctor() not in "".join(traceback.format_exception(caught.value)) + caught.value.diagnostics()


@pytest.mark.timing
def test_what_is_not_sealed_is_not_shipped(destination: Destination) -> None:
    """A span without its seal is refused before a byte of the batch leaves."""
    *others, booking = sorted(real_calls()["realtime"], key=lambda span: span.name == "tool.book_appointment")
    with pytest.raises(ExportError, match="not sealed"):
        destination.exporter.export([*others, replace(booking, seal=None)])
    assert destination.held() == {}
    assert _doctor().encode() not in destination.taken()


@pytest.mark.timing
def test_nothing_of_this_machine_or_its_environment_leaves(
    destination: Destination, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word of the host, the user, the directory or the environment is among the bytes that arrive."""
    monkeypatch.setenv("MEDAGENT_CANARY", "canary-in-the-environment")
    destination.exporter.export(real_calls()["realtime"])
    arrived = destination.taken()
    for word in (b"canary", str(Path.cwd()).encode(), b"python", b"Linux"):
        assert word not in arrived


@pytest.mark.timing
def test_a_second_close_does_nothing(destination: Destination) -> None:
    """An exporter may be closed twice, as a shutdown that is repeated does."""
    destination.exporter.export(real_calls()["realtime"])
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
