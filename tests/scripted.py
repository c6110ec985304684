"""STT, LLM, TTS and VAD as LiveKit's own base classes run them, with scripts where the models would be."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectionError, llm, stt, tts, utils, vad

RATE = 24_000
CLOSE_S = 0.3
"""Seconds that a session waits for a last transcript when it closes; `Ears` takes a tenth, LiveKit's default is 2 s."""
_LOUD = 500
_SILENCE_S = 0.2


class Ears(stt.STT):
    """Hears what the script says, one entry an utterance, in one request each."""

    def __init__(self, transcripts: list[str]) -> None:
        super().__init__(capabilities=stt.STTCapabilities(streaming=False, interim_results=False))
        self._transcripts = transcripts

    @property
    def model(self) -> str:
        return "nova-3"

    @property
    def provider(self) -> str:
        return "Deepgram"

    async def _recognize_impl(self, buffer: utils.AudioBuffer, **_: Any) -> stt.SpeechEvent:
        await asyncio.sleep(0.03)
        said = stt.SpeechData(language="en", text=self._transcripts.pop(0) if self._transcripts else "")  # type: ignore[arg-type]  # a plain code is taken
        return stt.SpeechEvent(
            type=stt.SpeechEventType.FINAL_TRANSCRIPT, request_id=uuid.uuid4().hex, alternatives=[said]
        )


class Mind(llm.LLM[Any]):
    """Answers what the script says: a text, a call of a tool as (name, arguments), or an error to raise.

    A list of (name, arguments, call id) calls several tools at once.
    """

    def __init__(
        self, answers: list[str | tuple[str, str] | list[tuple[str, str, str]] | Exception], *, counts: bool = True
    ) -> None:
        super().__init__()
        self.answers = answers
        self.counts = counts

    @property
    def model(self) -> str:
        return "gpt-4o-mini"

    @property
    def provider(self) -> str:
        return "api.openai.com"

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> llm.LLMStream:
        return _Thought(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class Named(Mind):
    """A language model of another name."""

    def __init__(self, name: str, answers: list[Any]) -> None:
        super().__init__(answers)
        self._name = name

    @property
    def model(self) -> str:
        return self._name


class _Thought(llm.LLMStream):
    async def _run(self) -> None:
        mind = self._llm
        assert isinstance(mind, Mind)
        await asyncio.sleep(0.05)
        answer = mind.answers.pop(0) if mind.answers else "Goodbye."
        if isinstance(answer, Exception):
            raise answer
        identity = uuid.uuid4().hex
        if isinstance(answer, tuple):
            answer = [(*answer, f"call_{identity[:8]}")]
        if isinstance(answer, list):
            calls = [llm.FunctionToolCall(name=name, arguments=text, call_id=call) for name, text, call in answer]
            delta = llm.ChoiceDelta(role="assistant", tool_calls=calls)
            self._event_ch.send_nowait(llm.ChatChunk(id=identity, delta=delta))
        else:
            for word in answer.split(" "):
                delta = llm.ChoiceDelta(role="assistant", content=f"{word} ")
                self._event_ch.send_nowait(llm.ChatChunk(id=identity, delta=delta))
                await asyncio.sleep(0.002)
        if mind.counts:
            usage = llm.CompletionUsage(
                completion_tokens=12, prompt_tokens=100, prompt_cached_tokens=64, total_tokens=112
            )
            self._event_ch.send_nowait(llm.ChatChunk(id=identity, usage=usage))


class Mouth(tts.TTS):
    """Speaks a tone of a length that goes with the text; `broken` fails each request."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(capabilities=tts.TTSCapabilities(streaming=False), sample_rate=RATE, num_channels=1)
        self.broken = broken

    @property
    def model(self) -> str:
        return "sonic-2"

    @property
    def provider(self) -> str:
        return "Cartesia"

    def synthesize(self, text: str, *, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS) -> tts.ChunkedStream:
        return _Sound(tts=self, input_text=text, conn_options=conn_options)


class _Sound(tts.ChunkedStream):
    async def _run(self, output_emitter: tts.AudioEmitter) -> None:
        assert isinstance(self._tts, Mouth)
        if self._tts.broken:
            raise APIConnectionError("the voice is gone")
        output_emitter.initialize(
            request_id=uuid.uuid4().hex, sample_rate=RATE, num_channels=1, mime_type="audio/pcm", frame_size_ms=20
        )
        await asyncio.sleep(0.04)
        seconds = 0.02 * len(self._input_text)
        output_emitter.push((1000 * np.ones(round(seconds * RATE))).astype("<i2").tobytes())
        output_emitter.flush()


class Loudness(vad.VAD):
    """Speech is what is loud; it is over after 0.2 s of silence."""

    def __init__(self) -> None:
        super().__init__(capabilities=vad.VADCapabilities(update_interval=0.02))

    def stream(self) -> vad.VADStream:
        return _Listening(self)


class _Listening(vad.VADStream):
    async def _main_task(self) -> None:
        frames: list[rtc.AudioFrame] = []
        silence_s = speech_s = 0.0
        speaking = False
        async for frame in self._input_ch:
            if not isinstance(frame, rtc.AudioFrame):
                continue
            loud = int(np.abs(np.frombuffer(frame.data, dtype="<i2")).max()) > _LOUD
            silence_s = 0.0 if loud else silence_s + frame.duration
            speech_s = speech_s + frame.duration if speaking or loud else 0.0
            if loud and not speaking:
                speaking, frames = True, []
                self._tell(vad.VADEventType.START_OF_SPEECH, speech_s, silence_s, frames=[frame], speaking=True)
            if speaking:
                frames.append(frame)
            self._tell(vad.VADEventType.INFERENCE_DONE, speech_s, silence_s, frames=[frame], speaking=speaking)
            if speaking and silence_s >= _SILENCE_S:
                speaking = False
                self._tell(vad.VADEventType.END_OF_SPEECH, speech_s - silence_s, silence_s, frames=frames)
                speech_s = 0.0

    def _tell(self, kind: vad.VADEventType, speech_s: float, silence_s: float, **about: Any) -> None:
        event = vad.VADEvent(
            type=kind, samples_index=0, timestamp=0.0, speech_duration=speech_s, silence_duration=silence_s, **about
        )
        event.raw_accumulated_speech, event.raw_accumulated_silence = speech_s, silence_s
        self._event_ch.send_nowait(event)
