from __future__ import annotations

from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from medagent.redaction import REDACTED, Category, Identifier, KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import Layer, scrub
from medagent.redaction.text.near import is_near, sound

CALLER = [
    (Category.NAME, "Ms. Quilla Smith-O'Brien"),
    (Category.PHONE, "+1 (555) 010-0142"),
    (Category.EMAIL, "quilla.ob@example.com"),
    (Category.DATE_OF_BIRTH, "1982-03-03"),
    (Category.MRN, "MRN-004177"),
    (Category.ADDRESS, "12 Elmhurst Street, Springfield"),
]


def known(*values: tuple[Category, str]) -> KnownValues:
    learned = KnownValues()
    learned.learn(Identifier(category=category, value=value) for category, value in values or CALLER)
    return learned


@pytest.mark.parametrize(
    "said",
    [
        "Quilla",
        "QUILLA",
        "Quilla's",
        "quillas",
        "quilla smith",
        "smith quilla",
        "O'Brien",
        "o brien",
        "Obrien’s",
        "q u i l l a",
        "q-u-i-l-l-a",
        "Q. U. I. L. L. A.",
        "q s",
        "Q.S.",
        "s as in sam m i t h",
        "q u i double l a",
        "q for queen u i l l a",
        "qui lla",
        "Quílla",
        "Kwilla",
        "quila smyth",
        "Quilla Smith-O'Brien",
        "555-010-0142",
        "(555) 010 0142",
        "15550100142",
        "010-0142",
        "0142",
        "five five five oh one oh oh one four two",
        "triple five zero one double oh one four two",
        "five fifty five, oh ten, oh one forty two",
        "five five five um oh one oh oh",
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
        "march of eighty two",
        "oh three oh three eighty two",
        "mrn 004177",
        "double oh four one double seven",
        "12 Elmhurst Street",
        "twelve elmhurst street",
        "springfield",
    ],
)
def test_forms_of_a_known_value(said: str) -> None:
    """Written, spoken, spelled, grouped, misspelled or possessive: nothing that tells a known value is left of it."""
    clean, hits = known().scrub(f"so {said} again")
    assert hits >= 1
    rest = clean.replace(REDACTED, "").removeprefix("so ").removesuffix(" again")
    assert rest.strip(" .-,(/+") in ("", "the", "mrn", "Street", "12", "twelve", "Smith", "one"), rest


@pytest.mark.parametrize("said", ["smithereens", "quilt", "a march to the springs", "4 1 7", "1 4 2", "kill", "brine"])
def test_what_is_no_known_value(said: str) -> None:
    """A word that only begins or sounds a little like a known value stays, and so do a few digits of one."""
    assert known().scrub(said) == (said, 0)


@pytest.mark.parametrize(
    ("word", "name", "near"),
    [
        ("jain", "jane", True),
        ("jan", "jane", True),
        ("june", "joan", True),
        ("doe", "don", False),
        ("smyth", "smith", True),
        ("smits", "smith", True),
        ("smit", "smith", True),
        ("smock", "smith", False),
        ("pembervick", "pemberwick", True),
        ("pembrvick", "pemberwick", True),
        ("katherine", "catharine", True),
        ("phillip", "filip", True),
        ("meier", "mayer", True),
        ("walker", "waller", True),
        ("porter", "parker", False),
        ("anne", "joan", False),
    ],
)
def test_near_misses(word: str, name: str, near: bool) -> None:
    """No slip counts in up to four letters, one up to seven, two from eight; another spelling of one sound always."""
    assert is_near(word, name, is_same_sound=sound(word) == sound(name)) is near


def test_an_ordinary_word_is_no_near_miss_alone() -> None:
    """A word of the list that is nearly a known name goes only beside that name."""
    values = known((Category.NAME, "Ottoline Price"))
    assert values.scrub("the pride of it") == ("the pride of it", 0)
    assert values.scrub("ottoline pride") == (REDACTED, 1)


NAMES = st.text(st.characters(categories=["L"], max_codepoint=0x17F), min_size=2, max_size=12)
AROUND = st.lists(
    st.sampled_from(
        [
            "i",
            "have",
            "a",
            "cough",
            "my",
            "knee",
            "hurts",
            "please",
            "call",
            "back",
            "since",
            "the",
            "fall",
            "and",
            "um",
            "yes",
            "okay",
            "so",
        ]
    ),
    max_size=6,
).map(" ".join)
MODES = st.sampled_from(TextMode)


def spelled(name: str) -> str:
    return " ".join(name.lower())


def explained(name: str) -> str:
    return " ".join(f"{letter} as in {letter}xo" for letter in name.lower())


