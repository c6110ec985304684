"""Names of models and providers, as the model's own object gives them, in the words of the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.agents import llm
from livekit.agents.metrics.base import Metadata

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


def model_and_provider(
    plugin: llm.LLM[Any] | llm.RealtimeModel | None,
) -> tuple[str | None, str | None]:
    """Return name and provider of a model; None where its object does not know."""
    if plugin is None:
        return None, None
    provider = provider_name(plugin.provider)
    if getattr(getattr(plugin, "_opts", None), "is_azure", False):
        provider = "azure.ai.openai"  # whatever the host: a private endpoint or a gateway may stand before it
    return _known_name(plugin.model), provider


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
