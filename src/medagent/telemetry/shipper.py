"""From the outbox to one destination, on a thread of its own, so that a destination that hangs stops nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence

from medagent.errors import (
    DoorError,
    EgressOffError,
    ExportError,
    MedagentError,
    OutboxError,
    OversizedError,
    PartlyRefusedError,
    RefusedError,
)
from medagent.telemetry.door.send_log import Sent, merge
from medagent.telemetry.exporters.exporter import Exporter, sends_of
from medagent.telemetry.failures import Failure
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.interpreter import take_time
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch

_BATCH = 100
_LOOK_EVERY_S = 2.0
GATHER_S = 2.0
"""What is stored so soon after goes with it: a round costs the process the same for one span as for many."""
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_RENEW_EVERY_S = 5.0
_LONGEST_LEASE_S = 300.0
"""An export that takes longer hangs: others may try."""
_MOST_REFUSALS = 31
"""Refusals in a row after which the destination counts as refusing everything."""
_MOST_DOUBLINGS = 16
_CONTENT = (RefusedError, OversizedError, ValueError, TypeError, LookupError)
"""What is said of the batch and not of the moment: of a part of it it may not be true."""
_log = logging.getLogger(__name__)


class Shipper:
    """Ships what is due, oldest first, at least once; a failure pauses it, doubling up to 30 s, and loses nothing.

    A batch that the destination refuses for what is in it is split until the spans that it will not take are found.
    They are set aside only where it took another one before in the same round: else it refuses everything, or did so
    until just now, and all stays due. The rounds after such a round send one span each, until it is taken.
    """

    def __init__(self, exporter: Exporter, *, outbox: Outbox, switch: Switch, gather_s: float = GATHER_S) -> None:
        self._gather_s = gather_s
        self._exporter = exporter
        self._outbox = outbox
        self._switch = switch
        self._gate = ExportGate(switch)
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._stopping = threading.Event()
        self._pause_s = 0.0
        self._refused_rounds = 0
        self._probed: set[str] = set()
        self._last_failure: Failure | None = None
        self._sending: tuple[float, Sequence[SafeSpan]] | None = None
        self._sent: dict[str, Sent] = {}
        """Spans of the batch at hand that were sent, for the receipts."""
        self._thread = threading.Thread(target=self._run, name=f"medagent-ship-{exporter.name}", daemon=True)
        self._keeper = threading.Thread(target=self._renew, name=f"medagent-keep-{exporter.name}", daemon=True)
        self.delivered = 0
        """How many spans the destination took from this shipper."""

    @property
    def name(self) -> str:
        """The destination's name."""
        return self._exporter.name

    def start(self) -> None:
        """Begin to ship."""
        self._thread.start()
        self._keeper.start()

    def wake(self) -> None:
        """Something new is due."""
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is due here; False where the time ran out first or the switch is off."""
        deadline = time.monotonic() + timeout_s
        while self._outbox.waits(self.name):
            if time.monotonic() > deadline or self._gate.is_off() or not self._thread.is_alive():
                return False
            self._now()
            time.sleep(0.01)
        return True

    def stop(self, timeout_s: float) -> None:
        """End the thread; one that hangs in a request is left to the process's end, its spans stay due."""
        self._stopping.set()
        self._now()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        if not self._thread.is_alive():
            self._exporter.close()

    def _now(self) -> None:
        self._hurry.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if self._pause_s:
                self._stopping.wait(self._pause_s)
            elif self._wake.wait(_LOOK_EVERY_S):
                self._hurry.wait(self._gather_s)
            self._wake.clear()
            self._hurry.clear()
            try:
                while not self._stopping.is_set() and self._ship():
                    pass
            except ExportError as error:
                self._log_failure(Failure.of(error))
                self._pause()
            except MedagentError as error:
                _log.warning("shipping to %s: %s", self.name, error)
                self._pause()
            except Exception as error:  # noqa: BLE001  # the thread must outlive any exporter; no message: it may quote
                _log.error("shipping to %s: %s", self.name, type(error).__name__)
                self._pause()

    def _log_failure(self, failure: Failure) -> None:
        """Warn of a failure that differs from the last one; a repeat is information."""
        said = failure.explain(self.name)
        level = logging.INFO if failure == self._last_failure else logging.WARNING
        self._last_failure = failure
        _log.log(level, "shipping to %s: %s; %s", self.name, said.cause, said.remedy)

    def _ship(self) -> bool:
        """Ship one batch; True when there may be more."""
        if not self._gate.is_open():
            return False
        batch = self._outbox.lease(self.name, _BATCH)
        if not batch:
            return False
        take_time(len(batch) < _BATCH // 2)
        self._sending = (time.monotonic(), batch)
        try:
            went_on = self._send(batch)
        finally:
            self._sending = None
        self._pause_s, self._last_failure = 0.0, None
        return went_on and len(batch) == _BATCH

    def _send(self, batch: Sequence[SafeSpan]) -> bool:
        """Send a batch, in ever smaller parts where it is refused; False where it was not to be sent to its end."""
        self._sent.clear()
        parts, refused, refusals, has_taken = self._parts(batch), list[tuple[SafeSpan, Exception]](), 0, False
        most_refusals = 0 if self._refused_rounds else _MOST_REFUSALS
        while parts:
            part = parts.popleft()
            if self._stopping.is_set():
                self._outbox.let_go(self.name, [span for one in (part, *parts) for span in one], sent=self._sent)
                break
            try:
                self._gate()
                self._exporter.export(part)
            except (
                EgressOffError
            ) as error:  # not a failure of the destination: what is not delivered stays due as it was
                merge(self._sent, sends_of(self._exporter, part, error))
                waiting = [*(span for one in (part, *parts) for span in one), *(span for span, _ in refused)]
                self._outbox.let_go(self.name, waiting, sent=self._sent)
                return False
            except Exception as error:
                merge(self._sent, sends_of(self._exporter, part, error))
                half, refusals = len(part) // 2, refusals + 1
                if not has_taken and isinstance(error, PartlyRefusedError) and error.rejected < len(part):
                    parts.extend([span] for span, _ in refused)
                    refused.clear()
                    has_taken = True
                is_content = isinstance(error, _CONTENT) and (half or not isinstance(error, OversizedError))
                if not is_content or (refusals > most_refusals and not has_taken):
                    self._refused_all(when=is_content)
                    self._failed([*part, *(s for one in parts for s in one), *(span for span, _ in refused)], error)
                    raise
                if half:
                    parts.extend((part[:half], part[half:]))  # at the end: the good half is soon known
                else:
                    refused.append((part[0], error))
            else:
                if not has_taken:  # what was refused before may have met a bad moment: once more, now that it takes
                    parts.extend([span] for span, _ in refused)
                    refused.clear()
                has_taken = True
                self._outbox.delivered(self.name, part, sent=sends_of(self._exporter, part))
                self.delivered += len(part)
        self._judge(refused, has_taken=has_taken)
        if has_taken:
            self._took_some()
        return not self._stopping.is_set() and self._gate.is_open()

    def _judge(self, refused: Sequence[tuple[SafeSpan, Exception]], *, has_taken: bool) -> None:
        """Set aside what was refused alone while others were taken; raises the last refusal where none was."""
        if refused and not has_taken:
            self._refused_all(when=True)
            self._failed([span for span, _ in refused], refused[-1][1])
            raise refused[-1][1]
        for span, error in refused:
            failure = Failure.of(error)
            said = failure.explain(self.name)
            self._outbox.set_aside(self.name, [span], error=failure.stored(), sent=self._sent)
            _log.error(
                "%s: span %s (%s) is set aside: %s; %s", self.name, span.span_id, span.name, said.cause, said.remedy
            )

    def _failed(self, batch: Sequence[SafeSpan], error: Exception) -> None:
        """Note why a batch stays due; a leak counts before it is noted."""
        if isinstance(error, DoorError):
            self._switch.trip(f"exit to {self.name}: {error}")
        if isinstance(error, ExportError) and error.retry_after_s:
            self._outbox.pause(self.name, error.retry_after_s)
        self._outbox.failed(self.name, batch, error=Failure.of(error).stored(), sent=self._sent)

    def _parts(self, batch: Sequence[SafeSpan]) -> deque[Sequence[SafeSpan]]:
        """Return the batch; after a round in which every span was refused, one span of it and then the rest.

        That span is the newest that was not sent alone yet, so that bad spans do not keep new ones waiting.
        """
        self._refused_rounds = self._outbox.refused_rounds(self.name)
        if not self._refused_rounds:
            return deque([batch])
        if self._probed.issuperset(span.span_id for span in batch):
            self._probed.clear()
        probe = next(span for span in reversed(batch) if span.span_id not in self._probed)
        self._probed.add(probe.span_id)
        rest = [span for span in batch if span is not probe]
        return deque([[probe], rest] if rest else [[probe]])

    def _refused_all(self, *, when: object) -> None:
        if when:
            self._refused_rounds = self._outbox.refused_all(self.name)

    def _took_some(self) -> None:
        self._probed.clear()
        if self._refused_rounds:
            self._outbox.took_some(self.name)
            self._refused_rounds = 0

    def _pause(self) -> None:
        """Double the pause; rounds in which every span was refused count across processes."""
        of_rounds = (
            _FIRST_PAUSE_S * 2 ** min(self._refused_rounds - 1, _MOST_DOUBLINGS) if self._refused_rounds else 0.0
        )
        self._pause_s = min(max(self._pause_s * 2, _FIRST_PAUSE_S, of_rounds), _LONGEST_PAUSE_S)

    def _renew(self) -> None:
        """Hold what is being sent, but not for ever."""
        while not self._stopping.wait(_RENEW_EVERY_S):
            sending = self._sending
            if sending is not None and time.monotonic() - sending[0] < _LONGEST_LEASE_S:
                try:
                    self._outbox.renew(self.name, sending[1])
                except OutboxError as error:
                    _log.warning("shipping to %s: %s", self.name, error)
