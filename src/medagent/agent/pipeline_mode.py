"""What a session of STT, LLM and TTS tells, as the events that a realtime model's server would send.

There is no raw stream here. Who speaks comes from the session's states, an answer is a `SpeechHandle`, and how long
something took from the plugins' own `metrics_collected` and from `ChatMessage.metrics`: the session's own event of
the first name is deprecated. Whatever LiveKit gives as 0 or -1 is not known.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents import Agent, AgentSession, llm, metrics, stt, tts
from livekit.agents.metrics.base import Metadata
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from medagent.pricing import Usage
from medagent.redaction.error_cause import cause_of
from medagent.telemetry import events
from medagent.telemetry.line import Line

Guard = Callable[[Callable[..., None]], Callable[..., None]]
"""Makes a handler that never raises."""

_PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "assemblyai": "assemblyai",
    "azure": "azure.ai.speech",
    "azure stt": "azure.ai.speech",
    "azure tts": "azure.ai.speech",
    "cartesia": "cartesia",
    "deepgram": "deepgram",
    "elevenlabs": "elevenlabs",
    "gemini": "gcp.gemini",
    "google": "gcp.gemini",
    "groq": "groq",
    "livekit": "livekit",
    "mistral": "mistral_ai",
    "mistralai": "mistral_ai",
    "openai": "openai",
}
_HOSTS = {"openai.azure.com": "azure.ai.openai", "openai.com": "openai", "groq.com": "groq"}
_LONGEST_S = 86_400.0
_SHORTEST_SILENCE_MS = 1


class PipelineMode:
    """The eyes on one session without a realtime model; `guard` makes its handlers harmless."""

    def __init__(self, line: Line, guard: Guard) -> None:
        self._line = line
        self._guard = guard
        self._began = time.time()
        self._utterances = 0
        self._speeches: list[SpeechHandle] = []
        self._answering: set[str] = set()
        self._heard: set[int] = set()

    def attach(self, session: AgentSession[Any]) -> None:
        """Listen to a session that has not started, and to the plugins that it and its agents bring."""
        self._session = session
        self._listen(session)
        session.on("user_state_changed", self._guard(self._user_state))
        session.on("speech_created", self._guard(self._speech_created))
        session.on("agent_state_changed", self._guard(self._agent_state))
        session.on("conversation_item_added", self._guard(self._item_added))

    def _listen(self, owner: AgentSession[Any] | Agent) -> None:
        """An agent may bring plugins of its own, and another agent may take over: each is heard once."""
        for plugin in (owner.stt, owner.llm, owner.tts):
            if isinstance(plugin, stt.STT | llm.LLM | tts.TTS) and id(plugin) not in self._heard:
                self._heard.add(id(plugin))
                plugin.on("metrics_collected", self._guard(self._collected))

    # ---- who has the floor -----------------------------------------------------------------------------------------

    def _user_state(self, event: lk.UserStateChangedEvent) -> None:
        """The session dates a state back to the sound that it was heard in; the silence since then is the VAD's."""
        place_ms = max(0, round((event.created_at - self._began) * 1000))
        if event.new_state == "speaking":
            self._utterances += 1
            self._line.send(events.SpeechStarted, item_id=self._utterance, audio_ms=place_ms)
        elif event.old_state == "speaking":
            silence_ms = round((time.time() - event.created_at) * 1000)
            known = silence_ms if silence_ms >= _SHORTEST_SILENCE_MS else None
            self._line.send(events.TurnDetectionSet, silence_ms=known)
            self._line.send(events.SpeechStopped, item_id=self._utterance, audio_ms=place_ms)

    @property
    def _utterance(self) -> str:
        return f"utterance_{self._utterances}"

    def _speech_created(self, event: lk.SpeechCreatedEvent) -> None:
        """One that was made ahead is no answer yet: the session schedules it later, or throws it away."""
        self._speeches.append(event.speech_handle)
        event.speech_handle.add_done_callback(self._guard(self._spoken))
        asyncio.get_running_loop().call_soon(self._guard(self._answers), event.speech_handle)

    def _answers(self, speech: SpeechHandle) -> None:
        if speech.scheduled and speech.id not in self._answering:
            self._answering.add(speech.id)
            self._line.send(events.ResponseStarted, response_id=speech.id)

    def _agent_state(self, event: lk.AgentStateChangedEvent) -> None:
        self._listen(self._session.current_agent)
        for speech in self._speeches:
            self._answers(speech)
        if event.new_state == "speaking" and self._session.current_speech is not None:
            self._line.send(events.AudioStarted, response_id=self._session.current_speech.id)

    def _spoken(self, speech: SpeechHandle) -> None:
        self._speeches.remove(speech)
        if speech.id not in self._answering:
            return
        error = speech.exception()
        cause = None if error is None else cause_of(error)
        status = "failed" if error is not None else "cancelled" if speech.interrupted else "completed"
        self._line.send(
            events.ResponseFinished,
            response_id=speech.id,
            status=status,
            usage=None,
            error_type=None if cause is None else cause.error_type,
            error_status=None if cause is None else cause.error_status,
        )

    # ---- what took how long ----------------------------------------------------------------------------------------

    def _item_added(self, event: lk.ConversationItemAddedEvent) -> None:
        item = event.item
        if isinstance(item, llm.ChatMessage) and item.role == "user":
            self._line.send(
                events.UtteranceMeasured,
                end_of_utterance_delay=_known(item.metrics.get("end_of_turn_delay")),
                transcription_delay=_known(item.metrics.get("transcription_delay")),
                on_user_turn_completed_delay=_known(item.metrics.get("on_user_turn_completed_delay")),
            )

    def _collected(self, measured: metrics.STTMetrics | metrics.LLMMetrics | metrics.TTSMetrics) -> None:
        """The session notes in the same object, after this handler, which speech it was made for."""
        asyncio.get_running_loop().call_soon(self._guard(self._measured), measured)

    def _measured(self, measured: metrics.STTMetrics | metrics.LLMMetrics | metrics.TTSMetrics) -> None:
        about: dict[str, Any] = {
            "key": f"{measured.label}/{measured.request_id}/{measured.timestamp}",
            "duration": _known(measured.duration),
            **_model(measured.metadata),
        }
        match measured:
            case metrics.STTMetrics():
                about |= {"stage": "stt", "audio_duration": _known(measured.audio_duration)}
                if about["audio_duration"] is None and about["duration"] is None and measured.total_tokens <= 0:
                    return  # a connection was made, nothing was heard
                about["streamed"] = measured.streamed
            case metrics.LLMMetrics():
                about |= {"stage": "llm", "first": _known(measured.ttft), "usage": _usage(measured)}
                about |= {"cancelled": measured.cancelled, "response_id": measured.speech_id}
            case metrics.TTSMetrics():
                about |= {"stage": "tts", "first": _known(measured.ttfb), "streamed": measured.streamed}
                about |= {"audio_duration": _known(measured.audio_duration), "cancelled": measured.cancelled}
                about |= {"characters": measured.characters_count or None, "response_id": measured.speech_id}
        self._line.send(events.StageMeasured, **about)


