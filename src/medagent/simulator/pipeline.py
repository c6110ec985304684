"""OpenAI's HTTP interfaces of a pipeline: transcriptions, chat completions, speech; scripted by the scenario."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import takewhile
from typing import Any

from aiohttp import web

from medagent.simulator.conversation import Tokens, text_tokens
from medagent.simulator.protocol import problem
from medagent.simulator.record import Record
from medagent.simulator.reply import new_id
from medagent.simulator.script import Move, Speech, ToolCall
from medagent.simulator.switchboard import Call
from medagent.simulator.voice import BYTES_PER_MS, SAMPLE_RATE, speech_seconds, voice

_TRANSCRIPTION_S = 0.3
_FIRST_SOUND_S = 0.12
_CHUNK_S = 0.1
_FASTER = 8.0
"""So many times as fast as it is played is speech sent."""
_WORD_S = 0.02
_ARGUMENTS_PIECE = 24
_HANGS_S = 30.0
_CHARACTERS_PER_TOKEN = 4
_PITCH_HZ = 190
_TTS_TOKENS_PER_S = 20
_STATUS = {"rate_limit_exceeded": 429, "insufficient_quota": 429, "invalid_api_key": 401, "account_deactivated": 401}

CallOf = Callable[[web.Request], Call]


class Pipeline:
    """Handlers of the three interfaces; `call_of` returns the call of a request, time runs `pace` times as fast."""

    def __init__(self, call_of: CallOf, *, pace: float, record: Record) -> None:
        self._call_of = call_of
        self._record = record
        self._pace = pace

    def routes(self, prefix: str) -> list[web.RouteDef]:
        """Return the routes of the three interfaces under a prefix."""
        return [
            web.post(f"{prefix}/chat/completions", self.chat),
            web.post(f"{prefix}/audio/transcriptions", self.transcribe),
            web.post(f"{prefix}/audio/speech", self.speak),
        ]

    # Speech to text

    async def transcribe(self, request: web.Request) -> web.StreamResponse:
        """Write down the caller's next line, whatever the sound is."""
        check_key(request)
        call = self._call_of(request)
        call.requests["stt"] += 1
        form = await request.post()
        file = form.get("file")
        if not isinstance(file, web.FileField):
            return _refused(400, "missing_required_parameter", "A file is required.")
        seconds = max(0, len(await asyncio.to_thread(file.file.read)) - 44) / BYTES_PER_MS / 1000
        heard = call.hear()
        await asyncio.sleep((_TRANSCRIPTION_S + heard.late_s) / self._pace)
        if heard.fails:
            return _refused(400, "audio_unintelligible", "The audio could not be transcribed.")
        usage: dict[str, Any] = {"type": "duration", "seconds": round(seconds)}
        model, form_of_answer = str(form.get("model", "")), str(form.get("response_format", "json"))
        if not model.startswith("whisper"):
            audio, written = round(seconds * 10), text_tokens(heard.text)
            usage = {"type": "tokens", "input_tokens": audio, "output_tokens": written, "total_tokens": audio + written}
            usage["input_token_details"] = {"audio_tokens": audio, "text_tokens": 0}
        if form_of_answer == "text":
            return web.Response(text=heard.text)
        answer: dict[str, Any] = {"text": heard.text, "usage": usage}
        if form_of_answer == "verbose_json":
            answer |= {"task": "transcribe", "language": "english", "duration": seconds, "segments": []}
        return web.json_response(answer)

    # The language model

    async def chat(self, request: web.Request) -> web.StreamResponse:
        """Answer a chat with the step of the scenario to which its messages lead."""
        check_key(request)
        call = self._call_of(request)
        call.requests["llm"] += 1
        body = await request.json()
        messages, tools = body.get("messages"), body.get("tools") or []
        if not isinstance(messages, list):
            return _refused(400, "invalid_value", "The messages are missing.")
        offered = [tool["function"] for tool in tools if "function" in tool]
        self._record.offer(call.scenario.name, (tool.get("name") for tool in offered))
        move = call.at(messages).next(offered)
        if (failure := await self._failure(move)) is not None:
            return failure
        if isinstance(move.does, Speech):
            call.said(move.does)
        else:
            self._record.call(call.scenario.name, move.does.name)
        wait_s = move.tool_call_s if isinstance(move.does, ToolCall) else move.think_s
        slow_s = move.fault.seconds or 0.0 if move.fault is not None and move.fault.kind == "slow" else 0.0
        await asyncio.sleep((wait_s + slow_s) / self._pace)
        prompt = json.dumps([tools, messages])
        usage = _usage(prompt, call.prompt, move)
        call.prompt = prompt
        chat = _Chat(move, model=str(body.get("model", "")), usage=usage)
        if not body.get("stream"):
            return web.json_response(chat.whole())
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        drops = move.fault is not None and move.fault.kind == "reconnect"
        return await _events(request, self._paced(chat.chunks(with_usage=with_usage)), drops=drops)

    async def _failure(self, move: Move) -> web.StreamResponse | None:
        """What a fault of the step makes of the request; None where it is answered."""
        fault = move.fault
        if fault is None or fault.kind not in ("missing", "failed", "error"):
            return None
        if fault.kind == "missing":  # a client that gives up before has hung up by then
            await asyncio.sleep(_HANGS_S / self._pace)
        code = fault.code or ("rate_limit_exceeded" if fault.kind == "failed" else "server_error")
        return _refused(_STATUS.get(code, 500), code, str(problem(code)["message"]))

    async def _paced(self, chunks: Iterator[dict[str, Any]]) -> AsyncIterator[str]:
        for chunk in chunks:
            yield json.dumps(chunk)
            await asyncio.sleep(_WORD_S / self._pace)
        yield "[DONE]"

    # Text to speech

    async def speak(self, request: web.Request) -> web.StreamResponse:
        """Speak a text: sound of its length without words, sent faster than it is played."""
        check_key(request)
        call = self._call_of(request)
        call.requests["tts"] += 1
        body = await request.json()
        text = body.get("input")
        if not isinstance(text, str) or not text.strip():
            return _refused(400, "missing_required_parameter", "An input is required.")
        seconds = speech_seconds(text) * call.speed_of(text) / float(body.get("speed") or 1.0)
        await asyncio.sleep(_FIRST_SOUND_S / self._pace)
        if body.get("stream_format") == "sse" and body.get("response_format") == "pcm":
            return await _events(request, self._sound_events(text, seconds))
        return await self._sound(request, seconds, is_wav=body.get("response_format") == "wav")

    async def _sound_events(self, text: str, seconds: float) -> AsyncIterator[str]:
        async for pcm in self._pieces(seconds):
            yield json.dumps({"type": "speech.audio.delta", "audio": base64.b64encode(pcm).decode()})
        read, made = text_tokens(text), round(seconds * _TTS_TOKENS_PER_S)
        usage = {"input_tokens": read, "output_tokens": made, "total_tokens": read + made}
        yield json.dumps({"type": "speech.audio.done", "usage": usage})

    async def _sound(self, request: web.Request, seconds: float, *, is_wav: bool) -> web.StreamResponse:
        """The bytes themselves; whatever form was asked for, PCM is what is declared and sent, in WAV on request."""
        response = _stream("audio/wav" if is_wav else "audio/pcm")
        await response.prepare(request)
        if is_wav:
            await response.write(_wav_header(seconds))
        async for pcm in self._pieces(seconds):
            await response.write(pcm)
        await response.write_eof()
        return response

    async def _pieces(self, seconds: float) -> AsyncIterator[bytes]:
        sent_s = 0.0
        while sent_s < seconds - 1e-6:
            piece_s = min(_CHUNK_S, seconds - sent_s)
            yield voice(piece_s, pitch_hz=_PITCH_HZ, offset=round(sent_s * SAMPLE_RATE))
            sent_s += piece_s
            await asyncio.sleep(piece_s / self._pace / _FASTER)


