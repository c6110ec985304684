"""What the next process does for one that died: its calls get their end, the ledger what it was still to be told.

All of a call's recovery is one transaction that first takes the call over from its dead owner: two processes that try
at once do it once, and a third that dies on the way leaves it as it was.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal
from uuid import UUID, uuid5

from medagent.errors import LedgerError, MedagentError, OutboxError
from medagent.proof import Json
from medagent.redaction import KnownValues, Redactor
from medagent.telemetry.door.admission import Admission, Admitted
from medagent.telemetry.gates import StoreGate
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.outbox import Adopted, Mark, OpenCall, Outbox, Transaction
from medagent.telemetry.owners import Owners
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from medagent.telemetry.storage_log import storage_log
from medagent.telemetry.switch import Switch

_LOOK_EVERY_S = 60.0
_SESSION, _GUARDRAIL, _END = "voice_session", "policy.guardrail", "session.end"
_OF_EVERY_SPAN = ("participant_id", "synthetic")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """How many calls were brought to an end, and how many entries the ledger was told late."""

    calls: int
    entries: int


class GuardrailEntries:
    """The ledger's entry of each closed call: told once it is committed, by whoever lives."""

    def __init__(self, outbox: Outbox, ledger: Ledger) -> None:
        self._outbox = outbox
        self._ledger = ledger
        self._lock = threading.Lock()

    def tell(self, trace_id: str) -> None:
        """Tell the ledger of a call that this process has just closed; raises `LedgerError`, `OutboxError`."""
        with self._lock:
            for mark in self._outbox.marks(trace_id):
                self._ledger.append("guardrail", mark.content)
                self._outbox.unmark(trace_id)

    def tell_late(self, is_due: Callable[[Mark], bool]) -> int:
        """Tell it what was left open, by this process or by a dead one; what it has already is not told again."""
        told = 0
        with self._lock:
            for mark in filter(is_due, self._outbox.marks()):
                told += self._ledger.append_once("guardrail", mark.content) is not None
                self._outbox.unmark(mark.trace_id)
        return told


def recover(
    outbox: Outbox,
    *,
    owner: str,
    owners: Owners,
    redactor: Redactor,
    switch: Switch,
    entries: GuardrailEntries,
    spooled: Callable[[str], bool] = lambda _trace_id: False,
) -> Recovered:
    """End the calls of dead processes, tell the ledger what is open; a second run finds nothing to do.

    A call with a spool file (`spooled`) is not ended here: its importer does that, behind the last of its spans. While
    the switch is off the calls wait. Raises `OutboxUnavailableError`; a ledger that cannot be written now is
    told at the next run.
    """
    outbox.beat()
    dead = [
        call
        for call in outbox.open_calls()
        if not owners.alive(call.owner, silent_s=call.silent_s) and not spooled(call.trace_id)
    ]
    calls = sum(_ended(outbox, call, redactor) for call in dead) if StoreGate(switch).is_open() else 0
    told = 0
    try:
        told = entries.tell_late(
            lambda mark: mark.owner == owner or not owners.alive(mark.owner, silent_s=mark.silent_s)
        )
    except LedgerError as error:
        storage_log.error(_log, "the ledger does not have the guardrails of all calls yet", error)
    owners.sweep({call.owner for call in outbox.open_calls()} | {mark.owner for mark in outbox.marks()})
    if calls:
        _log.warning("%d calls of processes that died were brought to an end", calls)
    return Recovered(calls=calls, entries=told)


