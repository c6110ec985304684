from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.redaction import REDACTED, Category, Identifier, KnownValues
from medagent.redaction.text.spoken import units

NOBODY = {
    "unknown",
    "none",
    "null",
    "nil",
    "n/a",
    "na",
    "not given",
    "not provided",
    "not known",
    "anonymous",
    "withheld",
}
CALLER = [
    (Category.NAME, "Ms. Quilla Smith-O'Brien"),
    (Category.PHONE, "+1 (555) 010-0142"),
    (Category.EMAIL, "quilla.ob@example.com"),
    (Category.DATE_OF_BIRTH, "1982-03-03"),
    (Category.MRN, "MRN-004177"),
    (Category.ADDRESS, "12 Elmhurst Street, Springfield"),
]


def known() -> KnownValues:
    values = KnownValues()
    values.learn(Identifier(category=category, value=value) for category, value in CALLER)
    return values


@pytest.mark.parametrize(
    "said",
    [
        "Quilla",
        "QUILLA",
        "Quilla's",
        "quillas",
        "quilla smith",
        "O'Brien",
        "o brien",
        "Obrien’s",
        "q u i l l a",
        "q-u-i-l-l-a",
        "Q. U. I. L. L. A.",
        "s as in sam m i t h",
        "q u i double l a",
        "Quílla",
        "Quilla Smith-O'Brien",
        "555-010-0142",
        "(555) 010 0142",
        "15550100142",
        "010-0142",
        "0142",
        "five five five oh one oh oh one four two",
        "triple five zero one double oh one four two",
        "five fifty five, oh ten, oh one forty two",
        "quilla.ob@example.com",
        "quilla dot o b at example dot com",
        "Quilla.OB at example.com",
        "1982-03-03",
        "03/03/1982",
        "3.3.82",
        "March 3rd, 1982",
        "the third of March",
        "march third nineteen eighty two",
        "third of mar nineteen eighty two",
        "mrn 004177",
        "double oh four one double seven",
        "12 Elmhurst Street",
        "twelve elmhurst street",
        "springfield",
    ],
)
def test_forms_of_a_known_value(said: str) -> None:
    """Written, spoken, spelled, grouped or possessive: nothing that tells a known value is left of it."""
    clean, hits = known().scrub(f"so {said} again")
    assert hits >= 1
    rest = clean.replace(REDACTED, "").removeprefix("so ").removesuffix(" again")
    assert rest.strip(" .-,(") in ("", "the", "mrn", "Street", "12", "twelve"), rest


@pytest.mark.parametrize("said", ["smithereens", "quill", "a march to the springs", "4 1 7", "1 4 2"])
def test_what_is_no_known_value(said: str) -> None:
    """A word that only begins like a known value stays, and so do a few digits of one."""
    assert known().scrub(said) == (said, 0)


@given(st.text())
def test_scrubbing_twice(text: str) -> None:
    """A scrubbed text has nothing more to scrub, and where nothing is found the text is the same."""
    values = known()
    clean, hits = values.scrub(text)
    assert hits > 0 or clean == text
    assert values.scrub(clean) == (clean, 0)


@given(st.text(st.characters(categories=["L"]), min_size=2), st.text(), st.text())
def test_a_learned_name_is_gone(name: str, before: str, after: str) -> None:
    """Any name of letters that was learned is found again between any other words."""
    values = KnownValues()
    values.learn([Identifier(category=Category.NAME, value=name)])
    if any(token.norm.isalpha() and len(token.norm) > 1 for token in tokenise(name)):
        clean, _ = values.scrub(f"{before} {name} {after}".replace(REDACTED, ""))
        assert f" {name} " not in clean


@given(st.text(), st.sampled_from(Category))
def test_known_values_hide_themselves(value: str, category: Category) -> None:
    """Their repr has no value; the door can read them, in the order they came, each once."""
    values = KnownValues()
    identifier = Identifier(category=category, value=value)
    values.learn([identifier, identifier])
    told = value.strip().casefold()
    assert list(values) == ([(category, value)] if told and told not in NOBODY else [])
    assert repr(values) == f"KnownValues(learned={len(values)})"
    assert repr(identifier) == f"Identifier(category={category!r})"


def test_one_letter_is_no_name() -> None:
    """An initial or a title alone does not wipe a text."""
    values = KnownValues()
    values.learn([Identifier(category=Category.NAME, value="Dr. J")])
    assert values.scrub("the doctor is in, j") == ("the doctor is in, j", 0)
