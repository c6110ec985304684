"""Distributions as the audit's parts hand them on."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from medagent.percentiles import percentile_of_sorted


class Spent(BaseModel):
    """So many, their percentiles by nearest rank, and the histogram: upper bound and count of each bucket."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    count: int
    p50: float
    p95: float
    p99: float
    max: float
    buckets: tuple[tuple[float, int], ...] = ()


def percentiles(values: Sequence[float]) -> Spent:
    """Return count, percentiles and maximum of values, in their unit; zeros where there is none."""
    if not values:
        return Spent(count=0, p50=0.0, p95=0.0, p99=0.0, max=0.0)
    ordered = sorted(values)
    p50, p95, p99 = (percentile_of_sorted(ordered, percent) for percent in (50, 95, 99))
    return Spent(count=len(ordered), p50=p50, p95=p95, p99=p99, max=ordered[-1])