class _Chat:
    """One completion in the forms in which it is sent."""

    def __init__(self, move: Move, *, model: str, usage: Mapping[str, Any]) -> None:
        self._head = {"id": new_id("chatcmpl"), "created": int(time.time()), "model": model}
        self._usage = usage
        self._does = move.does
        self._words: list[str] = []
        self._finish = "tool_calls"
        if isinstance(move.does, Speech):
            self._words, self._finish = re.findall(r"\S+\s*", move.does.text), "stop"
            if move.fault is not None and move.fault.kind == "incomplete" and move.fault.seconds is not None:
                share = min(1.0, move.fault.seconds / move.does.seconds)
                self._words, self._finish = self._words[: max(1, round(len(self._words) * share))], "length"

    def chunks(self, *, with_usage: bool) -> Iterator[dict[str, Any]]:
        """Yield it in pieces."""
        yield self._chunk({"role": "assistant", "content": "" if self._words else None})
        for word in self._words:
            yield self._chunk({"content": word})
        if isinstance(self._does, ToolCall):
            function = {"name": self._does.name, "arguments": ""}
            yield self._chunk(
                {"tool_calls": [{"index": 0, "id": new_id("call"), "type": "function", "function": function}]}
            )
            for at in range(0, len(self._does.arguments), _ARGUMENTS_PIECE):
                piece = self._does.arguments[at : at + _ARGUMENTS_PIECE]
                yield self._chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
        yield self._chunk({}, finish=self._finish)
        if with_usage:
            yield {**self._head, "object": "chat.completion.chunk", "choices": [], "usage": self._usage}

    def whole(self) -> dict[str, Any]:
        """Return it in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": "".join(self._words) or None, "refusal": None}
        if isinstance(self._does, ToolCall):
            function = {"name": self._does.name, "arguments": self._does.arguments}
            message["tool_calls"] = [{"id": new_id("call"), "type": "function", "function": function}]
        choice = {"index": 0, "message": message, "finish_reason": self._finish, "logprobs": None}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    def _chunk(self, delta: dict[str, Any], *, finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        return {**self._head, "object": "chat.completion.chunk", "choices": [choice]}


def check_key(request: web.Request) -> None:
    """Raise an HTTP error where a request has no key, as the service would; any key is right."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if not (request.headers.get("api-key") or (scheme.lower() == "bearer" and token.strip())):
        raise web.HTTPUnauthorized(text="Access denied: an api-key or a bearer token is required.")


