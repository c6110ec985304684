from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
from presidio_anonymizer import AnonymizerEngine
from presidio_anonymizer.entities import InvalidParamError, OperatorConfig, RecognizerResult

from medagent.errors import PolicyError
from medagent.presidio import OPERATORS, MedagentRecognizer, recognisers_of
from medagent.presidio.named import NamedRecogniser, UnreadTextError
from medagent.proof import PseudonymKey
from medagent.redaction import REDACTED, Category, Identifier, KnownValues, Redactor, load_policy
from medagent.redaction.loading import parse_policy
from medagent.redaction.policy import TextMode
from medagent.redaction.recognisers import RECOGNISERS

KEY = b"k" * 32
CARD = "4111 1111 1111 1111"
ASKS = """\
name: asks
version: 1.0.0
extends: clinic
recognisers: [presidio.CreditCardRecognizer, presidio.EmailRecognizer]
"""
ELSEWHERE = {"AzureAILanguageRecognizer", "AzureHealthDeidRecognizer", "AzureOpenAILangExtractRecognizer"}
WITH_MODEL = {
    "BasicLangExtractRecognizer",
    "GLiNERRecognizer",
    "HuggingFaceNerRecognizer",
    "LangExtractRecognizer",
    "MedicalNERRecognizer",
    "SpacyRecognizer",
    "StanzaRecognizer",
    "TransformersRecognizer",
}


class NoModel(NlpEngine):
    """Presidio wants an engine for words; ours needs none."""

    def load(self) -> None: ...

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        nothing: Any = []
        return NlpArtifacts([], nothing, [], [], self, language)

    def process_batch(
        self, texts: Iterable[str], language: str, batch_size: int = 1, n_process: int = 1, **kwargs: Any
    ) -> Iterator[tuple[str, NlpArtifacts]]:
        return ((text, self.process_text(str(text), language)) for text in texts)

    def is_stopword(self, word: str, language: str) -> bool:
        return False

    def is_punct(self, word: str, language: str) -> bool:
        return False

    def get_supported_entities(self) -> list[str]:
        return []

    def get_supported_languages(self) -> list[str]:
        return ["en"]


def engine(*recognizers: EntityRecognizer) -> AnalyzerEngine:
    registry = RecognizerRegistry(recognizers=list(recognizers), supported_languages=["en"])
    return AnalyzerEngine(nlp_engine=NoModel(), registry=registry, supported_languages=["en"])


def found(analyzer: AnalyzerEngine, text: str) -> set[tuple[str, str]]:
    return {(result.entity_type, text[result.start : result.end]) for result in analyzer.analyze(text, language="en")}


def test_our_detectors_in_somebodys_engine() -> None:
    """Any AnalyzerEngine can load our detectors, and finds with them what was spoken."""
    known = KnownValues()
    known.learn([Identifier(category=Category.NAME, value="Quilla Oldfield")])
    text = "it is quilla oldfield, call five five five oh one oh oh one four two"
    assert found(engine(MedagentRecognizer(known=known)), text) == {
        ("PERSON", "quilla oldfield"),
        ("PHONE_NUMBER", "five five five oh one oh oh one four two"),
    }


def test_a_text_in_another_language_is_one_result() -> None:
    """A text that is withheld for its language is found whole, with the layer of languages."""
    text = "necesito una cita para mi hija mañana por la tarde"
    found = engine(MedagentRecognizer(mode=TextMode.VOCABULARY)).analyze(text, language="en")
    assert {(result.start, result.end) for result in found} == {(0, len(text))}


