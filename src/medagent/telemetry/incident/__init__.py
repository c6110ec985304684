"""After a leak: what of a call left to whom, and its deletion there, read back."""

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
