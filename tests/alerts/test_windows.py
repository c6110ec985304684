"""Windows: what counts at a moment, however the rows came."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from medagent.alerts.metrics import Measure, Row
from medagent.alerts.windows import Reading, readings

SHARES = st.sampled_from([0.0, 1.0])
ROWS = st.lists(st.builds(Row, at_us=st.integers(0, 60), value=st.none() | SHARES), max_size=30)
NUMBERS = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120)
MEASURES: st.SearchStrategy[Measure] = st.sampled_from(["share", "p95", "sum"])


def at(rows: list[Row], measure: Measure, moment: int, window: int) -> Reading:
    return readings(rows, measure, window_us=window, since_us=moment, until_us=moment)[-1]


def plainly(rows: list[Row], measure: Measure, moment: int, window: int) -> tuple[float | None, int, int]:
    """The metric by its definition, one window at a time."""
    within = [row.value for row in rows if moment - window < row.at_us <= moment]
    known = sorted(value for value in within if value is not None)
    if not known:
        return None, 0, len(within)
    value = {
        "share": sum(known) / len(known),
        "p95": min(v for v in known if sum(k <= v for k in known) >= Fraction(95, 100) * len(known)),
        "sum": math.fsum(known),
    }[measure]
    return value, len(known), len(within) - len(known)


@given(rows=ROWS, measure=MEASURES, window=st.integers(1, 30), since=st.integers(0, 40), span=st.integers(0, 40))
def test_every_moment_is_told_by_the_reading_before_it(
    rows: list[Row], measure: Measure, window: int, since: int, span: int
) -> None:
    """At every moment of a stretch the last reading says what the metric is by its definition."""
    told = readings(rows, measure, window_us=window, since_us=since, until_us=since + span)
    for moment in range(since, since + span + 1):
        last = [reading for reading in told if reading.at_us <= moment][-1]
        assert (last.value, last.sample, last.unknown) == plainly(rows, measure, moment, window)


@given(rows=ROWS, measure=MEASURES, data=st.data())
def test_the_order_of_the_rows_does_not_matter(rows: list[Row], measure: Measure, data: st.DataObject) -> None:
    """The same rows in any order read the same."""
    mixed = data.draw(st.permutations(rows))
    one, other = (readings(r, measure, window_us=9, since_us=5, until_us=50) for r in (rows, mixed))
    assert one == other


@given(rows=ROWS, measure=MEASURES, cut=st.integers(0, 60))
def test_time_may_be_split_anywhere(rows: list[Row], measure: Measure, cut: int) -> None:
    """A stretch read in two parts, each with only the rows it needs, tells the same as read at once."""
    window, since, until = 9, 0, 60
    first = readings([r for r in rows if r.at_us <= cut], measure, window_us=window, since_us=since, until_us=cut)
    later = [r for r in rows if r.at_us > cut - window]
    second = readings(later, measure, window_us=window, since_us=cut, until_us=until)
    whole = readings(rows, measure, window_us=window, since_us=since, until_us=until)
    assert [r for r in whole if r.at_us <= cut] == first
    assert [r for r in whole if r.at_us > cut] == second[1:]


def test_the_borders() -> None:
    """A row counts at its own moment and until just before a window later."""
    row = Row(at_us=100, value=1.0)
    told = [at([row], "share", moment, 50).sample for moment in (99, 100, 149, 150)]
    assert told == [0, 1, 1, 0]


@given(values=NUMBERS)
def test_a_sum_does_not_drift(values: list[float]) -> None:
    """A sum after a thousand rows came and went is the sum of what is left, to the last bit."""
    gone = [Row(at_us=n, value=0.1 * n) for n in range(1000)]
    rows = gone + [Row(at_us=2000, value=value) for value in values]
    assert readings(rows, "sum", window_us=100, since_us=0, until_us=2000)[-1].value == math.fsum(values)


def test_what_is_unknown_is_counted_and_is_no_zero() -> None:
    """A call without a price is neither in the sample nor free."""
    told = at([Row(at_us=1, value=None), Row(at_us=2, value=3.0)], "sum", 5, 10)
    assert (told.value, told.sample, told.unknown) == (3.0, 1, 1)
    assert at([Row(at_us=1, value=None)], "sum", 5, 10).value is None
