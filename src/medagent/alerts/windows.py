"""What a metric was at every moment: rows in a sliding window to a value and a sample; pure, no clock.

The window at a moment t is half-open, (t - w, t]: a row counts from its own moment on, and not any more w later.
Between two such moments nothing changes: a stretch of time is told whole by the few moments at which something does.
"""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medagent.alerts.metrics import Measure, Row
from medagent.percentiles import percentile_of_sorted


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The metric from `at_us` (µs since the Unix epoch, UTC) to the next reading.

    `value` is None where nothing known is in the window; `sample` counts what is, `failures` those of a share,
    `unknown` the rows without a number.
    """

    at_us: int
    value: float | None
    sample: int
    failures: int
    unknown: int


def readings(rows: Iterable[Row], measure: Measure, *, window_us: int, since_us: int, until_us: int) -> list[Reading]:
    """The metric over [since, until]: a reading at `since`, and one at each moment at which it may change.

    Needs all rows of (since - window, until]; the order of the rows does not matter.
    """
    entering = sorted((row.at_us, row.value) for row in rows if row.value is not None)
    blank = sorted(row.at_us for row in rows if row.value is None)
    return [
        _reading(at_us, values, measure, _within(blank, at_us, window_us))
        for at_us, values in _slide(entering, window_us, _moments(rows, window_us, since_us, until_us))
    ]


def _moments(rows: Iterable[Row], window_us: int, since_us: int, until_us: int) -> list[int]:
    changes = {moment for row in rows for moment in (row.at_us, row.at_us + window_us)}
    return [since_us, *sorted(moment for moment in changes if since_us < moment <= until_us)]


def _slide(
    entering: Sequence[tuple[int, float]], window_us: int, moments: Sequence[int]
) -> Iterable[tuple[int, list[float]]]:
    """At each moment, the values within its window, in their order."""
    values: list[float] = []
    first = last = 0
    for moment in moments:
        while last < len(entering) and entering[last][0] <= moment:
            insort(values, entering[last][1])
            last += 1
        while first < last and entering[first][0] <= moment - window_us:
            del values[bisect_left(values, entering[first][1])]
            first += 1
        yield moment, values


def _within(ordered: Sequence[int], at_us: int, window_us: int) -> int:
    return bisect_left(ordered, at_us + 1) - bisect_left(ordered, at_us - window_us + 1)


def _reading(at_us: int, ordered: Sequence[float], measure: Measure, unknown: int) -> Reading:
    sample = len(ordered)
    failures = sample - bisect_left(ordered, 1.0) if measure == "share" else 0
    value: float | None = None
    if ordered:
        match measure:
            case "share":
                value = failures / sample
            case "p95":
                value = percentile_of_sorted(ordered, 95)
            case "sum":
                value = math.fsum(ordered)
    return Reading(at_us=at_us, value=value, sample=sample, failures=failures, unknown=unknown)
