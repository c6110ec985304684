"""The provider's raw events, of every realtime session that a model opens."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents import llm

from medagent.pricing import Usage


def hear(model: llm.RealtimeModel, **handlers: Callable[[Any], None]) -> None:
    """Subscribe handlers, by event name, to each realtime session as the model makes it.

    A hand-over to another agent makes another session, a reconnect does not. A handler must not raise (a `TypeError`
    ends the call) and must not change what it is given: the plugin goes on to use it.
    """
    make = model.session

    @functools.wraps(make)
    def session(**options: Any) -> llm.RealtimeSession[Any]:
        made = make(**options)
        for event, handler in handlers.items():
            made.on(event, handler)
        return made

    model.session = session  # type: ignore[method-assign]  # the model is not ours to subclass


def usage_of(response: Mapping[str, Any]) -> Usage | None:
    """The provider's own count of a finished response; a negative or missing number is unknown."""
    raw = response.get("usage")
    if not raw:
        return None
    inputs, outputs = raw.get("input_token_details") or {}, raw.get("output_token_details") or {}
    cached = inputs.get("cached_tokens_details") or {}
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


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    value = counts.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
