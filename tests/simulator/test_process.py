from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medagent.errors import SimulatorError
from medagent.simulator.process import SimulatorProcess

pytestmark = pytest.mark.timing

_PARENT = """
import os, time
from medagent.simulator.process import SimulatorProcess
with SimulatorProcess(["book"], environment=dict(os.environ)) as process:
    print(process.pid, flush=True)
    time.sleep(60)
"""


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a killed process stays a zombie until its new parent, which may be slow, has waited for it
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_the_child_dies_with_its_parent() -> None:
    """A parent that is killed without a word leaves no simulator behind."""
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert _lives(pid)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while _lives(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _lives(pid)


def test_a_child_that_cannot_start_says_why() -> None:
    """The error of a failed start carries the end of the child's stderr."""
    with (
        pytest.raises(SimulatorError) as caught,
        SimulatorProcess(["bok"], environment=dict(os.environ)),
    ):
        pass
    assert "did you mean book?" in caught.value.hint


def test_a_child_that_is_slow_to_start_is_given_up() -> None:
    """A start that takes longer than its limit is an error, not a wait."""
    with (
        pytest.raises(SimulatorError),
        SimulatorProcess(["book"], environment=dict(os.environ), start_timeout_s=0.01),
    ):
        pass


def test_the_record_of_a_fresh_process_is_empty(fast: SimulatorProcess) -> None:
    """The account is served as JSON, and the child is another process than this one."""
    with SimulatorProcess(["book"], environment=dict(os.environ)) as process:
        assert process.record() == {"responses": [], "offered": {}, "called": {}}
        assert process.pid not in (None, os.getpid(), fast.pid)
        assert json.dumps(process.endpoint).startswith('"http://127.0.0.1:')
