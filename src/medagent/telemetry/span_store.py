"""Changes of a call's stored spans, as the telemetry worker asks for them; the spool and the outbox carry them out."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Protocol

from medagent.proof import Json
from medagent.telemetry.door.admission import Admitted

Release = Literal["held", "released", "withdrawn"]
"""Whether consent is open, given (or not needed), or refused."""
KEPT_ALWAYS = ("voice_session", "policy.guardrail")
"""The spans that remain of a call that was withdrawn, or that found no room."""
LARGEST_SPAN = 256 * 1024
"""Bytes of a span's body: a hundred times a long turn's, and a batch of one stays far below what destinations take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfCall:
    """End of a call's chain, and its entry in the ledger.

    Attributes:
        trace_id: The call.
        is_open: Whether spans of it are stored.
        is_sealed: Whether the chain gets an end; otherwise its unsealed spans are deleted.
        is_whole: Whether nothing of the call is missing.
        about: The entry's content, but for the chain's head and whether the call is complete.
    """

    trace_id: str
    is_open: bool
    is_sealed: bool
    is_whole: bool
    about: Mapping[str, Json]

    def entry(self, head: str | None) -> dict[str, Json]:
        """Return the ledger's entry for a chain's head; None where the chain has no end."""
        return {**self.about, "trace_id": self.trace_id, "head": head, "complete": self.is_whole and head is not None}


class CallChanges(Protocol):
    """The changes of one slice of work; all of them are accepted, or none.

    Every method may raise `OutboxUnavailableError` where the store cannot do it now, and `OutboxError` where no later
    try would do it either.
    """

    def open_call(self, trace_id: str, *, release: Release) -> None:
        """Begin a call's chain."""

    def put(self, admitted: Admitted, *, final: bool) -> bool:
        """Store a span, in place of its provisional form if there is one; return whether there was room."""

    def release(self, trace_id: str) -> None:
        """Release the spans of a call whose consent was open."""

    def withdraw(self, trace_id: str) -> None:
        """Delete the spans of a call but for `KEPT_ALWAYS`, and take no others."""

    def end_call(self, end: EndOfCall) -> None:
        """End a call's chain and record its entry for the ledger."""


class SpanStore(Protocol):
    """A store of spans."""

    def transaction(self) -> AbstractContextManager[CallChanges]:
        """Return the changes of one slice of work, accepted when the block ends."""
