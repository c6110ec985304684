"""One call between its events and the spool: what is known of it, what waits for its end, what its guardrail says."""

from __future__ import annotations

import functools
import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID, uuid5

from medagent.errors import DoorError
from medagent.outcomes import Outcomes
from medagent.pricing import PriceList
from medagent.proof import Json, PseudonymKey
from medagent.redaction import Category, Counts, Identifier, KnownValues, Policy, Redactor
from medagent.redaction.clock import call_clock
from medagent.redaction.trial import run
from medagent.telemetry.call import Call
from medagent.telemetry.destination import Destination
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.events import CallEnded, CallerIdentified, CallEvent, CallStarted, ConsentSettled, Gap
from medagent.telemetry.gates import StoreGate
from medagent.telemetry.interpreter import give_way
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from medagent.telemetry.span_store import CallChanges, EndOfCall, Release
from medagent.telemetry.switch import Switch, SwitchState
from medagent.telemetry.tool_result import UNREADABLE

_DIGITS_OF_A_NUMBER = re.compile(r"\d{7,}")
_ALWAYS_LEAVE = (SpanKind.SESSION, SpanKind.GUARDRAIL)
_TEST_EVERY_S = 1.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Write:
    """One change of the stored spans, to be applied in a transaction; `span` is the one that it stores for export."""

    trace_id: str
    apply: Callable[[CallChanges], None]
    span: SafeSpan | None = None
    after: Callable[[], object] | None = None
    """What is to be done once the transaction is committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionMaker:
    """What all calls of a process share; calling it begins a session."""

    redactor: Redactor
    prices: PriceList
    switch: Switch
    env: Literal["dev", "prod"]
    destinations: Sequence[Destination]
    legal_basis: str | None
    """Why a call may be traced without asking; None: its spans are held until the caller has been asked."""
    sampling: float = 1.0
    """The share of calls whose spans are stored, 0 to 1; of the others only the guardrail is."""
    key: PseudonymKey | None = None
    """Draws each call's offset under a shifted clock."""
    synthetic_callers: bool = False
    """Whether the settings declare that no caller is a real person: session and guardrail of every call show it."""
    outcomes: Outcomes = field(default_factory=dict)
    """Outcomes of this process's tools; a policy's `outcomes` come before them, a call's own before both."""
    closed: Callable[[str], object] = lambda _trace_id: None
    """Told of each call once it is closed and marked: its guardrail goes into the ledger; may raise `LedgerError`."""

    _tested: list[tuple[float, bool]] = field(default_factory=list, repr=False)

    @property
    def policy(self) -> Policy:
        """The policy that the redactor carries out."""
        return self.redactor.policy

    def self_test(self) -> bool:
        """Whether the policy's own examples come out as they say; a result of the last second counts for a call too."""
        now = time.monotonic()
        if not self._tested or now - self._tested[-1][0] > _TEST_EVERY_S:
            self._tested[:] = [(now, all(run(example, self.policy).passed for example in self.policy.examples))]
        return self._tested[-1][1]

    def __call__(self, trace_id: str, started: CallStarted) -> Session:
        """Begin the session of a call."""
        return Session(trace_id, started, shared=self)


