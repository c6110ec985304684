"""Our detectors as a Presidio recogniser: any AnalyzerEngine can load it, no model needed."""

from __future__ import annotations

from typing import Any

from presidio_analyzer import AnalysisExplanation, EntityRecognizer, RecognizerResult

from medagent.redaction import Category, KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import scrub

ENTITIES: dict[Category, str] = {
    Category.NAME: "PERSON",
    Category.PHONE: "PHONE_NUMBER",
    Category.EMAIL: "EMAIL_ADDRESS",
    Category.DATE_OF_BIRTH: "DATE_TIME",
    Category.AGE: "AGE",
    Category.MRN: "MEDICAL_RECORD_NUMBER",
    Category.ADDRESS: "LOCATION",
    Category.IDENTIFIER: "ID",
}
"""Presidio's word for each of our categories; any other is an `ID`."""
_SCORES = {"known": 1.0, "patterns": 0.9, "names": 0.8, "vocabulary": 0.6, "guard": 1.0, "language": 1.0}


class MedagentRecognizer(EntityRecognizer):
    """What is spoken, spelled or written of a person, found by our layers; `known` are values that a call has learned.

    In the mode of the vocabulary every word that nobody knows is an `ID` of score 0.6.
    """

    def __init__(
        self,
        *,
        known: KnownValues | None = None,
        mode: TextMode = TextMode.DETECT,
        supported_language: str = "en",
        name: str = "MedagentRecognizer",
    ) -> None:
        self._known = KnownValues() if known is None else known
        self._mode = mode
        self._called = name
        entities = list(dict.fromkeys(ENTITIES.values()))
        super().__init__(supported_entities=entities, supported_language=supported_language, name=name)

    def load(self) -> None:
        """Nothing: the lists are read at the first text."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """A result for each finding that is asked for, with the layer that found it and never what stood there."""
        wanted = entities or self.supported_entities
        return [
            self._result(ENTITIES.get(found.category, "ID"), found.start, found.end, str(found.layer))
            for found in scrub(text, self._known, mode=self._mode).findings
            if ENTITIES.get(found.category, "ID") in wanted
        ]

    def _result(self, entity: str, start: int, end: int, layer: str) -> RecognizerResult:
        score = _SCORES[layer]
        why = AnalysisExplanation(recognizer=self._called, original_score=score, textual_explanation=f"layer {layer}")
        metadata = {
            RecognizerResult.RECOGNIZER_NAME_KEY: self._called,
            RecognizerResult.RECOGNIZER_IDENTIFIER_KEY: self.id,
        }
        return RecognizerResult(entity, start, end, score, why, metadata)