FORMS_OF_A_NAME = st.sampled_from([str, str.lower, str.upper, str.title, "{}'s".format, "{}s".format, "-{}-".format])
SPELLINGS = st.sampled_from([spelled, explained, "-".join, ". ".join])
DIGIT_WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


@given(NAMES, FORMS_OF_A_NAME, AROUND, AROUND, MODES)
def test_a_known_name_is_gone(name: str, form: object, before: str, after: str, mode: TextMode) -> None:
    """A known name in any writing leaves no letter behind, in either mode."""
    assert callable(form)
    assume(name.casefold() not in ("null", "nil", "none", "na", "unknown"))
    scrubbed = scrub(f"{before} | {form(name)} | {after}", known((Category.NAME, name)), mode=mode)
    middle = scrubbed.text.split("|")[1] if scrubbed.text.count("|") == 2 else ""
    assert not [sign for sign in middle.replace(REDACTED, "") if sign.isalpha()]


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=12), SPELLINGS, AROUND, AROUND, MODES)
def test_a_spelled_known_name_is_gone(name: str, spelling: object, before: str, after: str, mode: TextMode) -> None:
    """A known name that is spelled leaves no letter behind."""
    assert callable(spelling)
    scrubbed = scrub(f"{before} : {spelling(name)} : {after}", known((Category.NAME, name.title())), mode=mode)
    middle = scrubbed.text.split(" : ")[1] if scrubbed.text.count(" : ") == 2 else ""
    assert not [sign for sign in middle.replace(REDACTED, "") if sign.isalpha()]


@given(st.text("0123456789", min_size=7, max_size=15), st.data(), MODES)
def test_a_known_number_is_gone(digits: str, data: st.DataObject, mode: TextMode) -> None:
    """A known number in figures or words, in any groups, leaves no run of four digits behind."""
    parts: list[str] = []
    rest = digits
    while rest:
        size = data.draw(st.integers(1, 4))
        group, rest = rest[:size], rest[size:]
        said = data.draw(st.booleans())
        parts.append(" ".join(DIGIT_WORDS[int(digit)] for digit in group) if said else group)
    text = data.draw(st.sampled_from([" ", "-", ", ", " um ", " dash "])).join(parts)
    left = scrub(f"it is {text} okay", known((Category.PHONE, digits)), mode=mode).text.replace(REDACTED, "|")
    for run in left.split("|"):
        told = "".join(
            str(DIGIT_WORDS.index(word)) if word in DIGIT_WORDS else word for word in run.replace("-", " ").split()
        )
        assert sum(sign.isdigit() for sign in told) < 4


@given(
    st.dates(),
    MODES,
    st.sampled_from(["%m/%d/%Y", "%d.%m.%Y", "%Y-%m-%d", "%B %d, %Y", "%d %B %y", "%b %d %Y", "%B of %Y"]),
)
def test_a_known_date_is_gone(day: date, mode: TextMode, form: str) -> None:
    """A known date in the orders of any country leaves no digit and no month behind."""
    values = known((Category.DATE_OF_BIRTH, day.isoformat()))
    rest = scrub(f"it is {day.strftime(form)} okay", values, mode=mode).text.replace(REDACTED, "")
    assert not set(rest.split()) - {"it", "is", "okay", "of"}


@given(st.text())
def test_scrubbing_twice(text: str) -> None:
    """A scrubbed text has nothing more to scrub, and where nothing is found the text is the same."""
    values = known()
    clean, hits = values.scrub(text)
    assert hits > 0 or clean == text
    assert values.scrub(clean) == (clean, 0)


@given(st.text(), st.sampled_from(Category))
def test_known_values_hide_themselves(value: str, category: Category) -> None:
    """Their repr has no value; the door can read them, in the order they came, each once."""
    values = KnownValues()
    identifier = Identifier(category=category, value=value)
    values.learn([identifier, identifier])
    assert list(values) in ([(category, value)], [])
    assert repr(values) == f"KnownValues(learned={len(values)})"
    assert repr(identifier) == f"Identifier(category={category!r})"


def test_one_letter_is_no_name() -> None:
    """An initial or a title alone does not wipe a text."""
    assert known((Category.NAME, "Dr. J")).scrub("the doctor is in, j") == ("the doctor is in, j", 0)


def test_a_name_that_is_a_word_is_gone_everywhere() -> None:
    """A caller whose name is a word loses that word: safe before readable."""
    assert known((Category.NAME, "Will May")).scrub("i will come in may")[0] == f"i {REDACTED} come in {REDACTED}"


def test_the_layer_says_that_the_call_knew() -> None:
    """A known value is found by the first layer, whatever the others would say."""
    layers = {finding.layer for finding in scrub("quilla, 555-010-0142, march third", known()).findings}
    assert layers == {Layer.KNOWN}
