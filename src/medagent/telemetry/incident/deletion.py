"""Ask destinations to delete calls, and read back until they no longer show them; each step goes into the ledger."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from medagent.errors import DoorError, ExportError, UnansweredError
from medagent.proof import Json
from medagent.telemetry.exporters.exporter import RemoteDeletion, SentCall
from medagent.telemetry.outbox import DeletionRequest, Outbox

Status: TypeAlias = Literal["requested", "confirmed_deleted", "not_confirmed", "not_supported", "failed"]
_LOOK_EVERY_S = 2.0
_NOT_CONFIGURED = "not_configured"
_STILL_SHOWN = "still_shown"
_NEVER_SHOWN = "never_shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """Deletes at the destinations that can; `by` and `record` as in the ledger."""

    outbox: Outbox
    ways: Mapping[str, RemoteDeletion]
    """By destination, those that are configured."""
    deletable: frozenset[str]
    """The names of destinations that have a deletion API at all."""
    record: Callable[[str, Mapping[str, Json]], object]
    by: str
    now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000

    def request(self, destination: str, call: SentCall, *, reason: str) -> DeletionRequest:
        """Request one deletion and return its state: requested, not supported or failed with a cause.

        The ledger has the request before it is sent. `reason` may be recorded as it is.
        """
        before = self._new(destination, call)
        if destination not in self.deletable:
            return self._keep(replace(before, status="not_supported"))
        way = self.ways.get(destination)
        if way is None:
            return self._keep(replace(before, status="failed", cause=_NOT_CONFIGURED))
        try:
            was_shown = way.shows(call)
        except ExportError:
            was_shown = False  # it may still be deleted where it cannot be read
        about: dict[str, Json] = {"destination": destination, "trace_id": call.trace_id, "by": self.by}
        self.record("deletion_requested", {**about, "spans": len(call.span_ids), "reason": reason})
        try:
            way.delete(call)
        except (ExportError, DoorError) as error:
            return self._keep(replace(before, status="failed", cause=_cause(error), was_shown=was_shown))
        return self._keep(replace(before, was_shown=was_shown))

    def read_back(self, request: DeletionRequest, call: SentCall) -> DeletionRequest:
        """Look once whether the destination still shows the call; returns and stores the state.

        It is confirmed where the destination shows nothing now and did before: a wrong account never showed it.
        """
        way = self.ways.get(request.destination)
        if request.status in ("confirmed_deleted", "not_supported", "failed") or way is None:
            return request
        try:
            is_shown = way.shows(call)
        except (ExportError, DoorError) as error:
            changed = replace(request, status="not_confirmed", cause=_cause(error))
        else:
            was_shown = request.was_shown or is_shown
            cause = _STILL_SHOWN if is_shown else None if was_shown else _NEVER_SHOWN
            status = "confirmed_deleted" if cause is None else "not_confirmed"
            changed = replace(request, status=status, cause=cause, was_shown=was_shown)
        changed = replace(changed, checked_ms=self.now_ms())
        if (changed.status, changed.cause) == (request.status, request.cause):
            self.outbox.put_deletion(changed)
            return changed
        return self._keep(changed)

    def read_back_until(
        self, requests: Sequence[tuple[DeletionRequest, SentCall]], *, within_s: float
    ) -> list[DeletionRequest]:
        """Read back several, every 2 s, until none is shown any more or the time is over."""
        deadline = time.monotonic() + within_s
        states = [self.read_back(request, call) for request, call in requests]
        while any(state.cause == _STILL_SHOWN for state in states) and time.monotonic() < deadline:
            time.sleep(min(_LOOK_EVERY_S, max(0.0, deadline - time.monotonic())))
            states = [
                self.read_back(state, call) if state.cause == _STILL_SHOWN else state
                for state, (_, call) in zip(states, requests, strict=True)
            ]
        return states

    def _new(self, destination: str, call: SentCall) -> DeletionRequest:
        return DeletionRequest(
            destination=destination,
            trace_id=call.trace_id,
            status="requested",
            cause=None,
            requested_ms=self.now_ms(),
            checked_ms=0,
            was_shown=False,
        )

    def _keep(self, request: DeletionRequest) -> DeletionRequest:
        """The ledger before the database: a state without its entry would be no evidence."""
        about: dict[str, Json] = {"destination": request.destination, "trace_id": request.trace_id, "by": self.by}
        self.record("deletion_status", {**about, "status": request.status, "cause": request.cause})
        self.outbox.put_deletion(request)
        return request


def _cause(error: ExportError | DoorError) -> str:
    """A word for the ledger: never the error's own."""
    if isinstance(error, DoorError):
        return "stopped_by_filter"
    if isinstance(error, UnansweredError):
        return "no_answer"
    return "not_reachable" if error.status is None else f"http_{error.status}"
