"""Sends the totals of one stream, on a thread of its own: a collector that takes no metrics holds back no span."""

from __future__ import annotations

import logging
import threading
import time
from typing import Protocol

from medagent.errors import DoorError, EgressOffError, ExportError, MedagentError, OutboxError
from medagent.telemetry.failures import Failure
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.metric_totals import Totals
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.storage_log import storage_log
from medagent.telemetry.switch import Switch

_LOOK_EVERY_S = 5.0
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 600.0
_LONGEST_FLUSH_S = 2.0
_SWITCHED_OFF = "set MEDAGENT_OTLP_METRICS=0 if this collector takes no metrics"
_log = logging.getLogger(__name__)


class TotalsExporter(Protocol):
    """Sends totals; the same totals a second time change nothing at the destination."""

    @property
    def name(self) -> str:
        """The destination's name."""

    def export(self, totals: Totals) -> None:
        """Send totals whole; raises `ExportError` where it failed, `DoorError` where the egress filter refused it."""

    def close(self) -> None:
        """Close the connections."""


class MetricsWorker:
    """Sends what changed at most every 5 s, and all of it once a minute; a failure doubles the pause up to 10 min."""

    def __init__(self, exporter: TotalsExporter, *, stream: str, outbox: Outbox, switch: Switch) -> None:
        self._exporter = exporter
        self._stream = stream
        self._outbox = outbox
        self._switch = switch
        self._gate = ExportGate(switch)
        self._wake = threading.Event()
        self._at_once = threading.Event()
        self._stopping = threading.Event()
        self._pause_s = 0.0
        self._failures = 0
        self._last_failure: Failure | None = None
        self._thread = threading.Thread(target=self._run, name=f"medagent-metrics-{exporter.name}", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Send what changed now, waiting at most 2 s; one try, since nobody waits for metrics."""
        deadline, failures = time.monotonic() + min(timeout_s, _LONGEST_FLUSH_S), self._failures
        try:
            while self._thread.is_alive() and self._outbox.has_unsent_totals(self._stream):
                if (
                    time.monotonic() > deadline
                    or self._failures != failures
                    or self._pause_s
                    or not self._gate.is_open()
                ):
                    return
                self._at_once.set()
                self._wake.set()
                time.sleep(0.02)
        except OutboxError as error:
            storage_log.error(_log, "metrics", error)

    def stop(self, timeout_s: float) -> None:
        """End the thread; totals that were not sent stay in the outbox."""
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
            if self._stopping.is_set():
                return
            self._look()

    def _look(self) -> None:
        at_once = self._at_once.is_set()
        self._at_once.clear()
        try:
            if self._gate.is_open():
                self._send(at_once=at_once)
            self._pause_s = 0.0
        except EgressOffError:
            self._pause_s = 0.0
        except OutboxError as error:
            storage_log.error(_log, "metrics", error)
            self._pause()
        except Exception as error:  # noqa: BLE001  # the thread outlives any exporter; no message: it may quote
            self._log_failure(error)
            self._pause()

    def _send(self, *, at_once: bool) -> None:
        totals = self._outbox.claim_totals(self._stream, at_once=at_once)
        if totals is None:
            return
        try:
            self._gate()
            self._exporter.export(totals)
        except BaseException as error:
            if isinstance(error, DoorError):
                self._switch.trip(f"exit to {self._exporter.name}, metrics: {error}")
            self._outbox.release_totals(self._stream)
            raise
        self._outbox.totals_sent(self._stream, totals.version)
        self._last_failure = None

    def _pause(self) -> None:
        self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
        self._failures += 1

    def _log_failure(self, error: Exception) -> None:
        """Warn once of a failure; the same again is only for who looks closer."""
        failure = Failure.of(error)
        level = logging.DEBUG if failure == self._last_failure else logging.WARNING
        self._last_failure = failure
        if isinstance(error, ExportError):
            said = failure.explain(self._exporter.name)
            remedy = said.remedy.partition("; then run")[0]  # that is for spans
            _log.log(level, "metrics to %s: %s; %s, or %s", self._exporter.name, said.cause, remedy, _SWITCHED_OFF)
        elif isinstance(error, MedagentError):
            _log.log(level, "metrics to %s: %s", self._exporter.name, error)
        else:
            _log.log(level, "metrics to %s: %s", self._exporter.name, type(error).__name__)
