"""What nobody asks for: what is too old goes, and what is queued while telemetry is off, where the policy says so.

Every deletion is in the ledger before it counts, and leaves a tombstone where the archive lacks the span.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from medagent.errors import MedagentError, TraceNotFoundError
from medagent.proof import Json
from medagent.telemetry.chain import Cause, Tombstone
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.outbox import Deleted, Outbox
from medagent.telemetry.span import SafeSpan, Seal
from medagent.telemetry.spool.directory import SpoolDirectory
from medagent.telemetry.storage_log import storage_log
from medagent.telemetry.switch import Switch, recordable

GUARDRAIL_DAYS = 2192
"""Six years."""
_DAY_US = 86_400_000_000
_FIRST_S, _EVERY_S = 5.0, 3600.0
_LOOK_EVERY_S = 1.0
_GUARDRAIL = "policy.guardrail"
_AFTER_A_NO = ("voice_session", _GUARDRAIL)
_PURGING = ("command", "trip")
"""The sources of an off that speak for the host; the environment speaks for one process."""
_log = logging.getLogger(__name__)


class Store(Protocol):
    """Where spans rest: the archive."""

    name: str

    def bury(self, tombstones: Sequence[Tombstone], *, record: Callable[[], object] = ...) -> None:
        """Put tombstones in the place of spans."""

    def chain(self, trace_id_or_prefix: str) -> Sequence[SafeSpan | Tombstone]:
        """A call's spans and tombstones; raises `TraceNotFoundError`."""

    def prune(
        self, *, before_us: int, guardrails_before_us: int, record: Callable[[Sequence[Tombstone]], object]
    ) -> int:
        """Bury what ended before a moment; returns how many spans."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Deletes from the outbox and the archive, by age or by word; `record` appends to the ledger."""

    outbox: Outbox
    store: Store
    record: Callable[[str, Mapping[str, Json]], object]
    outbox_days: int
    archive_days: int
    spool: SpoolDirectory | None = None
    check_clock: Callable[[], object] = lambda: None
    """Raises `ClockError` where nothing may be deleted for its age."""

    def prune(self, *, by: str = "medagent") -> int:
        """Delete expired spans of the archive, guardrails after six years; returns how many.

        Raises `ClockError` where the clock may have jumped ahead.
        """
        self.check_clock()
        now_us = time.time_ns() // 1000

        def record(stones: Sequence[Tombstone]) -> None:
            self._record("archive", "retention", stones[0].trace_id, [stone.seal for stone in stones], by=by)

        return self.store.prune(
            before_us=now_us - self.archive_days * _DAY_US,
            guardrails_before_us=now_us - max(GUARDRAIL_DAYS, self.archive_days) * _DAY_US,
            record=record,
        )

    def expire(self) -> int:
        """Give up deliveries that have waited for too long; returns how many calls lost some.

        Receipts of what was sent are deleted after six years, or with the archive where that keeps longer. Raises
        `ClockError` where the clock may have jumped ahead.
        """
        self.check_clock()
        kept_days = max(GUARDRAIL_DAYS, self.archive_days)
        self.outbox.forget_receipts(before_ms=time.time_ns() // 1_000_000 - kept_days * _DAY_US // 1000)
        before_ms = time.time_ns() // 1_000_000 - self.outbox_days * _DAY_US // 1000
        lost = self.outbox.expire(before_ms=before_ms, record=self._losing("retention", by="medagent"))
        return lost + self._empty_spool("retention", by="medagent", before_ms=before_ms)

    def purge(self, *, by: str, reason: str) -> int:
        """Delete all that is queued; returns how many calls lost some."""
        lost = self.outbox.purge(record=self._losing("purge", by=by, reason=recordable(reason)))
        return lost + self._empty_spool("purge", by=by, reason=recordable(reason))

    def _empty_spool(self, cause: Cause, *, by: str, reason: str | None = None, before_ms: int | None = None) -> int:
        """Delete spool files, all or those of dead processes from before a time; return of how many calls."""
        gone: set[str] = set()
        for file in () if self.spool is None else self.spool.files():
            if before_ms is not None and (file.is_alive() or file.changed_ms() >= before_ms):
                continue
            if file.trace_id not in gone:
                self.record(
                    "deletion",
                    {"store": "spool", "cause": cause, "trace_id": file.trace_id, "by": by, "reason": reason},
                )
            gone.add(file.trace_id)
            file.remove()
        return len(gone)

    def purge_call(self, trace_id: str, *, by: str, reason: str, archive_too: bool = False) -> int:
        """Delete what of one call waits for a destination; returns 1 where something did, else 0.

        What waits for the archive stays due unless `archive_too`: it does not leave the host.
        """
        return self.outbox.purge_call(
            trace_id,
            record=self._losing("purge", by=by, reason=recordable(reason)),
            but_of=() if archive_too else (self.store.name,),
        )

    def delete_call(self, trace_id: str, *, by: str, reason: str) -> int:
        """Delete a call from the archive but for its guardrail; returns how many spans.

        The guardrail holds counts alone, and the law asks for it for six years.
        """
        self.purge_call(trace_id, by=by, reason=reason, archive_too=True)
        spans = [link for link in self.store.chain(trace_id) if isinstance(link, SafeSpan)]
        due = [span.seal for span in spans if span.name != _GUARDRAIL and span.seal is not None]
        if due:
            stones = [Tombstone(trace_id=trace_id, seal=seal, cause="incident") for seal in due]
            record = functools.partial(
                self._record, self.store.name, "incident", trace_id, due, by=by, reason=recordable(reason)
            )
            self.store.bury(stones, record=record)
        return len(due)

    def bury_refused(self) -> int:
        """Put tombstones in the place of what was sealed before the caller said no; returns of how many calls.

        What another destination has had already it keeps: the guardrail names it, and how long it keeps it.
        """
        refused = self.outbox.to_be_buried()
        for trace_id, seals in refused:
            try:
                here = self.store.chain(trace_id)
            except TraceNotFoundError:
                here = ()
            left = {link.seal for link in here if isinstance(link, SafeSpan) and link.name not in _AFTER_A_NO}
            done = {link.seal for link in here if isinstance(link, Tombstone)}
            due = sorted((seal for seal in {*seals, *left} - done if seal), key=lambda seal: seal.sequence)
            if due:
                stones = [Tombstone(trace_id=trace_id, seal=seal, cause="refusal") for seal in due]
                record = functools.partial(self._record, self.store.name, "refusal", trace_id, due, by="medagent")
                self.store.bury(stones, record=record)
            self.outbox.buried(trace_id)
        return len(refused)

    def _losing(self, cause: Cause, *, by: str, reason: str | None = None) -> Callable[[Deleted], None]:
        def record(lost: Deleted) -> None:
            self._record("outbox", cause, lost.trace_id, lost.seals, by=by, reason=reason)
            if lacking := lost.lacking.get(self.store.name):
                self.store.bury([Tombstone(trace_id=lost.trace_id, seal=seal, cause=cause) for seal in lacking])

        return record

    def _record(
        self, store: str, cause: Cause, trace_id: str, seals: Sequence[Seal], *, by: str, reason: str | None = None
    ) -> None:
        about: dict[str, Json] = {"store": store, "cause": cause, "trace_id": trace_id, "by": by, "reason": reason}
        last: dict[str, Json] = {"first": seals[0].sequence, "last": seals[-1].sequence, "hash": seals[-1].hash}
        self.record("deletion", {**about, **last})


class Housekeeping:
    """A thread that has a keeper do its work: soon after the start, every hour, within a second of a no or an off."""

    def __init__(self, keeper: Keeper, *, switch: Switch, purges_when_off: bool) -> None:
        self._keeper = keeper
        self._gate = ExportGate(switch)
        self._purges_when_off = purges_when_off
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-keeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End; a deletion that is under way may take until the process's end."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        due = time.monotonic() + _FIRST_S
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._try(self._keeper.bury_refused)
            if self._purges_when_off:
                self._try(self._purge)
            if time.monotonic() >= due:
                due = time.monotonic() + _EVERY_S
                self._try(self._keeper.expire)
                self._try(self._keeper.prune)

    def _purge(self) -> None:
        state = self._gate.decide()
        if state.source in _PURGING and not state.on:
            self._keeper.purge(by="medagent", reason="telemetry is off, and the policy purges what is queued")

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except MedagentError as error:
            storage_log.error(_log, "housekeeping", error)
        except Exception as error:  # noqa: BLE001  # the thread outlives any failure; no message: it may quote
            _log.error("housekeeping: %s", type(error).__name__)
