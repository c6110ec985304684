"""The lock that all processes of a host share: on the ledger's own file, gone with the process that held it."""

from __future__ import annotations

import fcntl
import time

_PATIENCE_S = 5.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.0002, 0.01


def lock(descriptor: int, operation: int) -> None:
    """Wait for `LOCK_EX` or `LOCK_SH`; raises `BlockingIOError` after 5 s: who holds it may have been stopped."""
    deadline, pause = time.monotonic() + _PATIENCE_S, _SHORTEST_PAUSE_S
    while True:
        try:
            return fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE_S, pause * 2)
