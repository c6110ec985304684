"""Names, regions and retention of the destinations of these settings, without their exporters."""

from __future__ import annotations

from medagent.settings import Settings
from medagent.telemetry.destination import Destination, langfuse_region, langsmith_region

LANGFUSE_CLOUD = "https://cloud.langfuse.com"


def langfuse_url(settings: Settings) -> str:
    """Return the address of Langfuse."""
    return settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD


def destinations(settings: Settings) -> list[Destination]:
    """Return each destination in use: the archive, LangSmith with a key, and the listed ones that are usable."""
    found = [Destination(name="archive", region="local", retention_days=settings.archive_days)]
    if settings.langsmith_api_key is not None:
        region = langsmith_region(settings.langsmith_endpoint)
        found.append(Destination(name="langsmith", region=region, retention_days=settings.langsmith_retention_days))
    off = settings.unusable_destinations()
    return found + [_listed(name, settings) for name in settings.destinations if name not in off]


def _listed(name: str, settings: Settings) -> Destination:
    if name == "jsonlog":
        return Destination(name=name, region="local", retention_days=None)
    if name == "langfuse":
        region = langfuse_region(langfuse_url(settings))
        return Destination(name=name, region=region, retention_days=settings.langfuse_retention_days)
    return Destination(name=name, region=settings.otlp_region, retention_days=settings.otlp_retention_days)
