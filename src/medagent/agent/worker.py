"""A real phone call: LiveKit's worker hands a job to a process, and the clinic's agent picks up in the job's room."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, JobExecutorType, JobProcess, cli, llm
from livekit.agents.voice import CloseEvent
from livekit.agents.voice.events import CloseReason
from livekit.agents.voice.room_io import RoomOptions

from medagent.agent.exits import shut_recording
from medagent.agent.limit import CallLimit, LimitWatch
from medagent.agent.local import Watch
from medagent.agent.quality import sample_quality
from medagent.agent.server_address import check_environment
from medagent.agent.server_connection import SCHEMES, ConnectionLog, check_server, server_name
from medagent.errors import ServerUnreachableError, SettingsError
from medagent.pricing import PriceList
from medagent.setting_checks import check_address
from medagent.settings import Settings

Entrypoint = Callable[[JobContext], Awaitable[None]]
"""What a job's process runs for a call; a function of a module, since the process imports it."""


def run_worker(
    words: Sequence[str], settings: Settings, *, entrypoint: Entrypoint, prewarm: Callable[[JobProcess], None]
) -> None:
    """Serve calls until a signal ends it, with LiveKit's own command line: `start`, `dev` or `connect --room NAME`.

    Raises `SettingsError` where the settings do not say which LiveKit server hands out the calls, and
    `ServerUnreachableError` with host and cause where that server refuses, or was tried to the end in vain.
    """
    server = make_server(settings, entrypoint=entrypoint, prewarm=prewarm)
    url, secret = settings.livekit_url or "", settings.livekit_api_secret
    asyncio.run(
        check_server(
            url,
            api_key=settings.livekit_api_key or "",
            api_secret="" if secret is None else secret.get_secret_value(),
            proxy=server._http_proxy,
        )
    )
    sys.argv = ["medagent worker", *words]
    with warnings.catch_warnings(), connection_logged(server, url):
        warnings.simplefilter("ignore", DeprecationWarning)  # LiveKit's of its own command line
        cli.run_app(server)


@contextmanager
def connection_logged(server: AgentServer, url: str) -> Iterator[None]:
    """Log host and cause of each failed attempt to connect.

    Raises `ServerUnreachableError` at the end where LiveKit gave up: its own command line would end with exit code 0.
    """
    attempts = ConnectionLog(url)
    server.on("worker_registered", attempts.connected)
    attempts.install()
    try:
        yield
    except SystemExit:
        if not server._connection_failed:
            raise
    finally:
        attempts.remove()
    if server._connection_failed:
        raise attempts.last or ServerUnreachableError(f"LiveKit server {server_name(url)}: not reached")


def make_server(settings: Settings, *, entrypoint: Entrypoint, prewarm: Callable[[JobProcess], None]) -> AgentServer:
    """LiveKit's worker with a process for each call; raises `SettingsError` where a setting is missing."""
    secret = settings.livekit_api_secret
    needed = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": None if secret is None else secret.get_secret_value(),
    }
    if unset := [name for name, value in needed.items() if not value]:
        raise SettingsError(
            f"there is no LiveKit server to take calls from: {' and '.join(unset)} not set",
            hint="set LIVEKIT_URL (wss://…), LIVEKIT_API_KEY and LIVEKIT_API_SECRET, as its console shows them",
        )
    check_address("LIVEKIT_URL", settings.livekit_url or "", schemes=SCHEMES)
    check_environment(settings, settings.livekit_url)
    settings.check_prod()
    server = AgentServer(
        ws_url=needed["LIVEKIT_URL"],
        api_key=needed["LIVEKIT_API_KEY"],
        api_secret=needed["LIVEKIT_API_SECRET"],
        job_executor_type=JobExecutorType.PROCESS,
        setup_fnc=prewarm,
        preload_modules=["medagent.preload"],
    )
    server.rtc_session(entrypoint)
    return server


async def answer_job(
    context: JobContext,
    agent: Agent,
    *,
    model: llm.RealtimeModel,
    watch: Watch,
    limit: CallLimit,
    prices: PriceList,
    model_name: str,
    closing: Callable[[], Awaitable[None]],
) -> None:
    """Pick up in the job's room; the call goes on after this returns, and its end, whoever makes it, ends the job.

    The room is deleted with the session: that hangs up a caller on the phone. `closing` is the last thing that is done.
    """
    shut_recording()
    await context.connect()
    session: AgentSession[Any] = AgentSession(
        llm=model,
        vad=None,
        turn_handling={"turn_detection": "realtime_llm", "interruption": {"resume_false_interruption": False}},
    )

    def closed(event: CloseEvent) -> None:
        if event.reason is CloseReason.USER_INITIATED:
            bridge.end("shutdown")  # nothing but the job's own end closes a session here
        context.shutdown("the call ended")

    session.on("close", closed)  # before the bridge's own, which takes this reason for an agent who hung up
    bridge = watch(session)

    def reached() -> None:
        bridge.end("limit")
        session.shutdown(drain=False)

    watched = LimitWatch(limit, prices=prices, model_name=model_name, on_limit=reached)
    watched.attach(session)
    session.on("error", lambda event: None if getattr(event.error, "recoverable", False) else context.shutdown("error"))
    sampling = asyncio.ensure_future(sample_quality(context.room, bridge.quality))

    async def finish() -> None:
        sampling.cancel()
        watched.close()
        await session.aclose()
        bridge.end("shutdown")  # counts only where nothing else ended the call
        await model.aclose()
        await closing()

    context.add_shutdown_callback(finish)
    await session.start(agent, room=context.room, room_options=RoomOptions(delete_room_on_close=True))
