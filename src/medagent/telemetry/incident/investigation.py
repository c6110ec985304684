"""Investigate a leak on one host: find calls, report what was sent, delete it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from medagent.errors import BrokenLedgerError, LedgerError, TraceNotFoundError
from medagent.proof import Json
from medagent.redaction import Policy
from medagent.telemetry.chain import Tombstone
from medagent.telemetry.exporters.exporter import SentCall
from medagent.telemetry.incident.deletion import Deletion
from medagent.telemetry.incident.report import (
    CallReport,
    DestinationFacts,
    GuardrailFacts,
    guardrail_in_ledger,
    guardrail_of,
    report,
)
from medagent.telemetry.keeper import Keeper
from medagent.telemetry.outbox import DeletionRequest, Outbox
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import recordable

_ROOT = "voice_session"
_PENDING = ("requested", "not_confirmed")


class Archived(Protocol):
    """The archive, as far as an incident needs it."""

    name: str

    def trace_ids(self, prefix: str) -> Sequence[str]:
        """The first few ids of calls that start so; raises `TraceNotFoundError` on what is no id."""

    def chain(self, trace_id_or_prefix: str) -> Sequence[SafeSpan | Tombstone]:
        """A call's spans and tombstones; raises `TraceNotFoundError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigation:
    """Reads outbox, archive and ledger of this host, and deletes through `deletion` and `keeper`."""

    outbox: Outbox
    store: Archived
    policy: Policy
    configured: Sequence[DestinationFacts]
    guardrails: Callable[[], Iterable[tuple[str, Mapping[str, Json]]]]
    """Kind and content of the ledger's entries, read where the archive has no guardrail any more."""
    deletion: Deletion
    keeper: Keeper

    def find(self, prefix: str) -> str:
        """Return the id of the one call that starts so.

        Raises:
            TraceNotFoundError: No call of the archive, the queue or the receipts starts so, or several do.
        """
        found = sorted({*self.store.trace_ids(prefix), *self.outbox.trace_ids(prefix)})
        if not found:
            raise TraceNotFoundError(
                "trace: not found in archive, queue or receipts, expected a call of this host",
                hint="`medagent trace list` shows the ids",
            )
        if len(found) > 1:
            raise TraceNotFoundError(
                f"trace: {len(found)} calls start so, expected one: {', '.join(found[:10])}", hint="give more of the id"
            )
        return found[0]

    def report(self, trace_id: str) -> CallReport:
        """Return what is known of one call."""
        chain = self._chain(trace_id)
        guardrail = guardrail_of([link for link in chain if isinstance(link, SafeSpan)])
        return report(
            self.outbox.deliveries_of(trace_id),
            chain,
            guardrail=guardrail or self._recorded(trace_id),
            policy=self.policy,
            configured=self.configured,
            store=self.store.name,
        )

    def purge(self, trace_id: str, *, reason: str) -> int:
        """Delete what waits for a destination; returns 1 where something did, else 0."""
        return self.keeper.purge_call(trace_id, by=self.deletion.by, reason=reason)

    def delete(
        self, found: Sequence[CallReport], destinations: Sequence[str], *, reason: str, within_s: float
    ) -> list[DeletionRequest]:
        """Delete calls at destinations and return each state after reading back for `within_s` seconds.

        The queue of each call is deleted first, so that nothing is sent after the deletion. A destination that was
        sent nothing of a call is not asked about it.
        """
        asked: list[tuple[DeletionRequest, SentCall]] = []
        for call in found:
            self.purge(call.trace_id, reason=reason)
            for name in (name for name in destinations if name in deletable_of(call)):
                sent = self._sent(call)
                asked.append((self.deletion.request(name, sent, reason=recordable(reason)), sent))
        return self.deletion.read_back_until(asked, within_s=within_s)

    def delete_here(self, trace_id: str, *, reason: str) -> int:
        """Delete a call from the archive but for its guardrail; returns how many spans."""
        with suppress(TraceNotFoundError):
            return self.keeper.delete_call(trace_id, by=self.deletion.by, reason=reason)
        return 0

    def read_back(self, found: CallReport) -> CallReport:
        """Look once at destinations whose deletion is not confirmed yet; without one, nothing is sent."""
        pending = [each.deletion for each in found.destinations if each.deletion and each.deletion.status in _PENDING]
        for request in pending:
            self.deletion.read_back(request, self._sent(found))
        return self.report(found.trace_id) if pending else found

    def _sent(self, call: CallReport) -> SentCall:
        """The ids that a destination may show: of receipts and of the archive, the root's first."""
        names = {span.span_id: span.name for each in call.destinations for span in each.spans}
        names |= {link.span_id: link.name for link in self._chain(call.trace_id) if isinstance(link, SafeSpan)}
        return SentCall(trace_id=call.trace_id, span_ids=sorted(names, key=lambda one: (names[one] != _ROOT, one)))

    def _chain(self, trace_id: str) -> Sequence[SafeSpan | Tombstone]:
        with suppress(TraceNotFoundError):
            return self.store.chain(trace_id)
        return ()

    def _recorded(self, trace_id: str) -> GuardrailFacts | None:
        found = None
        with suppress(BrokenLedgerError, LedgerError):  # what it says up to there is still worth knowing
            for kind, content in self.guardrails():
                if kind == "guardrail" and content.get("trace_id") == trace_id:
                    found = guardrail_in_ledger(content)
        return found


def deletable_of(call: CallReport) -> list[str]:
    """Return the destinations that may hold something of a call: by receipts, or named by its guardrail without any."""
    return [
        each.facts.name
        for each in call.destinations
        if each.may_hold or (each.is_fact_of_the_call and not each.spans and each.queued is None)
    ]
