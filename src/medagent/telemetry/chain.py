"""The chain of a call's spans, checked as a stranger would: from the first span on, by digests alone."""

from __future__ import annotations

from collections.abc import Sequence

from medagent.errors import BrokenChainError
from medagent.proof import GENESIS
from medagent.telemetry.span import SafeSpan, Seal


def verify_chain(spans: Sequence[SafeSpan]) -> None:
    """Raises `BrokenChainError` unless these are the spans of one call, from its first, as they were sealed."""
    if not spans:
        raise BrokenChainError("there is no span to verify")
    previous = GENESIS
    for number, span in enumerate(spans):
        if span.trace_id != spans[0].trace_id:
            raise BrokenChainError(f"span {number} belongs to another call")
        expected = Seal.over(sequence=number, previous=previous, span_digest=span.digest())
        for part in ("sequence", "previous", "hash"):
            if span.seal is None or getattr(span.seal, part) != getattr(expected, part):
                raise BrokenChainError(f"the {part} of span {number} does not hold")
        previous = expected.hash
