"""Ages, dates, places and codes as they are said, and what looks like one and stays."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import Said, is_gone, is_kept, sentences

from medagent.redaction import Category, Identifier, KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import scrub

TODAY = date(2026, 11, 30)
KNOWN_BY_AGE = KnownValues(today=TODAY)
KNOWN_BY_AGE.learn([Identifier(category=Category.DATE_OF_BIRTH, value="1933-03-14")])


@pytest.mark.parametrize("mode", TextMode)
@pytest.mark.parametrize("said", sentences("ages_go"), ids=lambda said: said.text)
def test_an_age_over_89_goes_in_any_wording(said: Said, mode: TextMode) -> None:
    assert is_gone(said, mode)


@pytest.mark.parametrize("said", sentences("numbers_stay"), ids=lambda said: said.text)
def test_a_number_that_is_no_age_stays(said: Said) -> None:
    assert is_kept(said, TextMode.VOCABULARY)


@pytest.mark.parametrize(
    "text",
    ["Ninety three.", "it's 93", "pulse 92", "at 94 she walks alone", "my 93rd", "nine three", "93F", "ninety-three"],
)
def test_an_age_over_89_that_a_birth_date_tells_goes_anywhere(text: str) -> None:
    """Where the call knows the birth date, the age, one less and one more are known values."""
    left = scrub(text, KNOWN_BY_AGE).text.lower()
    assert not any(sign.isdigit() for sign in left)
    assert "nin" not in left


@pytest.mark.parametrize("text", ["93 mg", "93 percent", "92 over 60", "93.5", "96", "91 pounds", "101 dollars"])
def test_a_known_age_leaves_measurements_alone(text: str) -> None:
    assert scrub(text, KNOWN_BY_AGE).findings == ()


@given(born=st.dates(date(1900, 1, 1), date(2026, 1, 1)), off=st.integers(-1, 1))
def test_a_birth_date_teaches_ages_over_89_and_no_other(born: date, off: int) -> None:
    known = KnownValues(today=TODAY)
    known.learn([Identifier(category=Category.DATE_OF_BIRTH, value=born.isoformat())])
    age = TODAY.year - born.year - ((TODAY.month, TODAY.day) < (born.month, born.day)) + off
    gone = bool(scrub(f"well {age} then", known).findings)
    assert gone == (89 < age <= 122) or str(age) in born.isoformat()


@pytest.mark.parametrize("said", sentences("dates_go"), ids=lambda said: said.text)
def test_a_date_without_a_year_goes(said: Said) -> None:
    assert is_gone(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("dates_stay"), ids=lambda said: said.text)
def test_a_fraction_a_score_or_an_ordinal_stays(said: Said) -> None:
    assert is_kept(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("places_go"), ids=lambda said: said.text)
def test_an_address_a_town_and_a_facility_go(said: Said) -> None:
    assert is_gone(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("places_stay"), ids=lambda said: said.text)
def test_a_word_or_number_that_is_no_place_stays(said: Said) -> None:
    assert is_kept(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("codes_go"), ids=lambda said: said.text)
def test_a_code_behind_its_label_and_an_email_go(said: Said) -> None:
    assert is_gone(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("codes_stay"), ids=lambda said: said.text)
def test_an_amount_and_the_words_around_an_email_stay(said: Said) -> None:
    assert is_kept(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("mixed_go"), ids=lambda said: said.text)
def test_what_tells_of_somebody_goes(said: Said) -> None:
    assert is_gone(said, TextMode.VOCABULARY)


@pytest.mark.parametrize("said", sentences("mixed_stay"), ids=lambda said: said.text)
def test_what_a_clinician_needs_stays(said: Said) -> None:
    assert is_kept(said, TextMode.VOCABULARY)


@given(
    room=st.sampled_from(("apartment", "apt", "suite", "flat", "unit")),
    between=st.sampled_from(("", "uh ", "number ", "um, ", "is ", "# ")),
    number=st.integers(10, 99_999),
)
def test_the_number_of_a_flat_goes_whatever_stands_before_it(room: str, between: str, number: int) -> None:
    assert str(number) not in scrub(f"it's {room} {between}{number}", KnownValues()).text


@given(first=st.integers(4, 99), name=st.sampled_from(("oak", "main", "pine", "lincoln", "washington", "cedar")))
def test_a_corner_goes_in_either_order(first: int, name: str) -> None:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(first % 10 if first % 100 not in (11, 12, 13) else 0, "th")
    for said in (f"at {first}{ending} and {name}", f"at {name} and {first}{ending}"):
        left = scrub(said, KnownValues()).text
        assert name not in left
        assert str(first) not in left


def test_what_the_sentence_around_it_announces_goes() -> None:
    """One test for all, since each is quick: towns, facilities, people, ages and addresses of ordinary words."""
    assert [said.text for said in sentences("frames_go") if not is_gone(said, TextMode.VOCABULARY)] == []


def test_what_is_in_the_same_place_for_itself_stays() -> None:
    assert [said.text for said in sentences("frames_stay") if not is_kept(said, TextMode.VOCABULARY)] == []
