"""What LiveKit's forkserver loads for all jobs of a worker, so that they share its memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.timing
REGISTERED = """
import livekit.agents
from medagent import trace_call
print(*(one.package for one in livekit.agents.Plugin.registered_plugins))
"""
LOADED = """
import socket, sys, threading
def refused(event, arguments):
    if event == "socket.connect":
        raise SystemExit("a connection was opened")
sys.addaudithook(refused)
import medagent.preload
from medagent.redaction.text.lexicon import lexicon
print(threading.active_count(), lexicon.cache_info().misses, lexicon.cache_info().currsize)
print(*sorted(sys.modules))
"""
FORKED = """
import multiprocessing, sys
from pathlib import Path
def job(pipe):
    from medagent.runtime.host import _POLICIES
    from medagent.runtime.job import Job
    from medagent.settings import load_settings
    loaded = list(_POLICIES)
    running = Job(load_settings()).start()
    trace_id = running.hello()
    running.flush(60)
    running.close(60)
    pipe.send((len(loaded), trace_id))
if __name__ == "__main__":
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["medagent.preload"])
    ours, theirs = context.Pipe()
    process = context.Process(target=job, args=(theirs,))
    process.start()
    print(*ours.recv())
    process.join()
"""


def run(program: Path, source: str) -> str:
    program.write_text(source)
    ran = subprocess.run(
        [sys.executable, str(program)], capture_output=True, text=True, check=True, env=dict(os.environ), timeout=120
    )
    return ran.stdout


def test_trace_call_registers_the_preload_with_livekit(tmp_path: Path) -> None:
    assert run(tmp_path / "agent.py", REGISTERED).split() == ["medagent.preload"]


def test_preload_reads_the_word_lists_without_thread_or_connection(tmp_path: Path) -> None:
    """Nor does it load an exporter or a database."""
    figures, modules = run(tmp_path / "loaded.py", LOADED).splitlines()
    assert figures.split() == ["1", "1", "1"]
    forbidden = ("sqlalchemy", "langsmith", "medagent.telemetry.exporters", "medagent.telemetry.outbox")
    assert [name for name in modules.split() if name.startswith(forbidden)] == []


def test_forked_job_has_the_policy_and_stores_a_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is in the job's spool."""
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MEDAGENT_EXPORT_SERVICE", "external")
    policies, trace_id = run(tmp_path / "job.py", FORKED).split()
    assert policies == "1"
    assert [path.name for path in (tmp_path / "home" / "spool").glob("*.spool")] == [f"{trace_id}.1.spool"]
