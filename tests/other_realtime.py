"""A realtime model of another plugin than OpenAI's: it has LiveKit's own events and no raw ones."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
from livekit import rtc
from livekit.agents import llm
from livekit.agents.metrics import RealtimeModelMetrics
from livekit.agents.metrics.base import Metadata

RATE = 24_000


class OtherModel(llm.RealtimeModel):
    """Answers each request with a text and a tone; `details` says whether tokens are counted by modality."""

    def __init__(self, says: str = "We are open.", *, model: str = "gemini-live", details: bool = True) -> None:
        super().__init__(
            capabilities=llm.RealtimeCapabilities(
                message_truncation=False,
                turn_detection=True,
                user_transcription=False,
                auto_tool_reply_generation=False,
                audio_output=True,
                manual_function_calls=False,
                mutable_chat_context=True,
                mutable_instructions=True,
                mutable_tools=True,
            )
        )
        self.says = says
        self.details = details
        self.sessions: list[OtherSession] = []
        self._name = model

    @property
    def model(self) -> str:
        return self._name

    @property
    def provider(self) -> str:
        return "google"

    def session(self, *, turn_detection_disabled: bool = False) -> OtherSession:
        made = OtherSession(self)
        self.sessions.append(made)
        return made

    async def aclose(self) -> None:
        return None


class OtherSession(llm.RealtimeSession[Any]):
    """One session; `hears` is the server's voice activity detection."""

    def __init__(self, model: OtherModel) -> None:
        super().__init__(model)
        self._other = model
        self._context = llm.ChatContext.empty()
        self._tools = llm.ToolContext.empty()

    @property
    def chat_ctx(self) -> llm.ChatContext:
        return self._context

    @property
    def tools(self) -> llm.ToolContext:
        return self._tools

    async def update_instructions(self, instructions: str) -> None:
        return None

    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None:
        self._context = chat_ctx

    async def update_tools(self, tools: list[llm.Tool]) -> None:
        self._tools = llm.ToolContext(tools)

    def update_options(self, **_: Any) -> None:
        return None

    def push_audio(self, frame: rtc.AudioFrame) -> None:
        return None

    def push_video(self, frame: rtc.VideoFrame) -> None:
        return None

    async def hears(self, seconds: float) -> None:
        """The caller speaks, and the server answers."""
        self.emit("input_speech_started", llm.InputSpeechStartedEvent())
        await asyncio.sleep(seconds)
        self.emit("input_speech_stopped", llm.InputSpeechStoppedEvent(user_transcription_enabled=False))
        self.emit("generation_created", self._generation(user_initiated=False))

    def generate_reply(self, **_: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        created: asyncio.Future[llm.GenerationCreatedEvent] = asyncio.get_running_loop().create_future()
        generation = self._generation(user_initiated=True)
        self.emit("generation_created", generation)
        created.set_result(generation)
        return created

    def _generation(self, *, user_initiated: bool) -> llm.GenerationCreatedEvent:
        response_id = f"response_{uuid.uuid4().hex[:8]}"
        modalities: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        modalities.set_result(["text", "audio"])

        async def texts() -> AsyncIterator[str]:
            yield self._other.says

        async def sounds() -> AsyncIterator[rtc.AudioFrame]:
            tone = (1000 * np.ones(RATE // 10)).astype("<i2").tobytes()
            for _ in range(3):
                yield rtc.AudioFrame(tone, RATE, 1, RATE // 10)
            self._measured(response_id)

        async def messages() -> AsyncIterator[llm.MessageGeneration]:
            yield llm.MessageGeneration(
                message_id=f"item_{response_id}", text_stream=texts(), audio_stream=sounds(), modalities=modalities
            )

        async def calls() -> AsyncIterator[llm.FunctionCall]:
            for call in list[llm.FunctionCall]():
                yield call

        return llm.GenerationCreatedEvent(
            message_stream=messages(), function_stream=calls(), user_initiated=user_initiated, response_id=response_id
        )

    def _measured(self, response_id: str) -> None:
        details = self._other.details
        self.emit(
            "metrics_collected",
            RealtimeModelMetrics(
                request_id=response_id,
                timestamp=time.time(),
                label=self._other.label,
                input_tokens=100,
                output_tokens=40,
                total_tokens=140,
                input_token_details=RealtimeModelMetrics.InputTokenDetails(
                    text_tokens=60 if details else 0, audio_tokens=40 if details else 0
                ),
                output_token_details=RealtimeModelMetrics.OutputTokenDetails(
                    text_tokens=10 if details else 0, audio_tokens=30 if details else 0
                ),
                metadata=Metadata(model_name=self._other.model, model_provider=self._other.provider),
            ),
        )

    def commit_audio(self) -> None:
        return None

    def clear_audio(self) -> None:
        return None

    def interrupt(self) -> None:
        return None

    def truncate(self, **_: Any) -> None:
        return None

    async def aclose(self) -> None:
        return None
