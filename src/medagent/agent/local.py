"""A call without a room: a real `AgentSession` between two audio streams, for simulated callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.utils import http_context
from livekit.agents.voice.io import AudioInput, AudioOutput

from medagent.agent.bridge import Bridge
from medagent.agent.limit import CallLimit, LimitWatch
from medagent.pricing import PriceList

Watch = Callable[[AgentSession[Any]], Bridge]
"""Attaches telemetry to a session that has not started."""


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
        session.on("close", lambda _event: broken.set())
        session.on("error", lambda event: None if getattr(event.error, "recoverable", False) else broken.set())
        session.input.audio, session.output.audio = audio_in, audio_out
        try:
            await session.start(agent, record=False)
            talk, breaks = asyncio.ensure_future(caller()), asyncio.ensure_future(broken.wait())
            await asyncio.wait((talk, breaks), return_when=asyncio.FIRST_COMPLETED)
            if talk.done():
                talk.result()
                bridge.end("caller_hung_up")
            for task in (talk, breaks):
                task.cancel()
            await asyncio.gather(talk, breaks, return_exceptions=True)
        finally:
            watched.close()
            await session.aclose()
            bridge.end("error")  # counts only where nothing else ended the call
            await model.aclose()


def _reached(bridge: Bridge, broken: asyncio.Event) -> None:
    bridge.end("limit")
    broken.set()