def about_model(model: llm.LLM[Any]) -> tuple[str, str]:
    """Name and provider of a pipeline's LLM as the trace tells them."""
    return model.model, _provider(model.provider) or "other"


def _usage(measured: metrics.LLMMetrics) -> Usage | None:
    """The tokens of a request; without any in its prompt the provider did not count."""
    if measured.prompt_tokens <= 0:
        return None
    return Usage(
        input_tokens=measured.prompt_tokens,
        output_tokens=measured.completion_tokens,
        total_tokens=measured.total_tokens,
        input_cached_tokens=measured.prompt_cached_tokens,
    )


def _model(told: Metadata | None) -> dict[str, str | None]:
    name = None if told is None or told.model_name in ("", "unknown") else told.model_name
    return {"model": name, "provider": None if told is None else _provider(told.model_provider)}


def _provider(told: str | None) -> str | None:
    """A name of the field's for what a plugin says, which may be the host of an installation of one's own."""
    if told in (None, "", "unknown"):
        return None
    said = str(told).lower().partition(":")[0]
    by_host = (name for host, name in _HOSTS.items() if said == host or said.endswith(f".{host}"))
    return _PROVIDERS.get(said) or next(by_host, "other")


def _known(seconds: float | None) -> float | None:
    return round(seconds, 6) if seconds is not None and math.isfinite(seconds) and 0 < seconds < _LONGEST_S else None
