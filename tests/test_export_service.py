"""The export service of a host as jobs meet it: a process that they start, that outlives them and ends when idle."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medagent.errors import TraceNotFoundError
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path, spool_path
from medagent.runtime.identity import CALL_SETTINGS, EXPORT_SETTINGS
from medagent.runtime.job import Job
from medagent.runtime.maintenance import spooled
from medagent.runtime.service_lock import ServiceLocks
from medagent.settings import Settings, load_settings
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import entries
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.spool.directory import SpoolDirectory

pytestmark = pytest.mark.timing
JOB = """
import sys, time
from medagent.runtime.job import Job
from medagent.settings import load_settings
job = Job(load_settings()).start()
for line in sys.stdin:
    match line.strip():
        case "hello":
            print(job.hello(), flush=True)
        case "begin":
            from telemetry.test_refusal import begin
            print(begin(job).trace_id, flush=True)
        case "flush":
            job.flush(60)
            print("flushed", flush=True)
        case "modules":
            print(*sorted(sys.modules), flush=True)
job.close(30)
"""
SERVICE = """
import sys
from medagent.runtime.export_service import ExportService
from medagent.settings import load_settings
ExportService(load_settings(), idle_s=float(sys.argv[1])).run()
"""


class JobProcess:
    """A job in a process of its own, which does what each line of its input says."""

    def __init__(self) -> None:
        tests = str(Path(__file__).parent)
        self.process = subprocess.Popen(
            [sys.executable, "-c", JOB],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": tests},
        )

    def __call__(self, word: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(120) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(120)


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings under which a job starts the host's export service; what runs at the end is ended."""
    monkeypatch.delenv("MEDAGENT_EXPORT_SERVICE")
    made = load_settings()
    yield made
    while (process := ServiceLocks(spool_path(made)).active_process()) is not None:
        os.kill(process, signal.SIGKILL)
        time.sleep(0.02)


@pytest.fixture
def job(settings: Settings) -> Iterator[Callable[[], JobProcess]]:
    made: list[JobProcess] = []

    def start() -> JobProcess:
        made.append(JobProcess())
        return made[-1]

    yield start
    for one in made:
        one.kill()


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def spans_of(settings: Settings, trace_id: str) -> list[SafeSpan]:
    store = archive(settings)
    try:
        return [link for link in store.chain(trace_id) if isinstance(link, SafeSpan)]
    except TraceNotFoundError:
        return []
    finally:
        store.close()


def is_whole(settings: Settings, trace_id: str) -> bool:
    names = [span.name for span in spans_of(settings, trace_id)]
    return "session.end" in names and "policy.guardrail" in names


def told(settings: Settings) -> list[object]:
    return [entry.content["trace_id"] for entry in entries(ledger_path(settings)) if entry.kind == "guardrail"]


def process_of(settings: Settings) -> int:
    until(lambda: ServiceLocks(spool_path(settings)).active_process())
    process = ServiceLocks(spool_path(settings)).active_process()
    assert process is not None
    return process


def test_job_starts_a_service_that_outlives_it(settings: Settings, job: Callable[[], JobProcess]) -> None:
    """The call is in the archive and in the ledger after the job has ended; two jobs have one service."""
    one, two = job(), job()
    calls = [one("hello"), two("hello")]
    one.end()
    two.end()
    for trace_id in calls:
        until(lambda trace_id=trace_id: is_whole(settings, trace_id))
        verify_chain(spans_of(settings, trace_id))
    until(lambda: sorted(map(str, told(settings))) == sorted(calls))
    assert spooled(settings).files == 0
    assert os.getsid(process_of(settings)) != os.getsid(0)
    assert os.stat(settings.home / "export-service.log").st_mode & 0o777 == 0o600  # noqa: PTH116
    log = (settings.home / "export-service.log").read_text()
    assert log.count("started") == 1
    assert "ERROR" not in log


def test_job_imports_no_exporter_and_no_database(settings: Settings, job: Callable[[], JobProcess]) -> None:
    """Neither when it starts nor after a call."""
    one = job()
    one("hello")
    one("flush")
    loaded = one("modules").split()
    forbidden = (
        "langsmith",
        "sqlalchemy",
        "medagent.telemetry.exporters",
        "medagent.telemetry.outbox",
        "google.protobuf",
    )
    assert [name for name in loaded if name.startswith(forbidden)] == []
    one.end()


