from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_record import booking

from medagent.redaction import REDACTED
from medagent.redaction.text.tokens import MONTHS, tokenise
from medagent.redaction.text.vocabulary import is_vouched_for, ordinary_words

NAMES = """
will may mark grace rose brown white young long price ward walker hope joy faith summer dawn art bill bob frank
gene jack john jean lance lee max miles nick pat penny pete ray rich rob rod sandy sue ted tom tony victor wade
baker barber bell bird bishop black bond booker branch brooks bush butler carter case chance church clay cook
cross day dean english fields fisher flowers ford fox french gray green hall hill holiday hunt hunter king knight
lake lane little love marsh mason miller moon moore moss page park parker pope porter power prince reed rice
rivers root rush sharp short singer small snow stone strong swift temple waters weeks wells west north east south
winter wise wolf wood worth best good head means cash minor major read said quick savage noble
"""
NUMBERS = "oh one two ten twelve twenty ninety hundred thousand double triple first second half"


@pytest.mark.parametrize("word", [*NAMES.split(), *MONTHS, *NUMBERS.split(), "monday", "sunday"])
def test_no_name_is_an_ordinary_word(word: str) -> None:
    """No common name, month, weekday or number is on the list."""
    assert word not in ordinary_words()


def test_the_list_is_in_one_form() -> None:
    """Every word of it is lower-case ASCII, and none is read as a digit."""
    assert all(word.replace("'", "").isalpha() and word.isascii() and word.islower() for word in ordinary_words())
    assert not [word for word in ordinary_words() for token in tokenise(word) if token.norm.isdigit()]


@pytest.mark.parametrize(
    "text",
    [
        "sore throat since yesterday, and a bad headache",
        "Patient's knee hurts. I can't walk!",
        "I'm dizzy (very dizzy) – it doesn't stop…",
        f"{REDACTED} has a rash",
        "",
    ],
)
def test_ordinary_texts_are_vouched_for(text: str) -> None:
    """Ordinary words with ordinary punctuation may leave."""
    assert is_vouched_for(text)
    assert booking(notes=text).fields == {"arguments": {"notes": text}}


@pytest.mark.parametrize(
    "text",
    [
        "ask for Ottoline",
        "ask for ottoline",
        "my Pain is bad",
        "PAIN in the chest",
        "since 3 days",
        "five five five",
        "j a n e",
        "a i a",
        "a cough\n",
        "a\tcough",
        "a cough\u200b",
        "a \u202ecough",
        "a c\u043eugh",
        "a cöugh",
        "a cough_a",
        "a @ b",
        "fever 🤒",
        "cough " * 401,
        "\ud800",
        "１２",
    ],
)
def test_other_texts_do_not_leave_at_all(text: str) -> None:
    """One name, digit, foreign letter, invisible or odd sign, and the whole text is redacted."""
    assert booking(notes=text).fields == {"arguments": {"notes": REDACTED}}


@given(st.text())
def test_a_text_leaves_by_its_words_alone(text: str) -> None:
    """Whatever leaves of a text is made of ordinary words, plain punctuation and `<REDACTED>`."""
    left = booking(notes=text).fields["arguments"]["notes"]  # type: ignore[index,call-overload]  # an object, as declared
    assert left == REDACTED or is_vouched_for(str(left))
    assert len(str(left)) <= 50
