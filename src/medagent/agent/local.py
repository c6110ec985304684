"""A call without a room: a real `AgentSession` between two audio streams, for simulated callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.utils import http_context
from livekit.agents.voice.io import AudioInput, AudioOutput

from medagent.agent.bridge import Bridge
from medagent.agent.factory import AgentContext, Factory
from medagent.agent.limit import CallLimit, LimitWatch
from medagent.errors import AgentModuleError
from medagent.pricing import PriceList
from medagent.telemetry.events import EndReason

Watch = Callable[[AgentSession[Any]], Bridge]
"""Attaches telemetry to a session that has not started."""
_MODELS = ("realtime", "stt", "llm", "tts")


async def answer(
    agent: Agent,
    *,
    model: llm.RealtimeModel,
    watch: Watch,
    audio_in: AudioInput,
    audio_out: AudioOutput,
    caller: Callable[[], Awaitable[object]],
    limit: CallLimit,
    prices: PriceList,
    model_name: str,
) -> None:
    """Pick up, let the caller talk until they hang up, the line breaks or the limit is reached; close the session."""
    async with http_context.open():
        session: AgentSession[Any] = AgentSession(
            llm=model,
            vad=None,
            turn_handling={"turn_detection": "realtime_llm", "interruption": {"resume_false_interruption": False}},
            aec_warmup_duration=None,
        )
        bridge = watch(session)
        broken = asyncio.Event()
        watched = LimitWatch(limit, prices=prices, model_name=model_name, on_limit=lambda: _reached(bridge, broken))
        watched.attach(session)

        async def start() -> None:
            await session.start(agent, record=False)

        try:
            await _talk(session, start, bridge, broken, audio_in=audio_in, audio_out=audio_out, caller=caller)
        finally:
            watched.close()
            await model.aclose()


async def answer_made(
    factory: Factory,
    context: AgentContext,
    *,
    watch: Watch,
    audio_in: AudioInput,
    audio_out: AudioOutput,
    caller: Callable[[], Awaitable[object]],
) -> None:
    """Answer a simulated call with the session and the agent that a factory makes; the session's options are its own.

    Args:
        factory: Makes session and agent.
        context: Models and caller of the call; what it made is closed at the end.
        watch: Returns the bridge of the session, which the factory may have traced already.
        audio_in: Sound of the caller.
        audio_out: Sound for the caller.
        caller: Holds the call; returns when the caller has hung up.

    Raises:
        AgentModuleError: The factory raised, or returned something else, or its session does not start.
    """
    async with http_context.open():
        try:
            session, agent = await factory.make(context)
            bridge = watch(session)
            broken = asyncio.Event()

            async def start() -> None:
                try:
                    await session.start(agent, record=False)
                except Exception as error:
                    message = f"{factory.text}: its session did not start: {factory.origin_of(error)}"
                    raise AgentModuleError(message) from error

            await _talk(session, start, bridge, broken, audio_in=audio_in, audio_out=audio_out, caller=caller)
        finally:
            for made in [vars(context)[name] for name in _MODELS if name in vars(context)]:
                await made.aclose()


async def _talk(
    session: AgentSession[Any],
    start: Callable[[], Awaitable[None]],
    bridge: Bridge,
    broken: asyncio.Event,
    *,
    audio_in: AudioInput,
    audio_out: AudioOutput,
    caller: Callable[[], Awaitable[object]],
) -> None:
    session.on("close", lambda _event: broken.set())
    session.on("error", lambda event: None if getattr(event.error, "recoverable", False) else broken.set())
    session.input.audio, session.output.audio = audio_in, audio_out
    reason: EndReason = "error"  # counts only where nothing else ended the call
    try:
        await start()
        talk, breaks = asyncio.ensure_future(caller()), asyncio.ensure_future(broken.wait())
        try:
            await asyncio.wait((talk, breaks), return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
                bridge.end("caller_hung_up")
        finally:
            for task in (talk, breaks):
                task.cancel()
            await asyncio.gather(talk, breaks, return_exceptions=True)
    except asyncio.CancelledError:
        reason = "shutdown"  # Ctrl-C: the process ends, the call did not fail
        raise
    finally:
        if reason == "shutdown":
            bridge.end(reason)  # before the session's close, which would count as the agent's
        await session.aclose()
        bridge.end(reason)


def _reached(bridge: Bridge, broken: asyncio.Event) -> None:
    bridge.end("limit")
    broken.set()