def test_a_result_says_who_found_it_and_not_what() -> None:
    """Entities are chosen as Presidio does it, and an explanation names the layer alone."""
    analyzer = engine(MedagentRecognizer(mode=TextMode.VOCABULARY))
    text = "mail quilla.oldfield@example.com about zzyzx"
    assert {r.entity_type for r in analyzer.analyze(text, language="en")} == {"EMAIL_ADDRESS", "PERSON"}
    (only,) = analyzer.analyze(text, language="en", entities=["EMAIL_ADDRESS"], return_decision_process=True)
    assert (only.entity_type, only.score) == ("EMAIL_ADDRESS", 0.9)
    assert "quilla" not in str(only.analysis_explanation)
    assert only.recognition_metadata["recognizer_name"] == "MedagentRecognizer"


def test_our_actions_in_somebodys_engine() -> None:
    """REDACT, TRUNCATE, PSEUDONYM and BUCKET are operators of an AnonymizerEngine, and do what the policy's do."""
    anonymizer = AnonymizerEngine()  # type: ignore[no-untyped-call]  # Presidio's constructor has no types
    for operator in OPERATORS:
        anonymizer.add_anonymizer(operator)
    parts = ["Quilla", "1982-03-14", "93", "Oldfield", "Quilla has a sore throat, a headache, a rash and cannot sleep"]
    kinds = ["NAME", "DATE", "AGE", "OTHER", "NOTE"]
    text, results = "", []
    for kind, part in zip(kinds, parts, strict=True):
        results.append(RecognizerResult(kind, len(text), len(text) + len(part), 1.0))
        text += f"{part} | "
    operators = {
        "NAME": OperatorConfig("medagent_redact"),
        "DATE": OperatorConfig("medagent_bucket", {"bucket": "year"}),
        "AGE": OperatorConfig("medagent_bucket", {"bucket": "age"}),
        "OTHER": OperatorConfig("medagent_pseudonym", {"key": KEY, "category": "name"}),
        "NOTE": OperatorConfig("medagent_truncate", {"max": 50}),
    }
    left = anonymizer.anonymize(text, results, operators).text.split(" | ")
    pseudonym = PseudonymKey(secret=KEY).pseudonym("name", "Oldfield")
    assert left[:4] == [REDACTED, "1982", "90+", pseudonym]
    assert left[4].startswith(f"{REDACTED} has a sore throat")
    assert len(left[4]) <= 50
    assert left[4].endswith("…")


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("medagent_truncate", {"max": 51}),
        ("medagent_truncate", {"max": "50"}),
        ("medagent_bucket", {"bucket": "month"}),
        ("medagent_bucket", {}),
        ("medagent_pseudonym", {"key": "k" * 32, "category": "name"}),
        ("medagent_pseudonym", {"key": b"short", "category": "name"}),
        ("medagent_pseudonym", {"key": KEY, "category": "nome"}),
    ],
)
def test_an_operator_refuses_what_means_nothing(name: str, params: dict[str, Any]) -> None:
    """A wrong parameter is Presidio's own error, raised before a text is touched, and it does not quote the text."""
    anonymizer = AnonymizerEngine()  # type: ignore[no-untyped-call]  # Presidio's constructor has no types
    for operator in OPERATORS:
        anonymizer.add_anonymizer(operator)
    with pytest.raises(InvalidParamError) as caught:
        anonymizer.anonymize("Quilla", [RecognizerResult("X", 0, 6, 1.0)], {"X": OperatorConfig(name, params)})
    assert "Quilla" not in caught.value.err_msg


def test_the_list_of_names_is_presidios() -> None:
    """A policy can ask for each of Presidio's recognisers that works here, for none that calls out or is a model."""
    theirs = {
        name
        for name, kind in vars(predefined_recognizers).items()
        if isinstance(kind, type) and issubclass(kind, EntityRecognizer)
    }
    assert {name.removeprefix("presidio.") for name in RECOGNISERS} == theirs - ELSEWHERE - WITH_MODEL


@pytest.mark.parametrize("name", RECOGNISERS)
def test_each_of_them_reads_a_text(name: str) -> None:
    """Each recogniser that a policy may name can be made and gives spans inside the text."""
    recogniser = NamedRecogniser(name)
    text = f"card {CARD}, mail q@example.com, 192.0.2.7, born 3/14/1982, call 312-555-0142"
    assert recogniser.name == name
    assert all(0 <= start < end <= len(text) for start, end in recogniser.spans(text))


