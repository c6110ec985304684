"""One interpreter for the calls' loop and for telemetry's threads: how they give it back to the loop.

A thread that does not give way keeps the interpreter until another has waited for a switch interval, and the loop is
interrupted after as long itself. So telemetry's threads give way of their own accord, often, and the interval is longer
than what the loop mostly does at a time: measured, that halves what it is late by (`make bench`).
"""

from __future__ import annotations

import sys
import threading
import time

_SWITCH_INTERVAL_S = 0.001


class _Thread(threading.local):
    has_time = False


_here = _Thread()


def share() -> None:
    """Change threads every millisecond instead of every five: for the whole process."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)


def take_time(has_time: bool) -> None:
    """Whether this thread has so little to do that it gives way from now on."""
    _here.has_time = has_time


def give_way() -> None:
    """Let whoever waits for the interpreter have it, where this thread has time; it has not unless it said so.

    Only a thread that sleeps gives way (one that lets go and asks again is first), and the shortest sleep takes 80 µs.
    """
    if _here.has_time:
        time.sleep(0)
