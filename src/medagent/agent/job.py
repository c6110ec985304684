"""The beginning and the end of a LiveKit job: how long a call waited for it, and when its process waits for us."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from livekit.agents import get_job_context


def when_job_ends(do: Callable[[], object]) -> None:
    """Have `do` done on a thread while the job shuts down; outside a job nothing happens."""
    context = get_job_context(required=False)
    if context is None:
        return

    async def ended(_reason: str) -> None:
        await asyncio.to_thread(do)

    context.add_shutdown_callback(ended)


def waited(traced_at: float) -> dict[str, float | None]:
    """Return the fields of a `StartMeasured` of a session that has just become ready.

    Args:
        traced_at: Unix time in seconds at which tracing began.

    Returns:
        Milliseconds by name; None is unknown: outside a job there is neither a dispatch nor a process to start.
    """
    now, context = time.time(), get_job_context(required=False)
    job = None if context is None else getattr(context, "_info", None)
    received_at, assigned_at = getattr(job, "received_at", 0.0), getattr(job, "assigned_at", 0.0)
    return {
        "since_ms": _ms(received_at or traced_at, now) or 0.0,
        "dispatch_ms": _ms(received_at, assigned_at),
        "process_start_ms": _ms(assigned_at, traced_at),
        "connect_ms": _ms(traced_at, now),
    }


def _ms(begun_at: float, ended_at: float) -> float | None:
    """A time of 0 is one that LiveKit does not know."""
    return round(max(0.0, ended_at - begun_at) * 1000, 3) if begun_at > 0 and ended_at > 0 else None
