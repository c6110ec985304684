"""Incidents: one beginning, one end, however often and however late somebody looks."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from medagent.alerts.incidents import LONGEST_LOOK_BACK_US, Edge, Standing, follow, look_from
from medagent.alerts.metrics import Row
from medagent.alerts.rules import load_alerts
from medagent.alerts.windows import readings

RULE = replace(load_alerts().rules[0], window_us=12, threshold=0.3, minimum_sample=2, or_failures=None)
SETTLE = 7
ROWS = st.lists(
    st.builds(Row, at_us=st.integers(1, 90), value=st.sampled_from([0.0, 0.0, 1.0])), min_size=4, max_size=30
)


def look(rows: list[Row], standing: Standing, now: int) -> tuple[Standing, tuple[Edge, ...]]:
    since = look_from(standing, now_us=now, settle_us=SETTLE)
    seen = [row for row in rows if since - RULE.window_us < row.at_us <= now]
    read = readings(seen, "share", window_us=RULE.window_us, since_us=since, until_us=now)
    return follow(RULE, read, standing, now_us=now, settle_us=SETTLE)


def breached(rows: list[Row], moment: int) -> bool:
    within = [row.value for row in rows if moment - RULE.window_us < row.at_us <= moment]
    return len(within) >= 2 and sum(v for v in within if v is not None) / len(within) > 0.3


def minute_by_minute(rows: list[Row], until: int) -> list[tuple[str, int]]:
    """The same story told by the definition, one moment after the other."""
    told, fires, last = [], False, -SETTLE
    for moment in range(until + 1):
        if breached(rows, moment):
            last = moment
            if not fires:
                fires = True
                told.append(("fired", moment))
        elif fires and moment - last > SETTLE:
            fires = False
            told.append(("cleared", moment))
    return told


@given(rows=ROWS, moments=st.lists(st.integers(0, 120), max_size=12))
def test_it_does_not_matter_when_somebody_looks(rows: list[Row], moments: list[int]) -> None:
    """Any number of looks at any moments find the incidents that the definition has, each beginning and end once."""
    standing = Standing(looked_us=0)
    edges: list[Edge] = []
    for moment in [*sorted(moments), 120]:
        standing, found = look(rows, standing, moment)
        edges += found
    assert [(edge.kind, edge.at_us) for edge in edges] == minute_by_minute(rows, 120)


@given(rows=ROWS, late=st.lists(st.integers(0, SETTLE - 1), min_size=30, max_size=30))
def test_what_arrives_late_counts_at_its_own_time(rows: list[Row], late: list[int]) -> None:
    """Rows that arrive less than `settle` late leave no moment over the threshold outside an incident."""
    arrivals = [(row.at_us + late[number], row) for number, row in enumerate(rows)]
    standing = Standing(looked_us=0)
    edges: list[Edge] = []
    for moment in range(131):
        standing, found = look([row for arrived, row in arrivals if arrived <= moment], standing, moment)
        edges += found
    kinds = [edge.kind for edge in edges]
    assert all(one != other for one, other in pairwise(kinds))
    incidents = list(zip(edges[::2], [*edges[1::2], None], strict=False))
    for moment in range(131):
        if breached(rows, moment):  # an incident that was told already may turn out to have begun a little earlier
            assert any(
                fired.at_us - SETTLE < moment and (over is None or moment < over.at_us) for fired, over in incidents
            )


def test_a_value_that_goes_up_and_down_is_one_incident() -> None:
    """What comes back within `settle` never went: a failure every ten moments is one incident, not many."""
    rows = [Row(at_us=t, value=float(t % 10 in (0, 1, 2))) for t in range(61)]
    assert not all(breached(rows, moment) for moment in range(12, 61))
    _, edges = look(rows, Standing(looked_us=0), 200)
    assert [edge.kind for edge in edges] == ["fired", "cleared"]


def test_at_the_threshold_nothing_fires() -> None:
    """Exactly the threshold is not over it."""
    rule = replace(RULE, threshold=0.5)
    rows = [Row(at_us=5, value=1.0), Row(at_us=5, value=0.0)]
    read = readings(rows, "share", window_us=12, since_us=0, until_us=9)
    assert follow(rule, read, Standing(looked_us=0), now_us=9, settle_us=SETTLE)[1] == ()


def test_the_minimum_sample() -> None:
    """One failure of one call fires nothing; of a quiet line three failures do, where the rule says so."""
    one, three = [Row(at_us=5, value=1.0)], [Row(at_us=5, value=1.0)] * 3
    rule = replace(RULE, minimum_sample=10, or_failures=3)
    for rows, fires in (
        (one, False),
        (three[:2], False),
        (three, True),
        ([*one * 3, *[Row(at_us=6, value=0.0)] * 6], True),
    ):
        read = readings(rows, "share", window_us=12, since_us=0, until_us=9)
        edges = follow(rule, read, Standing(looked_us=0), now_us=9, settle_us=SETTLE)[1]
        assert bool(edges) is fires
    read = readings(three, "share", window_us=12, since_us=0, until_us=9)
    assert follow(replace(rule, or_failures=None), read, Standing(), now_us=9, settle_us=SETTLE)[1] == ()


def test_an_absence_of_more_than_a_day_is_not_made_up_for() -> None:
    """After a week of nobody looking, only the last day is looked at; after an hour, all of it."""
    week, hour = 7 * LONGEST_LOOK_BACK_US, 3_600_000_000
    assert look_from(Standing(looked_us=0), now_us=week, settle_us=1) == week - LONGEST_LOOK_BACK_US - 1
    assert look_from(Standing(looked_us=week - hour), now_us=week, settle_us=1) == week - hour - 1
    assert look_from(Standing(), now_us=week, settle_us=1) == week - 1


def test_a_clock_that_goes_back_finds_nothing_twice() -> None:
    """A look before the last one neither opens nor ends anything again."""
    rows = [Row(at_us=20, value=1.0)] * 3
    standing, edges = look(rows, Standing(looked_us=0), 25)
    assert [edge.kind for edge in edges] == ["fired"]
    back, again = look(rows, standing, 22)
    assert again == ()
    assert back == standing
