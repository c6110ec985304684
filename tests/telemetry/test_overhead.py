"""What telemetry costs is told truly, and what costs too much turns it off: its own thread's time, never the wall's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.agent.bridge import Bridge
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry.line import Line
from medagent.telemetry.overhead import FEWEST, LIMIT_US, LOOKS, Overhead, OverheadWatch
from medagent.telemetry.switch import Switch
from work import calls_of

MS = 1_000_000


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def a_switch(home: Path) -> Switch:
    return Switch(home, forced=None, env="dev")


def a_bridge(overhead: Overhead) -> Bridge:
    line = Line("5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a", lambda _arrival: None)
    return Bridge(line, agent_version="0.1.0", overhead=overhead)


def burn(seconds: float) -> None:
    """Work: the thread's own time passes."""
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def slow(bridge: Bridge, work: Callable[[float], None], seconds: float, times: int) -> None:
    """Let the bridge handle events whose handler takes so long."""
    handle = bridge._guard(lambda _event: work(seconds))
    for _ in range(times):
        handle({"type": "slow"})


@given(st.lists(st.integers(0, 10**10), min_size=1, max_size=300))
def test_a_percentile_is_never_under_the_truth(costs: list[int]) -> None:
    """It is the true one of the operations, at most 3.2 % over it, on either clock."""
    overhead = Overhead()
    for cost in costs:
        overhead.add(cost, 2 * cost)
    told, ordered = overhead.total(), sorted(costs)
    for spent, factor in ((told.thread, 1), (told.wall, 2)):
        assert sum(count for _, count in spent.buckets) == told.count == len(costs)
        assert spent.max_us == factor * ordered[-1] / 1000
        for share, value in ((50, spent.p50_us), (95, spent.p95_us), (99, spent.p99_us)):
            truth = factor * ordered[-(-len(costs) * share // 100) - 1] / 1000
            assert value is not None
            assert truth <= value <= truth * 1.032 + 1e-9


def test_nothing_is_null() -> None:
    """Without an operation there is no percentile, and it is not 0."""
    told = Overhead().minute()
    assert (told.count, told.thread.p99_us, told.wall.max_us, told.thread.buckets) == (0, None, None, ())


def test_the_minute_forgets_and_the_total_does_not() -> None:
    """What is sixty seconds old is in the total alone."""
    clock = Clock()
    overhead = Overhead(clock=clock)
    overhead.add(MS, MS)
    assert overhead.minute().count == 1
    clock.now = 59.9
    overhead.add(2 * MS, 2 * MS)
    assert overhead.minute().count == 2
    clock.now = 60.0
    assert overhead.minute().thread.max_us == 2000
    assert overhead.total().count == 2


@pytest.mark.timing
def test_many_threads_lose_no_operation() -> None:
    """Four threads add while a fifth looks, and every operation is counted once."""
    overhead = Overhead()

    def work() -> None:
        for _ in range(5000):
            overhead.add(1000, 1000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        overhead.minute()
    assert overhead.total().count == overhead.minute().count == 20_000


def test_its_memory_is_bounded() -> None:
    """A million operations at which nobody looked are no more than the latest of them."""
    overhead = Overhead()
    for cost in range(1_000_000):
        overhead.add(cost, cost)
    told = overhead.total()
    assert told.count == 200_000
    assert told.wall.max_us == 999.999


def test_adding_an_operation_is_one_append() -> None:
    """The calls' thread takes no lock and reads no clock for it: the lambda, `add` and `append` are all calls."""
    overhead = Overhead()
    assert calls_of(lambda: overhead.add(1, 1)) == 3


def test_a_slow_handler_trips_the_switch(tmp_path: Path) -> None:
    """Handlers that work for 6 ms an event turn telemetry off; the reason names the p99 and the limit."""
    overhead, switch = Overhead(), a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=switch)
    slow(a_bridge(overhead), burn, 0.006, FEWEST)
    for _ in range(LOOKS - 1):
        watch.look()
    assert switch.is_on()
    watch.look()
    state = switch.state()
    p99 = overhead.total().thread.p99_us
    assert state.source == "trip"
    assert p99 is not None
    assert f"{p99:.0f} µs" in str(state.reason)
    assert f"{LIMIT_US:.0f} µs" in str(state.reason)


def test_a_stalled_machine_trips_nothing(tmp_path: Path) -> None:
    """Handlers during which the wall clock runs on, while the thread does nothing, leave telemetry on."""
    overhead, switch = Overhead(), a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=switch)
    slow(a_bridge(overhead), time.sleep, 0.006, FEWEST)
    for _ in range(2 * LOOKS):
        watch.look()
    told = overhead.minute()
    assert switch.is_on()
    assert (told.wall.p50_us or 0) > LIMIT_US > (told.thread.p99_us or LIMIT_US)


@pytest.mark.parametrize(
    ("quick", "dear", "off"),
    [
        (0, FEWEST - 1, False),
        (0, FEWEST, True),
        (FEWEST - 2, 2, False),
        (FEWEST - 3, 3, True),
        (991, 9, False),
        (989, 11, True),
    ],
)
def test_a_p99_needs_a_sample(tmp_path: Path, quick: int, dear: int, off: bool) -> None:
    """Under 200 operations a minute nothing trips, and from there one operation in a hundred must be dear."""
    overhead, switch = Overhead(), a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=switch)
    for cost, times in ((MS // 100, quick), (6 * MS, dear)):
        for _ in range(times):
            overhead.add(cost, cost)
    for _ in range(LOOKS):
        watch.look()
    assert switch.is_on() is not off


def test_what_is_diluted_in_time_trips_nothing(tmp_path: Path) -> None:
    """A burst that a calm look interrupts begins to count anew; between calm and limit the count stands."""
    clock = Clock()
    overhead, switch = Overhead(clock=clock), a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=switch)

    def minute(cost: int, looks: int) -> None:
        clock.now += 60
        for _ in range(FEWEST):
            overhead.add(cost, cost)
        for _ in range(looks):
            watch.look()

    minute(6 * MS, LOOKS - 1)
    minute(3 * MS, 1)
    minute(6 * MS, LOOKS - 1)
    minute(9 * MS // 2, 100)
    assert switch.is_on()
    minute(6 * MS, 1)
    assert not switch.is_on()


def test_who_lifts_a_trip_is_judged_by_what_comes_after(tmp_path: Path) -> None:
    """The minute that tripped the switch does not trip it again."""
    overhead, switch = Overhead(), a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=switch)
    for _ in range(FEWEST):
        overhead.add(6 * MS, 6 * MS)
    for _ in range(LOOKS):
        watch.look()
    assert not switch.is_on()
    (tmp_path / "switch.json").unlink()
    lifted = a_switch(tmp_path)
    watch = OverheadWatch(overhead, switch=lifted)
    for _ in range(2 * LOOKS):
        watch.look()
    assert lifted.is_on()


@pytest.mark.timing
def test_a_running_telemetry_looks_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its bridges report is judged on a thread of its own, and the calls of this process stop being traced."""
    from medagent.telemetry import overhead as module

    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    telemetry = Telemetry(load_settings(MEDAGENT_HOME=tmp_path)).start()
    try:
        for _ in range(FEWEST):
            telemetry.overhead.add(6 * MS, 6 * MS)
        deadline = time.monotonic() + 60
        while telemetry.switch.is_on() and time.monotonic() < deadline:
            time.sleep(0.02)
        state = telemetry.switch.state()
    finally:
        telemetry.close()
    assert (state.on, state.source) == (False, "trip")


def test_each_event_is_one_operation() -> None:
    """An error that ends the call, of which one handler tells twice, is one operation; a failing handler is one too."""
    overhead = Overhead()
    bridge = a_bridge(overhead)

    def broken(_event: Any) -> None:
        raise TypeError("broken")

    bridge._guard(broken)(None)
    bridge._guard(bridge._conversation._user_state)(
        SimpleNamespace(old_state="speaking", new_state="away", created_at=0.0)
    )
    bridge._guard(bridge._errors.raised)(SimpleNamespace(error=SimpleNamespace(recoverable=False), source=None))
    assert overhead.total().count == 3
    assert bridge.failures == 1
