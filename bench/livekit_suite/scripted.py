"""Models that answer by a script, for LiveKit's examples: STT, VAD, LLM, TTS and realtime, without any provider.

A caller's words reach every open stream of `Caller.say`. The LLM answers a user by a sentence or, in turn, by calling
each tool of the agent once, with arguments made from its schema; every request has a known number of tokens.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from livekit import rtc
from livekit.agents import llm, stt, tts, utils, vad
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN
from livekit.agents.voice import io

_RATE = 24_000
_TOKENS = (40, 12)
_SPOKEN_S = 0.6
_SILENCE_S = 0.4


def frame(seconds: float, rate: int = _RATE) -> rtc.AudioFrame:
    """Return silence of this length."""
    count = int(rate * seconds)
    return rtc.AudioFrame(data=b"\0\0" * count, sample_rate=rate, num_channels=1, samples_per_channel=count)


class Caller:
    """The caller's speech, sent to every stream that listens in this process."""

    listening: ClassVar[list[Any]] = []

    @classmethod
    async def say(cls, words: str) -> None:
        """Speak for a moment, then be silent."""
        for stream in list(cls.listening):
            stream.begins()
        await asyncio.sleep(_SPOKEN_S)
        for stream in list(cls.listening):
            stream.ends(words)
        await asyncio.sleep(_SILENCE_S)


class ScriptedVAD(vad.VAD):
    """Hears the caller when the caller speaks."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.1))

    @classmethod
    def load(cls, *_arguments: Any, **_options: Any) -> ScriptedVAD:
        """Stand in for a plugin's way to load its model."""
        return cls()

    def stream(self) -> _VADStream:
        """Listen."""
        return _VADStream(self)


class _VADStream(vad.VADStream):
    async def _main_task(self) -> None:
        Caller.listening.append(self)
        try:
            async for _ in self._input_ch:
                pass
        finally:
            Caller.listening.remove(self)

    def begins(self) -> None:
        self._began = time.time()
        self._tell(vad.VADEventType.START_OF_SPEECH, speech=0.1, silence=0.0)
        for heard in (0.2, 0.4, 0.6):
            asyncio.get_running_loop().call_later(
                heard - 0.1, lambda heard=heard: self._tell(vad.VADEventType.INFERENCE_DONE, speech=heard, silence=0.0)
            )

    def ends(self, _words: str) -> None:
        self._tell(vad.VADEventType.END_OF_SPEECH, speech=_SPOKEN_S, silence=0.2)

    def _tell(self, kind: vad.VADEventType, *, speech: float, silence: float) -> None:
        if self._event_ch.closed:
            return
        self._event_ch.send_nowait(
            vad.VADEvent(
                type=kind,
                samples_index=0,
                timestamp=time.time(),
                speech_duration=speech,
                silence_duration=silence,
                raw_accumulated_speech=speech if silence == 0 else 0.0,
                raw_accumulated_silence=silence,
            )
        )


class ScriptedSTT(stt.STT):
    """Writes down what the caller says."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=True, interim_results=True))

    @classmethod
    def from_model_string(cls, _model: str) -> ScriptedSTT:
        """Stand in for the models of LiveKit's gateway."""
        return cls()

    def update_options(self, **_options: Any) -> None:
        """Have no options."""

    def stream(self, *, language: Any = NOT_GIVEN, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> _STTStream:
        """Listen."""
        return _STTStream(stt=self, conn_options=conn_options)

    async def _recognize_impl(self, buffer: Any, *, language: Any, conn_options: Any) -> stt.SpeechEvent:
        raise NotImplementedError


class _STTStream(stt.RecognizeStream):
    async def _run(self) -> None:
        Caller.listening.append(self)
        try:
            async for _ in self._input_ch:
                pass
        finally:
            Caller.listening.remove(self)

    def begins(self) -> None:
        pass

    def ends(self, words: str) -> None:
        self._event_ch.send_nowait(
            stt.SpeechEvent(
                type=stt.SpeechEventType.FINAL_TRANSCRIPT,
                alternatives=[stt.SpeechData(text=words, language="en", confidence=1.0)],  # type: ignore[arg-type]
            )
        )
        self._event_ch.send_nowait(
            stt.SpeechEvent(
                type=stt.SpeechEventType.RECOGNITION_USAGE,
                recognition_usage=stt.RecognitionUsage(audio_duration=_SPOKEN_S),
            )
        )


class ScriptedLLM(llm.LLM):
    """Answers by a sentence, or calls each tool once."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__()
        self._called: set[str] = set()

    @classmethod
    def from_model_string(cls, _model: str) -> ScriptedLLM:
        """Stand in for the models of LiveKit's gateway."""
        return cls()

    @property
    def model(self) -> str:
        """The model's name."""
        return "scripted"

    @property
    def provider(self) -> str:
        """The provider's name."""
        return "livekit"

    def update_options(self, **_options: Any) -> None:
        """Have no options."""

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **_options: Any,
    ) -> llm.LLMStream:
        """Answer the last item of a conversation."""
        return _LLMStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


