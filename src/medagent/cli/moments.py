"""Lengths of time and moments that a person writes on a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import typer

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_LENGTH = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)(ms|s|m|h|d)")


def milliseconds_of(text: str, option: str) -> float:
    """Return a length of time such as 800ms, 2s, 30m, 2h or 7d, in milliseconds.

    Raises:
        typer.BadParameter: The text is no length of time; `option` is named.
    """
    match = _LENGTH.fullmatch(text)
    if match is None:
        raise typer.BadParameter("not a length of time, expected 800ms, 2s, 30m, 2h or 7d", param_hint=option)
    return float(match[1]) * _UNITS_MS[match[2]]


def moment_of(text: str, option: str, *, now_us: int) -> int:
    """Return a moment in microseconds since the Unix epoch (UTC).

    Args:
        text: A length of time before now (2h), or a date or time in ISO 8601, UTC if it names no zone.
        option: Name of the option, for the error.
        now_us: Now, in microseconds since the Unix epoch (UTC).

    Raises:
        typer.BadParameter: The text is neither; `option` is named.
    """
    if _LENGTH.fullmatch(text):
        return now_us - round(milliseconds_of(text, option) * 1000)
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "not a moment, expected a length of time before now (2h) or ISO 8601 (2026-11-30)", param_hint=option
        ) from None
    return round((told if told.tzinfo else told.replace(tzinfo=UTC)).timestamp() * 1e6)
