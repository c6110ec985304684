"""A thread that has what is installed checked once a day, and once after its worker started."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medagent.attestation.installed_check import InstalledResult
from medagent.attestation.installed_code import InstalledCode
from medagent.errors import MedagentError

_LOOK_EVERY_S = 60.0
_AFTER_A_FAILURE_S = 600.0
_log = logging.getLogger(__name__)


class InstalledWatch:
    """Looks every minute whether a check is due; of all processes of a host one does it."""

    def __init__(
        self,
        code: InstalledCode,
        *,
        since: datetime | None,
        is_wanted: Callable[[], bool],
        on_checked: Callable[[InstalledResult], object],
    ) -> None:
        """A result from before `since` is due too. Nothing is checked while `is_wanted` is false."""
        self._code = code
        self._since = since
        self._is_wanted = is_wanted
        self._on_checked = on_checked
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-installed", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread, and a check that it runs, to end; without waiting for them."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """Check what is installed where that is due and wanted."""
        if not self._is_wanted():
            return
        result = self._code.check_if_due(since=self._since, is_stopping=self._stopping.is_set)
        if result is not None:
            self._on_checked(result)

    def _run(self) -> None:
        while not self._stopping.is_set():
            wait_s = _LOOK_EVERY_S
            try:
                self.look()
            except MedagentError as error:
                wait_s = _AFTER_A_FAILURE_S
                if not self._stopping.is_set():
                    _log.error("%s", error)
            except Exception as error:  # noqa: BLE001  # the thread outlives any look; no message: it may quote
                wait_s = _AFTER_A_FAILURE_S
                _log.error("installed code: the check failed: %s", type(error).__name__)
            self._stopping.wait(wait_s)


def parent_started() -> datetime | None:
    """Return when the parent process started, a job's worker; None where the system does not show it (/proc)."""
    try:
        after_name = Path(f"/proc/{os.getppid()}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        boot = next(
            int(line.split()[1])
            for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()
            if line.startswith("btime ")
        )
        return datetime.fromtimestamp(boot, UTC) + timedelta(seconds=int(after_name[19]) / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError, StopIteration):
        return None