class Session:
    """Learns what a call's identifiers are, redacts under the policy, admits, and says what is to be written."""

    def __init__(self, trace_id: str, started: CallStarted, *, shared: SessionMaker) -> None:
        policy = shared.policy
        self._trace_id = trace_id
        self._namespace = UUID(trace_id)
        self._started = started
        self._shared = shared
        self._redactor = shared.redactor.with_rosters(started.rosters)
        self._call = Call(
            started,
            prices=shared.prices,
            policy_name=policy.name,
            policy_version=policy.version,
            outcomes={**shared.outcomes, **policy.outcomes},
            tool_names=policy.tool_names,
        )
        _note_withheld_outcomes(policy, started.outcomes or {})
        self._clock = call_clock(policy, trace_id=trace_id, key=shared.key)
        self._self_test = shared.self_test()
        if not self._self_test:
            shared.switch.trip("the policy's self-test failed at the start of a call")
        self._admission = Admission(policy, lists=self._redactor.rosters)
        self._known = KnownValues()
        self._known.learn(_identifiers_of_the_line(started))
        self._waiting: list[Record] = []
        self._counts = Counts()
        asks = started.asks or shared.legal_basis is None
        self._consent: dict[str, object] = {
            "state": "pending" if asks else "not_asked",
            "method": "none",
            "at": None,
            "script_version": None,
            "basis": None if asks else shared.legal_basis,
        }
        self._is_sampled = is_sampled(trace_id, shared.sampling)
        self._declared = {"synthetic_callers": True} if shared.synthetic_callers else {}
        self._release: Release = "withdrawn" if not self._is_sampled else "held" if asks else "released"
        self._is_open = False
        self._is_sealed = False
        self._met_off = False
        self._has_unreadable = False
        self._gate = StoreGate(shared.switch)
        self._decided: SwitchState = self._gate.decide()
        self._latest_us = started.wall_us
        self.suppressed = 0

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return self._call.ended

    def take(self, event: CallEvent) -> list[Write]:
        """Feed one event; returns what is to be written, in order. A leak at the door trips the switch: no more is."""
        self._decided = self._gate.decide()
        self._met_off |= not self._decided.on
        if isinstance(event, CallEnded) and self._has_holes:
            self._call.feed(Gap(seq=-1, at_ns=event.at_ns, lost=max(1, self.suppressed)))
        if isinstance(event, CallerIdentified):
            self._known.learn(_identifiers_of_the_line(event))
        records = [self._declaring(record) for record in self._call.feed(event)]
        if any(record.fields.get("outcome") == UNREADABLE for record in records if record.kind is SpanKind.TOOL):
            self._note_unreadable()
        for record in records:
            self._known.learn(self._redactor.identifiers(record))
            self._known.learn_answers(self._redactor.answers(record))
        writes: list[Write] = []
        try:
            if isinstance(event, ConsentSettled):
                writes += self._settle(event)
            elif self.over and self._consent["state"] == "pending":  # nobody said yes
                self._consent["state"] = "refused"
                writes += self._withdraw()
            for record in records:
                writes += self._store(record)
            if self.over:
                writes += self._finish(event)
        except DoorError as error:
            self._shared.switch.trip(f"admission: {error}")
            _log.error("the door refused a span: %s", error)
            self.suppressed += 1
        return writes + (self._end() if self.over else [])

    def _note_unreadable(self) -> None:
        if not self._has_unreadable:
            self._has_unreadable = True
            _log.warning("call %s: a tool's result could not be read: its trace is not complete", self._trace_id)

    @property
    def _has_holes(self) -> bool:
        return self._met_off or self.suppressed > 0

    # ---- what is written when --------------------------------------------------------------------------------------

    def _store(self, record: Record) -> list[Write]:
        """A span of known content goes in for good; one with free text, or whose end is open, stays provisional."""
        if not self._decided.on:
            self.suppressed += 1
            return []
        writes = self._opening(record.place)
        if not self._is_sampled:
            self._latest_us = max(self._latest_us, record.end_us)
        elif self.over:
            self._waiting.append(record)
        elif not record.final:
            writes += self._attempt(record, final=False, withhold_text=True)
        elif self._redactor.waits_for_end(record):
            if provisional := self._attempt(record, final=False, withhold_text=True):
                self._waiting.append(record)
                writes += provisional
        else:
            writes += self._attempt(record, final=True)
        return writes

    def _opening(self, place: Place) -> list[Write]:
        if self._is_open:
            return []
        trace_id, release = self._trace_id, self._release
        opened = Write(trace_id, lambda changes: changes.open_call(trace_id, release=release))
        guardrail = self._put(self._guardrail(place.start_us, complete=False), final=False, counted=False)
        self._is_open = True
        return [opened, guardrail]

    def _finish(self, event: CallEvent) -> list[Write]:
        """Now every known value is known: scrub and seal what waited, the session and its guardrail last."""
        if not self._decided.on or not self._is_open:
            return []
        self._waiting.sort(key=lambda record: record.kind is SpanKind.SESSION)
        writes = [write for record in self._waiting for write in self._attempt(record, final=True)]
        end_us = max((record.end_us for record in self._waiting), default=self._latest_us)
        self._waiting = []
        guardrail = self._guardrail(end_us, complete=not self._has_holes)
        writes.append(self._put(guardrail, final=True, counted=False))
        self._is_sealed = True
        return writes

    def _end(self) -> list[Write]:
        """End the chain, and record in the same transaction what the ledger says of the call.

        The entry's head is None where the call met an off period: its chain has no end.
        """
        about: dict[str, Json] = {"policy": self._shared.policy.digest, **self._counts.document()}
        end = EndOfCall(
            trace_id=self._trace_id,
            is_open=self._is_open,
            is_sealed=self._is_sealed,
            is_whole=not self._has_holes,
            about=about,
        )
        after = functools.partial(self._shared.closed, self._trace_id)
        return [Write(self._trace_id, lambda changes: changes.end_call(end), after=after)]

    def _settle(self, event: ConsentSettled) -> list[Write]:
        """A yes releases what is held, a no holds for the rest of the call; anything else settles nothing."""
        if event.state not in ("granted", "refused") or self._consent["state"] == "refused":
            return []
        at_us = self._started.wall_us + max(0, event.at_ns - self._started.at_ns) // 1000
        at = datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")
        settled = {"state": event.state, "method": event.method, "at": at, "script_version": event.script_version}
        self._consent |= settled
        writes = self._withdraw() if event.state == "refused" else self._allow()
        if self._is_open and not self.over and self._decided.on:  # a crash from here on knows the answer
            writes.append(self._put(self._guardrail(self._started.wall_us, complete=False), final=False, counted=False))
        return writes

    def _withdraw(self) -> list[Write]:
        self._release, trace_id = "withdrawn", self._trace_id
        return [Write(trace_id, lambda changes: changes.withdraw(trace_id))] if self._is_open else []

    def _allow(self) -> list[Write]:
        if not self._is_sampled:
            return []
        self._release, trace_id = "released", self._trace_id
        return [Write(trace_id, lambda changes: changes.release(trace_id))] if self._is_open else []

    # ---- from a record to an admitted span -------------------------------------------------------------------------

    def _attempt(self, record: Record, *, final: bool, withhold_text: bool = False) -> list[Write]:
        """A span that cannot be made is left out and the call says so: one of them must not cost the call its end."""
        try:
            return [self._put(record, final=final, withhold_text=withhold_text)]
        except DoorError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a raw value breaks, it stays here; no message: it may quote
            _log.error("a span could not be made: %s", type(error).__name__)
            self.suppressed += 1
            return []

    def _put(self, record: Record, *, final: bool, withhold_text: bool = False, counted: bool = True) -> Write:
        give_way()
        redacted = self._redactor.redact(record, self._known, at_us=record.place.start_us, withhold_text=withhold_text)
        if final and counted:
            self._counts += redacted.counts
        *ancestors, own = self._path(record)
        span = SafeSpan(
            trace_id=self._trace_id,
            span_id=own.span_id,
            ancestors=tuple(ancestors),
            name=redacted.name,
            kind=record.kind,
            start_us=own.start_us,
            end_us=self._clock.told(record.end_us),
            status=record.status,
            env=self._shared.env,
            policy_digest=self._shared.policy.digest,
            fields=redacted.fields,
        )
        give_way()
        admitted = self._admission.admit(span, tuple(self._known))
        leaves = final and (self._release == "released" or record.kind in _ALWAYS_LEAVE)
        return Write(
            self._trace_id,
            lambda changes: self._stored(changes.put(admitted, final=final)),
            span if leaves else None,
        )

    def _stored(self, taken: bool) -> None:
        """Count a span that found no room: the guardrail and the end of the call show it."""
        self.suppressed += not taken

    def _path(self, record: Record) -> list[Ancestor]:
        """Return ids and starts from the root, whose id is the trace id, to the record.

        The same place of the same call always has the same id: a second delivery is harmless.
        """
        root, *below = (*record.parents, record.place)
        ids = [self._trace_id, *(str(uuid5(self._namespace, place.key)) for place in below)]
        return [
            Ancestor(span_id=span_id, start_us=self._clock.told(place.start_us))
            for span_id, place in zip(ids, (root, *below), strict=True)
        ]

    def _declaring(self, record: Record) -> Record:
        if record.kind is not SpanKind.SESSION or not self._declared:
            return record
        return replace(record, fields={**record.fields, **self._declared})

    def _guardrail(self, end_us: int, *, complete: bool) -> Record:
        shared, root = self._shared, Place(key="voice_session", start_us=self._started.wall_us)
        fields: Mapping[str, object] = {
            "policy": {
                "name": shared.policy.name,
                "version": shared.policy.version,
                "sha256": shared.policy.digest,
            },
            "consent": self._consent,
            **self._counts.document(),
            "switch": {"state": "partly_off" if self._has_holes else "on", "source": self._decided.source},
            "destinations": [
                {"name": d.name, "region": d.region, "retention_days": d.retention_days} for d in shared.destinations
            ],
            "sampling": {"rate": shared.sampling, "sampled": self._is_sampled},
            "self_test": {"passed": self._self_test, "examples": len(shared.policy.examples)},
            "complete": complete,
            **self._declared,
        }
        guardrail = Record(
            kind=SpanKind.GUARDRAIL,
            name="policy.guardrail",
            place=Place(key="policy.guardrail", start_us=root.start_us),
            parents=(root,) if self._is_sampled else (),
            end_us=max(end_us, root.start_us),
            fields=fields,
        )
        return self._call.with_caller(guardrail)


