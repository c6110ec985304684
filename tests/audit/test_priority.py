"""The priority of what measures: below that of the measured system, for exactly the threads that are meant."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from medagent.audit.capture import Capture
from medagent.audit.priority import NICENESS, lower_priority
from medagent.simulator.process import SimulatorProcess

pytestmark = [
    pytest.mark.timing,
    pytest.mark.skipif(sys.platform != "linux", reason="a thread has a priority of its own on Linux alone"),
]


def niceness(task: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, task)


def test_a_thread_and_what_it_starts_run_later_and_no_other() -> None:
    """The caller's own thread keeps its priority, from which the measured process inherits."""
    own, found = niceness(0), list[int]()

    def inner() -> None:
        found.append(niceness(threading.get_native_id()))

    def outer() -> None:
        lower_priority()
        inner()
        started = threading.Thread(target=inner)
        started.start()
        started.join()

    thread = threading.Thread(target=outer)
    thread.start()
    thread.join()
    assert found == [NICENESS, NICENESS]
    assert niceness(0) == own


def test_the_capture_and_the_simulator_run_after_the_system() -> None:
    """The capture's thread by itself, the simulator's process when it is told."""
    with Capture(), SimulatorProcess(["book"]) as simulator:
        [capture] = [one for one in threading.enumerate() if one.name == "medagent-capture"]
        assert capture.native_id is not None
        assert niceness(capture.native_id) == NICENESS
        assert simulator.pid is not None
        lower_priority(simulator.pid)
        assert niceness(simulator.pid) == NICENESS
