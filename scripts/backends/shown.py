"""Data that a backend returns for a trace, in one form for all backends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSpan:
    """A span as a backend's API gives it; ids are 16 hex digits, times microseconds since the Unix epoch."""

    span_id: str
    parent_id: str | None
    name: str
    kind: str
    start_us: int
    end_us: int
    is_error: bool
    message: str
    taken: Any
    given: Any
    model: str | None
    tokens: Mapping[str, int]
    cost_usd: float | None
    attributes: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownTrace:
    """A trace as a backend's API gives it, its spans by their start.

    `cost_split_usd` is that of input and output, where it comes from the spans; `everything` is the whole answer.
    """

    trace_id: str
    project: str
    session: str | None
    user: str | None
    is_error: bool
    tokens: Mapping[str, int]
    cost_usd: float | None
    cost_split_usd: tuple[float, float] | None
    spans: Sequence[ShownSpan]
    everything: str = field(repr=False)
