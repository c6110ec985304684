"""Figures for a table: percentiles of a list, and what a machine's noise does not change, a ratio beside another."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many, and percentiles in the unit of what was given."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figures:
        """Percentiles of at least two values."""
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        return cls(count=len(values), p50=cuts[49], p99=cuts[98], max=max(values))

    def __format__(self, spec: str) -> str:
        return " ".join(f"{value:10{spec or '.1f'}}" for value in (self.p50, self.p99, self.max))


HEAD = f"{'p50':>10} {'p99':>10} {'max':>10}"


def verdict(name: str, measured: float, limit: float, unit: str, *, at_least: bool = False) -> bool:
    """Print one target with its figure; whether it is met."""
    met = measured >= limit if at_least else measured <= limit
    sign = "≥" if at_least else "≤"
    print(f"  {'met   ' if met else 'MISSED'} {name}: {measured:.3g} {unit} ({sign} {limit:g})")
    return met
