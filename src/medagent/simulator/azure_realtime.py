"""A server that speaks the Azure OpenAI Realtime protocol: the dialogue is scripted, the turns come from real audio."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

from aiohttp import WSMsgType, web

from medagent.simulator.conversation import Conversation, Item, text_tokens
from medagent.simulator.protocol import (
    Event,
    RefusedError,
    check_client_event,
    check_server_event,
    default_session,
    updated_session,
)
from medagent.simulator.record import Record, ResponseRecord
from medagent.simulator.reply import CancelReason, Reply, new_id
from medagent.simulator.scenario import Scenario
from medagent.simulator.script import Script, ToolCall
from medagent.simulator.vad import SpeechDetector, SpeechStarted, VadOptions

PATH = "/openai/v1/realtime"
_TRANSCRIPTION_S = 0.3
_SMALLEST_COMMIT_MS = 100
_SESSION_LIFE_S = 30 * 60


def build_app(scenarios: Sequence[Scenario], *, pace: float = 1.0, record: Record | None = None) -> web.Application:
    """The server: the protocol at `/openai/v1/realtime`, its record at `/_record`.

    `?model=<deployment>` picks the scenario of that name, any other name the first; time runs `pace` times as fast.
    """
    kept = record or Record()
    by_name = {scenario.name: scenario for scenario in scenarios}

    async def realtime(request: web.Request) -> web.WebSocketResponse:
        if not _authorised(request.headers):
            raise web.HTTPUnauthorized(text="Access denied: an api-key or a bearer token is required.")
        socket = web.WebSocketResponse(max_msg_size=0)
        await socket.prepare(request)
        model = request.query.get("model", "")
        scenario = by_name.get(model, scenarios[0])
        await Connection(socket, scenario=scenario, model=model, pace=pace, record=kept).run()
        return socket

    async def served_record(_: web.Request) -> web.Response:
        return web.json_response(kept.document())

    app = web.Application()
    app.router.add_get(PATH, realtime)
    app.router.add_get("/_record", served_record)
    return app


def _authorised(headers: Mapping[str, str]) -> bool:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return bool(headers.get("api-key") or (scheme.lower() == "bearer" and token.strip()))


@dataclass(slots=True, kw_only=True)
class _UserTurn:
    """What the caller's last turn is measured from: `since` is the loop's seconds, when their speech had stopped."""

    since: float
    speech_stopped_ns: int | None = None
    responded: bool = False
    answered: bool = False


class Connection:
    """One WebSocket: a session, a conversation, a script, at most one response in flight."""

    def __init__(
        self, socket: web.WebSocketResponse, *, scenario: Scenario, model: str, pace: float, record: Record
    ) -> None:
        self._socket = socket
        self._scenario = scenario
        self._pace = pace
        self._record = record
        expires_at = int(time.time()) + _SESSION_LIFE_S
        self._session = default_session(session_id=new_id("sess"), model=model, expires_at=expires_at)
        self._conversation = Conversation()
        self._script = Script(scenario)
        self._detector = SpeechDetector(self._vad_options())
        self._speech_item = new_id("item")
        self._user_turn = _UserTurn(since=0.0)
        self._reply: tuple[Reply, asyncio.Task[None]] | None = None
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
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(message.data)
            for task in running:
                task.cancel()

    async def _send(self, kind: str, /, **fields: Any) -> None:
        event = {"type": kind, "event_id": new_id("event"), **fields}
        check_server_event(event)
        try:
            await self._socket.send_str(json.dumps(event))
        except ConnectionError:
            return  # the client hung up: the reading side sees it and ends the connection

    async def _take(self, text: str) -> None:
        event_id = None
        try:
            event = json.loads(text)
            event_id = event.get("event_id") if isinstance(event, dict) else None
            checked = check_client_event(event)
            await self._handlers.get(checked["type"], self._on_other)(checked)
        except json.JSONDecodeError:
            await self._refuse(RefusedError("An event must be JSON.", code="invalid_json"), None)
        except RefusedError as error:
            await self._refuse(error, event_id if isinstance(event_id, str) else None)

    async def _refuse(self, error: RefusedError, event_id: str | None) -> None:
        body = {"message": str(error), "code": error.code, "param": error.param, "event_id": event_id}
        await self._send("error", error={"type": "invalid_request_error", **body})

    async def _on_other(self, _: Event) -> None:
        raise RefusedError("The event is not for WebSocket sessions.", code="invalid_event", param="type")

    # The session

    async def _on_session_update(self, event: Event) -> None:
        if event["session"].get("type") != "realtime":
            raise RefusedError("Only realtime sessions are served.", code="invalid_value", param="session.type")
        self._session = updated_session(self._session, event["session"])
        self._detector.options = self._vad_options()
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
                await self._commit()
                options = self._detector.options
                if options is not None and options.create_response:
                    await self._respond(None)

    async def _speech_started(self, edge: SpeechStarted) -> None:
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
        await self._commit()

    async def _on_clear(self, _: Event) -> None:
        self._detector.take_turn()
        self._speech_item = new_id("item")
        await self._send("input_audio_buffer.cleared")

    async def _commit(self) -> None:
        seconds = self._detector.take_turn()
        content = [{"type": "input_audio", "transcript": None}]
        wire = {"id": self._speech_item, "object": "realtime.item", "type": "message", "role": "user"}
        item = Item(wire={**wire, "status": "completed", "content": content}, audio_s=seconds)
        self._speech_item = new_id("item")
        await self._send("input_audio_buffer.committed", previous_item_id=self._conversation.last_id, item_id=item.id)
        await self._add(item)
        heard = self._script.hear()
        if self._session["audio"]["input"]["transcription"] is not None:
            self._start(self._transcribe(item.id, heard, seconds))

    async def _transcribe(self, item_id: str, text: str, seconds: float) -> None:
        await asyncio.sleep(_TRANSCRIPTION_S / self._pace)
        kind = "conversation.item.input_audio_transcription"
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
        await self._add(Item(wire=wire), after=event.get("previous_item_id"))
        if wire["type"] == "function_call":
            self._script.called(wire["call_id"], wire["name"])
        elif wire["type"] == "function_call_output":
            self._script.returned(wire["call_id"], wire["output"])

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
        await self._respond((event.get("response") or {}).get("metadata"))

    async def _on_response_cancel(self, event: Event) -> None:
        active = self._active()
        if active is None or event.get("response_id") not in (None, active.id):
            message = "Cancellation failed: no active response found"
            raise RefusedError(message, code="response_cancel_not_active", param="response_id")
        await self._stop_reply("client_cancelled")

    async def _respond(self, metadata: Event | None) -> None:
        if self._active() is not None:
            message = "The conversation has an active response already."
            raise RefusedError(message, code="conversation_already_has_active_response")
        move = self._script.next()
        turn = self._user_turn
        first = turn.speech_stopped_ns is not None and not turn.responded
        reply = Reply(
            move=move,
            send=self._send,
            conversation=self._conversation,
            session=self._session,
            metadata=metadata,
            pace=self._pace,
            since=turn.since if first else self._now(),
            on_call=self._script.called,
        )
        turn.responded = True
        created_ns = monotonic_ns()
        await reply.begin()
        self._reply = reply, self._start(self._play(reply, turn, created_ns))

    async def _play(self, reply: Reply, turn: _UserTurn, created_ns: int) -> None:
        try:
            await reply.play()
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
