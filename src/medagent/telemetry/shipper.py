"""From the outbox to one destination, on a thread of its own, so that a destination that hangs stops nothing else."""

from __future__ import annotations

import logging
import threading
import time

from medagent.errors import DoorError, MedagentError
from medagent.telemetry.exporters.exporter import Exporter
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.switch import Switch

_BATCH = 100
_LOOK_EVERY_S = 0.5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_log = logging.getLogger(__name__)


class Shipper:
    """Ships what is due, oldest first, at least once; a failure pauses it, doubling up to 30 s, and loses nothing."""

    def __init__(self, exporter: Exporter, *, outbox: Outbox, switch: Switch) -> None:
        self._exporter = exporter
        self._outbox = outbox
        self._switch = switch
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pause_s = 0.0
        self._thread = threading.Thread(target=self._run, name=f"medagent-ship-{exporter.name}", daemon=True)

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._exporter.name

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()

    def wake(self) -> None:
        """Something new is due."""
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is due here; False where the time ran out first or the switch is off."""
        deadline = time.monotonic() + timeout_s
        while self._outbox.due(self.name, 1):
            if time.monotonic() > deadline or not self._switch.is_on() or not self._thread.is_alive():
                return False
            self.wake()
            time.sleep(0.01)
        return True

    def stop(self, timeout_s: float) -> None:
        """End the thread; one that hangs in a request is left to the process's end, its spans stay due."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._exporter.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._pause_s:
                self._stopping.wait(self._pause_s)
            else:
                self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            try:
                while not self._stopping.is_set() and self._ship():
                    pass
            except MedagentError as error:
                _log.warning("shipping to %s: %s", self.name, error)
                self._pause()
            except Exception as error:  # noqa: BLE001  # the thread must outlive any exporter; no message: it may quote
                _log.error("shipping to %s: %s", self.name, type(error).__name__)
                self._pause()

    def _ship(self) -> bool:
        """Ship one batch; True when there may be more."""
        if not self._switch.is_on():
            return False
        batch = self._outbox.due(self.name, _BATCH)
        if not batch:
            return False
        try:
            self._exporter.export(batch)
        except Exception as error:
            if isinstance(error, DoorError):
                self._switch.trip(f"exit to {self.name}: {error}")
            self._outbox.failed(self.name, batch, error=type(error).__name__)
            raise
        self._outbox.delivered(self.name, batch)
        self._pause_s = 0.0
        return True

    def _pause(self) -> None:
        self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
