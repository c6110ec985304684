"""The calls that made an alert fire, the worst first; pure."""

from __future__ import annotations

from collections.abc import Iterable

from medagent.alerts.metrics import Measure, Row

MOST_WORST = 3
"""Most calls that a message names."""


def worst_rows(rows: Iterable[Row], measure: Measure, *, window_us: int, at_us: int) -> list[Row]:
    """Return one row for each of the worst calls in a window, at most `MOST_WORST`.

    Args:
        rows: Rows of a metric.
        measure: How the metric is measured: of a share the calls with most failures count, else the largest value.
        window_us: Length of the window in microseconds.
        at_us: End of the window, in microseconds since the Unix epoch (UTC); a row at its beginning is outside.

    Returns:
        The worst first; of two that are alike the one that ended later.
    """
    within = [row for row in rows if row.trace_id and row.value is not None and at_us - window_us < row.at_us <= at_us]
    if measure == "share":
        within = [row for row in within if row.value == 1.0]
    by_call: dict[str, list[Row]] = {}
    for row in within:
        by_call.setdefault(row.trace_id, []).append(row)
    ranked = sorted(
        by_call.values(),
        key=lambda of_call: (
            len(of_call) if measure == "share" else max(row.value or 0.0 for row in of_call),
            max(row.at_us for row in of_call),
        ),
        reverse=True,
    )
    return [max(of_call, key=lambda row: (row.value or 0.0, row.at_us)) for of_call in ranked[:MOST_WORST]]