def _note_withheld_outcomes(policy: Policy, declared: Outcomes) -> None:
    """Log each outcome that a host declares and that the policy does not let out, once in a process."""
    rule = policy.rule_for("session.end", ("outcome",))
    for word in sorted({one.outcome for one in declared.values()} - _noted_outcomes):
        _noted_outcomes.add(word)
        if rule is None or rule.shape is None or not rule.shape.fits(word, {}):
            _log.warning("outcome %s: not kept by the policy, expected it under 'outcomes' of the policy", word)


_noted_outcomes: set[str] = set()


def is_sampled(trace_id: str, rate: float) -> bool:
    """Whether a call is one of the share that is stored whole: the same answer wherever its id is looked at."""
    drawn = hashlib.sha256(trace_id.encode()).digest()[:8]
    return int.from_bytes(drawn) < rate * 2**64


def _identifiers_of_the_line(started: CallStarted | CallerIdentified) -> list[Identifier]:
    """The caller's number, also where it hides in the names of the room and of the participant."""
    found = [Identifier(category=Category.PHONE, value=started.caller_number)] if started.caller_number else []
    for name in (started.room, started.participant):
        found += [
            Identifier(category=Category.PHONE, value=digits) for digits in _DIGITS_OF_A_NUMBER.findall(name or "")
        ]
    return found
