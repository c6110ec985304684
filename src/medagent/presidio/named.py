"""Presidio's own recognisers, as a policy names them: closed where Presidio is open, and never on the network."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from presidio_analyzer import EntityRecognizer, predefined_recognizers
from presidio_analyzer.predefined_recognizers import EmailRecognizer

from medagent.errors import MedagentError
from medagent.redaction.recognisers import RECOGNISERS

_NO_ARTIFACTS: Any = None
_LONGEST = 2_000
_LONGEST_CPU_S = 1.0
_LONGEST_S = 30.0
"""Wall time of one text; half of Presidio's own limit."""


class UnreadTextError(MedagentError):
    """A text was not read to its end: too long, or in too long a time; nothing of it may leave."""


class _OfflineEmail(EmailRecognizer):
    """Takes every address for one: Presidio's own asks the network for a list of domains, and forgives unknown ones."""

    def validate_result(self, pattern_text: str) -> None:
        """Nothing to ask."""


class NamedRecogniser:
    """One of Presidio's recognisers under the name of a policy's `recognisers`; raises `KeyError` for another name.

    `spans` raises `UnreadTextError` where Presidio would go on without what it has not read: its own limit of 60 s
    skips a pattern, so a text that took a second of processor time, or half a minute, does not leave.
    """

    def __init__(self, name: str) -> None:
        if name not in RECOGNISERS:
            raise KeyError(name)
        self.name = name
        kind = name.partition(".")[2]
        made = _OfflineEmail if kind == "EmailRecognizer" else getattr(predefined_recognizers, kind)
        self._presidio: EntityRecognizer = made(supported_language="en")

    def spans(self, text: str) -> Iterable[tuple[int, int]]:
        """Start and end (code points) of all that Presidio finds, however little it trusts it."""
        if len(text) > _LONGEST:
            raise UnreadTextError(f"{self.name}: the text is too long")
        begun, begun_cpu = time.monotonic(), time.thread_time()
        found = self._presidio.analyze(text, self._presidio.supported_entities, _NO_ARTIFACTS)
        if time.thread_time() - begun_cpu > _LONGEST_CPU_S or time.monotonic() - begun > _LONGEST_S:
            raise UnreadTextError(f"{self.name}: the text took too long")
        return [(result.start, result.end) for result in found]
