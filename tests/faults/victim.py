"""The process that is harmed: it takes calls as it is told on stdin, and answers each command with one JSON line.

Telemetry is the product's own, composed from the environment, and ends as a worker's does: at exit, or by SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import resource
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medagent.pricing import Usage
from medagent.runtime import telemetry
from medagent.settings import Settings, load_settings
from medagent.telemetry import events as ev
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.exporters.exporter import Exporter
from medagent.telemetry.line import Line
from medagent.telemetry.shutdown import close_at_end
from medagent.telemetry.span import SafeSpan
from medagent.tracing import END_S

_BOOKING = {"patient_name": "Ottilie Wrenfield", "dob": "1971-04-02", "phone": "+1 503 555 0142"}
_BOOKED = {"outcome": "ok", "confirmation_id": "K7M2-Q4XD", "doctor_name": "Dr. Amara Osei"}
_LEAK_BYTES = 64 * 2**20
_MORE_BYTES = 2**30


class Broken:
    """A destination whose exporter fails by itself, with no line in between."""

    region = "local"
    retention_days: int | None = None

    def __init__(self, kind: str) -> None:
        self.name = kind
        self.attempts = 0
        self._kept: list[bytes] = []
        self.may_leak = threading.Event()

    def export(self, batch: Sequence[SafeSpan]) -> None:
        self.attempts += 1
        match self.name:
            case "raises":
                raise RuntimeError("no destination says this")
            case "hangs":
                threading.Event().wait()
            case "leaks":
                self.may_leak.wait()
                while True:  # address space that nobody touches, until there is no more
                    self._kept.append(bytes(_LEAK_BYTES))

    def holds(self, span: SafeSpan) -> bool:
        return False

    def close(self) -> None:
        self._kept.clear()


class Victim:
    """One process's telemetry and the calls on it."""

    def __init__(self, settings: Settings, broken: Sequence[Broken]) -> None:
        make = telemetry.exporters

        def exporters(settings: Settings, **options: Any) -> list[Exporter]:
            return [*make(settings, **options), *broken]

        telemetry.exporters = exporters
        self._settings = settings
        self._broken = broken
        self._telemetry = telemetry.Telemetry(settings).start()
        close_at_end(functools.partial(self._telemetry.close, END_S))
        self._open: Line | None = None

    def calls(self, count: str) -> dict[str, Any]:
        """So many calls of three turns and a tool, one after the other; how long the caller's thread was held."""
        return _calls(self._telemetry.pipeline.line, int(count))

    def begin(self) -> dict[str, Any]:
        """A call that goes on."""
        self._open = line = self._telemetry.pipeline.line()
        _begin(line)
        return {"traces": [line.trace_id]}

    def end(self) -> dict[str, Any]:
        """The end of that call."""
        assert self._open is not None
        self._open.send(ev.CallEnded, reason="agent_ended")
        return {"traces": [self._open.trace_id]}

    def written(self, seconds: str) -> dict[str, Any]:
        """Whether all that happened so far is in the outbox by then."""
        return {"written": self._telemetry.pipeline.flush(float(seconds))}

    def flush(self, seconds: str) -> dict[str, Any]:
        """Who still lacks something by then."""
        return {"lacking": list(self._telemetry.flush(float(seconds)))}

    def flood(self, count: str) -> dict[str, Any]:
        """So many events of one call, as fast as they can be sent."""
        line = self._telemetry.pipeline.line()
        _begin(line)
        began = time.monotonic()
        for number in range(int(count)):
            states: Any = ("speaking", "listening")
            line.send(ev.UserStateChanged, old=states[number % 2], new=states[1 - number % 2])
        seconds = time.monotonic() - began
        line.send(ev.CallEnded, reason="agent_ended")
        return {"traces": [line.trace_id], "seconds": seconds, "lost": self._telemetry.pipeline.counts.events_lost}

    def clock(self, seconds: str) -> dict[str, Any]:
        """From now on the wall clock of this process is so much off; what is monotonic is not."""
        wall, off = time.time_ns, int(float(seconds) * 1e9)
        time.time_ns = lambda: wall() + off
        time.time = lambda: time.time_ns() / 1e9
        return {}

    def counts(self) -> dict[str, Any]:
        """What the pipeline lost, whether telemetry is on, how often each broken exporter was tried."""
        counts, tried = self._telemetry.pipeline.counts, {one.name: one.attempts for one in self._broken}
        lost = {"events": counts.events_lost, "spans": counts.spans_lost, "failures": counts.failures}
        return {"lost": lost, "on": self._is_on(), "tried": tried}

    def _is_on(self) -> bool:
        """Return whether telemetry is on; try again while a leaking exporter leaves no memory."""
        while True:
            try:
                return self._telemetry.switch.is_on()
            except MemoryError:
                time.sleep(0.05)

    def leak(self) -> dict[str, Any]:
        """Let an exporter take all the memory that there is, which is 1 GB more; wait until it got no more."""
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + _MORE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        [leaking] = self._broken
        leaking.may_leak.set()
        while leaking.attempts < 2:
            time.sleep(0.01)
        return {}

    def ring(self, scenario: str) -> dict[str, Any]:
        """A real call: voice, sockets, LiveKit and the clinic's database; a line for each thing that is heard."""
        return ring(self._settings, scenario, self._telemetry.watch)


