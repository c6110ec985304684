"""Lower CPU priority for the simulated provider and the capture server of an audit.

They share the processors with the audited process, which in operation they do not.
"""

from __future__ import annotations

import os
import sys
import threading

NICENESS = 10


def lower_priority(task: int | None = None) -> None:
    """Lower the CPU priority of a process or of the calling thread.

    Threads that it starts later inherit the priority; threads that run already keep theirs.

    On other systems than Linux this does nothing, since a thread has no priority of its own there.

    Args:
        task: Id of a process; the calling thread by default.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id() if task is None else task, NICENESS)
