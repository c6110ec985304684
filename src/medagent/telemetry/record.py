"""A raw span: what `Call` makes of events, before the policy has seen it. Never leaves, never prints its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from medagent.telemetry.span import SpanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a span stands: `key` is unique in its call, `start_us` is Unix time in microseconds."""

    key: str
    start_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One span to be; `parents` is root first, `final` is False for a span that a later record of its key replaces."""

    kind: SpanKind
    name: str
    place: Place
    parents: tuple[Place, ...]
    end_us: int
    status: Literal["ok", "error"] = "ok"
    final: bool = True
    fields: Mapping[str, object] = field(repr=False)
