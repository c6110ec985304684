"""One response in flight: its events in the service's order, at the pace of speech, until it is done or cancelled."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic_ns
from typing import Any, Literal, Protocol

from medagent.simulator.conversation import Conversation, Item
from medagent.simulator.protocol import Event, problem
from medagent.simulator.script import Move, Speech, ToolCall
from medagent.simulator.voice import voice

CancelReason = Literal["turn_detected", "client_cancelled"]

_CHUNK_S = 0.1
_LEAD_S = 0.2
_LEAD_WALL_S = 0.1
_PITCH_HZ = 190
_ARGUMENTS_PIECE = 24


class Send(Protocol):
    """Sends one event."""

    def __call__(self, kind: str, /, **fields: Any) -> Awaitable[None]:
        """Send `fields` as an event of this kind; the event's id is added."""


class DroppedError(Exception):
    """The server hangs up here, as the scenario wants it."""


def new_id(prefix: str) -> str:
    """An id as the service makes them: at most 32 characters."""
    return f"{prefix}_{uuid.uuid4().hex[:24]}"


class Reply:
    """A response from `response.created` to `response.done`; times are the event loop's seconds.

    `asked` is what the client's `response.create` says of it, empty where the server answers by itself.
    """

    def __init__(
        self,
        *,
        move: Move,
        send: Send,
        conversation: Conversation,
        session: Event,
        asked: Event,
        pace: float,
        since: float,
        on_item: Callable[[str], None],
        on_call: Callable[[str, str], None],
    ) -> None:
        self.id = new_id("resp")
        self.move = move
        self.first_audio_ns: int | None = None
        self.audio_s = 0.0
        self.status = "in_progress"
        self._send = send
        self._conversation = conversation
        self._context = conversation.context(f"{session.get('instructions') or ''}{json.dumps(session['tools'])}")
        self._pace = pace
        self._fault = move.fault.kind if move.fault is not None else None
        slow = move.fault.seconds if move.fault is not None and move.fault.kind == "slow" else None
        self._since = since + (slow or 0.0) / pace
        self._on_item = on_item
        self._on_call = on_call
        self._details: Event | None = None
        self._cancelled = asyncio.Event()
        self._frame: Event = {
            "id": self.id,
            "object": "realtime.response",
            "conversation_id": None,
            "output_modalities": asked.get("output_modalities") or session["output_modalities"],
            "max_output_tokens": session["max_output_tokens"],
            "audio": {"output": {name: session["audio"]["output"][name] for name in ("format", "voice")}},
            "metadata": asked.get("metadata"),
        }
        self._is_text = self._frame["output_modalities"] == ["text"]

    @property
    def reserved(self) -> int:
        """The tokens that it reads."""
        return sum(item.tokens().total for item in self._context)

    @property
    def unplayed_s(self) -> float:
        """How much of its audio a listener has still to hear, in seconds at pace 1."""
        if self.first_audio_ns is None:
            return 0.0
        return max(0.0, self.audio_s - (monotonic_ns() - self.first_audio_ns) / 1e9 * self._pace)

    def cancel(self, reason: CancelReason) -> None:
        """Stop after the piece that is being sent; `response.done` says why. The first reason holds."""
        self._details = self._details or {"type": "cancelled", "reason": reason}
        self._cancelled.set()

    async def begin(self) -> None:
        """Announce the response."""
        await self._send(
            "response.created",
            response={**self._frame, "status": "in_progress", "status_details": None, "output": [], "usage": None},
        )

    async def play(self) -> None:
        """Send all that belongs to the response, `response.done` last; raises `DroppedError` where the line goes."""
        item = await self._made()
        self.status = self._details["type"] if self._details else "completed"
        output = [] if item is None else [item]
        usage = None if self.status == "failed" else self._conversation.usage(self._context, output)
        await self._send(
            "response.done",
            response={
                **self._frame,
                "status": self.status,
                "status_details": self._details,
                "output": [made.wire for made in output],
                "usage": usage,
            },
        )
        if self._fault == "reconnect":
            raise DroppedError

    async def _made(self) -> Item | None:
        if isinstance(self.move.does, ToolCall) and self._fault != "failed":
            return await self._call(self.move.does)
        if not await self._reached(self._since + self.move.think_s / self._pace):
            return None
        if self._fault == "failed" and self.move.fault is not None:
            self._details = {"type": "failed", "error": problem(self.move.fault.code or "rate_limit_exceeded")}
            return None
        assert isinstance(self.move.does, Speech)  # noqa: S101  # the other kind of move went out above
        return await (self._write(self.move.does) if self._is_text else self._speak(self.move.does))

    async def _write(self, speech: Speech) -> Item:
        item = await self._item({"type": "message", "role": "assistant", "content": []})
        at = {"response_id": self.id, "item_id": item.id, "output_index": 0, "content_index": 0}
        await self._send("response.content_part.added", **at, part={"type": "text", "text": ""})
        for word in re.findall(r"\S+\s*", speech.text):
            await self._send("response.output_text.delta", **at, delta=word)
        await self._send("response.output_text.done", **at, text=speech.text)
        await self._send("response.content_part.done", **at, part={"type": "text", "text": speech.text})
        return await self._done(item, content=[{"type": "output_text", "text": speech.text}])

    async def _speak(self, speech: Speech) -> Item:
        item = await self._item({"type": "message", "role": "assistant", "content": []})
        at = {"response_id": self.id, "item_id": item.id, "output_index": 0, "content_index": 0}
        await self._send("response.content_part.added", **at, part={"type": "audio", "transcript": ""})
        said = ""
        start = asyncio.get_running_loop().time()
        lead_s = max(_LEAD_S, _LEAD_WALL_S * self._pace)
        chunks = math.ceil(round(speech.seconds / _CHUNK_S, 6))
        words = re.findall(r"\S+\s*", speech.text)
        for index in range(chunks):
            if not await self._reached(start + (index * _CHUNK_S - lead_s) / self._pace) or self._stops_here():
                break
            piece = "".join(words[_share(index, chunks, words) : _share(index + 1, chunks, words)])
            if piece:
                await self._send("response.output_audio_transcript.delta", **at, delta=piece)
                said += piece
            seconds = min(_CHUNK_S, speech.seconds - self.audio_s)
            pcm = voice(seconds, pitch_hz=_PITCH_HZ, offset=round(self.audio_s * 24_000))
            if self.first_audio_ns is None:
                self.first_audio_ns = monotonic_ns()
            await self._send("response.output_audio.delta", **at, delta=base64.b64encode(pcm).decode())
            self.audio_s += seconds
            self._conversation.put(replace(item, audio_s=self.audio_s))
        await self._reached(start + (self.audio_s - lead_s) / self._pace)
        await self._send("response.output_audio.done", **at)
        await self._send("response.output_audio_transcript.done", **at, transcript=said)
        await self._send("response.content_part.done", **at, part={"type": "audio", "transcript": said})
        return await self._done(item, content=[{"type": "output_audio", "transcript": said}])

    def _stops_here(self) -> bool:
        """Whether a fault ends the speech now; raises `DroppedError` where it ends the line too."""
        fault = self.move.fault
        if fault is None or fault.seconds is None or self.audio_s < fault.seconds - 1e-6:
            return False
        if fault.kind == "reconnect":
            raise DroppedError
        if fault.kind == "incomplete":
            self._details = {"type": "incomplete", "reason": "max_output_tokens"}
        return self._details is not None

    async def _call(self, call: ToolCall) -> Item | None:
        if not await self._reached(self._since + self.move.tool_call_s / self._pace):
            return None
        call_id = new_id("call")
        self._on_call(call_id, call.name)
        item = await self._item({"type": "function_call", "name": call.name, "call_id": call_id, "arguments": ""})
        at = {"response_id": self.id, "item_id": item.id, "output_index": 0, "call_id": call_id}
        pieces = [call.arguments[i : i + _ARGUMENTS_PIECE] for i in range(0, len(call.arguments), _ARGUMENTS_PIECE)]
        for piece in pieces:
            await self._send("response.function_call_arguments.delta", **at, delta=piece)
        await self._send("response.function_call_arguments.done", **at, name=call.name, arguments=call.arguments)
        return await self._done(item, arguments=call.arguments)

    async def _item(self, content: Event) -> Item:
        item = Item(wire={"id": new_id("item"), "object": "realtime.item", "status": "in_progress", **content})
        self._on_item(item.id)
        before = self._conversation.add(item)
        await self._send("response.output_item.added", response_id=self.id, output_index=0, item=item.wire)
        await self._send("conversation.item.added", previous_item_id=before, item=item.wire)
        return item

    async def _done(self, item: Item, **content: Any) -> Item:
        status = "incomplete" if self._details else "completed"
        made = replace(item, wire={**item.wire, **content, "status": status}, audio_s=self.audio_s)
        self._conversation.put(made)
        await self._send("response.output_item.done", response_id=self.id, output_index=0, item=made.wire)
        before = self._conversation.before(item.id)
        await self._send("conversation.item.done", previous_item_id=before, item=made.wire)
        return made

    async def _reached(self, deadline: float) -> bool:
        """Wait until then; False at once if the response is cancelled first."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._cancelled.wait()
        except TimeoutError:
            return not self._cancelled.is_set()
        return False


def _share(index: int, of: int, words: list[str]) -> int:
    return math.ceil(index * len(words) / of)
