"""Measure what a span costs to make, check and write, beside what others need for the same without a check.

OTLP beside OpenTelemetry's own encoder, JSON lines beside `json.dumps`, the start of `medagent redact` beside Python
with the libraries that it uses. The runs alternate, so that a slow machine slows both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.load.short_calls import short_call

from bench.measure import verdict
from medagent.compose import Telemetry
from medagent.settings import load_settings
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.attributes import attributes_of
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.jsonlog import JsonLog, lines_of
from medagent.telemetry.exporters.otlp import envelope, request_of
from medagent.telemetry.span import SafeSpan

_ROUNDS = 15
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


def ratio(ours: Callable[[], object], theirs: Callable[[], object], *, clock: Callable[[], int]) -> float:
    """Return the cost of ours as a multiple of theirs, the best of alternating rounds."""
    spent: dict[Callable[[], object], list[int]] = {ours: [], theirs: []}
    for _ in range(_ROUNDS):
        for each, times in spent.items():
            began = clock()
            each()
            times.append(clock() - began)
    return min(spent[ours]) / min(spent[theirs])


def otlp(spans: Sequence[SafeSpan]) -> float:
    """Compare making and checking a request with OpenTelemetry's encoder on spans of the same attributes."""
    from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider

    sealed, headers = (
        envelope(url="http://127.0.0.1:9/v1/traces", headers={}),
        {"Content-Type": "application/x-protobuf"},
    )
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

    return ratio(ours, lambda: encode_spans(theirs).SerializeToString(), clock=time.thread_time_ns)


def jsonlog(spans: Sequence[SafeSpan], directory: Path) -> float:
    """Compare making, checking and writing lines with the standard library's encoder and a plain append."""
    log, plain = JsonLog(directory / "ours.jsonl", gate=always_open), directory / "theirs.jsonl"

    def theirs() -> None:
        with plain.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for span in spans for line in lines_of(span))

    return ratio(lambda: log.export(spans), theirs, clock=time.thread_time_ns)


def redact_start() -> float:
    """Compare the start of `medagent redact` for one line with that of Python and the libraries it needs."""

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], input=b'{"id":1,"text":"a"}\n', capture_output=True, check=True)

    ours = "import sys; sys.argv = ['medagent', 'redact', '--jsonl']; from medagent.cli import main; main()"
    theirs = "import pydantic, pydantic_settings, yaml, typer, rich.console"
    return ratio(lambda: run(ours), lambda: run(theirs), clock=time.perf_counter_ns)


def main() -> int:
    """Measure and print; exit code 1 where a ratio is missed."""
    with tempfile.TemporaryDirectory() as directory:
        spans = some_spans(Path(directory) / "home")
        print(f"{len(spans)} spans, best of {_ROUNDS} alternating rounds")
        met = [
            verdict("OTLP, made and checked, beside OpenTelemetry's encoder", otlp(spans), 4, "of it"),
            verdict("JSON lines, checked and written, beside json.dumps", jsonlog(spans, Path(directory)), 16, "of it"),
        ]
    met.append(verdict("start of `medagent redact`, beside its libraries", redact_start(), 2.5, "of it"))
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