def test_killed_job_is_ended_by_the_service(settings: Settings, job: Callable[[], JobProcess]) -> None:
    """Its spans are sealed, and its call ends with `process_lost`."""
    one = job()
    trace_id = one("begin")
    one("flush")
    until(lambda: [span.name for span in spans_of(settings, trace_id)])
    one.kill()
    until(lambda: is_whole(settings, trace_id))
    [end] = [span for span in spans_of(settings, trace_id) if span.name == "session.end"]
    assert end.fields["reason"] == "process_lost"
    until(lambda: told(settings) == [trace_id])


def test_killed_service_is_replaced_and_nothing_is_stored_twice(
    settings: Settings, job: Callable[[], JobProcess]
) -> None:
    """By the job that goes on: what it stored meanwhile is sealed behind what was sealed."""
    one = job()
    trace_id = one("begin")
    one("flush")
    until(lambda: len(spans_of(settings, trace_id)) > 0)
    first = process_of(settings)
    os.kill(first, signal.SIGKILL)
    other = one("hello")
    one("flush")
    until(lambda: ServiceLocks(spool_path(settings)).active_process() not in (None, first))
    one.end()
    for each in (trace_id, other):
        until(lambda each=each: is_whole(settings, each))
        spans = spans_of(settings, each)
        verify_chain(spans)
        assert len({span.span_id for span in spans}) == len(spans)
    until(lambda: sorted(map(str, told(settings))) == sorted((trace_id, other)))


def test_idle_service_ends(settings: Settings, job: Callable[[], JobProcess], monkeypatch: pytest.MonkeyPatch) -> None:
    """When no spool file is open and nothing waits; while a call goes on it stays."""
    monkeypatch.setenv("MEDAGENT_EXPORT_SERVICE", "external")
    one = job()
    trace_id = one("begin")
    one("flush")
    service = subprocess.Popen([sys.executable, "-c", SERVICE, "0.5"])  # now it has a file to read
    until(lambda: len(spans_of(settings, trace_id)) > 0)
    time.sleep(1.5)
    assert service.poll() is None
    one.end()
    assert service.wait(120) == 0
    assert is_whole(settings, trace_id)


def test_service_of_other_digests_hands_over(
    settings: Settings, job: Callable[[], JobProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job with other settings starts a service that waits; the first ends when its own calls are over."""
    one = job()
    first_call = one("begin")
    one("flush")
    first = process_of(settings)
    monkeypatch.setenv("MEDAGENT_ARCHIVE_DAYS", "45")
    two = job()
    second_call = two("hello")
    two("flush")
    time.sleep(1)
    assert ServiceLocks(spool_path(settings)).active_process() == first
    assert SpoolDirectory(spool_path(settings)).has(second_call)
    assert spooled(load_settings()).service == "other"
    one.end()
    until(lambda: is_whole(settings, first_call))
    until(lambda: is_whole(settings, second_call))
    assert ServiceLocks(spool_path(settings)).active_process() not in (None, first)
    two.end()


def test_lock_is_taken_although_another_process_looks_at_it(tmp_path: Path) -> None:
    """Whoever looks whether it is locked holds it for a moment; whoever serves holds it for good."""
    locks = ServiceLocks(tmp_path)
    first = locks.take_active()
    assert first is not None
    assert locks.take_active() is None
    first.release()
    probe = os.open(tmp_path / "service" / "active.lock", os.O_RDONLY)
    fcntl.flock(probe, fcntl.LOCK_SH)
    look = threading.Timer(0.02, os.close, (probe,))
    look.start()
    taken = locks.take_active()
    look.join()
    assert taken is not None
    taken.release()


def test_each_setting_is_of_the_service_or_of_a_call() -> None:
    """A new setting has its place before it is read anywhere."""
    assert not EXPORT_SETTINGS & CALL_SETTINGS
    assert set(Settings.model_fields) == EXPORT_SETTINGS | CALL_SETTINGS


def test_call_that_could_not_be_stored_is_in_the_ledger(settings: Settings) -> None:
    """The job goes on; once there is room the same process stores its calls again."""
    external = load_settings(MEDAGENT_EXPORT_SERVICE="external")
    one = Job(external).start()
    try:
        folder = spool_path(settings)
        folder.write_text("")  # no folder can be made here
        lost = one.hello()
        assert not one.pipeline.flush(2)  # meant to expire
        folder.unlink()
        assert one.pipeline.flush(60)
        kept = SpoolDirectory(folder)
        assert kept.has(lost)  # what waited in memory was stored after all
        for file in kept.files():
            file.remove()
        folder.rmdir()
        folder.write_text("")
        lost = one.hello()
    finally:
        one.close(30)
    found = [entry.content["trace_id"] for entry in entries(ledger_path(settings)) if entry.kind == "not_stored"]
    assert found == [lost]
