"""When an alert begins and when it is over: a state machine over a stretch of time; pure, no clock.

calm ── over the threshold ──► firing ── at or under it for the whole of `settle` ──► calm

It looks again at the last `settle` before its previous look, so that what arrived late counts at its own time, and
goes through all moments since, so that nothing is missed between two looks, however far apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from medagent.alerts.rules import Rule
from medagent.alerts.windows import Reading

EdgeKind: TypeAlias = Literal["fired", "cleared", "dropped"]
LONGEST_LOOK_BACK_US = 86_400_000_000
"""After a longer absence than a day what was before is not looked at: it wakes nobody any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where an alert stands: when it was last looked at, and since when it fires; µs since the Unix epoch (UTC)."""

    looked_us: int | None = None
    opened_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A beginning or an end of an incident, and what was read there."""

    kind: EdgeKind
    at_us: int
    reading: Reading | None


def look_from(standing: Standing, *, now_us: int, settle_us: int) -> int:
    """From which moment on an alert is to be read, given where it stands."""
    looked_us = now_us if standing.looked_us is None else standing.looked_us
    return max(min(looked_us, now_us), now_us - LONGEST_LOOK_BACK_US) - settle_us


def follow(
    rule: Rule, read: Sequence[Reading], standing: Standing, *, now_us: int, settle_us: int
) -> tuple[Standing, tuple[Edge, ...]]:
    """The standing now and what happened on the way, given the readings from `look_from` to now."""
    opened_us, calm_us = standing.opened_us, None
    edges: list[Edge] = []
    for reading, following in zip(read, [*read[1:], None], strict=True):
        if rule.breached_by(reading):
            calm_us = None
            if opened_us is None:
                opened_us = reading.at_us
                edges.append(Edge(kind="fired", at_us=opened_us, reading=reading))
        elif opened_us is not None:
            calm_us = reading.at_us if calm_us is None else calm_us
            over_us = calm_us + settle_us
            if over_us <= now_us and (following is None or over_us < following.at_us):
                edges.append(Edge(kind="cleared", at_us=over_us, reading=reading))
                opened_us = calm_us = None
    looked_us = now_us if standing.looked_us is None else max(now_us, standing.looked_us)
    return replace(standing, looked_us=looked_us, opened_us=opened_us), tuple(edges)
