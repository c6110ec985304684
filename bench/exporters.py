"""Cost of making, checking and writing a span, beside a peer that does the same without a check."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Row, in_turn, row
from load.short_calls import short_call
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.attributes import attributes_of
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.jsonlog import JsonLog, lines_of
from medagent.telemetry.exporters.otlp import envelope, request_of
from medagent.telemetry.span import SafeSpan

_ROUNDS = 31
_BATCH = 100


def some_spans(home: Path) -> Sequence[SafeSpan]:
    """Return a batch of sealed spans of short calls."""
    telemetry = Telemetry(load_settings(MEDAGENT_HOME=home))
    telemetry.pipeline.start()
    try:
        for _ in range(_BATCH // 4):
            short_call(telemetry.pipeline.line())
        telemetry.pipeline.flush(60)
        return telemetry._delivery.outbox.due("archive", _BATCH)
    finally:
        telemetry.close()


def thread_us(work: Callable[[], object], spans: int = _BATCH) -> float:
    """Return microseconds of this thread's processor time a span."""
    begun = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - begun) / 1000 / spans


def otlp(spans: Sequence[SafeSpan]) -> Row:
    """Compare making and checking a request with OpenTelemetry's encoder on spans of the same attributes."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

    sealed = envelope(url="http://127.0.0.1:9/v1/traces", headers={})
    headers = {"Content-Type": "application/x-protobuf"}
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("bench")
    theirs: list[ReadableSpan] = []
    for span in spans:
        attributes: Mapping[str, Any] = attributes_of(span)
        made: Any = tracer.start_span(span.name, attributes=dict(attributes))
        made.end()
        theirs.append(made)

    def ours() -> None:
        body = request_of(spans).SerializeToString(deterministic=True)
        Exit(sealed).check(method="POST", url=sealed.url, headers=headers, body=body, batch=spans)

    pairs = in_turn(
        lambda: thread_us(ours), lambda: thread_us(lambda: encode_spans(theirs).SerializeToString()), _ROUNDS
    )
    return row("OTLP, made and checked", "OpenTelemetry's encoder", pairs, unit="µs/span", bound=4)


def jsonlog(spans: Sequence[SafeSpan], directory: Path) -> Row:
    """Compare making, checking and writing lines with the standard library's encoder and a plain append."""
    log, plain = JsonLog(directory / "ours.jsonl", gate=always_open), directory / "theirs.jsonl"

    def theirs() -> None:
        with plain.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for span in spans for line in lines_of(span))

    pairs = in_turn(lambda: thread_us(lambda: log.export(spans)), lambda: thread_us(theirs), _ROUNDS)
    return row("JSON lines, checked and written", "json.dumps, appended", pairs, unit="µs/span", bound=16)


def rows() -> list[Row]:
    """Measure both on the same spans."""
    with tempfile.TemporaryDirectory() as directory:
        spans = some_spans(Path(directory) / "home")
        return [otlp(spans), jsonlog(spans, Path(directory))]
