"""What a call came to, for a list: read from its sealed spans' documents; pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from medagent.proof import Json

SUMMARISED = ("voice_session", "session.end", "agent_turn")
"""The spans that a summary is made of."""

_LOST = ("error", "process_lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFigures:
    """Figures of one call; what the call did not report is None.

    `ttft_ms` is the longest TTFT-A of its turns, `dead_air_ms` its longest dead air. `failed` has the meaning of the
    alert `error_rate`: an error that nobody recovered from, a lost call, or a run of a tool that failed.
    """

    duration_ms: float | None
    outcome: str | None
    reason: str | None
    complete: bool
    synthetic: bool
    failed: bool
    ttft_ms: float | None
    dead_air_ms: float | None
    cost_usd: float | None

    @property
    def slowest_ms(self) -> float | None:
        """The longest wait of the caller in ms: TTFT-A or dead air; None where neither was measured."""
        return max((one for one in (self.ttft_ms, self.dead_air_ms) if one is not None), default=None)


def call_figures(spans: Iterable[tuple[str, Mapping[str, Json]]]) -> CallFigures:
    """Return the figures of one call.

    Args:
        spans: Name and fields of its spans, of which those in `SUMMARISED` count, in the order of their seals.
    """
    reported: dict[str, Json] = {}
    waits: list[float] = []
    failed = False
    for name, fields in spans:
        if name == "agent_turn":
            wait = number(fields.get("ttft_ms"))
            waits += [] if wait is None else [wait]
        elif name in SUMMARISED:
            reported |= {key: value for key, value in fields.items() if value is not None}
            failed |= is_failed(fields)
    return CallFigures(
        duration_ms=number(reported.get("duration_ms")),
        outcome=_text(reported.get("outcome")),
        reason=_text(reported.get("reason")),
        complete=reported.get("complete") is True,
        synthetic=reported.get("synthetic") is True,
        failed=failed,
        ttft_ms=max(waits, default=None),
        dead_air_ms=number(reported.get("dead_air_longest_ms")),
        cost_usd=number(reported.get("cost_usd")),
    )


def is_failed(fields: Mapping[str, Json]) -> bool:
    """Return whether a call's session or end reports an unrecovered error, a lost call or a failed tool."""
    errors = fields.get("errors")
    listed = errors if isinstance(errors, Sequence) and not isinstance(errors, str) else ()
    unrecovered = any(isinstance(error, Mapping) and error.get("error_recoverable") is False for error in listed)
    has_failed_tool = (number(fields.get("tool_failures")) or 0) > 0
    return unrecovered or has_failed_tool or fields.get("reason") in _LOST or fields.get("outcome") == "failed"


def number(value: Json) -> float | None:
    """Return a finite number; None for anything else."""
    sound = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if sound and isinstance(value, int | float) else None


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) else None
