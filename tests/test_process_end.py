"""How processes end, with real ones: a signal, a kill, a job that shuts down; the call in them ends all the same."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from livekit.agents.testing import fake_job_context

from medagent.agent.job import when_job_ends
from medagent.errors import TraceNotFoundError
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import entries
from medagent.telemetry.span import SafeSpan

pytestmark = pytest.mark.timing

ROOT = Path(__file__).parents[1]
WITHIN_S = 60.0
AT_MOST_S = 3.0


class Victim:
    """A process with an open call."""

    def __init__(self, mode: str, *words: str, **environment: str) -> None:
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "victim.py"), mode, *words],
            env={**os.environ, "PYTHONPATH": path, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.trace_id = self.process.stdout.readline().strip()
        assert self.trace_id, self.process.communicate()[1]

    def rest(self) -> str:
        """Wait for its end and return its output after the first line.

        `communicate` would miss the output that the buffer of the first line's `readline` already holds.
        """
        assert self.process.stdout is not None
        self.process.wait(WITHIN_S)
        return self.process.stdout.read()

    def ended_by(self, number: int) -> tuple[int, float]:
        """Its exit code, and how long it took, in seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(WITHIN_S)
        return code, time.monotonic() - began


Begin = Callable[..., Victim]


@pytest.fixture
def begin() -> Iterator[Begin]:
    victims: list[Victim] = []

    def make(mode: str, *words: str, **environment: str) -> Victim:
        victims.append(Victim(mode, *words, **environment))
        return victims[-1]

    yield make
    for victim in victims:
        victim.process.kill()
        victim.process.communicate()


def spans_of(trace_id: str, *, until: str = "policy.guardrail") -> Sequence[SafeSpan]:
    """What the archive has of a call, once it has a span of this name and the first, which a dead process may lease."""
    store = archive(load_settings())
    deadline = time.monotonic() + WITHIN_S
    try:
        while True:
            try:
                spans = store.spans(trace_id)
            except TraceNotFoundError:
                spans = []
            is_whole = any(span.name == until for span in spans) and spans[0].seal.sequence == 0  # type: ignore[union-attr]
            if is_whole or time.monotonic() > deadline:
                return spans
            time.sleep(0.05)
    finally:
        store.close()


def end_of(spans: Sequence[SafeSpan]) -> tuple[object, object]:
    [end] = [span.fields for span in spans if span.name == "session.end"]
    return end["reason"], end["complete"]


@contextmanager
def hole() -> Iterator[str]:
    """A destination that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def told() -> list[object]:
    path = ledger_path(load_settings())
    return [entry.content["trace_id"] for entry in entries(path) if entry.kind == "guardrail"]


def test_a_killed_call_is_ended_by_the_next_process(begin: Begin) -> None:
    """`kill -9`: the next process to start gives it its end, a chain that holds, and its entry in the ledger."""
    victim = begin("plain")
    assert victim.ended_by(signal.SIGKILL)[0] == -signal.SIGKILL
    following = Telemetry(load_settings()).start()
    try:
        spans = spans_of(victim.trace_id)
    finally:
        following.close()
    verify_chain(spans)
    assert end_of(spans) == ("process_lost", False)
    [tool] = [span for span in spans if span.name == "tool.book_appointment"]
    arguments = tool.fields["arguments"]
    assert arguments == {"patient_name": "<REDACTED>", "notes": "<WITHHELD>"}
    assert told() == [victim.trace_id]
    home = load_settings().home
    assert not any(b"Quillon" in path.read_bytes() for path in home.rglob("*") if path.is_file())


def test_sigterm_ends_the_call_and_then_the_process(begin: Begin) -> None:
    """A program without a handler: its call is closed and delivered, then it dies of the signal."""
    victim = begin("plain")
    assert victim.ended_by(signal.SIGTERM)[0] == -signal.SIGTERM
    spans = spans_of(victim.trace_id)
    verify_chain(spans)
    assert end_of(spans)[0] == "shutdown"
    assert told() == [victim.trace_id]


def test_a_host_s_own_handler_is_left_alone(begin: Begin) -> None:
    """A program that handles SIGTERM itself does so, exits as it means to, and its call is closed on the way."""
    victim = begin("hosted")
    code, _ = victim.ended_by(signal.SIGTERM)
    assert code == 7
    assert end_of(spans_of(victim.trace_id))[0] == "shutdown"


def test_a_lock_held_by_the_main_thread_does_not_hold_the_end(begin: Begin) -> None:
    """SIGTERM while the program holds a lock that the close needs: it lets go, the close runs, the process ends."""
    victim = begin("locked")
    assert (victim.rest(), victim.process.returncode) == ("closed\n", -signal.SIGTERM)


def test_sigterm_during_the_exit_waits_for_the_close(begin: Begin) -> None:
    """SIGTERM in the middle of the close at a normal exit: the close is finished before the process ends."""
    victim = begin("exiting")
    assert victim.rest() == "closing\nclosed\n"


def test_a_destination_that_hangs_does_not_hold_the_process(begin: Begin) -> None:
    """SIGTERM with a destination that accepts and never answers: it ends before that, and nothing is lost."""
    with hole() as endpoint:
        victim = begin("plain", LANGSMITH_API_KEY="lsv2_pt_test", LANGSMITH_ENDPOINT=endpoint)
        assert victim.ended_by(signal.SIGTERM)[0] == -signal.SIGTERM
    assert end_of(spans_of(victim.trace_id))[0] == "shutdown"


@pytest.mark.deadline
@pytest.mark.parametrize("hangs", [False, True])
def test_sigterm_ends_the_process_within_three_seconds(begin: Begin, hangs: bool) -> None:
    """Counted from the signal to the process's end, with a destination that never answers too."""
    with hole() as endpoint:
        more = {"LANGSMITH_API_KEY": "lsv2_pt_test", "LANGSMITH_ENDPOINT": endpoint} if hangs else {}
        code, seconds = begin("plain", **more).ended_by(signal.SIGTERM)
    assert code == -signal.SIGTERM
    assert seconds < AT_MOST_S


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_three_lines_are_enough(begin: Begin, tmp_path: Path, number: int) -> None:
    """A real session with `trace_call` and nothing else of ours, ended in the middle by a signal or a kill."""
    scenario = tmp_path / "refill.yaml"
    scenario.write_text(
        "{name: refill, description: A caller waits., seed: 3, person: {patient_name: Tamsin Quillfeather},"
        " turns: [{model: [{says: Harbor Pharmacy.}]},"
        " {caller: {says: A moment please., seconds: 40}, model: [{says: It is on its way.}]}],"
        " expects: {outcome: informed}}"
    )
    with SimulatorProcess([scenario], pace=1.0) as simulator:
        victim = begin("three_lines", simulator.endpoint, str(scenario))
        assert spans_of(victim.trace_id, until="session.start")
        assert victim.ended_by(number)[0] == -number
    following = Telemetry(load_settings()).start()
    try:
        spans = spans_of(victim.trace_id)
    finally:
        following.close()
    verify_chain(spans)
    assert end_of(spans)[0] == ("shutdown" if number == signal.SIGTERM else "process_lost")


async def test_a_job_waits_for_what_is_to_be_done_at_its_end() -> None:
    """Inside a LiveKit job it is done with the job's other shutdown callbacks; outside a job nothing happens."""
    done: list[str] = []
    when_job_ends(lambda: done.append("outside"))
    with fake_job_context() as context:
        when_job_ends(lambda: done.append("inside"))
        await asyncio.gather(*(callback("bye") for callback in context._shutdown_callbacks))
    assert done == ["inside"]
