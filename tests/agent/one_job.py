"""LiveKit's real worker in a process of its own, which hands one call in a made-up room to a real job process."""

from __future__ import annotations

import asyncio
import sys

from medagent.agent.worker import make_server
from medagent.cli.worker import entrypoint, prewarm
from medagent.runtime.exports import archive
from medagent.settings import Settings, load_settings


async def answered(settings: Settings) -> None:
    """Wait until the job's process has begun the call's trace."""
    store = archive(settings)
    while not store.calls():  # noqa: ASYNC110  # another process writes it
        await asyncio.sleep(0.2)
    store.close()


async def main(room: str) -> None:
    settings = load_settings()
    server = make_server(settings, entrypoint=entrypoint, prewarm=prewarm)
    started = asyncio.Event()
    server.once("worker_started", started.set)
    serving = asyncio.create_task(server.run(devmode=True, unregistered=True))
    await started.wait()
    await server.simulate_job(room, fake_job=True)
    await asyncio.wait_for(answered(settings), 40)
    await asyncio.sleep(2)  # the greeting
    await server.aclose()
    serving.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