_CALLED: set[str] = set()


class _LLMStream(llm.LLMStream):
    async def _run(self) -> None:
        await asyncio.sleep(0.05)
        request = utils.shortuuid("scripted_")
        call = self._next_call()
        if call is None:
            for words in ("Thank you, ", "I have noted that. ", "What else can I do for you?"):
                self._send(request, llm.ChoiceDelta(role="assistant", content=words))
        else:
            self._send(request, llm.ChoiceDelta(role="assistant", tool_calls=[call]))
        prompt, completion = _TOKENS
        used = llm.CompletionUsage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)
        self._event_ch.send_nowait(llm.ChatChunk(id=request, usage=used))

    def _send(self, request: str, delta: llm.ChoiceDelta) -> None:
        self._event_ch.send_nowait(llm.ChatChunk(id=request, delta=delta))

    def _next_call(self) -> llm.FunctionToolCall | None:
        last = self._chat_ctx.items[-1] if self._chat_ctx.items else None
        if last is None or last.type != "message" or last.role != "user":
            return None
        for schema in llm.ToolContext(self._tools).parse_function_tools("openai"):
            function = schema.get("function", schema)
            if "name" in function and function["name"] not in _CALLED:
                _CALLED.add(function["name"])
                made = example_of(function.get("parameters") or {}, function.get("parameters") or {})
                return llm.FunctionToolCall(
                    name=function["name"], arguments=json.dumps(made or {}), call_id=utils.shortuuid("call_")
                )
        return None


def example_of(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Any:
    """Return a value that a JSON schema allows."""
    if "$ref" in schema:
        return example_of(root.get("$defs", {})[schema["$ref"].rsplit("/", 1)[-1]], root)
    for known in ("const", "default"):
        if known in schema:
            return schema[known]
    if schema.get("enum"):
        return schema["enum"][0]
    for either in ("anyOf", "oneOf", "allOf"):
        if schema.get(either):
            return example_of(schema[either][0], root)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example_of(part, root) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example_of(schema.get("items") or {}, root)]
    return {"integer": 1, "number": 1.0, "boolean": True, "null": None}.get(str(kind), "example")


class ScriptedTTS(tts.TTS):
    """Speaks a tenth of a second for each sentence."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=_RATE, num_channels=1)

    @classmethod
    def from_model_string(cls, _model: str) -> ScriptedTTS:
        """Stand in for the models of LiveKit's gateway."""
        return cls()

    def update_options(self, **_options: Any) -> None:
        """Have no options."""

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        """Speak."""
        return _Spoken(tts=self, input_text=text, conn_options=conn_options)


