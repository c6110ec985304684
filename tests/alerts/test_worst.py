"""The worst calls of an alert: who is named, how many, and in which words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.alerts.incidents import Edge
from medagent.alerts.metrics import METRICS, Measure, Row
from medagent.alerts.notice import WorstCall, notice_of
from medagent.alerts.rules import load_alerts
from medagent.alerts.windows import Reading
from medagent.alerts.worst import MOST_WORST, worst_rows
from medagent.audit import reading
from medagent.errors import DoorError

[NOTICE] = [shape for shape in reading._envelope(load_alerts()) if shape.rule == "an alert's notice"]
CALLS = st.sampled_from(["0a1b2c3d-1", "11111111-2", "deadbeef-3", "77777777-4", "00000000-5"])
ROWS = st.lists(
    st.builds(
        Row,
        at_us=st.integers(0, 60),
        value=st.none() | st.sampled_from([0.0, 1.0, 2.5]),
        trace_id=CALLS,
        offset_ms=st.none() | st.floats(0, 900_000),
    ),
    max_size=30,
)
MEASURES: st.SearchStrategy[Measure] = st.sampled_from(["share", "p95", "sum"])


@given(rows=ROWS, measure=MEASURES, window=st.integers(1, 30), at=st.integers(0, 70))
def test_worst_rows_are_of_different_calls_in_the_window(
    rows: list[Row], measure: Measure, window: int, at: int
) -> None:
    """Three at most, each of another call, from the window alone, and no call outside them is worse."""
    worst = worst_rows(rows, measure, window_us=window, at_us=at)
    within = [row for row in rows if at - window < row.at_us <= at and row.value is not None]
    if measure == "share":
        within = [row for row in within if row.value == 1.0]
    assert len(worst) == len({row.trace_id for row in worst}) == min(MOST_WORST, len({row.trace_id for row in within}))
    assert set(worst) <= set(within)
    if measure != "share" and worst:
        others = [row.value or 0.0 for row in within if row.trace_id not in {one.trace_id for one in worst}]
        assert min(row.value or 0.0 for row in worst) >= max(others, default=0.0)


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize("is_named", [True, False], ids=["calls named", "no call named"])
def test_audit_knows_every_message_of_an_alert(metric: str, is_named: bool) -> None:
    """The audit's second reader takes exactly these words for an alert's own, with any number of calls."""
    alerts = load_alerts()
    rule = next(rule for rule in alerts.rules if rule.metric == metric)
    rows = [
        Row(at_us=n, value=n / 3, trace_id=f"{n}bcdef01-", offset_ms=None if n == 2 else 71_600.0) for n in range(3)
    ]
    edge = Edge(kind="fired", at_us=10**15, reading=Reading(at_us=0, value=4.25, sample=20, failures=3, unknown=0))
    for count in range(MOST_WORST + 1 if is_named else 1):
        notice = notice_of(rule, edge, incident="0123456789ab", env="dev", settle_us=600_000_000, worst=rows[:count])
        for with_calls in (True, False):
            text = notice.text(with_calls=with_calls)
            assert NOTICE.fits(text)
        assert ("Worst:" in notice.text(with_calls=True)) is (count > 0)
        assert not re.search("Worst|Look", notice.text())


@pytest.mark.parametrize("call", ["4155550137", "Maren", "0a1b2c3", "0A1B2C3D", "0a1b2c3d "], ids=repr)
def test_message_with_anything_but_the_beginning_of_an_id_is_stopped(call: str) -> None:
    """What is kept in the alerts' state is held to its shape once more before it is sent."""
    rule = load_alerts().rules[0]
    edge = Edge(kind="fired", at_us=10**15, reading=None)
    notice = notice_of(rule, edge, incident="0123456789ab", env="dev", settle_us=0)
    altered = notice.model_copy(update={"worst": (WorstCall(call=call, offset_s=1, value=None),)})
    with pytest.raises(DoorError, match="beginning of a call's id"):
        altered.text(with_calls=True)
