"""One log line a minute for all of a process while its storage takes no writes; a full disk fails everywhere."""

from __future__ import annotations

import logging
import threading
import time

_EVERY_S = 60.0


class StorageLog:
    """Passes the first line of each minute on and counts the others; safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due = float("-inf")
        self._left_out = 0

    def error(self, log: logging.Logger, what: str, error: Exception) -> None:
        """Log that something waits for storage; at most one line a minute."""
        with self._lock:
            now = time.monotonic()
            if now < self._due:
                self._left_out += 1
                return
            self._due, left_out, self._left_out = now + _EVERY_S, self._left_out, 0
        before = f" ({left_out} lines of the last minutes are left out)" if left_out else ""
        log.error("%s: %s%s", what, error, before)

    def reset(self) -> None:
        """Forget what was logged."""
        self._due = float("-inf")
        self._left_out = 0


storage_log = StorageLog()
"""The one of this process."""
