"""CPU priority of the audit's simulated provider and capture server, below that of the audited process."""

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
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a priority for each thread"),
]


def niceness(task: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, task)


def test_lower_priority_changes_the_thread_and_its_threads_only() -> None:
    """The main thread keeps its priority, which the audited process inherits."""
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


def test_capture_and_simulator_have_the_lower_priority() -> None:
    """The capture lowers its own thread; the simulator's process is lowered by its id."""
    with Capture(), SimulatorProcess(["book"]) as simulator:
        [capture] = [one for one in threading.enumerate() if one.name == "medagent-capture"]
        assert capture.native_id is not None
        assert niceness(capture.native_id) == NICENESS
        assert simulator.pid is not None
        lower_priority(simulator.pid)
        assert niceness(simulator.pid) == NICENESS
