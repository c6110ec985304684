"""Time that a reviewer took for each text, held against the least that reading takes; pure.

The times are the statement of the reviewer's own software: nobody else measured them. Times are in milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medagent.attestation.report import Sample
from medagent.attestation.statements import ReviewSaid

FREE_TEXT_MS = 2_000
"""The least mean time for a free text."""
OTHER_MS = 500
"""The least mean time for any other text."""
_LONGEST = 10
"""A pause counts as so many times the least, so that a break does not stand for reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTime:
    """Texts that a review read and their mean times; None where there is no such text."""

    free_texts: int
    free_text_ms: float | None
    others: int
    other_ms: float | None

    @property
    def problem(self) -> str | None:
        """Return why so fast a review is invalid; None where it is not."""
        for what, mean, least in (
            ("free text", self.free_text_ms, FREE_TEXT_MS),
            ("other text", self.other_ms, OTHER_MS),
        ):
            if mean is not None and mean < least:
                return f"{mean / 1000:.2f} s on average for each {what}, expected at least {least / 1000:g} s"
        return None


def reading_time(free_text_ms: Sequence[int], other_ms: Sequence[int]) -> ReadingTime:
    """Return the mean times of texts that were read."""
    return ReadingTime(
        free_texts=len(free_text_ms),
        free_text_ms=_mean(free_text_ms, FREE_TEXT_MS),
        others=len(other_ms),
        other_ms=_mean(other_ms, OTHER_MS),
    )


def time_of(said: ReviewSaid) -> ReadingTime:
    """Return the mean times of a whole review."""
    return reading_time(
        [each for one in said.traces for each in one.free_text_ms],
        [each for one in said.traces for each in one.other_ms],
    )


def time_problem(said: ReviewSaid, sample: Sample) -> str | None:
    """Return why the times make a review invalid: too fast, or not one time for each text; None where they do not."""
    texts = {one.trace_id: (one.free_texts, one.other_texts) for one in sample.traces}
    for one in said.traces:
        if texts.get(one.trace_id) != (len(one.free_text_ms), len(one.other_ms)):
            return "expected one reading time for each text of each sheet"
    return time_of(said).problem


def _mean(times: Sequence[int], least: int) -> float | None:
    return sum(min(each, _LONGEST * least) for each in times) / len(times) if times else None
