"""Cost of a span off the event loop: sealed in the outbox beside posted run trees, admission and the egress filter."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.cost import ARGUMENTS, RESULT
from bench.exporters import thread_us
from bench.measure import Row, child, in_turn, row
from load.short_calls import short_call
from medagent.runtime.host import policy
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.span import SafeSpan
from sink import Sink

_KNOWN = (("name", "Maren Oldfield"), ("phone", "+14155550137"), ("dob", "1982-03-03"))
_ROUNDS = 3
_CALLS = 100
_RUNS = 1000
_BATCH = 20


def sealed_per_second(settings: Settings, calls: int) -> float:
    """Return spans a second of processor time, from events to sealed in the outbox; nobody ships."""
    telemetry = Telemetry(settings)
    telemetry.pipeline.start()
    try:
        short_call(telemetry.pipeline.line())
        telemetry.pipeline.flush(60)
        box = telemetry._delivery.outbox
        before, begun = box.status().due["archive"], time.process_time()
        for _ in range(calls):
            short_call(telemetry.pipeline.line())
        telemetry.pipeline.flush(600)
        took = time.process_time() - begun
        return (box.status().due["archive"] - before) / took
    finally:
        telemetry.close()


def posted_per_second(url: str, count: int) -> float:
    """Return run trees a second of processor time, from `create_child` to taken by LangSmith's place."""
    from langsmith import Client, RunTree

    client = Client(url, api_key="bench")
    parent = RunTree(name="call", run_type="chain", project_name="bench", client=client)
    parent.post()
    client.flush()
    begun = time.process_time()
    for _ in range(count):
        run = parent.create_child(name="tool.book_appointment", run_type="tool", inputs=ARGUMENTS)
        run.post()
        run.end(outputs=RESULT)
        run.patch()
    client.flush()
    return count / (time.process_time() - begun)


def admission(settings: Settings, spans: Sequence[SafeSpan]) -> Row:
    """Compare admission, in a call that knows three identifiers, with a JSON round trip of the same span."""
    door = Admission(policy(settings))
    pairs = [
        pair
        for span in spans
        for pair in in_turn(
            lambda span=span: thread_us(lambda: door.admit(span, _KNOWN), 1),  # type: ignore[misc]
            lambda span=span: thread_us(lambda: _round_trip([span]), 1),  # type: ignore[misc]
            1,
        )
    ]
    return row("admission", "JSON round trip of the span", pairs, unit="µs/span", bound=8)


def egress_filter(settings: Settings, spans: Sequence[SafeSpan]) -> list[Row]:
    """Compare the filter's check of a batch with a JSON round trip of it, for every destination that has a filter."""
    import medagent.telemetry.door.exit as door  # its check is what is timed

    taken: list[float] = []
    check = door.Exit.check

    def measured(self: door.Exit, **request: object) -> None:
        taken.append(thread_us(lambda: check(self, **request), _BATCH))  # type: ignore[arg-type]

    found = []
    door.Exit.check = measured  # type: ignore[method-assign,assignment]
    try:
        telemetry = Telemetry(settings)
        for destination in telemetry.destinations:
            pairs = []
            for start in range(0, len(spans) - _BATCH + 1, _BATCH):
                batch = spans[start : start + _BATCH]
                taken.clear()
                destination.export(batch)
                if taken:
                    pairs.append((sum(taken), thread_us(lambda: _round_trip(batch), _BATCH)))  # noqa: B023  # called now
            if pairs:
                name = f"egress filter, {destination.name}"
                found.append(row(name, "JSON round trip of the batch", pairs, unit="µs/span", bound=15))
        telemetry.close()
    finally:
        door.Exit.check = check  # type: ignore[method-assign]
    return found


def _round_trip(spans: Sequence[SafeSpan]) -> Any:
    return json.loads(json.dumps([span.document() for span in spans]))


def some_spans(settings: Settings) -> Sequence[SafeSpan]:
    """Return sealed spans of short calls."""
    telemetry = Telemetry(settings)
    telemetry.pipeline.start()
    for _ in range(50):
        short_call(telemetry.pipeline.line())
    telemetry.pipeline.flush(60)
    spans = list(telemetry._delivery.outbox.due("archive", 400))
    telemetry.close()
    return spans


def rows() -> list[Row]:
    """Measure the rates in processes of their own, in turn, and the checks here."""
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        settings = load_settings(
            MEDAGENT_HOME=Path(directory) / "home",
            LANGSMITH_API_KEY="bench",
            LANGSMITH_ENDPOINT=sink.url,
            MEDAGENT_DESTINATIONS="otlp,langfuse,jsonlog",
            MEDAGENT_OTLP_ENDPOINT=sink.url,
            LANGFUSE_PUBLIC_KEY="pk-bench",
            LANGFUSE_SECRET_KEY="sk-bench",
            LANGFUSE_BASE_URL=sink.url,
            MEDAGENT_JSONLOG=str(Path(directory) / "lines.jsonl"),
        )
        spans = some_spans(settings)
        rates = in_turn(
            lambda: float(child("bench.spans", "sealed")), lambda: float(child("bench.spans", sink.url)), _ROUNDS
        )
        return [
            row(
                "spans a CPU second, sealed and in the ledger",
                "RunTree, posted",
                rates,
                unit="spans/s",
                bound=0.04,
                at_least=True,
            ),
            admission(settings, spans),
            *egress_filter(settings, spans),
        ]


def main() -> None:
    """Measure one rate in this process: `sealed`, or posted to a URL."""
    what = sys.argv[1]
    if what == "sealed":
        with tempfile.TemporaryDirectory() as home:
            rate = sealed_per_second(load_settings(MEDAGENT_HOME=Path(home)), _CALLS)
    else:
        rate = posted_per_second(what, _RUNS)
    print(json.dumps(rate), flush=True)
    os._exit(0)  # a client's own exit is not what is measured


if __name__ == "__main__":
    main()
