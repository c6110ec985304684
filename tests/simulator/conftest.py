from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiohttp
import pytest

from medagent.simulator.process import SimulatorProcess

Event = dict[str, Any]


class Client:
    """A plain client of the protocol: 20 ms pieces of audio at the pace of life, unless told to hurry."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._sent_ms = 0
        self._began = asyncio.get_running_loop().time()
        self.events: list[tuple[float, Event]] = []

    async def send(self, kind: str, **fields: Any) -> None:
        await self._socket.send_json({"type": kind, **fields})

    async def audio(self, pcm: bytes, *, at_pace_of_life: bool = False) -> None:
        for at in range(0, len(pcm), 960):
            if at_pace_of_life:
                self._sent_ms += 20
                await asyncio.sleep(max(0, self._began + self._sent_ms / 1000 - asyncio.get_running_loop().time()))
            piece = base64.b64encode(pcm[at : at + 960]).decode()
            await self.send("input_audio_buffer.append", audio=piece)

    async def until(self, kind: str) -> Event:
        async with asyncio.timeout(60):
            while True:
                event: Event = await self._socket.receive_json()
                self.events.append((asyncio.get_running_loop().time(), event))
                if event["type"] == kind:
                    return event

    async def hangs_up(self) -> None:
        """Read until the server closes the connection."""
        async with asyncio.timeout(60):
            async for message in self._socket:
                self.events.append((asyncio.get_running_loop().time(), message.json()))

    async def settled(self) -> list[str]:
        """Everything that the server had to say up to here, proved by the answer to a last event."""
        await self.send("input_audio_buffer.clear")
        await self.until("input_audio_buffer.cleared")
        return self.kinds()

    def kinds(self) -> list[str]:
        return [event["type"] for _, event in self.events]

    def at(self, kind: str) -> float:
        """When the first event of a kind came, in the loop's seconds."""
        return next(when for when, event in self.events if event["type"] == kind)

    def all(self, kind: str) -> list[Event]:
        return [event for _, event in self.events if event["type"] == kind]


Connect = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture(scope="session")
def fast() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(["book"], pace=10, environment=dict(os.environ)) as process:
        yield process


@pytest.fixture(scope="session")
def real_time() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(["book"], pace=1, environment=dict(os.environ)) as process:
        yield process


@pytest.fixture
def connect() -> Connect:
    @asynccontextmanager
    async def connected(
        process: SimulatorProcess,
        model: str = "book",
        *,
        path: str = "/openai/v1/realtime?model=",
        **turn_detection: Any,
    ) -> AsyncIterator[Client]:
        url = f"{process.endpoint}{path}{model}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, headers={"api-key": "k"}) as socket:
            client = Client(socket)
            await client.until("session.created")
            if turn_detection:
                detection = None if turn_detection.get("off") else {"type": "server_vad", **turn_detection}
                await client.send(
                    "session.update",
                    session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
                )
                await client.until("session.updated")
            yield client

    return connected
