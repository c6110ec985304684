"""LiveKit's fallback adapters: the model that serves behind one, and its requests to a plugin that failed.

An adapter has no events of its own for either: its plugins and their states are read from its attributes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from livekit.agents import llm, metrics, stt, tts

Stage = metrics.STTMetrics | metrics.LLMMetrics | metrics.TTSMetrics
_INSTANCES = ("_llm_instances", "_stt_instances", "_tts_instances")
_WRAPPED = ("_stt", "_wrapped_tts")


def serving_session(realtime: llm.RealtimeSession[Any]) -> llm.RealtimeSession[Any]:
    """Return the realtime session that serves now: behind an adapter the one of its current model."""
    active = getattr(realtime, "_active", None)
    return serving_session(active) if isinstance(active, llm.RealtimeSession) else realtime


def next_model(model: llm.LLM[Any] | llm.RealtimeModel) -> llm.LLM[Any] | llm.RealtimeModel:
    """Return the model that serves the next request, or the next realtime session; of an adapter one of its models.

    Sessions may share an adapter: the model that served it last may have served another session.
    """
    models = getattr(model, "_models", None)
    if isinstance(model, llm.RealtimeModel) and isinstance(models, list) and models:
        return next_model(models[0])
    following = getattr(model, "_next_instance", None)
    if isinstance(model, llm.LLM) and callable(following) and isinstance(found := following(), llm.LLM):
        return next_model(found)
    return model


def is_probe(plugin: object, measured: Stage) -> bool:
    """Return whether a measure is of a request by which an adapter tries a plugin that failed.

    Such a request runs beside the one that serves, and its result is thrown away. It is known by the plugin's state,
    until that is available again. Where no plugin is available every one is tried for the answer itself.
    """
    states = [(one, status.available) for one, status in _states(plugin)]
    if not any(available for _, available in states):
        return False
    made_by = [available for one, available in states if _made(one, measured)]
    return bool(made_by) and not any(made_by)


def _states(plugin: object) -> Iterator[tuple[object, Any]]:
    instances = next((found for name in _INSTANCES if (found := getattr(plugin, name, None)) is not None), ())
    return zip(instances, getattr(plugin, "_status", ()), strict=False)


def _made(plugin: object, measured: Stage) -> bool:
    """Two plugins of one class and one model cannot be told apart."""
    wrapped = next((found for name in _WRAPPED if (found := getattr(plugin, name, None)) is not None), plugin)
    if not isinstance(wrapped, llm.LLM | stt.STT | tts.TTS) or wrapped.label != measured.label:
        return False
    return measured.metadata is None or measured.metadata.model_name == wrapped.model
