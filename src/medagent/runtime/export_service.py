"""Export service of a host: reads the spool files of its jobs, seals, archives and sends."""

from __future__ import annotations

import logging
import logging.handlers
import os
import signal
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from medagent.core_dumps import disable_core_dumps
from medagent.errors import MedagentError
from medagent.runtime.exports import delivery, exporters
from medagent.runtime.host import redactor, spool_path
from medagent.runtime.identity import identity
from medagent.runtime.installed_watch import installed_watch
from medagent.runtime.kill_switch import switch
from medagent.runtime.service_lock import HeldLock, ServiceLocks
from medagent.settings import Settings, load_settings, make_home
from medagent.telemetry.delivery import Delivery
from medagent.telemetry.door.logs import guard_logging, guard_tracebacks
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.spool.directory import SpoolDirectory

IDLE_S = 600.0
"""Seconds with no open spool file and nothing waiting after which the service ends."""
_LOOK_EVERY_S = 0.5
_STOP_S = 2.5
_LARGEST_LOG = 1 << 20
_log = logging.getLogger(__name__)


class ExportService:
    """The export service of these settings; `run` returns when it has nothing to do any more."""

    def __init__(self, settings: Settings, *, idle_s: float = IDLE_S) -> None:
        self._settings = settings
        self._idle_s = idle_s
        self._identity = identity(settings)
        self._locks = ServiceLocks(spool_path(settings))
        self._spool = SpoolDirectory(spool_path(settings))
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Have `run` send what time allows and return."""
        self._stopping.set()

    def run(self) -> None:
        """Wait to be the host's active service, then serve until idle or stopped.

        Where a service of the same digests is there already, it returns at once. A service of other digests is waited
        for: it ends when its own files are done.
        """
        ours = self._locks.take(self._identity)
        if ours is None:
            return
        try:
            active = self._wait_to_be_active()
            if active is not None:
                try:
                    self._serve(active)
                finally:
                    active.release()
        finally:
            ours.release()

    def _wait_to_be_active(self) -> HeldLock | None:
        began = time.monotonic()
        while (active := self._locks.take_active()) is None:
            if self._stopping.wait(_LOOK_EVERY_S):
                return None
            if time.monotonic() - began > self._idle_s and not self._spool.files():
                return None
        return active

    def _serve(self, active: HeldLock) -> None:
        stop = switch(self._settings)
        destinations = exporters(self._settings, gate=ExportGate(stop))
        line = delivery(self._settings, destinations, stop, redactor(self._settings))
        watch = installed_watch(self._settings, since=datetime.now(UTC)) if self._settings.env == "prod" else None
        line.start()
        if watch is not None:
            watch.start()
        _log.info("export service: started")
        try:
            self._until_idle(line, active)
        finally:
            if watch is not None:
                watch.stop()
            line.close(_STOP_S)
            stop.close()
            _log.info("export service: ended")

    def _until_idle(self, line: Delivery, active: HeldLock) -> None:
        idle_since = time.monotonic()
        while not self._stopping.wait(_LOOK_EVERY_S):
            if active.is_removed():
                return
            if self._has_files(line):
                idle_since = time.monotonic()
            elif self._locks.is_another_waiting(self._identity):
                return
            elif self._is_waiting(line):
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._idle_s:
                return

    def _has_files(self, line: Delivery) -> bool:
        """Return whether there are spool files that are not left to a service of other digests."""
        return bool({file.name for file in self._spool.files()} - line.importer.others)

    def _is_waiting(self, line: Delivery) -> bool:
        """Return whether a destination lacks something; what cannot be read counts as waiting."""
        try:
            return any(line.outbox.waits(one.name) for one in line.shippers)
        except MedagentError:
            return True


def main() -> None:
    """Run the export service of the environment's settings; its log is `export-service.log` in MEDAGENT_HOME."""
    disable_core_dumps()
    settings = load_settings()
    _log_to(make_home(settings.home) / "export-service.log", settings)
    service = ExportService(settings)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: service.stop())
    try:
        service.run()
    except MedagentError as error:
        _log.error("export service: %s", error)
    except Exception as error:
        _log.error("export service: failed: %s", type(error).__name__)
        raise


def _log_to(path: Path, settings: Settings) -> None:
    os.umask(0o077)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=_LARGEST_LOG, backupCount=1, delay=True)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    guard_logging(in_clear=settings.logs_in_clear)
    guard_tracebacks()
