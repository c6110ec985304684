"""OpenAI's and Azure's own events of a realtime session, as the provider sends them.

They come from `RealtimeSession.on("openai_server_event_received")`: plain dicts that the plugin goes on to use, so they
are read and never changed. Handlers run on the event loop and are guarded: an exception in one would end the call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from typing import Any

from livekit.agents import llm

from medagent.agent.fallback import serving_session
from medagent.agent.plugins import ModelNames
from medagent.agent.realtime_sessions import Guard, has_openai_events
from medagent.pricing import Usage
from medagent.telemetry import events

Send = Callable[..., None]
"""Sends an event of the call: its kind, then its fields by name."""

_DETECTIONS = ("server_vad", "semantic_vad", "none")
_KINDS = ("text_tokens", "audio_tokens", "image_tokens")
_RESPONSE_ENDS = ("completed", "cancelled", "incomplete", "failed")


class RealtimeEvents:
    """Send the provider's events of each realtime session as events of the call.

    `current_speech()` returns the id of the speech that LiveKit makes at this moment. Tools named in `hidden_tools`, a
    set that may still grow, are not sent.
    """

    def __init__(
        self,
        send: Send,
        guard: Guard,
        *,
        names: ModelNames,
        current_speech: Callable[[], str | None] = lambda: None,
        hidden_tools: Set[str] = frozenset(),
    ) -> None:
        self._hidden = hidden_tools
        self._send = send
        self._guard = guard
        self._names = names
        self._current_speech = current_speech
        self._unclaimed: str | None = None
        self._audible: str | None = None
        self._subscribed: list[tuple[llm.RealtimeSession[Any], dict[str, Callable[..., None]]]] = []
        self.measured: set[str] = set()
        """Responses whose usage the provider reported here."""
        self.tokens = 0
        """Tokens that were sent as events of the call."""

        self.handlers: Mapping[str, Callable[[llm.RealtimeSession[Any], Mapping[str, Any]], None]] = {
            "session.created": self._session_created,
            "session.updated": self._session_updated,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "response.created": self._response_created,
            "response.output_audio.delta": self._audio_delta,
            "response.audio.delta": self._audio_delta,
            "response.output_item.done": self._item_done,
            "response.done": self._response_done,
        }

    def subscribe(self, realtime: llm.RealtimeSession[Any]) -> None:
        """Listen to one realtime session; it may have none of these events."""

        def server_event(event: Mapping[str, Any]) -> None:
            self.server_event(serving_session(realtime), event)

        handlers = {
            "openai_server_event_received": self._guard(server_event),
            "session_reconnected": self._guard(self._reconnected),
        }
        for name, handler in handlers.items():
            realtime.on(name, handler)
        self._subscribed.append((realtime, handlers))

    def close(self) -> None:
        """Stop listening."""
        for realtime, handlers in self._subscribed:
            for name, handler in handlers.items():
                realtime.off(name, handler)
        self._subscribed.clear()

    def server_event(self, realtime: llm.RealtimeSession[Any], event: Mapping[str, Any]) -> None:
        """Take one event as the provider sent it."""
        self.claim(None)
        handle = self.handlers.get(event["type"])
        if handle is not None and has_openai_events(realtime):
            handle(realtime, event)

    def _session_created(self, realtime: llm.RealtimeSession[Any], event: Mapping[str, Any]) -> None:
        self._names.serves(realtime.realtime_model, event["session"].get("model"))

    def _session_updated(self, _realtime: object, event: Mapping[str, Any]) -> None:
        described = event["session"]
        audio_in = (described.get("audio") or {}).get("input") or described
        detection = audio_in.get("turn_detection") or {}
        silence = detection.get("silence_duration_ms") if detection.get("type") == "server_vad" else None
        named = detection.get("type", "none")
        self._send(events.TurnDetectionSet, silence_ms=silence, detection=named if named in _DETECTIONS else None)

    def _speech_started(self, _realtime: object, event: Mapping[str, Any]) -> None:
        self._send(events.SpeechStarted, item_id=event["item_id"], audio_ms=event.get("audio_start_ms"))

    def _speech_stopped(self, _realtime: object, event: Mapping[str, Any]) -> None:
        self._send(events.SpeechStopped, item_id=event["item_id"], audio_ms=event.get("audio_end_ms"))

    def _response_created(self, _realtime: object, event: Mapping[str, Any]) -> None:
        """A response that LiveKit asked for is the current speech's; the provider's own gets its speech next."""
        response = event["response"]
        if "client_event_id" in (response.get("metadata") or {}):
            self._send(events.ResponseStarted, response_id=response["id"], speech_id=self._current_speech())
        else:
            self._unclaimed = response["id"]

    def claim(self, speech_id: str | None) -> None:
        """Send the response that the provider began by itself, with the speech that LiveKit made for it."""
        response_id, self._unclaimed = self._unclaimed, None
        if response_id is not None:
            self._send(events.ResponseStarted, response_id=response_id, speech_id=speech_id)

    def _audio_delta(self, _realtime: object, event: Mapping[str, Any]) -> None:
        if event["response_id"] != self._audible:
            self._audible = event["response_id"]
            self._send(events.AudioStarted, response_id=event["response_id"])

    def _item_done(self, _realtime: object, event: Mapping[str, Any]) -> None:
        item = event["item"]
        if item["type"] == "function_call" and item["name"] not in self._hidden:
            self._send(events.ToolRequested, response_id=event["response_id"], call_id=item["call_id"])

    def _response_done(self, realtime: llm.RealtimeSession[Any], event: Mapping[str, Any]) -> None:
        response = event["response"]
        status = response.get("status")
        failure = (response.get("status_details") or {}).get("error") or {}
        model, provider = self._names.of(realtime.realtime_model)
        self.measured.add(response["id"])
        usage = usage_of(response)
        self.tokens += 0 if usage is None else (usage.input_tokens or 0) + (usage.output_tokens or 0)
        self._send(
            events.ResponseFinished,
            response_id=response["id"],
            status=status if status in _RESPONSE_ENDS else "incomplete",
            usage=usage,
            error_type=failure.get("code") or failure.get("type"),
            model=model,
            provider=provider,
        )

    def _reconnected(self, _event: object) -> None:
        self._send(events.Reconnected)


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """The provider's own count of a finished response; a negative or missing number is unknown."""
    raw = response.get("usage")
    if not raw:
        return None
    inputs, outputs = raw.get("input_token_details") or {}, raw.get("output_token_details") or {}
    cached = _cached(inputs)
    return Usage(
        input_tokens=_count(raw, "input_tokens"),
        output_tokens=_count(raw, "output_tokens"),
        total_tokens=_count(raw, "total_tokens"),
        input_text_tokens=_count(inputs, "text_tokens"),
        input_audio_tokens=_count(inputs, "audio_tokens"),
        input_image_tokens=_count(inputs, "image_tokens"),
        input_cached_tokens=_count(inputs, "cached_tokens"),
        input_cached_text_tokens=_count(cached, "text_tokens"),
        input_cached_audio_tokens=_count(cached, "audio_tokens"),
        input_cached_image_tokens=_count(cached, "image_tokens"),
        output_text_tokens=_count(outputs, "text_tokens"),
        output_audio_tokens=_count(outputs, "audio_tokens"),
    )


def _cached(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the cached tokens by kind; without details 0 is zero of each kind, and one kind that was read has all."""
    details = inputs.get("cached_tokens_details")
    if details:
        return dict(details)
    total = _count(inputs, "cached_tokens")
    read = [name for name in _KINDS if inputs.get(name, 0 if name == "image_tokens" else None) != 0]
    if total == 0:
        return dict.fromkeys(_KINDS, 0)
    return dict.fromkeys(_KINDS, 0) | {read[0]: total} if total is not None and len(read) == 1 else {}


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
