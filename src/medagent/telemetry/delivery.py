"""From the outbox to every destination: a shipper each, and who keeps the outbox from growing old."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from medagent.telemetry.retention import Housekeeping
from medagent.telemetry.shipper import Shipper


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """All that ships in a process, beside its calls or apart from any."""

    shippers: Sequence[Shipper]
    housekeeping: Housekeeping

    def start(self) -> None:
        """Begin to ship."""
        for shipper in self.shippers:
            shipper.start()
        self.housekeeping.start()

    def wake(self) -> None:
        """Something new is due."""
        for shipper in self.shippers:
            shipper.wake()

    def flush(self, timeout_s: float) -> list[str]:
        """Wait until all that is due is delivered; returns the destinations that still lack something."""
        deadline = time.monotonic() + timeout_s
        return [s.name for s in self.shippers if not s.flush(max(0.0, deadline - time.monotonic()))]

    def stop(self, timeout_s: float) -> None:
        """Stop shipping; what is not delivered stays in the outbox, which is for its opener to close."""
        deadline = time.monotonic() + timeout_s
        for shipper in self.shippers:
            shipper.stop(0.0)  # all are asked before one is waited for
        for shipper in self.shippers:
            shipper.stop(max(0.0, deadline - time.monotonic()))
        self.housekeeping.stop(max(0.0, deadline - time.monotonic()))
