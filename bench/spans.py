"""What a span costs behind the loop: the worker into the outbox, admission alone, the exit to each destination."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.load.short_calls import short_call
from tests.sink import Sink

from bench.measure import HEAD, Figures, verdict
from medagent.compose import Telemetry, policy
from medagent.settings import Settings, load_settings
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.span import SafeSpan

_KNOWN = (("name", "Maren Oldfield"), ("phone", "+14155550137"), ("dob", "1982-03-03"))


def through(settings: Settings, calls: int) -> tuple[float, list[SafeSpan]]:
    """Spans a second from events to sealed in the outbox on one processor, nobody shipping; and some of the spans."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    telemetry = Telemetry(settings)
    telemetry.pipeline.start()
    try:
        short_call(telemetry.pipeline.line())
        telemetry.pipeline.flush(60)
        begun = time.perf_counter()
        for _ in range(calls):
            short_call(telemetry.pipeline.line())
        telemetry.pipeline.flush(600)
        took = time.perf_counter() - begun
        box = telemetry._outbox
        sealed = box.status().due["archive"]
        return sealed / took, list(box.due("archive", 400))
    finally:
        telemetry.close()


def timed(work: Callable[[], object]) -> float:
    """Microseconds of processor time of this thread."""
    begun = time.thread_time_ns()
    work()
    return (time.thread_time_ns() - begun) / 1000


def admission(settings: Settings, spans: Sequence[SafeSpan]) -> list[float]:
    """Microseconds a span, as in a call that knows a name, a phone number and a date of birth."""
    door = Admission(policy(settings))
    return [timed(lambda span=span: door.admit(span, _KNOWN)) for span in spans]  # type: ignore[misc]


def leaving(settings: Settings, spans: Sequence[SafeSpan], size: int = 20) -> dict[str, list[float]]:
    """Microseconds a span in the exit's check of batches of so many spans, for every destination that has one."""
    import medagent.telemetry.door.exit as door  # its check is what is timed

    taken: list[float] = []
    check = door.Exit.check

    def measured(self: door.Exit, **request: object) -> None:
        taken.append(timed(lambda: check(self, **request)) / size)  # type: ignore[arg-type]

    found: dict[str, list[float]] = {}
    door.Exit.check = measured  # type: ignore[method-assign,assignment]
    try:
        telemetry = Telemetry(settings)
        for destination in telemetry.destinations:
            taken.clear()
            for start in range(0, len(spans) - size + 1, size):
                destination.export(spans[start : start + size])
            if taken:
                found[destination.name] = list(taken)
        telemetry.close()
    finally:
        door.Exit.check = check  # type: ignore[method-assign]
    return found


def main() -> int:
    """Measure and print; exit code 1 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    calls = parser.parse_args().calls
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
        rate, spans = through(settings, calls)
        rows = {"admission": admission(settings, spans)}
        rows |= {f"exit to {name}": taken for name, taken in leaving(settings, spans).items()}
    print("µs of processor time a span")
    print(f"  {'':20}{HEAD}")
    for name, taken in rows.items():
        print(f"  {name:20}{Figures.of(taken):.1f}")
    met = [verdict(f"{name}, p50", Figures.of(taken).p50, 200, "µs") for name, taken in rows.items()]
    met.append(verdict("events to sealed in the outbox", rate, 1000, "spans/s on one processor", at_least=True))
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