class RecoveryWatch:
    """Looks after what dead processes left: at once, then every minute, on a thread of its own; `look` does it once."""

    def __init__(self, look: Callable[[], Recovered]) -> None:
        self.look = look
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-recovery", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end, without waiting for it."""
        self._stopping.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended."""
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except MedagentError as error:
                storage_log.error(_log, "recovery waits", error)
            except Exception as error:  # noqa: BLE001  # the thread outlives any look; no message: it may quote
                _log.error("recovery failed: %s", type(error).__name__)
            self._stopping.wait(_LOOK_EVERY_S)


def end_of_dead(outbox: Outbox, trace_id: str, *, owner: str, redactor: Redactor) -> bool:
    """End the call of a process that died, whose spans this owner has stored; return whether it has ended.

    Raises `OutboxError` where the outbox cannot do it.
    """
    call = OpenCall(trace_id=trace_id, owner=owner, silent_s=None)
    return not outbox.is_open(trace_id) or _ended(outbox, call, redactor)


def _ended(outbox: Outbox, call: OpenCall, redactor: Redactor) -> bool:
    """End one dead call; False where another process did, or where it cannot be."""
    try:
        with outbox.transaction() as transaction:
            adopted = transaction.adopt(call.trace_id, owner=call.owner)
            if adopted is None:
                return False
            _End(call.trace_id, adopted, redactor).write(transaction)
            return True
    except (ValueError, KeyError, TypeError) as error:
        _log.error("call %s cannot be recovered: %s", call.trace_id, type(error).__name__)
    except OutboxError:
        raise
    except MedagentError as error:  # a door that refuses machine-made fields: the policy has no rule for them
        _log.error("call %s cannot be recovered: %s", call.trace_id, error)
    return False


class _End:
    """The end of one dead call: its last spans, made of what is stored and of nothing that the call said."""

    def __init__(self, trace_id: str, adopted: Adopted, redactor: Redactor) -> None:
        self._trace_id = trace_id
        self._adopted = adopted
        self._redactor = redactor
        self._admission = Admission(redactor.policy, lists=redactor.rosters)
        self._stored = {span.name: span for span in adopted.spans if span.name in (_SESSION, _GUARDRAIL)}

    def write(self, transaction: Transaction) -> None:
        """Seal what is there, then `session.end`, session, guardrail; close the chain and mark it for the ledger."""
        trace_id = self._trace_id
        if self._adopted.release == "held":
            transaction.withdraw(trace_id)
        elif self._adopted.release == "released":
            transaction.seal_as_stored(trace_id)
            if (root := self._root()) is not None:
                transaction.put(self._session_end(root), final=True)
        if (session := self._stored.get(_SESSION)) is not None:
            lost = self._lost(session.start_us)
            transaction.put(self._patched(session, lost, status="error"), final=True)
        if (guardrail := self._stored.get(_GUARDRAIL)) is not None:
            says = {"consent": self._consent(guardrail), "complete": False}
            transaction.put(self._patched(guardrail, says, status="ok"), final=True)
        head = transaction.close_call(trace_id)
        if guardrail is not None:
            transaction.mark(trace_id, _entry(guardrail, head))

    def _root(self) -> Ancestor | None:
        """Where the call began, by its own session or by its guardrail's way up."""
        if (session := self._stored.get(_SESSION)) is not None:
            return Ancestor(span_id=session.span_id, start_us=session.start_us)
        guardrail = self._stored.get(_GUARDRAIL)
        return guardrail.ancestors[0] if guardrail is not None and guardrail.ancestors else None

    def _lost(self, start_us: int) -> dict[str, object]:
        """What `session.end` and the session say; what only the dead process knew is null, the outcome too."""
        return {
            "reason": "process_lost",
            "outcome": None,
            "duration_ms": (self._adopted.latest_us - start_us) / 1000,
            "complete": False,
            "missing": ["process"],
        }

    def _session_end(self, root: Ancestor) -> Admitted:
        end_us = self._adopted.latest_us
        like = next(iter(self._stored.values()))
        span = SafeSpan(
            trace_id=self._trace_id,
            span_id=str(uuid5(UUID(self._trace_id), _END)),
            ancestors=(root,),
            name=_END,
            kind=SpanKind.MARKER,
            start_us=end_us,
            end_us=end_us,
            status="ok",
            env=like.env,
            policy_digest=self._redactor.policy.digest,
            fields=self._treated(_END, SpanKind.MARKER, {**self._lost(root.start_us), "unrecovered": True}),
        )
        self._admission.admit(span, ())
        who = {name: value for name, value in like.fields.items() if name in _OF_EVERY_SPAN}  # admitted before
        whole = replace(span, fields={**who, **span.fields})
        return Admitted.of(whole)

    def _consent(self, guardrail: SafeSpan) -> Mapping[str, object]:
        """What was settled; a call that died before has no yes."""
        stored = guardrail.fields.get("consent")
        consent: dict[str, object] = dict(stored) if isinstance(stored, Mapping) else {}
        return consent | {"state": "refused"} if consent.get("state") == "pending" else consent

    def _patched(self, span: SafeSpan, fields: Mapping[str, object], *, status: Literal["ok", "error"]) -> Admitted:
        """A stored span with its last fields; what stands in it already passed admission, under the policy of then."""
        treated = self._treated(span.name, span.kind, fields)
        self._admission.admit(replace(span, fields=treated, policy_digest=self._redactor.policy.digest), ())
        end_us = max(span.start_us, self._adopted.latest_us)
        last = replace(span, end_us=end_us, status=status, fields={**span.fields, **treated})
        return Admitted.of(last)

    def _treated(self, name: str, kind: SpanKind, fields: Mapping[str, object]) -> Mapping[str, Json]:
        """The fields under the policy in force now: machine-made, with no value of the call in them."""
        record = Record(kind=kind, name=name, place=Place(key=name, start_us=0), parents=(), end_us=0, fields=fields)
        return self._redactor.redact(record, KnownValues()).fields


def _entry(guardrail: SafeSpan, head: str) -> dict[str, Json]:
    counts = {name: guardrail.fields.get(name, {}) for name in ("actions", "categories")}
    about: dict[str, Json] = {"trace_id": guardrail.trace_id, "head": head, "policy": guardrail.policy_digest}
    return {**about, **counts, "complete": False}
