"""Job process without telemetry: what LiveKit alone costs, as the base of a traced job's memory."""

from __future__ import annotations

import asyncio
import os
import resource
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


def own_figures() -> dict[str, Any]:
    """Return this process's private memory (MB), processor time (s) and threads."""
    private = 0
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith(("Private_Clean:", "Private_Dirty:")):
            private += int(line.split()[1])
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "pid": os.getpid(),
        "private_mb": private / 1024,
        "cpu_s": used.ru_utime + used.ru_stime,
        "threads": sum(1 for _ in Path("/proc/self/task").iterdir()),
        "names": sorted(thread.name for thread in threading.enumerate()),
    }


def bare_job(pipe: Connection) -> None:
    """Make a session as a job of LiveKit does, then wait for the word to end."""
    from livekit.agents import AgentSession  # a forkserver has it already
    from livekit.plugins import openai

    async def session() -> AgentSession[None]:
        return AgentSession()

    made = asyncio.run(session())
    pipe.send(("ready", own_figures()))
    pipe.recv()
    del made, openai
    pipe.send(("done", own_figures()))
