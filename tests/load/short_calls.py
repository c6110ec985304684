"""Thousands of short calls in one process: what grows is a leak."""

from __future__ import annotations

import argparse
import gc
import json
import sys
import tempfile
import time
from pathlib import Path

from load.live import rss_mb
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry import events
from medagent.telemetry.line import Line
from sink import Sink

LIMIT_MB = 20.0
SETTLED_AFTER = 500
_ARGUMENTS = {"query": "What helps against a sore knee that is worse in the evening?"}
_BOOKING = {"patient_name": "Maren Oldfield", "phone": "+14155550137", "dob": "1982-03-03", "notes": "rings back"}


def short_call(line: Line) -> None:
    """A greeting, an exchange with two tools, an end: all that a call has, in no time."""
    line.send(
        events.CallStarted,
        wall_us=time.time_ns() // 1000,
        model="gpt-realtime",
        provider="azure.ai.openai",
        mode="realtime",
        agent_version="load",
        room="clinic_+14155550137_load",
        participant="sip_+14155550137",
        caller_number="+14155550137",
    )
    _response(line, "greeting")
    line.send(events.SpeechStarted, item_id="item", audio_ms=0)
    line.send(events.SpeechStopped, item_id="item", audio_ms=900)
    line.send(events.ResponseStarted, response_id="asks")
    for name, arguments in (("get_medical_guidelines", _ARGUMENTS), ("book_appointment", _BOOKING)):
        line.send(events.ToolRequested, response_id="asks", call_id=name)
        line.send(events.ToolStarted, call_id=name, name=name, arguments=json.dumps(arguments))
        line.send(events.ToolEnded, call_id=name, status="done", output='{"outcome": "ok"}')
    line.send(events.ResponseFinished, response_id="asks", status="completed", usage=None)
    _response(line, "answer")
    line.send(events.CallEnded, reason="caller_hung_up")


def _response(line: Line, name: str) -> None:
    line.send(events.ResponseStarted, response_id=name)
    line.send(events.AudioStarted, response_id=name)
    line.send(events.ResponseFinished, response_id=name, status="completed", usage=None)


def growth(telemetry: Telemetry, calls: int, *, settled_after: int = SETTLED_AFTER) -> tuple[float, float]:
    """Megabytes that stayed after the first calls, all of them delivered; and calls a second."""
    settled, begun = 0.0, time.perf_counter()
    for number in range(calls):
        if number == settled_after:
            telemetry.flush(60)
            gc.collect()
            settled = rss_mb()
        short_call(telemetry.pipeline.line())
        if number % 50 == 49:
            telemetry.pipeline.flush(60)
    lacking = telemetry.flush(300)
    if lacking:
        sys.exit(f"not delivered: {', '.join(lacking)}")
    gc.collect()
    return rss_mb() - settled, calls / (time.perf_counter() - begun)


def main() -> int:
    """Measure and print; exit code 1 where memory grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        home = Path(directory) / "home"
        settings = load_settings(MEDAGENT_HOME=home, LANGSMITH_API_KEY="load", LANGSMITH_ENDPOINT=sink.url)
        telemetry = Telemetry(settings).start()
        grown, rate = growth(telemetry, calls)
        telemetry.close()
    print(f"{calls} short calls in one process, archive and LangSmith's place served: {rate:.0f} calls/s")
    print(f"memory grown after the first {SETTLED_AFTER}: {grown:.1f} MB, expected at most {LIMIT_MB:g}")
    return int(grown > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
