"""A server that speaks the Azure OpenAI Realtime protocol: the dialogue is scripted, the turns come from real audio."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from aiohttp import WSMsgType, web

from medagent.simulator import legacy
from medagent.simulator.conversation import Conversation, Item, text_tokens
from medagent.simulator.protocol import (
    FATAL_CODES,
    Dialect,
    Event,
    RefusedError,
    check_client_event,
    check_server_event,
    default_session,
    problem,
    transcription_session,
    updated_session,
)
from medagent.simulator.record import Record, ResponseRecord
from medagent.simulator.reply import CancelReason, DroppedError, Reply, new_id
from medagent.simulator.script import Heard, Move, ToolCall
from medagent.simulator.switchboard import Call, Switchboard
from medagent.simulator.template import today_in
from medagent.simulator.vad import SpeechDetector, SpeechStarted, VadOptions

_TRANSCRIPTION_S = 0.3
_SMALLEST_COMMIT_MS = 100
_SESSION_LIFE_S = 30 * 60
_TOKENS_PER_MINUTE = 40_000
_REQUESTS_PER_MINUTE = 200


@dataclass(slots=True, kw_only=True)
class _UserTurn:
    """What the caller's last turn is measured from: `since` is the loop's seconds, when their speech had stopped."""

    since: float
    speech_stopped_ns: int | None = None
    responded: bool = False
    answered: bool = False


class Connection:
    """One WebSocket: a session, a conversation, a script, at most one response in flight.

    With `transcribes` it writes down what the caller says and answers nothing.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        switchboard: Switchboard,
        model: str,
        dialect: Dialect,
        pace: float,
        record: Record,
        call: Call,
        transcribes: bool = False,
    ) -> None:
        self._socket = socket
        self._switchboard = switchboard
        self._call = call
        self._transcribes = transcribes
        self._script = call.script
        self._scenario = self._script.scenario
        self._hears: Dialect = dialect
        self._tells: Dialect = "legacy" if self._scenario.events == "legacy" else dialect
        self._pace = pace
        self._record = record
        expires_at = int(time.time()) + _SESSION_LIFE_S
        made = transcription_session if transcribes else default_session
        self._session = made(session_id=new_id("sess"), model=model, expires_at=expires_at)
        self._conversation = Conversation()
        self._detector = SpeechDetector(self._vad_options())
        self._speech_item = new_id("item")
        self._user_turn = _UserTurn(since=0.0)
        self._reply: tuple[Reply, asyncio.Task[None]] | None = None
        self._idle_since_ms: float | None = None
        self._responses = 0
        self._handlers: dict[str, Callable[[Event], Awaitable[None]]] = {
            "session.update": self._on_session_update,
            "input_audio_buffer.append": self._on_append,
            "input_audio_buffer.commit": self._on_commit,
            "input_audio_buffer.clear": self._on_clear,
            "conversation.item.create": self._on_item_create,
            "conversation.item.delete": self._on_item_delete,
            "conversation.item.truncate": self._on_item_truncate,
            "conversation.item.retrieve": self._on_item_retrieve,
            "response.create": self._on_response_create,
            "response.cancel": self._on_response_cancel,
        }

    async def run(self) -> None:
        """Serve the client until it hangs up; raises `SimulatorError` where an event of ours breaks the protocol."""
        running: set[asyncio.Task[None]] = set()
        async with asyncio.TaskGroup() as group:

            def start(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
                task = group.create_task(work)
                running.add(task)
                task.add_done_callback(running.discard)
                return task

            self._start = start
            await self._send("session.created", session=self._session)
            if self._scenario.recycle_after_s is not None:
                start(self._expire(self._scenario.recycle_after_s / self._pace))
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(message.data)
            for task in running:
                task.cancel()

    async def _send(self, kind: str, /, **fields: Any) -> None:
        event: Event = {"type": kind, "event_id": new_id("event"), **fields}
        told = legacy.to_legacy(event) if self._tells == "legacy" else event
        if told is None:
            return
        check_server_event(told, self._tells)
        try:
            await self._socket.send_str(json.dumps(told))
        except ConnectionError:
            return  # the client hung up: the reading side sees it and ends the connection

    async def _take(self, text: str) -> None:
        event_id = None
        try:
            event = json.loads(text)
            event_id = event.get("event_id") if isinstance(event, dict) else None
            checked = check_client_event(event, self._hears)
            if self._hears == "legacy":
                checked = legacy.from_legacy(checked)
            await self._handlers.get(checked["type"], self._on_other)(checked)
        except json.JSONDecodeError:
            await self._refuse(RefusedError("An event must be JSON.", code="invalid_json"), None)
        except RefusedError as error:
            await self._refuse(error, event_id if isinstance(event_id, str) else None)

    async def _refuse(self, error: RefusedError, event_id: str | None) -> None:
        body = {"message": str(error), "code": error.code, "param": error.param, "event_id": event_id}
        await self._send("error", error={"type": "invalid_request_error", **body})

    async def _fail(self, code: str) -> bool:
        """Send an error of the service's own; True where it was the end of the connection."""
        await self._send("error", error={**problem(code), "param": None, "event_id": None})
        if code in FATAL_CODES:
            await self._socket.close()
        return code in FATAL_CODES

    async def _expire(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._fail("session_expired")

    async def _on_other(self, _: Event) -> None:
        raise RefusedError("The event is not for WebSocket sessions.", code="invalid_event", param="type")

    # The session

    async def _on_session_update(self, event: Event) -> None:
        kind = "transcription" if self._transcribes else "realtime"
        if event["session"].get("type") != kind:
            raise RefusedError(f"The session is a {kind} session.", code="invalid_value", param="session.type")
        self._session = updated_session(self._session, event["session"])
        if not self._transcribes:
            self._record.offer(self._scenario.name, (tool.get("name") for tool in self._session["tools"]))
        self._detector.options = self._vad_options()
        self._script.today = today_in(str(self._session.get("instructions") or ""))
        await self._send("session.updated", session=self._session)

    def _vad_options(self) -> VadOptions | None:
        return VadOptions.from_turn_detection(self._session["audio"]["input"]["turn_detection"])

    # The caller's audio

    async def _on_append(self, event: Event) -> None:
        try:
            pcm = base64.b64decode(event["audio"], validate=True)
        except binascii.Error:
            raise RefusedError("The audio is not base64.", code="invalid_value", param="audio") from None
        for edge in self._detector.feed(pcm):
            if isinstance(edge, SpeechStarted):
                await self._speech_started(edge)
            else:
                self._user_turn = _UserTurn(since=self._now(), speech_stopped_ns=monotonic_ns())
                await self._send(
                    "input_audio_buffer.speech_stopped", audio_end_ms=edge.audio_end_ms, item_id=self._speech_item
                )
                await self._commit(self._heard())
                options = self._detector.options
                if options is not None and options.create_response and not self._transcribes:
                    await self._respond(self._script.next(self._session["tools"]), {})
        await self._watch_idleness()

    async def _watch_idleness(self) -> None:
        """Where the client set `idle_timeout_ms`: break the silence that follows an answer, in the audio's clock."""
        limit, since = self._session["audio"]["input"]["turn_detection"], self._idle_since_ms
        limit_ms = (limit or {}).get("idle_timeout_ms")
        now_ms = self._detector.received_ms
        if limit_ms is None or since is None or self._detector.is_speaking or now_ms - since < limit_ms:
            return
        span = {"audio_start_ms": round(since), "audio_end_ms": now_ms, "item_id": self._speech_item}
        self._idle_since_ms = None
        await self._send("input_audio_buffer.timeout_triggered", **span)
        await self._commit(Heard(text=""))
        await self._respond(self._script.idle(), {})

    async def _speech_started(self, edge: SpeechStarted) -> None:
        self._idle_since_ms = None
        await self._send(
            "input_audio_buffer.speech_started", audio_start_ms=edge.audio_start_ms, item_id=self._speech_item
        )
        options = self._detector.options
        if options is not None and options.interrupt_response:
            await self._stop_reply("turn_detected")

    async def _on_commit(self, _: Event) -> None:
        if self._detector.buffered_ms < _SMALLEST_COMMIT_MS:
            raise RefusedError("The buffer holds less than 100 ms.", code="input_audio_buffer_commit_empty")
        self._user_turn = _UserTurn(since=self._now())
        await self._commit(self._heard())

    def _heard(self) -> Heard:
        return self._call.hear() if self._transcribes else self._script.hear()

    async def _on_clear(self, _: Event) -> None:
        self._detector.take_turn()
        self._speech_item = new_id("item")
        await self._send("input_audio_buffer.cleared")

    async def _commit(self, heard: Heard) -> None:
        seconds = self._detector.take_turn()
        content = [{"type": "input_audio", "transcript": None}]
        wire = {"id": self._speech_item, "object": "realtime.item", "type": "message", "role": "user"}
        item = Item(wire={**wire, "status": "completed", "content": content}, audio_s=seconds)
        self._remember(item.id)
        self._speech_item = new_id("item")
        await self._send("input_audio_buffer.committed", previous_item_id=self._conversation.last_id, item_id=item.id)
        await self._add(item)
        if self._session["audio"]["input"]["transcription"] is not None:
            self._start(self._transcribe(item.id, heard, seconds))

    async def _transcribe(self, item_id: str, heard: Heard, seconds: float) -> None:
        await asyncio.sleep((_TRANSCRIPTION_S + heard.late_s) / self._pace)
        kind, text = "conversation.item.input_audio_transcription", heard.text
        if heard.fails:
            error = {"type": "transcription_error", "code": "audio_unintelligible", "param": None}
            error["message"] = "The audio could not be transcribed."
            await self._send(f"{kind}.failed", item_id=item_id, content_index=0, error=error)
            return
        for word in text.split():
            await self._send(f"{kind}.delta", item_id=item_id, content_index=0, delta=f"{word} ")
        usage: Event = {"type": "duration", "seconds": seconds}
        if not str(self._session["audio"]["input"]["transcription"].get("model")).startswith("whisper"):
            audio, written = round(seconds * 10), text_tokens(text)
            details = {"audio_tokens": audio, "text_tokens": 0}
            usage = {"type": "tokens", "input_tokens": audio, "output_tokens": written, "total_tokens": audio + written}
            usage["input_token_details"] = details
        await self._send(f"{kind}.completed", item_id=item_id, content_index=0, transcript=text, usage=usage)

    # The conversation

    async def _add(self, item: Item, *, after: str | None = None) -> None:
        before = self._conversation.add(item, after=after)
        await self._send("conversation.item.added", previous_item_id=before, item=item.wire)
        await self._send("conversation.item.done", previous_item_id=before, item=item.wire)

    async def _on_item_create(self, event: Event) -> None:
        wire = {"id": new_id("item"), **event["item"], "object": "realtime.item", "status": "completed"}
        self._resume(wire["id"])
        await self._add(Item(wire=wire), after=event.get("previous_item_id"))
        if wire["type"] == "function_call":
            self._script.called(wire["call_id"], wire["name"])
        elif wire["type"] == "function_call_output":
            self._script.returned(wire["call_id"], wire["output"])

    def _remember(self, item_id: str) -> None:
        self._switchboard.remember(item_id, self._script)

    def _resume(self, item_id: str) -> None:
        """A client that brings an item of ours along has been here before: its call goes on where it was."""
        today = self._script.today
        self._script = self._switchboard.resumed(item_id) or self._script
        self._script.today = today

    async def _on_item_delete(self, event: Event) -> None:
        self._conversation.delete(event["item_id"])
        await self._send("conversation.item.deleted", item_id=event["item_id"])

    async def _on_item_truncate(self, event: Event) -> None:
        place = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        self._conversation.truncate(place["item_id"], audio_end_ms=place["audio_end_ms"])
        await self._send("conversation.item.truncated", **place)

    async def _on_item_retrieve(self, event: Event) -> None:
        await self._send("conversation.item.retrieved", item=self._conversation[event["item_id"]].wire)

    # The model's answers

    async def _on_response_create(self, event: Event) -> None:
        if self._transcribes:
            raise RefusedError("A transcription session has no responses.", code="invalid_event", param="type")
        if self._active() is not None:
            message = "The conversation has an active response already."
            raise RefusedError(message, code="conversation_already_has_active_response")
        await self._respond(self._script.next(self._session["tools"]), event.get("response") or {})

    async def _on_response_cancel(self, event: Event) -> None:
        active = self._active()
        if active is None or event.get("response_id") not in (None, active.id):
            message = "Cancellation failed: no active response found"
            raise RefusedError(message, code="response_cancel_not_active", param="response_id")
        await self._stop_reply("client_cancelled")

    async def _respond(self, move: Move, asked: Event) -> None:
        fault = move.fault
        if fault is not None and fault.kind == "missing":
            return
        if fault is not None and fault.kind == "error" and await self._fail(fault.code or "server_error"):
            return
        turn = self._user_turn
        first = turn.speech_stopped_ns is not None and not turn.responded
        reply = Reply(
            move=move,
            send=self._send,
            conversation=self._conversation,
            session=self._session,
            asked=asked,
            pace=self._pace,
            since=turn.since if first else self._now(),
            on_item=self._remember,
            on_call=self._script.called,
        )
        turn.responded = True
        created_ns = monotonic_ns()
        self._idle_since_ms = None
        await reply.begin()
        await self._tell_limits(reply)
        self._reply = reply, self._start(self._play(reply, turn, created_ns))

    async def _tell_limits(self, reply: Reply) -> None:
        self._responses += 1
        limits = {"requests": (_REQUESTS_PER_MINUTE, self._responses), "tokens": (_TOKENS_PER_MINUTE, reply.reserved)}
        rows = [
            {"name": name, "limit": limit, "remaining": max(0, limit - used), "reset_seconds": 60 * used / limit}
            for name, (limit, used) in limits.items()
        ]
        await self._send("rate_limits.updated", rate_limits=rows)

    async def _play(self, reply: Reply, turn: _UserTurn, created_ns: int) -> None:
        try:
            await reply.play()
            self._idle_since_ms = self._detector.received_ms + 1000 * reply.unplayed_s
        except DroppedError:
            await self._socket.close()
        finally:
            self._keep(reply, turn, created_ns)

    def _keep(self, reply: Reply, turn: _UserTurn, created_ns: int) -> None:
        ttft_ms = None
        if reply.first_audio_ns is not None and not turn.answered:
            turn.answered = True
            if turn.speech_stopped_ns is not None:
                ttft_ms = (reply.first_audio_ns - turn.speech_stopped_ns) / 1e6
        does = reply.move.does
        self._record.add(
            ResponseRecord(
                session_id=self._session["id"],
                scenario=self._scenario.name,
                response_id=reply.id,
                turn=reply.move.turn,
                kind="tool" if isinstance(does, ToolCall) else "speech",
                tool=does.name if isinstance(does, ToolCall) else None,
                status="disconnected" if reply.status == "in_progress" else reply.status,
                speech_stopped_ns=turn.speech_stopped_ns,
                created_ns=created_ns,
                first_audio_ns=reply.first_audio_ns,
                ttft_ms=ttft_ms,
                audio_s=round(reply.audio_s, 3),
            )
        )

    def _active(self) -> Reply | None:
        return self._reply[0] if self._reply is not None and not self._reply[1].done() else None

    async def _stop_reply(self, reason: CancelReason) -> None:
        if self._reply is not None and not self._reply[1].done():
            self._reply[0].cancel(reason)
            await asyncio.wait([self._reply[1]])

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
