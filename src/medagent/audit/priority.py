"""The priority of what measures: below the measured system's, with which no real provider shares processors."""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 10


def lower_priority(task: int | None = None) -> None:
    """Let a process, or the calling thread and the threads that it starts, run after the measured system.

    Linux alone has a priority for each thread; elsewhere nothing changes.

    Args:
        task: The id of a process; the calling thread by default.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id() if task is None else task, NICENESS)
