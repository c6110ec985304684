from __future__ import annotations

import gzip
import hashlib
from importlib import resources
from math import exp, inf

import pytest

from medagent.redaction.text.lexicon import Kind, lexicon, lines_of
from medagent.redaction.text.names import Context, model, suspects
from medagent.redaction.text.reading import Reading
from work import calls_of

ROOM = resources.files("medagent.redaction.text")


@pytest.mark.parametrize("name", ["words", "names", "clinical", "model"])
def test_the_card_speaks_of_what_is_shipped(name: str) -> None:
    """The model card names the hash of each list and of the model, unpacked."""
    content = gzip.decompress((ROOM / "data" / f"{name}.txt.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() in (ROOM / "MODEL_CARD.md").read_text("utf-8")
    assert content.startswith(b"# sha256 of the ")


def test_lists_and_model_load_in_less_than_a_function_call_a_line() -> None:
    """They are read in bulk; `make bench` has the time of a start, lists included."""
    lines = sum(len(lines_of(name)) for name in ("words", "names", "model"))
    calls = calls_of(lambda: (lexicon.__wrapped__(), model.__wrapped__()))
    assert lines > 100_000
    assert calls < lines


@pytest.mark.parametrize(
    "name",
    [
        "john",
        "mary",
        "robert",
        "smith",
        "jones",
        "johnson",
        "garcia",
        "ottoline",
        "january",
        "monday",
        "texas",
    ],
)
def test_common_names_are_no_words(name: str) -> None:
    """Names that are no words, months, weekdays and states are not in the vocabulary."""
    assert lexicon().kind(name) is Kind.UNKNOWN


@pytest.mark.parametrize(
    "word",
    [
        "will",
        "may",
        "mark",
        "grace",
        "rose",
        "brown",
        "white",
        "walker",
        "ward",
        "hunter",
        "young",
        "reading",
        "mobile",
    ],
)
def test_names_that_are_words_are_asked_about(word: str) -> None:
    """A word that is also a name is never simply a word."""
    assert lexicon().kind(word) in (Kind.ALSO_A_NAME, Kind.UNKNOWN) or word in ("will", "may")


@pytest.mark.parametrize(
    "word",
    [
        "tylenol",
        "metformin",
        "lisinopril",
        "mri",
        "pcp",
        "cbc",
        "don't",
        "patient's",
        "gonna",
        "hepatitis",
    ],
)
def test_clinical_words_are_words(word: str) -> None:
    """Drugs, short clinical abbreviations and spoken forms are on the list."""
    assert lexicon().kind(word) in (Kind.CLINICAL, Kind.ORDINARY)


@pytest.mark.parametrize(
    "text", ["this is brown calling", "Ask Rose May, please. She is", "max dose is 5", "<REDACTED> will"]
)
def test_the_model_weighs_the_features_that_it_is_trained_on(text: str) -> None:
    """What is looked up by parts is the sum of the shipped weights of all features of a word."""
    weights = {
        feature: int(weight) / 100 for feature, _, weight in (line.rpartition("\t") for line in lines_of("model"))
    }
    context = Context(Reading(text, lexicon()))
    for at in suspects(Reading(text, lexicon())):
        seen = context.seen(at)
        odds = sum(weights.get(feature, 0.0) for feature in seen.features())
        assert model().probability(seen, -inf) == pytest.approx(1 / (1 + exp(-odds)))
