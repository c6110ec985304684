from __future__ import annotations

import gzip
import hashlib
from importlib import resources
from math import exp, inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.redaction.text import lexicon as text_lexicon
from medagent.redaction.text.lexicon import Kind, blocks_of, lexicon, lines_of
from medagent.redaction.text.name_context import Context
from medagent.redaction.text.name_model import model
from medagent.redaction.text.names import suspects
from medagent.redaction.text.reading import Reading
from work import calls_of

ROOM = resources.files("medagent.redaction.text")
WORDS = frozenset(line.partition(" ")[0] for line in lines_of("words"))


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


def test_every_line_of_the_words_is_found_with_its_kind() -> None:
    """The packed list is searched by the order of its lines."""
    lines = lines_of("words")
    assert lines == sorted(lines)
    found = {word: kind for word in lexicon().words if (kind := lexicon().words.get(word))}
    assert list(found) == [line.partition(" ")[0] for line in lines]
    flags = {word: flags for word, _, flags in (line.partition(" ") for line in lines)}
    assert {word for word, kind in found.items() if kind is Kind.ALSO_A_NAME} == {w for w in flags if "?" in flags[w]}
    assert lexicon().abbreviations == {word for word in flags if "!" in flags[word]}


@given(st.one_of(st.text("abcdelr' +!?\n", max_size=8), st.sampled_from(lines_of("words")), st.text(max_size=6)))
def test_only_whole_words_are_found(text: str) -> None:
    """No beginning of a word, no line with its flags, nothing that the list does not have."""
    assert (text in lexicon().words) == (text in WORDS)


@pytest.mark.parametrize("kind", ["b", "a"])
def test_lines_of_one_kind_that_stand_apart_are_refused(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """A list that is not sorted would lose names."""
    monkeypatch.setattr(text_lexicon, "_content_of", lambda _: f"a one\n{kind} two\na three")
    if kind == "a":
        assert list(blocks_of("names")) == [("a", "one\na two\na three")]
    else:
        with pytest.raises(ValueError, match="lines of kind a apart"):
            list(blocks_of("names"))


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
