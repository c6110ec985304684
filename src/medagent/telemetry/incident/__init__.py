"""Report what was sent of a call after a leak, and delete it at its destinations."""

from medagent.telemetry.incident.deletion import Deletion
from medagent.telemetry.incident.investigation import Investigation, deletable_of
from medagent.telemetry.incident.report import (
    CallReport,
    DestinationFacts,
    DestinationReport,
    FieldSent,
    GuardrailFacts,
    SentSpan,
    ids_at,
)

__all__ = [
    "CallReport",
    "Deletion",
    "DestinationFacts",
    "DestinationReport",
    "FieldSent",
    "GuardrailFacts",
    "Investigation",
    "SentSpan",
    "deletable_of",
    "ids_at",
]