class _Spoken(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        output_emitter.initialize(
            request_id=utils.shortuuid("scripted_"), sample_rate=_RATE, num_channels=1, mime_type="audio/pcm"
        )
        output_emitter.push(bytes(frame(0.3).data))
        output_emitter.flush()


class Microphone(io.AudioInput):
    """Silence at the pace of a call, until it is closed."""

    def __init__(self) -> None:
        super().__init__(label="scripted")

    async def __anext__(self) -> rtc.AudioFrame:
        await asyncio.sleep(0.1)
        return frame(0.1, 16_000)


class Loudspeaker(io.AudioOutput):
    """Plays in real time; what is cleared is interrupted."""

    def __init__(self) -> None:
        super().__init__(
            label="scripted",
            capabilities=io.AudioOutputCapabilities(pause=False),
            sample_rate=_RATE,
            next_in_chain=None,
        )
        self._pushed_s = 0.0
        self._began: float | None = None
        self._end: asyncio.TimerHandle | None = None

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        """Play."""
        await super().capture_frame(frame)
        if self._began is None:
            self._began = time.time()
            self.on_playback_started(created_at=self._began)
        self._pushed_s += frame.duration

    def flush(self) -> None:
        """Take the end of a speech."""
        super().flush()
        if self._began is not None:
            rest = max(0.0, self._began + self._pushed_s - time.time())
            self._end = asyncio.get_running_loop().call_later(rest, self._finish, False)

    def clear_buffer(self) -> None:
        """Stop at once."""
        if self._began is not None:
            self._finish(True)

    def _finish(self, interrupted: bool) -> None:
        if self._end is not None:
            self._end.cancel()
        played = self._pushed_s if not interrupted else min(self._pushed_s, time.time() - (self._began or 0.0))
        self._began, self._end, self._pushed_s = None, None, 0.0
        self.on_playback_finished(playback_position=played, interrupted=interrupted, synchronized_transcript=None)


class ScriptedRealtime(llm.RealtimeModel):
    """A speech-to-speech model with its own turn detection that answers each utterance by a sentence."""

    def __init__(self, *_arguments: Any, **_options: Any) -> None:
        super().__init__(
            capabilities=llm.RealtimeCapabilities(
                message_truncation=True,
                turn_detection=True,
                user_transcription=True,
                auto_tool_reply_generation=False,
                audio_output=True,
                manual_function_calls=True,
            )
        )

    @classmethod
    def with_azure(cls, *_arguments: Any, **_options: Any) -> ScriptedRealtime:
        """Stand in for the plugin's other constructor."""
        return cls()

    def session(self, **_options: Any) -> llm.RealtimeSession[Any]:
        """Open a session."""
        return _RealtimeSession(self)

    async def aclose(self) -> None:
        """Close."""


class _RealtimeSession(llm.RealtimeSession[Any]):
    def __init__(self, model: ScriptedRealtime) -> None:
        super().__init__(model)
        self._chat_ctx, self._tools = llm.ChatContext.empty(), llm.ToolContext.empty()
        self._item = ""
        Caller.listening.append(self)

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return self._chat_ctx

    @property
    def tools(self) -> llm.ToolContext:
        return self._tools

    def begins(self) -> None:
        self._item = utils.shortuuid("item_")
        self.emit("input_speech_started", llm.InputSpeechStartedEvent())

    def ends(self, words: str) -> None:
        self.emit("input_speech_stopped", llm.InputSpeechStoppedEvent(user_transcription_enabled=True))
        self.emit(
            "input_audio_transcription_completed",
            llm.InputTranscriptionCompleted(item_id=self._item, transcript=words, is_final=True),
        )
        self.emit("generation_created", self._generation(user_initiated=False))

    def generate_reply(self, **_options: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        reply = asyncio.get_running_loop().create_future()
        event = self._generation(user_initiated=True)
        self.emit("generation_created", event)
        reply.set_result(event)
        return reply

    def _generation(self, *, user_initiated: bool) -> llm.GenerationCreatedEvent:
        messages = utils.aio.Chan[llm.MessageGeneration]()
        functions = utils.aio.Chan[llm.FunctionCall]()
        text, audio = utils.aio.Chan[str](), utils.aio.Chan[rtc.AudioFrame]()
        modalities: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        modalities.set_result(["audio", "text"])
        text.send_nowait("Thank you, I have noted that.")
        audio.send_nowait(frame(0.3))
        text.close(), audio.close()
        messages.send_nowait(
            llm.MessageGeneration(
                message_id=utils.shortuuid("item_"), text_stream=text, audio_stream=audio, modalities=modalities
            )
        )
        messages.close(), functions.close()
        return llm.GenerationCreatedEvent(
            message_stream=messages,
            function_stream=functions,
            user_initiated=user_initiated,
            response_id=utils.shortuuid("resp_"),
        )

    async def update_instructions(self, instructions: str) -> None: ...

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        self._chat_ctx = chat_ctx

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        self._tools = llm.ToolContext(tools)

    def update_options(self, **_options: Any) -> None: ...

    def push_audio(self, frame: rtc.AudioFrame) -> None: ...

    def push_video(self, frame: rtc.VideoFrame) -> None: ...

    def commit_audio(self) -> None: ...

    def clear_audio(self) -> None: ...

    def interrupt(self) -> None: ...

    def truncate(self, **_options: Any) -> None: ...

    async def aclose(self) -> None:
        Caller.listening.remove(self)


def stand_ins() -> Iterator[tuple[str, type]]:
    """Yield the names under which plugins offer models, and what stands in for each."""
    yield from (
        ("STT", ScriptedSTT),
        ("STTv2", ScriptedSTT),
        ("LLM", ScriptedLLM),
        ("TTS", ScriptedTTS),
        ("VAD", ScriptedVAD),
        ("RealtimeModel", ScriptedRealtime),
    )
