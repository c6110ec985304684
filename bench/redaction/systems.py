"""What is measured side by side: each gives the places (code points) that it takes out of a text."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from medagent.redaction import KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import scrub

Spans: TypeAlias = list[tuple[int, int]]
System: TypeAlias = Callable[[str, KnownValues], Spans]

FIVE = (
    r"[\w.+-]+@[\w-]+\.[\w.-]+",
    r"\(?\d{3}\)?[-. ]?\d{3}[-. ]?\d{4}",
    r"\b\d{3}-\d{2}-\d{4}\b",
    r"\b\d{1,2}[/-]\d{1,2}[/-]\d{2,4}\b",
    r"\b(?:\d[ -]?){13,16}\b",
)
"""Five patterns as a careful user would give them to LangSmith's anonymizer."""


def medagent(mode: TextMode) -> System:
    """Our layers."""

    def run(text: str, known: KnownValues) -> Spans:
        return [(finding.start, finding.end) for finding in scrub(text, known, mode=mode).findings]

    return run


def presidio() -> System:
    """presidio-analyzer with every recogniser it has that needs no statistical model."""
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry  # each package is loaded by its own measurement
    from presidio_analyzer.nlp_engine import NoOpNlpEngine  # each package is loaded by its own measurement

    logging.disable(logging.CRITICAL)
    registry = RecognizerRegistry(supported_languages=["en"])
    engine = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "no_op"}])
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    analyzer = AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=["en"])

    def run(text: str, _: KnownValues) -> Spans:
        return [(found.start, found.end) for found in analyzer.analyze(text, language="en")]

    return run


def scrubadub() -> System:
    """Scrubadub as it comes."""
    import scrubadub as package  # each package is loaded by its own measurement

    scrubber = package.Scrubber()

    def run(text: str, _: KnownValues) -> Spans:
        return [(filth.beg, filth.end) for filth in scrubber.iter_filth(text)]

    return run


def langsmith() -> System:
    """LangSmith's anonymizer with five patterns; it tells no places, so they are found beside it, outside its time."""
    from langsmith.anonymizer import create_anonymizer  # each package is loaded by its own measurement

    patterns = [re.compile(pattern) for pattern in FIVE]
    anonymize: Any = create_anonymizer([{"pattern": pattern, "replace": "<REDACTED>"} for pattern in patterns])

    def run(text: str, _: KnownValues) -> Spans:
        anonymize({"text": text})
        return []

    run.places = lambda text: [m.span() for p in patterns for m in p.finditer(text)]  # type: ignore[attr-defined]  # beside its time
    return run
