"""Name of a tool or field: one for every spelling, and a name of the normal form is its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.snake_case import LONGEST_NAME, latin, same_name, snake_case

_NORMAL = re.compile(r"[a-z][a-z0-9_]*")


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("order_refill", "order_refill"),
        ("orderRefill", "order_refill"),
        ("OrderRefill", "order_refill"),
        ("order-refill", "order_refill"),
        ("Order Refill", "order_refill"),
        ("ORDER_REFILL", "order_refill"),
        ("crm.orderRefill", "crm_order_refill"),
        ("patientID", "patient_id"),
        ("patientIDs", "patient_ids"),
        ("HTMLPage", "html_page"),
        ("line2Name", "line2_name"),
        ("2nd name", "n_2nd_name"),
        ("_id", "id"),
        ("from_", "from_"),
        ("a__b", "a__b"),
        ("düsseldorf", "dusseldorf"),
        ("Straße", "strasse"),
        ("Ærø", "aero"),
        ("ｆｉｅｌｄ", "field"),
        ("名前", "u540d_u524d"),
        ("имя", "u438_u43c_u44f"),
        ("patient\u200bName", "patient_name"),
        ("", None),
        ("--", None),
        ("\u0301", None),
        ("x" * (LONGEST_NAME + 1), None),
        ("X" * 10_000, None),
    ],
    ids=lambda value: None if value is None else ascii(value[:20]),
)
def test_every_spelling_has_one_name(spelling: str, name: str | None) -> None:
    """Case, signs, accents and width change nothing; a letter without a Latin form is its code point."""
    assert snake_case(spelling) == name


@given(st.text(max_size=60) | st.from_regex(_NORMAL, fullmatch=True))
def test_a_name_is_normal_and_its_own_name(spelling: str) -> None:
    """Whatever the spelling, the name can stand in a policy, and normalising it again changes nothing."""
    name = snake_case(spelling)
    assert name is None or (_NORMAL.fullmatch(name) and len(name) <= LONGEST_NAME)
    assert name is None or snake_case(name) == name
    if _NORMAL.fullmatch(spelling) and len(spelling) <= LONGEST_NAME:
        assert name == spelling


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_latin_letters_stay(text: str) -> None:
    """ASCII is as it was, and what comes out changes no further."""
    assert latin(latin(text)) == latin(text)
    if text.isascii():
        assert latin(text) == text


def test_spellings_of_one_name_are_found() -> None:
    """The same spelling twice is one; different ones of a name are told together."""
    assert same_name(["a_b", "a_b", "c"]) == {}
    assert same_name(["aB", "c", "a-b", "--"]) == {"a_b": ("aB", "a-b")}
