"""Duration and usage of each request, as the session reports them.

It comes from the session's `metrics_collected`, which follows every LLM, STT and TTS that the session uses, and only
those. Whatever LiveKit gives as 0 or -1 is not known.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal

from livekit.agents import Agent, AgentSession, llm, metrics
from livekit.agents.voice import events as lk

from medagent.agent.fallback import Stage, is_probe, serving_session
from medagent.agent.plugins import named_in
from medagent.agent.raw import Send
from medagent.agent.realtime_sessions import Guard, current, model_of, on
from medagent.agent.shared import is_of
from medagent.pricing import Usage
from medagent.telemetry import events

_PARTS: Mapping[str, Literal["stt", "llm", "tts"]] = {"stt_metrics": "stt", "llm_metrics": "llm", "tts_metrics": "tts"}
_LONGEST_S = 86_400.0


class SessionEvents:
    """Send what a session reports by itself as events of the call; `guard` makes handlers that never raise.

    `is_raw()`: the responses of the current agent are sent from the provider's own events.
    `is_measured(response_id)`: the usage of a response was sent from the provider's own event.
    `missing(part)` reports a measure that cannot be attributed to this session.
    """

    def __init__(
        self,
        send: Send,
        guard: Guard,
        *,
        is_raw: Callable[[], bool],
        is_measured: Callable[[str], bool],
        missing: Callable[[events.MissingPart], None],
    ) -> None:
        self._send = send
        self._guard = guard
        self._is_measured = is_measured
        self._is_raw = is_raw
        self._missing = missing
        self._requests: Counter[tuple[str, str]] = Counter()
        self._replies_of_realtime = 0
        self._responses = 0
        self._heard = self._transcribed = False
        self.tokens = 0
        """Tokens of language models that were sent as events of the call."""
        self.is_partial = False
        """Whether measures of a shared object were left out, since they are another session's."""
        self._handlers: dict[str, Callable[..., None]] = {}

    def attach(self, session: AgentSession[Any]) -> None:
        """Listen to a session."""
        self._session = session
        self._handlers = {
            "conversation_item_added": self._guard(self._item_added),
            "metrics_collected": self._guard(self._measured),
            "user_input_transcribed": self._guard(self._user_transcribed),
        }
        for name, handler in self._handlers.items():
            on(session, name, handler)

    def close(self) -> None:
        """Stop listening; what ends later is no event of the next call."""
        self._send = _nowhere
        for name, handler in self._handlers.items():
            self._session.off(name, handler)  # type: ignore[arg-type]
        self._handlers = {}

    def spoken(self, speech_id: str, asked: int, heard: int) -> None:
        """Report requests of a reply that were not measured.

        Code of the agent's own made them (`llm_node`, `tts_node`), or the plugin was replaced before they ended.

        Args:
            speech_id: The speech that was said to its end.
            asked: How often a model was asked for it.
            heard: How many of its steps were played.
        """
        if self._is_raw():
            return
        if isinstance(model_of(self._session), llm.RealtimeModel):
            self._replies_of_realtime += 1
            return
        if self._requests["llm", speech_id] < asked:
            self._missing("llm")
        if self._has_voice() and self._requests["tts", speech_id] < heard:
            self._missing("tts")

    def _has_voice(self) -> bool:
        """Whether text is spoken: a session without audio output is in the state `speaking` all the same."""
        output, activity = self._session.output, getattr(self._session, "_activity", None)
        if activity is None or output.audio is None or not output.audio_enabled:
            return False
        return activity.tts is not None or type(activity.agent).tts_node is not Agent.tts_node

    def finish(self) -> None:
        """Report the parts whose cost nothing told: the call is about to end."""
        if self._replies_of_realtime > self._responses:
            self._send(events.CostUnknown, part="realtime")
        if self._heard and not self._transcribed:
            self._send(events.CostUnknown, part="stt")

    def _user_transcribed(self, event: lk.UserInputTranscribedEvent) -> None:
        if event.is_final and not isinstance(model_of(self._session), llm.RealtimeModel):
            self._heard = True

    # ---- what took how long ----------------------------------------------------------------------------------------

    def _item_added(self, event: lk.ConversationItemAddedEvent) -> None:
        item = event.item
        if isinstance(item, llm.ChatMessage) and item.role == "user":
            self._send(
                events.UtteranceMeasured,
                end_of_utterance_delay=_known(item.metrics.get("end_of_turn_delay")),
                transcription_delay=_known(item.metrics.get("transcription_delay")),
                on_user_turn_completed_delay=_known(item.metrics.get("on_user_turn_completed_delay")),
            )

    def _measured(self, event: lk.MetricsCollectedEvent) -> None:
        measured = event.metrics
        if isinstance(measured, metrics.RealtimeModelMetrics):
            self._realtime_measured(measured)
        if isinstance(measured, Stage) and self._is_own(measured):
            self._stage_measured(measured)

    def _is_own(self, measured: Stage) -> bool:
        realtime = current(self._session)
        if realtime is not None and measured.label == serving_session(realtime).realtime_model.label:
            return True  # a realtime session has one owner
        part = _PARTS[measured.type]
        is_own = is_of(self._session, part)
        if is_own is None:
            self._missing(part)
        self.is_partial |= is_own is not True
        return is_own is True

    def _realtime_measured(self, measured: metrics.RealtimeModelMetrics) -> None:
        """A connection that was made has no response; what the provider's own event reported is not sent again."""
        if not measured.request_id or self._is_measured(measured.request_id):
            return
        model, provider = named_in(measured.metadata)
        self._responses += 1
        self.tokens += measured.input_tokens + measured.output_tokens
        self._send(
            events.ResponseMeasured,
            key=measured.request_id,
            model=model,
            provider=provider,
            usage=_usage_of_response(measured),
        )

    def _stage_measured(self, measured: Stage) -> None:
        model, provider = named_in(measured.metadata)
        about: dict[str, Any] = {
            "key": f"{measured.label}/{measured.request_id}/{measured.timestamp}",
            "duration": _known(measured.duration),
            "model": model,
            "provider": provider,
        }
        match measured:
            case metrics.STTMetrics():
                about |= {"stage": "stt", "audio_duration": _known(measured.audio_duration)}
                if about["audio_duration"] is None and about["duration"] is None and measured.total_tokens <= 0:
                    return  # a connection was made, nothing was heard
                about |= {"streamed": measured.streamed, "usage": _usage_of_stt(measured)}
            case metrics.LLMMetrics():
                about |= {"stage": "llm", "first": _known(measured.ttft), "usage": _usage(measured)}
                about |= {"cancelled": measured.cancelled, "response_id": measured.speech_id}
                self.tokens += measured.prompt_tokens + measured.completion_tokens
            case metrics.TTSMetrics():
                about |= {"stage": "tts", "first": _known(measured.ttfb), "streamed": measured.streamed}
                about |= {"audio_duration": _known(measured.audio_duration), "cancelled": measured.cancelled}
                about |= {"characters": measured.characters_count or None, "response_id": measured.speech_id}
        probes = is_probe(getattr(getattr(self._session, "_activity", None), about["stage"], None), measured)
        if not probes:
            self._requests[about["stage"], about.get("response_id") or ""] += 1
            self._transcribed |= about["stage"] == "stt"
        self._send(events.StageMeasured, is_probe=probes, **about)


