"""The day of a call is a date too: under a shifted clock its times leave moved by days that only the key knows.

The time of arrival is not in a span: a destination reads it on its own clock, unless the call is released days later.
"""

from __future__ import annotations

from dataclasses import dataclass

from medagent.errors import PolicyError
from medagent.proof import PseudonymKey
from medagent.redaction.policy import ClockMode, Policy

_DAY_US = 86_400_000_000
_MOST_DAYS = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class CallClock:
    """How much later than told a call was: whole days, 0 where its times leave as they were."""

    days: int

    def told(self, at_us: int) -> int:
        """A time of this call as it may leave; in and out in microseconds since the Unix epoch (UTC), never below 0."""
        return max(0, at_us - self.days * _DAY_US)


def release_delay_days(trace_id: str, *, most: int, key: PseudonymKey) -> int:
    """Return for how many whole days a call is held from remote destinations.

    Args:
        trace_id: the call's; all spans of a call are held for the same time, in every process.
        most: the largest delay in days; 0 holds nothing.
        key: draws the delay, so that nobody without it can compute it.

    Returns:
        0 where `most` is 0, else 1 to `most`.
    """
    if most == 0:
        return 0
    drawn = key.pseudonym("release", trace_id).rpartition("_")[2]
    return 1 + int(drawn, 16) % most


def call_clock(policy: Policy, *, trace_id: str, key: PseudonymKey | None) -> CallClock:
    """One clock per call, from 1 to 365 days back where the policy shifts; raises `PolicyError` without a key then."""
    match policy.clock:
        case ClockMode.EXACT:
            return CallClock(days=0)
        case ClockMode.SHIFTED:
            if key is None:
                raise PolicyError(
                    f"{policy.name}: 'clock: shifted' needs the pseudonym key", hint="set MEDAGENT_PSEUDONYM_KEY"
                )
            drawn = key.pseudonym("clock", trace_id).rpartition("_")[2]
            return CallClock(days=1 + int(drawn, 16) % _MOST_DAYS)
