"""The configured system with its addresses led to the capture: what is the same, what is not, and what is bound."""

from __future__ import annotations

import sys
from pathlib import Path

from medagent.audit.capture import Capture
from medagent.audit.child import Rooms
from medagent.audit.priority import NICENESS
from medagent.settings import Settings

_PLACEHOLDER = "audit-placeholder"
_OWN = frozenset(
    {
        "MEDAGENT_HOME",
        "MEDAGENT_ENV",
        "MEDAGENT_TELEMETRY",
        "MEDAGENT_CLINIC_DATABASE_URL",
        "MEDAGENT_OUTBOX_URL",
        "MEDAGENT_PSEUDONYM_KEY",
        "MEDAGENT_SIGNING_KEY",
        "MEDAGENT_CONSENT",
        "MEDAGENT_CONSENT_BASIS",
        "MEDAGENT_SAMPLING",
        "MEDAGENT_OFFICERS",
        "MEDAGENT_RELEASE_DELAY_DAYS",
        "MEDAGENT_OTLP_HEADERS",
        "AZURE_OPENAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_DEPLOYMENT",
    }
)
"""What an audit sets itself: state, keys, the model, and what would keep a call from being traced."""


def redirected(settings: Settings, *, rooms: Rooms, capture: Capture, model: str, jsonlog: str) -> dict[str, str]:
    """The configured settings by their variables' names, every destination on and led to the capture, no real key."""
    kept: dict[str, str] = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        alias = str(field.alias)
        if alias in _OWN or value is None or value == field.default or hasattr(value, "get_secret_value"):
            continue
        kept[alias] = _written(value)
    return kept | {
        "MEDAGENT_HOME": str(rooms.state),
        "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
        "MEDAGENT_JSONLOG": jsonlog,
        "LANGSMITH_API_KEY": _PLACEHOLDER,
        "LANGSMITH_ENDPOINT": capture.url("langsmith"),
        "MEDAGENT_OTLP_ENDPOINT": capture.url("otlp"),
        "LANGFUSE_PUBLIC_KEY": _PLACEHOLDER,
        "LANGFUSE_SECRET_KEY": _PLACEHOLDER,
        "LANGFUSE_BASE_URL": capture.url("langfuse"),
        "MEDAGENT_SLACK_WEBHOOK_URL": capture.url("slack/services/audit"),
        "MEDAGENT_PAGERDUTY_ROUTING_KEY": _PLACEHOLDER,
        "MEDAGENT_PAGERDUTY_URL": capture.url("pagerduty"),
        "AZURE_OPENAI_ENDPOINT": model,
        "AZURE_OPENAI_API_KEY": _PLACEHOLDER,
    }


def _written(value: object) -> str:
    """A value as its variable holds it; a path is absolute, since the audited system runs elsewhere."""
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value.absolute() if isinstance(value, Path) else value)


def deviations_of(settings: Settings, *, is_timed: bool = True) -> tuple[str, ...]:
    """What the audited system has otherwise than the configured one, beside addresses and keys.

    Args:
        settings: The configured settings.
        is_timed: Whether latency is judged, for which the simulated provider makes way.
    """
    found = ["Every destination was on and its address was the capture's; its keys were placeholders."]
    if settings.env == "prod":
        found.append("The audited process ran as dev: as prod it sends nothing until this report allows it to.")
    if settings.consent is not None:
        found.append("Consent was not asked: a call whose caller refuses leaves nothing that could be audited.")
    if settings.release_delay_days:
        found.append("Calls were released at once: what is held for days could not be captured.")
    if settings.clinic_database_url is not None:
        found.append("The clinic's database was SQLite in the audited system's own directory.")
    if sys.platform == "linux":
        found.append(
            f"{'The simulated provider and the capture' if is_timed else 'The capture'} ran at a lower priority "
            f"(nice {NICENESS}) than the audited process; in operation they run on other machines."
        )
    return tuple(found)
