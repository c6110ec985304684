"""Percentiles by nearest rank, in one definition for alerts, calls, audits and benchmarks.

The p-th percentile is the smallest value that at least p % of all values do not exceed. It is one of the values, and
nothing is interpolated: 95 % of the callers waited no longer than the p95. The definition is the inverse of the
empirical distribution function: definition 1 of R. J. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages",
The American Statistician 50 (1996); `type = 1` in R, `method="inverted_cdf"` in NumPy. Ranks are computed in integers,
so that no rounding of a float moves one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def nearest_rank(count: int, percent: int) -> int:
    """Return the rank, from 1, of a percentile among sorted values.

    Args:
        count: Number of values, at least 1.
        percent: Percentile, 1 to 100.

    Returns:
        The smallest rank that is at least `percent` % of `count`.

    Raises:
        ValueError: `count` is below 1, or `percent` is not between 1 and 100.
    """
    if count < 1 or not 1 <= percent <= 100:
        raise ValueError("nearest rank: count or percent out of range, expected count >= 1 and percent from 1 to 100")
    return (count * percent + 99) // 100


def percentile_of_sorted(ordered: Sequence[float], percent: int) -> float:
    """Return a percentile of values that are sorted already.

    Args:
        ordered: Values in ascending order, at least one.
        percent: Percentile, 1 to 100.

    Returns:
        One of the values, in their unit.

    Raises:
        ValueError: there is no value, or `percent` is not between 1 and 100.
    """
    return ordered[nearest_rank(len(ordered), percent) - 1]


def percentile(values: Iterable[float], percent: int) -> float:
    """Return a percentile of values in any order; arguments, result and errors as `percentile_of_sorted`."""
    return percentile_of_sorted(sorted(values), percent)
