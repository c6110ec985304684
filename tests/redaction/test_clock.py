from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_record import KEY, POLICY

from medagent.errors import PolicyError
from medagent.proof import PseudonymKey
from medagent.redaction.clock import CallClock, call_clock, release_delay_days
from packaged import packaged_policy

SHIFTED = packaged_policy("safe-harbor")
DAY_US = 24 * 60 * 60 * 1_000_000
TRACES = st.uuids().map(str)
TIMES = st.integers(min_value=366 * DAY_US, max_value=2**52)


@given(trace=TRACES, begin=TIMES, lasts=st.integers(min_value=0, max_value=DAY_US))
def test_a_shifted_clock_keeps_every_duration(trace: str, begin: int, lasts: int) -> None:
    """All times of a call move by the same whole days: durations and the time of day stay, the day does not."""
    clock = call_clock(SHIFTED, trace_id=trace, key=KEY)
    assert clock.told(begin + lasts) - clock.told(begin) == lasts
    moved = begin - clock.told(begin)
    assert moved % DAY_US == 0
    assert DAY_US <= moved <= 365 * DAY_US


@given(trace=TRACES, at=TIMES)
def test_an_exact_clock_changes_nothing(trace: str, at: int) -> None:
    """Under the default policy a time leaves as it was, with or without a key."""
    assert call_clock(POLICY, trace_id=trace, key=None).told(at) == at
    assert call_clock(POLICY, trace_id=trace, key=KEY) == CallClock(days=0)


@given(trace=TRACES, most=st.integers(min_value=1, max_value=365))
def test_a_delay_is_whole_days_within_its_bound(trace: str, most: int) -> None:
    """A call is held for 1 to `most` days, the same in every process that has the key; 0 holds nothing."""
    held = release_delay_days(trace, most=most, key=KEY)
    assert 1 <= held <= most
    assert held == release_delay_days(trace, most=most, key=KEY)
    assert release_delay_days(trace, most=0, key=KEY) == 0


def test_delays_are_spread_and_depend_on_the_key() -> None:
    """All days of a week are drawn among a hundred calls, and another key draws others."""
    traces = [str(uuid.UUID(int=n)) for n in range(100)]
    drawn = [release_delay_days(trace, most=7, key=KEY) for trace in traces]
    assert set(drawn) == set(range(1, 8))
    other = PseudonymKey(secret=b"o" * 32)
    assert drawn != [release_delay_days(trace, most=7, key=other) for trace in traces]


def test_the_shift_is_the_calls_own() -> None:
    """The same call has the same shift under the same key; calls differ, and so do keys: nobody reads it off the id."""
    traces = [str(uuid.UUID(int=n)) for n in range(400)]
    days = [call_clock(SHIFTED, trace_id=trace, key=KEY).days for trace in traces]
    assert days == [call_clock(SHIFTED, trace_id=trace, key=KEY).days for trace in traces]
    assert len(set(days)) > 150
    other = [call_clock(SHIFTED, trace_id=t, key=PseudonymKey(secret=b"o" * 32)).days for t in traces]
    assert sum(a == b for a, b in zip(days, other, strict=True)) < 20


def test_no_key_no_shift() -> None:
    """Without the key a shifted clock is an error: no time leaves as it was by accident."""
    with pytest.raises(PolicyError, match="needs the pseudonym key"):
        call_clock(SHIFTED, trace_id=str(uuid.UUID(int=1)), key=None)
    assert call_clock(replace(SHIFTED, clock=POLICY.clock), trace_id="x", key=None).days == 0


def test_a_time_before_time_began() -> None:
    """A clock near 1970 does not fall below zero."""
    assert CallClock(days=300).told(5) == 0
