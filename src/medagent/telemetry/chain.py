"""The chain of a call's spans, checked as a stranger would: from the first span on, by digests alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medagent.errors import BrokenChainError
from medagent.proof import GENESIS
from medagent.telemetry.span import SafeSpan, Seal

Cause = Literal["retention", "refusal", "purge", "incident"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tombstone:
    """What is left of a span that was deleted: its call, its place in the chain, and the cause."""

    trace_id: str
    seal: Seal
    cause: Cause


def verify_chain(chain: Sequence[SafeSpan | Tombstone]) -> None:
    """Raises `BrokenChainError` unless these are the spans of one call, from its first, as they were sealed.

    A tombstone stands for a span at its place: its own hash cannot be computed again, but it must hang on the one
    before, and the one after on it.
    """
    if not chain:
        raise BrokenChainError("there is no span to verify")
    previous = GENESIS
    for number, link in enumerate(chain):
        if link.trace_id != chain[0].trace_id:
            raise BrokenChainError(f"span {number} belongs to another call")
        expected = _expected(link, number, previous)
        for part in ("sequence", "previous", "hash"):
            if link.seal is None or getattr(link.seal, part) != getattr(expected, part):
                raise BrokenChainError(f"the {part} of span {number} does not hold")
        previous = expected.hash


def _expected(link: SafeSpan | Tombstone, number: int, previous: str) -> Seal:
    if isinstance(link, Tombstone):
        return Seal(sequence=number, previous=previous, hash=link.seal.hash)
    return Seal.over(sequence=number, previous=previous, span_digest=link.digest())
