"""One definition of a percentile, and each part of the code that uses it."""

from __future__ import annotations

import ast
from fractions import Fraction
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.alerts.metrics import METRICS
from medagent.alerts.windows import readings
from medagent.audit.measure import percentiles
from medagent.cli.call import _summary
from medagent.percentiles import nearest_rank, percentile, percentile_of_sorted
from medagent.rehearsal import Rehearsed
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan, SpanKind

ROOT = Path(__file__).parents[1]
VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=120)
WAITS = st.lists(st.integers(0, 20_000_000).map(lambda us: us / 1000), min_size=1, max_size=60)
PERCENTS = st.integers(1, 100)
BOOK = load_scenario("book")


def turn(end_us: int, ttft_ms: float) -> SafeSpan:
    """One turn of the agent that ended then."""
    return SafeSpan(
        trace_id=str(UUID(int=1)),
        span_id=str(UUID(int=end_us)),
        ancestors=(),
        name="agent_turn",
        kind=SpanKind.AGENT_TURN,
        start_us=0,
        end_us=end_us,
        status="ok",
        env="dev",
        policy_digest="ab" * 32,
        fields={"ttft_ms": ttft_ms},
    )


@pytest.mark.parametrize(
    ("count", "rank"), [(1, 1), (2, 2), (19, 19), (20, 19), (21, 20), (40, 38), (100, 95), (101, 96), (1000, 950)]
)
def test_nearest_rank_of_p95_is_exact(count: int, rank: int) -> None:
    """Of n values p95 has rank ceil(0.95 n), exact for every n: from twenty values on, one outlier is not the p95."""
    assert nearest_rank(count, 95) == rank
    assert percentile_of_sorted([float(n) for n in range(1, count + 1)], 95) == rank


@given(values=VALUES, percent=PERCENTS)
def test_percentile_is_the_smallest_value_that_covers_its_share(values: list[float], percent: int) -> None:
    """It is one of the values; at least p % of all are at or under it, and fewer are under it."""
    found = percentile(values, percent)
    share = Fraction(percent, 100) * len(values)
    assert found in values
    assert sum(value <= found for value in values) >= share
    assert sum(value < found for value in values) < share


@given(values=VALUES, percents=st.tuples(PERCENTS, PERCENTS), data=st.data())
def test_percentile_is_monotonic_and_ignores_order(
    values: list[float], percents: tuple[int, int], data: st.DataObject
) -> None:
    """A higher percentile is no smaller, the hundredth is the maximum, and the order of the values is irrelevant."""
    low, high = sorted(percents)
    assert percentile(values, low) <= percentile(values, high) <= percentile(values, 100) == max(values)
    assert percentile(data.draw(st.permutations(values)), low) == percentile(values, low)


@given(values=VALUES, percent=st.sampled_from([25, 50, 75]))
def test_percentile_is_the_inverted_cdf_of_numpy(values: list[float], percent: int) -> None:
    """The definition is NumPy's `inverted_cdf`; at shares that a float holds exactly the two are equal."""
    assert percentile(values, percent) == np.quantile(values, percent / 100, method="inverted_cdf")


@pytest.mark.parametrize(("count", "percent"), [(0, 50), (-1, 50), (3, 0), (3, 101)], ids=str)
def test_nearest_rank_out_of_range_raises(count: int, percent: int) -> None:
    """There is no percentile of nothing, and none below 1 or above 100."""
    with pytest.raises(ValueError, match="expected count >= 1 and percent from 1 to 100"):
        nearest_rank(count, percent)


@given(waits=WAITS)
def test_call_and_alerts_agree_on_p95(waits: list[float]) -> None:
    """For the same waits `medagent call`, the alert and the audit have the same p95 and p50."""
    turns = [turn(1000 + n, wait) for n, wait in enumerate(waits)]
    bridge: Any = None
    played = Rehearsed(scenario=BOOK, ended="done", trace_id="", spans=turns, problems=[], bridge=bridge)
    shown = _summary(played)
    metric = METRICS["ttft_p95"]
    rows = metric.rows([(one.end_us, one) for one in turns])
    alert = readings(rows, metric.measure, window_us=1000, since_us=1000 + len(turns), until_us=1000 + len(turns))[-1]
    audit = percentiles(waits)
    assert alert.value is not None
    assert shown["ttft_ms_p95"] == audit.p95 == round(alert.value * 1000, 3)
    assert shown["ttft_ms_p50"] == audit.p50


def test_no_other_percentile_is_computed_in_the_code() -> None:
    """No module of the package, the benchmarks or the load test takes percentiles from `statistics` or NumPy."""
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for folder in ("src", "bench", "tests/load")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for name in _taken(ast.parse(path.read_text(encoding="utf-8")))
        if name in ("median", "percentile", "quantile", "quantiles")
    ]
    assert found == []


def _taken(tree: ast.AST) -> list[str]:
    libraries, nodes = ("statistics", "numpy", "np"), list(ast.walk(tree))
    named = [n.attr for n in nodes if isinstance(n, ast.Attribute) and getattr(n.value, "id", None) in libraries]
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module in libraries]
    return named + [alias.name for node in froms for alias in node.names]
