"""Figures for a table: percentiles of a list, and what a machine's noise does not change, a ratio beside another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from medagent.percentiles import percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How many, and percentiles in the unit of what was given."""

    count: int
    p50: float
    p99: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figures:
        """Return the figures of at least one value."""
        return cls(count=len(values), p50=percentile(values, 50), p99=percentile(values, 99), max=max(values))

    def __format__(self, spec: str) -> str:
        return " ".join(f"{value:10{spec or '.1f'}}" for value in (self.p50, self.p99, self.max))


HEAD = f"{'p50':>10} {'p99':>10} {'max':>10}"


def verdict(name: str, measured: float, limit: float, unit: str, *, at_least: bool = False) -> bool:
    """Print one target with its figure; whether it is met."""
    met = measured >= limit if at_least else measured <= limit
    sign = "≥" if at_least else "≤"
    print(f"  {'met   ' if met else 'MISSED'} {name}: {measured:.3g} {unit} ({sign} {limit:g})")
    return met
