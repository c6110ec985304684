"""From the spool files of a host to every destination: import, an export worker each, retention, recovery."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from medagent.errors import OutboxUnavailableError
from medagent.telemetry.keeper import Housekeeping
from medagent.telemetry.metrics_worker import MetricsWorker
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.owners import Owner
from medagent.telemetry.recovery import GuardrailEntries, RecoveryWatch
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.spool.importer import ImportWatch, SpoolImporter
from medagent.telemetry.switch_sync import SwitchSync

_STOP_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """All that ships in a process, beside its calls or apart from any."""

    outbox: Outbox
    owner: Owner
    entries: GuardrailEntries
    importer: SpoolImporter
    imports: ImportWatch
    shippers: Sequence[Shipper]
    housekeeping: Housekeeping
    recovery: RecoveryWatch
    metrics: Sequence[MetricsWorker] = ()
    hosts: SwitchSync | None = None
    """The switch that several hosts share; None where the outbox is a file."""

    def start(self) -> None:
        """Begin to ship, and to end what dead processes left open."""
        if self.hosts is not None:
            self.hosts.start()
        self.imports.start()
        for shipper in self.shippers:
            shipper.start()
        for worker in self.metrics:
            worker.start()
        self.housekeeping.start()
        self.recovery.start()

    def wake(self) -> None:
        """Something new is due."""
        for shipper in self.shippers:
            shipper.wake()

    def flush(self, timeout_s: float) -> list[str]:
        """Wait until all that is due is delivered; returns the destinations that still lack something.

        Metrics are tried once; a destination without them lacks nothing.
        """
        deadline = time.monotonic() + timeout_s
        self.importer.look()
        lacking = [s.name for s in self.shippers if not s.flush(max(0.1, deadline - time.monotonic()))]
        for worker in self.metrics:
            worker.flush(deadline - time.monotonic())
        return lacking

    def close(self, timeout_s: float) -> None:
        """Ship what the time allows, then stop, whatever hangs; what is not delivered stays in the outbox."""
        deadline = time.monotonic() + timeout_s
        self.recovery.stop()
        with suppress(OutboxUnavailableError):  # what cannot be read cannot be shipped now
            self.importer.look()
            for shipper in self.shippers:
                shipper.flush(max(0.0, deadline - _STOP_S - time.monotonic()))
            for worker in self.metrics:
                worker.flush(max(0.0, deadline - _STOP_S - time.monotonic()))
        self.stop(deadline - time.monotonic())

    def stop(self, timeout_s: float) -> None:
        """Stop shipping at once; what is not delivered stays in the outbox."""
        deadline = time.monotonic() + timeout_s
        workers = [*(one.stop for one in self.shippers), *(one.stop for one in self.metrics)]
        shared = () if self.hosts is None else (self.hosts.stop,)
        ends = [self.imports.stop, *workers, self.housekeeping.stop, self.recovery.join, *shared]
        self.recovery.stop()
        for left in (False, True):  # all are asked before one is waited for
            for end in ends:
                end(max(0.0, deadline - time.monotonic()) if left else 0.0)
        self.importer.close()
        self.outbox.close()
        self.owner.release()