def test_a_policy_adds_recognisers() -> None:
    """What a named recogniser finds does not leave, whatever our own layers say."""
    policy = parse_policy(ASKS, file="asks.yaml")
    recognisers = recognisers_of(policy)
    assert [each.name for each in recognisers] == list(policy.recognisers)
    assert [list(each.spans(f"pay with {CARD}")) for each in recognisers] == [[(9, 28)], []]
    redactor = Redactor(policy, recognisers=recognisers)
    scrubbed = redactor.scrub(f"pay with {CARD}", KnownValues(), TextMode.VOCABULARY)
    assert scrubbed.text == f"pay with {REDACTED}"
    with pytest.raises(PolicyError, match="not given to the redactor"):
        Redactor(policy)


def test_a_policy_that_names_none_needs_none() -> None:
    """Without a named recogniser nothing is made."""
    assert recognisers_of(load_policy()) == ()


def test_an_unknown_recogniser_is_a_load_error() -> None:
    """A misspelled name does not load, and the nearest one is told."""
    with pytest.raises(
        PolicyError, match=r"asks\.yaml:4: recognisers: .* did you mean 'presidio\.CreditCardRecognizer'"
    ):
        parse_policy(ASKS.replace("CreditCardRecognizer,", "CreditCardRecogniser,"), file="asks.yaml")


def test_no_address_is_looked_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An e-mail address is recognised without the network and without a word in a log."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    caplog.set_level(logging.DEBUG)
    text = "mail quilla@clinic.nowhere"
    assert list(NamedRecogniser("presidio.EmailRecognizer").spans(text)) == [(5, 26)]
    assert "quilla" not in caplog.text


def test_what_takes_too_long_does_not_leave(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is too long for Presidio, or that it takes too long for, is refused and not let through."""
    recogniser = NamedRecogniser("presidio.UrlRecognizer")
    with pytest.raises(UnreadTextError):
        recogniser.spans("a" * 2_001)
    for clock, limit_s in (("thread_time", 1), ("monotonic", 30)):
        now, calls = getattr(time, clock), iter(range(100))
        monkeypatch.setattr(time, clock, lambda now=now, calls=calls, step=limit_s + 1: now() + step * next(calls))
        with pytest.raises(UnreadTextError):
            recogniser.spans("a cough")
        monkeypatch.undo()
    policy = parse_policy(ASKS, file="asks.yaml")
    redactor = Redactor(policy, recognisers=recognisers_of(policy))
    assert redactor.scrub("a cough " * 300, KnownValues(), TextMode.VOCABULARY).text == REDACTED


def test_a_missing_package_is_said(tmp_path: Path) -> None:
    """Where Presidio is not installed a policy that asks for it is a clear error, and any other policy works."""
    (tmp_path / "asks.yaml").write_text(ASKS)
    code = (
        "import sys\n"
        "sys.modules['presidio_analyzer'] = None\n"
        "import medagent\n"
        "from pathlib import Path\n"
        "from medagent.presidio import recognisers_of\n"
        "assert recognisers_of(medagent.load_policy()) == ()\n"
        "recognisers_of(medagent.load_policy(Path(sys.argv[1])))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "asks.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "PolicyError: asks: recognisers: Presidio is not installed" in done.stderr


def test_by_command(tmp_path: Path) -> None:
    """`medagent redact` under a policy that names a recogniser uses it; under another it loads none."""
    (tmp_path / "asks.yaml").write_text(ASKS)
    command = [str(Path(sys.executable).with_name("medagent")), "redact", "--policy", str(tmp_path / "asks.yaml")]
    done = subprocess.run(command, input=f"pay with {CARD}\n", capture_output=True, text=True, check=True)
    assert re.match(rf"pay with {REDACTED}\s", done.stdout)