def ring(settings: Settings, name: str, watch: Any) -> dict[str, Any]:
    """Play a scenario at pace 20; how it ended for the caller, and what is wrong in the clinic's database."""
    from pydantic import SecretStr

    from medagent.clinic import Clinic, seed_demo
    from medagent.simulator.appointments import check_clinic, prepare
    from medagent.simulator.play import play
    from medagent.simulator.process import SimulatorProcess
    from medagent.simulator.scenario import load_scenario

    scenario, clinic = load_scenario(name), Clinic.open(settings.clinic_url)
    seed_demo(clinic)
    held, bridges = prepare(scenario, clinic, now=datetime.now(UTC)), []

    def seen(session: Any) -> Any:
        bridges.append(watch(session))
        return bridges[0]

    with SimulatorProcess([name], pace=20.0) as simulator:
        model = {"azure_endpoint": simulator.endpoint, "azure_api_key": SecretStr("simulator")}
        ended = asyncio.run(
            play(
                scenario,
                settings=settings.model_copy(update=model),
                clinic=clinic,
                clinic_name="the clinic",
                now=lambda: datetime.now(UTC),
                watch=seen,
                pace=20.0,
                on_event=lambda kind, _detail: say({"heard": kind}),
                before=held,
            )
        )
    return {"ended": ended, "wrong": check_clinic(scenario, clinic, held), "traces": [bridges[0].trace_id]}


class Untraced:
    """A process on the three lines, whatever becomes of its telemetry."""

    def __init__(self, settings: Settings) -> None:
        from medagent.tracing import tracing

        self._settings = settings
        self._tracing = tracing()

    def calls(self, count: str) -> dict[str, Any]:
        """So many calls, as a victim that is traced takes them."""
        return _calls(self._tracing._inlet.line, int(count))

    def loaded(self, seconds: str) -> dict[str, Any]:
        """Whether telemetry works by then."""
        return {"loaded": self._tracing.loaded(float(seconds)) is not None}

    def ring(self, scenario: str) -> dict[str, Any]:
        """A real call, traced or not."""
        from medagent import trace_call

        return ring(self._settings, scenario, trace_call)


def _calls(line_of_call: Callable[[], Line], count: int) -> dict[str, Any]:
    began, traces = time.monotonic(), []
    for _ in range(count):
        line = line_of_call()
        _begin(line)
        line.send(ev.CallEnded, reason="agent_ended")
        traces.append(line.trace_id)
    return {"traces": traces, "held_s": time.monotonic() - began}


def _begin(line: Line) -> None:
    """A greeting and two answers, the second after a tool; whoever is named in it is invented."""
    about = {"model": "gpt-realtime", "provider": "azure.ai.openai", "mode": "realtime", "agent_version": "0.1.0"}
    line.send(ev.CallStarted, wall_us=time.time_ns() // 1000, **about)
    for number in range(3):
        response, item = f"resp_{number}", f"item_{number}"
        if number:
            line.send(ev.SpeechStarted, item_id=item)
            line.send(ev.SpeechStopped, item_id=item)
        line.send(ev.ResponseStarted, response_id=response)
        if number == 2:
            line.send(ev.ToolRequested, response_id=response, call_id="call_1")
            line.send(ev.ToolStarted, call_id="call_1", name="book_appointment", arguments=json.dumps(_BOOKING))
            line.send(ev.ToolEnded, call_id="call_1", status="done", output=json.dumps(_BOOKED))
        line.send(ev.AudioStarted, response_id=response)
        usage = Usage(input_text_tokens=100 + number, output_audio_tokens=40)
        line.send(ev.ResponseFinished, response_id=response, status="completed", usage=usage)


def say(answer: dict[str, Any]) -> None:
    """One line to whoever gave the command."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Obey until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--patience", type=float, help="seconds to wait for an answer, in the place of the product's")
    parser.add_argument("--broken", action="append", default=[], choices=("raises", "hangs", "leaks"))
    parser.add_argument("--three-lines", action="store_true")
    given = parser.parse_args()
    if given.patience is not None:
        ExitSession.__init__.__kwdefaults__["timeout_s"] = (given.patience, given.patience)
    settings = load_settings()
    broken = [Broken(kind) for kind in given.broken]
    obeys: Victim | Untraced = Untraced(settings) if given.three_lines else Victim(settings, broken)
    say({"ready": True})
    for line in sys.stdin:
        command, *words = line.split()
        say({"done": command, **getattr(obeys, command)(*words)})


if __name__ == "__main__":
    main()
