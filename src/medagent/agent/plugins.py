"""Names of models and providers, as the model's own object gives them, in the words of the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from weakref import WeakKeyDictionary

from livekit.agents import llm
from livekit.agents.metrics.base import Metadata

from medagent.agent.fallback import next_model

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
_REALTIME = re.compile(r"gpt-([a-z0-9.]+-)*realtime(-[a-z0-9.]+)*")
_HOSTS = {"openai.azure.com": "azure.ai.openai", "openai.com": "openai", "groq.com": "groq"}


class ModelNames:
    """Names of models behind their objects.

    An Azure object knows its deployment, and LiveKit's default in place of the model. `of` then returns the name that
    the server gave, else `azure_model` (the operator's statement), else the object's own. A deployment's name counts
    where the server gives it, the operator states none, and it is the name of a realtime model.
    """

    def __init__(self, *, azure_model: str | None = None) -> None:
        self._azure_model = azure_model
        self._served: WeakKeyDictionary[llm.RealtimeModel, str] = WeakKeyDictionary()

    def serves(self, model: llm.RealtimeModel, name: object) -> None:
        """Take the name of the model that the server gave."""
        if not _option(model, "is_azure") or not isinstance(name, str) or not name:
            return
        if name != _option(model, "azure_deployment") or (self._azure_model is None and _REALTIME.fullmatch(name)):
            self._served[model] = name

    def of(self, model: llm.LLM[Any] | llm.RealtimeModel | None) -> tuple[str | None, str | None]:
        """Return name and provider of a model; None where neither object nor server knows.

        An adapter that falls back to other models has the name of the one that serves next.
        """
        if model is None:
            return None, None
        model = next_model(model)
        if not _option(model, "is_azure"):
            return _known_name(model.model), provider_name(model.provider)
        served = self._served.get(model) if isinstance(model, llm.RealtimeModel) else None
        name = served or self._azure_model or _known_name(model.model)
        return name, "azure.ai.openai"  # whatever the host: a private endpoint or a gateway may stand before it


def _option(model: object, name: str) -> object:
    return getattr(getattr(model, "_opts", None), name, None)


def named_in(metadata: Metadata | None) -> tuple[str | None, str | None]:
    """Return name and provider of the model that a measure was made of."""
    if metadata is None:
        return None, None
    return _known_name(metadata.model_name), provider_name(metadata.model_provider)


def provider_name(given: str | None) -> str | None:
    """Return the field's name of a provider, given by name or by host; `other` for one that is not listed."""
    if given in (None, "", "unknown"):
        return None
    lower = str(given).lower().partition(":")[0]
    by_host = (name for host, name in _HOSTS.items() if lower == host or lower.endswith(f".{host}"))
    return _PROVIDERS.get(lower) or next(by_host, "other")


def _known_name(name: str | None) -> str | None:
    return None if name in (None, "", "unknown") else name
