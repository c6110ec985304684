"""Free text: what leaves of it, through known values, patterns, names and a vocabulary. Pure, no I/O but its lists."""

from medagent.redaction.policy import TextMode
from medagent.redaction.text.forms import Identifier
from medagent.redaction.text.found import Layer, Scrubbed, TextFinding
from medagent.redaction.text.known import KnownValues
from medagent.redaction.text.scrubbing import Recogniser, scrub

__all__ = [
    "Identifier",
    "KnownValues",
    "Layer",
    "Recogniser",
    "Scrubbed",
    "TextFinding",
    "TextMode",
    "scrub",
]
