"""The end of a LiveKit job: the last moment at which its process still waits for us."""

from __future__ import annotations

import asyncio
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
