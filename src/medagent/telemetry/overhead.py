"""What telemetry costs the calls: of each operation in handler and enqueue the thread's own time, and the wall's.

An operation is one event of a call that a handler of ours took. Only its own thread's time is ours: a wall clock also
runs while the machine does something else, so it is told, judged by the audit, and never trips the switch.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medagent.percentiles import nearest_rank

if TYPE_CHECKING:
    from medagent.telemetry.switch import Switch

LIMIT_US = 5_000.0
"""A p99 of the thread's own time over this, for long enough, trips the switch."""
CALM_US = 4_000.0
"""Under this the excess is over; between the two nothing changes."""
FEWEST = 200
"""So many operations a minute make a p99: three of them are over it, so that no single collection of garbage is one."""
LOOKS = 10
"""So many looks in a row, a second apart, make an excess: a burst that ten more seconds of work dilute is none."""
BRIEF_NS = 50_000
"""What took less by the wall clock took no more of its own thread, whose clock is dear and is not read again then."""

_LOOK_EVERY_S = 1.0
_ALSO_EVERY = 5
"""Looks after which the watch's other work is done."""
_WINDOW_S = 60
_MOST_WAITING = 200_000
_STEPS_BITS = 5  # 32 steps to a doubling: a percentile is at most 3.1 % over the truth, never under it


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Microseconds an operation, on one of the two clocks; None where there was none.

    `buckets` are the histogram: the upper bound of each bucket that holds something, and how many operations it holds.
    """

    p50_us: float | None
    p95_us: float | None
    p99_us: float | None
    max_us: float | None
    buckets: tuple[tuple[float, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OverheadSummary:
    """So many operations, and what they took: `wall`, and of it at most `thread` on their own thread."""

    count: int
    thread: Spent
    wall: Spent


class _Histogram:
    """Operations by their cost, in steps that grow with it: a few hundred numbers, however many operations."""

    __slots__ = ("counts", "most_ns")

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()
        self.most_ns = 0

    def add(self, nanoseconds: int) -> None:
        cost = max(0, nanoseconds)
        shift = max(0, cost.bit_length() - _STEPS_BITS - 1)
        self.counts[(shift << (_STEPS_BITS + 1)) + (cost >> shift)] += 1
        self.most_ns = max(self.most_ns, cost)

    def add_all(self, other: _Histogram) -> None:
        self.counts.update(other.counts)
        self.most_ns = max(self.most_ns, other.most_ns)

    def spent(self) -> Spent:
        buckets = tuple((self._upper_us(key), self.counts[key]) for key in sorted(self.counts))
        p50, p95, p99 = (self._percentile_us(buckets, share) for share in (50, 95, 99))
        most = self.most_ns / 1000 if buckets else None
        return Spent(p50_us=p50, p95_us=p95, p99_us=p99, max_us=most, buckets=buckets)

    def _percentile_us(self, buckets: Iterable[tuple[float, int]], share: int) -> float | None:
        """The cost that so many per cent of the operations do not exceed, as the upper bound of its bucket."""
        left = nearest_rank(self.counts.total(), share) if self.counts else 0
        for upper_us, count in buckets:
            left -= count
            if left <= 0:
                return min(upper_us, self.most_ns / 1000)
        return None

    @staticmethod
    def _upper_us(key: int) -> float:
        shift, step = key >> (_STEPS_BITS + 1), key & ((1 << (_STEPS_BITS + 1)) - 1)
        return (((step + 1) << shift) - 1) / 1000


class _Slot:
    """What came in one second."""

    __slots__ = ("second", "thread", "wall")

    def __init__(self, second: float) -> None:
        self.second = second
        self.thread = _Histogram()
        self.wall = _Histogram()


class Overhead:
    """Counts operations since the process began and over the last minute; safe to use from any thread.

    An operation counts for the second in which somebody looks, which `OverheadWatch` does every second. Where nobody
    looks, the oldest beyond 200,000 fall out: memory is bounded, whatever happens.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds."""
        self._clock = clock
        self._waiting: deque[tuple[int, int]] = deque(maxlen=_MOST_WAITING)
        self._lock = threading.Lock()
        self._ever = _Slot(0)
        self._seconds: deque[_Slot] = deque()

    def add(self, thread_ns: int, wall_ns: int) -> None:
        """Take one operation's cost, in nanoseconds: one append, which waits for nobody."""
        self._waiting.append((thread_ns, wall_ns))

    def total(self) -> OverheadSummary:
        """All operations so far."""
        with self._lock:
            self._sort()
            return _summary([self._ever])

    def minute(self) -> OverheadSummary:
        """The operations of the last 60 s."""
        with self._lock:
            self._sort()
            return _summary(self._seconds)

    def forget_minute(self) -> None:
        """Begin the minute anew."""
        with self._lock:
            self._sort()
            self._seconds.clear()

    def _sort(self) -> None:
        now = self._clock()
        slot = _Slot(now)
        for _ in range(len(self._waiting)):
            thread_ns, wall_ns = self._waiting.popleft()
            slot.thread.add(thread_ns)
            slot.wall.add(wall_ns)
        if slot.wall.counts:
            self._seconds.append(slot)
            self._ever.thread.add_all(slot.thread)
            self._ever.wall.add_all(slot.wall)
        while self._seconds and now - self._seconds[0].second >= _WINDOW_S:
            self._seconds.popleft()


class OverheadWatch:
    """Looks every second, on a thread of its own, and trips the switch where telemetry costs the calls too much."""

    def __init__(self, overhead: Overhead, *, switch: Switch, also: Callable[[], object] | None = None) -> None:
        """Prepare to look; `also` is called every 5 s on the same thread."""
        self._also = also
        self._overhead = overhead
        self._switch = switch
        from medagent.telemetry.gates import StoreGate  # noqa: PLC0415  # a call's thread counts costs, and needs no gate

        self._gate = StoreGate(switch)
        self._over = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-overhead", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """Judge the last minute; a trip begins a new one, so that who lifts it is judged by what comes after."""
        last = self._overhead.minute()
        p99_us = last.thread.p99_us
        if p99_us is None or last.count < FEWEST or p99_us < CALM_US:
            self._over = 0
        elif p99_us > LIMIT_US:
            self._over += 1
        if self._over < LOOKS:
            return
        self._over = 0
        self._overhead.forget_minute()
        if self._gate.is_open():
            self._switch.trip(
                f"overhead: {p99_us or 0:.0f} µs an operation (p99 of {last.count} in a minute, own thread's time) "
                f"is over the limit of {LIMIT_US:.0f} µs"
            )

    def _run(self) -> None:
        seconds = 0
        while not self._stopping.wait(_LOOK_EVERY_S):
            self.look()
            seconds += 1
            if self._also is not None and seconds % _ALSO_EVERY == 0:
                self._also()


def _summary(slots: Iterable[_Slot]) -> OverheadSummary:
    thread, wall = _Histogram(), _Histogram()
    for slot in slots:
        thread.add_all(slot.thread)
        wall.add_all(slot.wall)
    return OverheadSummary(count=thread.counts.total(), thread=thread.spent(), wall=wall.spent())
