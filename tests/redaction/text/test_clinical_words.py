from __future__ import annotations

import gzip
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.redaction.text.known import KnownValues
from medagent.redaction.text.lexicon import SHORTEST_WITH_ENDING, ClinicalWords, Kind, lexicon, lines_of
from medagent.redaction.text.scrubbing import scrub

ENDINGS = lines_of("clinical")[0].split()
SECOND_NAMES = gzip.decompress((resources.files("medagent.audit") / "data" / "names.txt.gz").read_bytes()).decode()


@pytest.mark.parametrize(
    "word",
    ["dupixent", "rexulti", "secukinumab", "dolutegravir", "fundoplication", "diverticulitis"],
)
def test_clinical_words_beside_the_vocabulary_are_clinical(word: str) -> None:
    """Newer drugs, brands, diseases and operations are known with and without a possessive."""
    assert lexicon().kind(word) is Kind.CLINICAL
    assert lexicon().kind(f"{word}'s") is Kind.CLINICAL


@pytest.mark.parametrize("word", ["zorvatinib", "quilozumab", "fendagliflozin", "brusectomies", "oxaneuritis"])
def test_an_invented_drug_or_operation_is_clinical_by_its_ending(word: str) -> None:
    """No list has these words: their endings alone keep them."""
    assert word not in lexicon().words
    assert lexicon().kind(word) is Kind.CLINICAL


def test_a_name_of_another_collector_is_not_clinical() -> None:
    """Of the names of the audit's second reader at most one in five thousand is clinical, or ends so."""
    names = [name for name in SECOND_NAMES.split() if not name.endswith("?")]
    words = lexicon().clinical
    kept = [name for name in names if words.kind(name) is Kind.CLINICAL or words.has_ending(name)]
    assert len(names) > 10_000
    assert len(kept) <= len(names) / 5_000, kept


def test_no_listed_name_has_a_clinical_ending() -> None:
    """An ending that a listed name of a person or a place has is not shipped."""
    lists = lexicon()
    names = [name for name in lists.names if name not in lists.words and len(name) >= SHORTEST_WITH_ENDING]
    assert len(names) > 10_000
    assert not [name for name in names if lists.clinical.has_ending(name)]


@pytest.mark.parametrize("name", ["heather", "camila", "yasmin", "allegra", "errin", "rose"])
def test_a_drug_that_is_a_common_name_is_not_simply_clinical(name: str) -> None:
    """Contraceptives that bear women's names stay names, whatever the lists of drugs say."""
    assert lexicon().clinical.kind(name) is Kind.UNKNOWN


@pytest.mark.parametrize(
    "text", ["metformin, lisinopril, ozempic", "dupixent", "Eliquis, Jardiance, Ubrelvy, Cosentyx"]
)
def test_drugs_without_a_sentence_stay(text: str) -> None:
    """A list of drugs stays whole where nothing around it helps."""
    assert scrub(text, KnownValues()).text == text


@given(stem=st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12), ending=st.sampled_from(ENDINGS))
def test_a_short_word_or_another_ending_says_nothing(stem: str, ending: str) -> None:
    """Only a word of eight letters or more, with the whole ending at its end, has an ending."""
    words = ClinicalWords([ending, "", "", "swan ganz", ""])
    assert words.has_ending(stem + ending) is (len(stem + ending) >= SHORTEST_WITH_ENDING)
    assert words.has_ending(f"{ending}{'q' * SHORTEST_WITH_ENDING}") is False
    assert words.kind(stem) is Kind.UNKNOWN
