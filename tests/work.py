"""Count work and compare processor times: the measures that a test asserts instead of seconds."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable


def calls_of(work: Callable[[], object]) -> int:
    """Count the function calls, in Python and in C, that some work makes on this thread, its own included."""
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count - 1  # the last is setprofile


def times_as_long(work: Callable[[], object], beside: Callable[[], object]) -> float:
    """Return the processor time of some work as a multiple of another's, the best of three rounds side by side."""
    spent: dict[Callable[[], object], list[int]] = {work: [], beside: []}
    for _ in range(3):
        for each, times in spent.items():
            began = time.thread_time_ns()
            each()
            times.append(time.thread_time_ns() - began)
    return min(spent[work]) / max(1, min(spent[beside]))
