"""A real session whose conversation is fed to the state machine, beside what LiveKit itself says of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice import SpeechHandle

from medagent.agent.conversation import ConversationEvents
from medagent.pricing import load_prices
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.telemetry import events as ev
from medagent.telemetry.call import Call
from medagent.telemetry.record import Record

WAIT_S = 60.0


class Conversation:
    """One session on the caller's side: a voice, an ear, LiveKit's own history and our records."""

    def __init__(self, session: AgentSession[Any], *, pace: float = 1.0, ear_pace: float = 4.0) -> None:
        self.session = session
        self.voice = CallerVoice(pace=pace)
        self.ear = CallerEar(pace=ear_pace, on_change=lambda _audible: None)
        self.records: list[Record] = []
        self.events: list[ev.CallEvent] = []
        self.speeches: list[SpeechHandle] = []
        self.failures: list[BaseException] = []
        self._seq = 0
        is_pipeline = isinstance(session.llm, llm.LLM)
        started = ev.CallStarted(
            seq=0,
            at_ns=time.monotonic_ns(),
            wall_us=time.time_ns() // 1000,
            model="gpt-4o-mini",
            provider="openai",
            mode="pipeline" if is_pipeline else "realtime",
            agent_version="1.0.0",
        )
        self._call = Call(started, prices=load_prices(), policy_name="clinic", policy_version="1.0.0")
        self._feed(started)
        self.watch = ConversationEvents(self._send, self._guard)
        self.watch.attach(session)
        session.on("speech_created", lambda event: self.speeches.append(event.speech_handle))
        session.input.audio, session.output.audio = self.voice, self.ear

    def _send(self, kind: type[Any], **fields: Any) -> None:
        self._seq += 1
        self._feed(kind(seq=self._seq, at_ns=time.monotonic_ns(), **fields))

    def _feed(self, event: ev.CallEvent) -> None:
        self.events.append(event)
        self.records += self._call.feed(event)

    def _guard(self, handler: Callable[..., None]) -> Callable[..., None]:
        def guarded(*arguments: Any, **fields: Any) -> None:
            try:
                handler(*arguments, **fields)
            except Exception as error:  # noqa: BLE001  # what a handler raises is what a test must see
                self.failures.append(error)

        return guarded

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = asyncio.get_running_loop().time() + WAIT_S
        while not holds():
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)

    async def agent_speaks(self) -> None:
        """Wait until the agent is heard."""
        await self.until(lambda: self.session.agent_state == "speaking")

    async def agent_is_done(self) -> None:
        """Wait until the agent has nothing left to say."""
        await self.until(
            lambda: (
                self.session.agent_state == "listening"
                and self.session.current_speech is None
                and all(speech.done() for speech in self.speeches if speech.scheduled)
            )
        )

    @property
    def messages(self) -> list[tuple[str, bool]]:
        """Role and interruption of each message of LiveKit's history."""
        return [(message.role, message.interrupted) for message in self.session.history.messages()]

    def all(self, name: str) -> list[dict[str, Any]]:
        """The fields of the records of a name, in order of their index or start."""
        found = [record for record in self.records if record.name == name and record.final]
        return [dict(record.fields) for record in sorted(found, key=lambda one: (one.place.start_us, one.place.key))]

    def one(self, name: str) -> dict[str, Any]:
        """The fields of the only record of a name."""
        [fields] = self.all(name)
        return fields

    def spans(self, name: str) -> list[Record]:
        """The records of a name."""
        return [record for record in self.records if record.name == name and record.final]


async def hold(
    session: AgentSession[Any],
    agent: Agent,
    talk: Callable[[Conversation], Awaitable[None]],
    **options: Any,
) -> Conversation:
    """Hold a conversation to its end, and return what was heard of it."""
    conversation = Conversation(session, **options)
    try:
        await session.start(agent, record=False)
        await talk(conversation)
    finally:
        conversation.voice.close()
        await session.aclose()
    conversation._send(ev.CallEnded, reason="caller_hung_up")
    conversation.watch.close()
    assert not conversation.failures, conversation.failures
    return conversation
