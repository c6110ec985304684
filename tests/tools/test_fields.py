from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.clinic.confirmation import new_confirmation_id
from medagent.tools.fields import confirmation, e164


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("312 555 0142", "+13125550142"),
        ("(312) 555-0142", "+13125550142"),
        ("1-312-555-0142", "+13125550142"),
        ("+1 312.555.0142", "+13125550142"),
        ("011 1 312 555 0142", "+13125550142"),
        ("416-555-0123", "+14165550123"),
        ("+44 20 7946 0958", "+442079460958"),
        ("+44 (0)20 7946 0958", "+442079460958"),
        ("0044 20 7946 0958", "+442079460958"),
        ("+41 44 555 01 42", "+41445550142"),
        ("011 41 44 555 01 42", "+41445550142"),
        ("+49 30 23125 0142", "+4930231250142"),
        ("+49 (0)30/231250", "+4930231250"),
        ("+33 1 99 00 01 42", "+33199000142"),
        ("+44 020 7946 0958", "+442079460958"),
        ("312 555 0142 ext 3", "+13125550142"),
        ("312 555 01４2", "+13125550142"),
    ],
)
def test_the_forms_that_people_write_become_one(written: str, number: str) -> None:
    """Six countries, national and international, brackets, dots, dashes and slashes."""
    assert e164(written) == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        "555 0142",
        "112 555 0142",
        "312 155 0142",
        "2312 555 0142",
        "020 7946 0958",
        "three one two",
        "+",
        "++1 312 555 0142",
    ],
)
def test_what_is_no_number_is_refused_without_being_quoted(written: str) -> None:
    """Too short, not assigned, a plan we do not know, no country code, words, other scripts' digits."""
    with pytest.raises(ValueError, match=r"^not a phone number$"):
        e164(written)


@given(st.text(alphabet="+0123456789 ()-./x", max_size=24))
def test_a_number_once_read_is_read_again_as_itself(written: str) -> None:
    """Whatever is accepted is E.164, and normalising it again changes nothing."""
    try:
        number = e164(written)
    except ValueError:
        return
    assert number[0] == "+"
    assert number[1:].isdigit()
    assert 8 <= len(number) <= 16
    assert e164(number) == number


@given(
    spoken=st.sampled_from(
        [
            str,
            str.lower,
            lambda made: made.removeprefix("LC-"),
            lambda made: " ".join(made.replace("-", "")),
            lambda made: made.replace("0", "o").replace("1", "l"),
            lambda made: f" {made}. ",
        ]
    )
)
def test_an_id_is_read_however_it_was_said(spoken: Any) -> None:
    """Lower case, spelled out, without its prefix, O for zero and L for one: the id that was given."""
    made = new_confirmation_id()
    assert confirmation(spoken(made)) == made


@pytest.mark.parametrize(
    "said", ["", "LC-", "LC-7K4M9", "LC-K7M4Q9Q", "LC-555014", "5550142", "Testa Plantedname", "７K4M9Q"]
)
def test_what_is_no_id_is_refused_without_being_quoted(said: str) -> None:
    """Too short, too long, a number, a name, another script."""
    with pytest.raises(ValueError, match=r"^not a confirmation id$"):
        confirmation(said)
