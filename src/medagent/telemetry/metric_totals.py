"""Totals of metrics: what the outbox adds up of delivered spans, and what the exporter sends. Numbers and closed words.

A *series* is an instrument with one value for each of its attributes; a *stream* is all series of one destination at
one address, counted since its first span, whatever processes came and went.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from medagent.telemetry.span import SafeSpan


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Series:
    """An instrument, the name of the environment, and the attributes, sorted by key."""

    instrument: str
    env: str
    attributes: tuple[tuple[str, str], ...]

    def text(self) -> str:
        """Return the series as the outbox stores it."""
        return json.dumps([self.instrument, self.env, self.attributes], separators=(",", ":"))

    @classmethod
    def read(cls, text: str) -> Series:
        """Read a stored series; raises `ValueError` or `TypeError` on what is none."""
        instrument, env, attributes = json.loads(text)
        pairs = tuple((key, value) for key, value in attributes)
        if not all(isinstance(one, str) for one in (instrument, env, *(part for pair in pairs for part in pair))):
            raise ValueError("a stored series holds something that is no text")
        return cls(instrument=instrument, env=env, attributes=pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """How many values, and their sum in the instrument's unit."""

    count: int
    sum: float


Amounts: TypeAlias = Mapping[tuple[Series, int], Amount]
"""By series and number of the histogram's bucket; a counter has bucket 0 alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanCounter:
    """What counts the spans that one destination took; `stream` is the key of its totals in the outbox."""

    stream: str
    count: Callable[[Sequence[SafeSpan]], Amounts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """One series as it stands: the number of values in each bucket that has one, and the sum of all."""

    series: Series
    buckets: Mapping[int, int]
    sum: float

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(self.buckets.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """A stream as it stands; `instance_id` is a random UUID, `started_ms` milliseconds since the Unix epoch (UTC)."""

    instance_id: str
    started_ms: int
    version: int
    totals: Sequence[Total]
