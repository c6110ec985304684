"""Ten thousand clean calls through pipeline, both parts of the door and every exporter: does the switch trip?

Their events are those of real simulated calls, varied (bench/varied.py). Everything is as in service, the destinations
excepted, which take all and keep nothing. Exit code 1 where a call trips the switch or does not arrive whole.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from random import Random

from bench.answering import Destination
from bench.recorded import Recording, record
from bench.varied import vary
from medagent.clinic import Clinic, seed_demo
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.telemetry.line import Arrival
from medagent.telemetry.span import SafeSpan

_AT_ONCE = 50
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of the calls; `tripped` is the switch's reason and the seeds of the calls that it may be of."""

    calls: int
    spans: int
    whole: int
    tripped: str | None
    failures: int
    undelivered: Sequence[str]
    requests: int
    body_bytes: int
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether every call arrived whole at every destination."""
        return self.tripped is None and not self.failures and not self.undelivered and self.whole == self.calls


def replay(recordings: Sequence[Recording], *, calls: int, home: Path, seed: int = 0) -> Played:
    """Play so many varied calls, the n-th with seed `seed + n`, on a process's whole telemetry."""
    with Destination() as destination:
        settings = _settings(home, destination.url)
        clinic = Clinic.open(settings.clinic_url)
        seed_demo(clinic)
        telemetry = Telemetry(settings, rosters=clinic.rosters())
        clinic.close()
        stored: list[SafeSpan] = []
        telemetry.pipeline._on_span = stored.append
        telemetry.start()
        began, tripped, played = time.monotonic(), None, 0
        whole = spans = 0
        while played < calls and tripped is None:
            first = seed + played
            for number in range(first, min(first + _AT_ONCE, seed + calls)):
                _send(telemetry, recordings[number % len(recordings)], Random(number))  # noqa: S311  # to vary, not to hide
                played += 1
            telemetry.pipeline.flush(_PATIENCE_S)
            undelivered = telemetry.flush(_PATIENCE_S)
            spans += len(stored)
            whole += sum(span.name == "policy.guardrail" and span.fields["complete"] is True for span in stored)
            stored.clear()
            state = telemetry.switch.state()
            tripped = None if state.on else f"{state.reason} (seeds {first} to {seed + played - 1})"
        counts = telemetry.pipeline.counts
        telemetry.close(_PATIENCE_S)
        taken = destination.taken()
    return Played(
        calls=played,
        spans=spans,
        whole=whole,
        tripped=tripped,
        failures=counts.failures + counts.spans_lost + counts.spans_suppressed + counts.events_lost,
        undelivered=undelivered,
        requests=taken["requests"],
        body_bytes=taken["bytes"],
        seconds=time.monotonic() - began,
    )


def _send(telemetry: Telemetry, recording: Recording, random: Random) -> None:
    line = telemetry.pipeline.line()
    for event in vary(recording, random):
        told = {field.name: getattr(event, field.name) for field in fields(event)}
        line._put(Arrival(line.trace_id, type(event), told.pop("seq"), told.pop("at_ns"), told))


def _settings(home: Path, url: str) -> Settings:
    return load_settings(
        MEDAGENT_HOME=home,
        MEDAGENT_DESTINATIONS="otlp,langfuse,jsonlog",
        MEDAGENT_OTLP_ENDPOINT=url,
        MEDAGENT_JSONLOG=str(home / "calls.jsonl"),
        MEDAGENT_JSONLOG_EMF="1",
        LANGFUSE_PUBLIC_KEY="pk-lf-1",
        LANGFUSE_SECRET_KEY="sk-lf-1",  # nobody's
        LANGFUSE_BASE_URL=url,
        LANGSMITH_API_KEY="lsv2_pt_bench",
        LANGSMITH_ENDPOINT=url,
    )


def main() -> int:
    """Record, replay, print; exit code 1 where not every call was clean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        recordings = asyncio.run(record(Path(directory) / "recorded"))
        home = Path(directory) / "replayed"
        played = replay(recordings, calls=arguments.calls, home=home, seed=arguments.seed)
    sys.stdout.write(
        f"{played.calls} calls, varied from {len(recordings)}: {played.spans} spans in {played.seconds:.0f} s\n"
        f"whole {played.whole}, failures {played.failures}, undelivered at {list(played.undelivered)}\n"
        f"{played.requests} requests, {played.body_bytes / 2**20:.1f} MiB\n"
        f"the switch: {played.tripped or 'never tripped'}\n"
    )
    return 0 if played.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
