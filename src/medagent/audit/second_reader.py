"""A second pair of eyes on every text that left: Presidio with all it has, and detectors of the audit's own.

Nothing here is the redactor's: neither code nor lists. Presidio's recognisers are those that need no model and no
service elsewhere; its addresses are read without the network. Where it would go on without what it could not read in
time, the reading fails instead: from a text that was not read to its end nothing may be concluded.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer import predefined_recognizers as presidio
from presidio_analyzer.nlp_engine import NoOpNlpEngine

from medagent.audit.own_detectors import DETECTORS, Detector, NameDetector
from medagent.audit.planted import Planted
from medagent.audit.second_names import Names
from medagent.errors import MedagentError

LEFT_OUT: Mapping[str, str] = {
    "AzureAILanguageRecognizer": "sends the text to a service",
    "AzureHealthDeidRecognizer": "sends the text to a service",
    "AzureOpenAILangExtractRecognizer": "sends the text to a service",
    "BasicLangExtractRecognizer": "sends the text to a service",
    "GLiNERRecognizer": "needs a model",
    "HuggingFaceNerRecognizer": "needs a model",
    "LangExtractRecognizer": "sends the text to a service",
    "MedicalNERRecognizer": "needs a model",
    "SpacyRecognizer": "needs a model",
    "StanzaRecognizer": "needs a model",
    "TransformersRecognizer": "needs a model",
}
"""Presidio's recognisers that do not take part, and why."""

LEAST_SCORE = 0.3
"""Below it Presidio marks any run of digits and half the words; digits and codes of that length are marked by us."""

_WINDOW, _OVERLAP = 240, 80
_LONGEST_S = 20.0
_CARRIER = "the caller said {} and then thanked us"


class UnreadTextError(MedagentError):
    """A text took too long to be read to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text that left, and where it stood."""

    path: str
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """What the reader takes for an identifier: code points `start` to `end` of a text, which is for the annex only."""

    path: str
    kind: str
    score: float
    start: int
    end: int
    text: str = field(repr=False)


class _OfflineEmail(presidio.EmailRecognizer):
    """Takes every address for one: Presidio's own asks the network for a list of domains, and forgives unknown ones."""

    def validate_result(self, pattern_text: str) -> None:
        """Nothing to ask."""


class _Own(EntityRecognizer):
    """A detector of ours in Presidio's engine."""

    def __init__(self, detector: Detector | NameDetector) -> None:
        self._detector = detector
        super().__init__(supported_entities=[detector.kind], name=f"own.{detector.kind}", supported_language="en")

    def load(self) -> None:
        """Everything is there already."""

    def analyze(self, text: str, entities: list[str], nlp_artifacts: Any = None) -> list[RecognizerResult]:
        """Where the detector finds something."""
        return [
            RecognizerResult(self._detector.kind, start, end, self._detector.score)
            for start, end in self._detector.spans(text)
        ]


class SecondReader:
    """Reads texts; an equal text is read once. Loading takes seconds: Presidio, and its recognisers one by one."""

    def __init__(self, *, names: Names | None = None) -> None:
        own = [_Own(detector) for detector in (*DETECTORS, NameDetector(names or Names.shipped()))]
        recognisers = [*_presidio_recognisers(), *own]
        self.recognisers: Final[tuple[str, ...]] = tuple(sorted(str(vars(each)["name"]) for each in recognisers))
        self._engine = AnalyzerEngine(
            registry=RecognizerRegistry(recognizers=recognisers, supported_languages=["en"]),
            nlp_engine=NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "no_op"}]),
            supported_languages=["en"],
        )
        self._read: dict[tuple[str, str], tuple[tuple[str, float, int, int], ...]] = {}

    def read(self, texts: Iterable[Text]) -> list[Marked]:
        """All that it marks, the best kind for each place; raises `UnreadTextError` where one takes too long."""
        return [
            Marked(path=each.path, kind=kind, score=score, start=start, end=end, text=each.text)
            for each in texts
            for kind, score, start, end in self._marks(each)
        ]

    def sensitivity(self, planted: Iterable[Planted]) -> dict[str, tuple[int, int]]:
        """By kind: how many planted texts, each in a plain sentence, it marked, of how many that it was shown."""
        counts: dict[str, tuple[int, int]] = {}
        for value in planted:
            for form, texts in value.forms.items():
                for text in texts if form != "bytes" else ():
                    begin = _CARRIER.index("{")
                    marks = self._marks(Text(path="", text=_CARRIER.format(text)))
                    seen = any(start < begin + len(text) and end > begin for _, _, start, end in marks)
                    marked, shown = counts.get(value.kind, (0, 0))
                    counts[value.kind] = (marked + seen, shown + 1)
        return counts

    def _marks(self, text: Text) -> tuple[tuple[str, float, int, int], ...]:
        field_name = text.path.rstrip("[]0123456789.").replace("/", ".").rpartition(".")[2]
        key = (text.text, field_name)
        if key not in self._read:
            self._read[key] = tuple(self._best(self._analyse(text.text, field_name)))
        return self._read[key]

    def _analyse(self, text: str, field_name: str) -> Iterator[tuple[str, float, int, int]]:
        """In windows, since some of Presidio's patterns take the square of a text's length."""
        for begin in range(0, max(len(text) - _OVERLAP, 1), _WINDOW - _OVERLAP):
            window = text[begin : begin + _WINDOW]
            if not any(sign.isalnum() for sign in window):
                continue
            started = time.monotonic()
            context = [word for word in re.split(r"[^a-z]+", field_name.lower()) if word]
            results = self._engine.analyze(window, language="en", score_threshold=LEAST_SCORE, context=context)
            if time.monotonic() - started > _LONGEST_S:
                raise UnreadTextError(f"a text under {field_name or 'no name'} took too long to read")
            yield from ((each.entity_type, each.score, begin + each.start, begin + each.end) for each in results)

    @staticmethod
    def _best(found: Iterable[tuple[str, float, int, int]]) -> Iterator[tuple[str, float, int, int]]:
        """Without what lies within a mark that is as sure or surer, or longer."""
        kept: list[tuple[str, float, int, int]] = []
        for mark in sorted(set(found), key=lambda mark: (mark[2] - mark[3], -mark[1], mark[0])):
            if not any(other[2] <= mark[2] and mark[3] <= other[3] for other in kept):
                kept.append(mark)
        yield from sorted(kept, key=lambda mark: (mark[2], mark[3]))


def _presidio_recognisers() -> Iterator[EntityRecognizer]:
    """One of each class of Presidio's that can work here."""
    for name, kind in sorted(vars(presidio).items()):
        if not (isinstance(kind, type) and issubclass(kind, EntityRecognizer)) or name in LEFT_OUT:
            continue
        made: Any = _OfflineEmail if kind is presidio.EmailRecognizer else kind
        yield made(supported_language="en", name=name)