def _nowhere(_kind: type[Any], **_fields: object) -> None:
    return


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


def _usage_of_stt(measured: metrics.STTMetrics) -> Usage | None:
    """Return the tokens of a transcription; None where it is not counted in tokens."""
    if measured.input_tokens <= 0 and measured.output_tokens <= 0:
        return None
    return Usage(
        input_tokens=measured.input_tokens,
        output_tokens=measured.output_tokens,
        total_tokens=measured.total_tokens,
    )


def _usage_of_response(measured: metrics.RealtimeModelMetrics) -> Usage | None:
    """Return the tokens of a response; None where its plugin counted none. Parts of 0 in a sum above 0 are unknown."""
    if measured.input_tokens <= 0 and measured.output_tokens <= 0:
        return None
    inputs, outputs = measured.input_token_details, measured.output_token_details
    read = (inputs.text_tokens, inputs.audio_tokens, inputs.image_tokens)
    written = (outputs.text_tokens, outputs.audio_tokens)
    is_read, is_written = sum(read) == measured.input_tokens, sum(written) == measured.output_tokens
    cached = inputs.cached_tokens_details
    again = (0, 0, 0) if cached is None else (cached.text_tokens, cached.audio_tokens, cached.image_tokens)
    is_cached = is_read and sum(again) == inputs.cached_tokens
    return Usage(
        input_tokens=measured.input_tokens,
        output_tokens=measured.output_tokens,
        total_tokens=measured.total_tokens,
        input_text_tokens=read[0] if is_read else None,
        input_audio_tokens=read[1] if is_read else None,
        input_image_tokens=read[2] if is_read else None,
        input_cached_tokens=inputs.cached_tokens,
        input_cached_text_tokens=again[0] if is_cached else None,
        input_cached_audio_tokens=again[1] if is_cached else None,
        input_cached_image_tokens=again[2] if is_cached else None,
        output_text_tokens=written[0] if is_written else None,
        output_audio_tokens=written[1] if is_written else None,
    )


def _known(seconds: float | None) -> float | None:
    return round(seconds, 6) if seconds is not None and math.isfinite(seconds) and 0 < seconds < _LONGEST_S else None