def _usage(prompt: str, before: str, move: Move) -> dict[str, Any]:
    """Tokens by length; cached is what begins as the prompt before did."""
    made = move.does.arguments if isinstance(move.does, ToolCall) else move.does.text
    read, written = text_tokens(prompt), text_tokens(made)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(prompt, before, strict=False)))
    cached = Tokens(text=same // _CHARACTERS_PER_TOKEN).in_blocks().text
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": min(read, cached), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


async def _events(request: web.Request, lines: AsyncIterator[str], *, drops: bool = False) -> web.StreamResponse:
    """Send server-sent events; with `drops` the connection breaks before the last of them."""
    response = _stream("text/event-stream")
    await response.prepare(request)
    async for line in lines:
        if drops and line == "[DONE]":
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write(f"data: {line}\n\n".encode())
    await response.write_eof()
    return response


def _stream(content_type: str) -> web.StreamResponse:
    headers = {"Content-Type": content_type, "Cache-Control": "no-cache", "x-request-id": new_id("req")}
    return web.StreamResponse(headers=headers)


def _refused(status: int, code: str, message: str) -> web.Response:
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": message, "type": kind, "code": code, "param": None}
    return web.json_response({"error": error}, status=status)


def _wav_header(seconds: float) -> bytes:
    size = round(seconds * SAMPLE_RATE) * 2
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SAMPLE_RATE, SAMPLE_RATE * 2, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", size + 36, b"WAVE") + form + struct.pack("<4sI", b"data", size)
