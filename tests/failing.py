"""STT, LLM and TTS that fail by a script, each under a name and a label that the price list knows."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, APIConnectionError, APIConnectOptions, llm, stt, utils

from scripted import Ears, Mind, Mouth, Named

ONCE = APIConnectOptions(max_retry=0, timeout=60.0, retry_interval=0.01)


class FailingEars(Ears):
    """Fails each utterance for which `fails` has True next; without an entry it hears."""

    def __init__(self, name: str, transcripts: list[str], fails: list[bool]) -> None:
        super().__init__(transcripts)
        self._name = name
        self.fails = fails

    @property
    def model(self) -> str:
        return self._name

    async def _recognize_impl(self, buffer: utils.AudioBuffer, **options: Any) -> stt.SpeechEvent:
        if self.fails and self.fails.pop(0):
            raise APIConnectionError("the ears are gone")
        return await super()._recognize_impl(buffer, **options)


class FailingMouth(Mouth):
    """Fails each request for which `fails` has True next; without an entry it speaks."""

    def __init__(self, name: str, fails: list[bool]) -> None:
        self.fails = fails
        super().__init__()
        self._name = name

    @property
    def model(self) -> str:
        return self._name

    @property  # type: ignore[override]
    def broken(self) -> bool:
        return bool(self.fails) and self.fails.pop(0)

    @broken.setter
    def broken(self, _broken: bool) -> None:
        return


class Breaking(Named):
    """Breaks off each answer of the script after its first words, where `breaks` has True next."""

    def __init__(self, name: str, answers: list[Any], breaks: list[bool]) -> None:
        super().__init__(name, answers)
        self.breaks = breaks

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: Any = DEFAULT_API_CONNECT_OPTIONS,
        **options: Any,
    ) -> llm.LLMStream:
        if self.breaks and self.breaks.pop(0):
            return _Broken(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)
        return super().chat(chat_ctx=chat_ctx, tools=tools, conn_options=conn_options, **options)


class _Broken(llm.LLMStream):
    async def _run(self) -> None:
        assert isinstance(self._llm, Mind)
        words = self._llm.answers.pop(0)
        delta = llm.ChoiceDelta(role="assistant", content=f"{words} ")
        self._event_ch.send_nowait(llm.ChatChunk(id=uuid.uuid4().hex, delta=delta))
        await asyncio.sleep(0.05)
        raise APIConnectionError("the model is gone")
