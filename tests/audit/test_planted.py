"""What is planted: all eighteen kinds, new with each seed, each value once, each form long enough to mean something."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import medagent
from medagent.audit.english import words
from medagent.audit.forms import searchable
from medagent.audit.planted import plant
from medagent.audit.search import Search

SAFE_HARBOR = "ABCDEFGHIJKLMNOPQR"
ALL_THAT_IS_ASKED = words(
    "written lower upper spoken spelled split misspelled digits reordered formats parts possessive bytes"
)


@given(seed=st.integers(0, 2**32), calls=st.integers(1, 4))
def test_every_call_has_every_kind(seed: int, calls: int) -> None:
    """Each of the eighteen letters stands in each call; ids and values are there once; the same seed gives the same."""
    planted = plant(seed=seed, calls=calls)
    for call in range(calls):
        assert {value.letter for value in planted if value.call == call} == set(SAFE_HARBOR)
    assert len({value.planted_id for value in planted}) == len({value.value for value in planted}) == len(planted)
    assert planted == plant(seed=seed, calls=calls)


def test_another_seed_plants_other_values() -> None:
    """Two runs share no value but ages, of which there are few."""
    one, other = (
        {value.value for value in plant(seed=seed, calls=10) if value.kind != "age_over_89"} for seed in (1, 2)
    )
    assert not one & other


def test_a_kind_may_come_more_than_once() -> None:
    """`per_kind` values of each kind in each call."""
    assert len(plant(seed=1, calls=3, per_kind=2)) == 6 * len(plant(seed=1, calls=1))


@given(seed=st.integers(0, 2**32), day=st.dates(date(2026, 1, 1), date(2040, 12, 31)), second=st.integers(0, 86_399))
def test_the_runs_own_clock_tells_no_planted_day(seed: int, day: date, second: int) -> None:
    """`2026-11-21 08:19:54` holds the digits of the 21st of August 1954: such a day is not planted on that day."""
    planted = plant(seed=seed, calls=2, day=day)
    told = datetime.combine(day, time(second // 3600, second // 60 % 60, second % 60))
    written = f"{told - timedelta(days=1)} INFO a\n{told},042 INFO b\n{told + timedelta(days=1)} INFO c"
    dates = [value for value in planted if value.kind in ("birth_date", "admission_date")]
    assert not Search(dates).look(written.encode(), channel="stderr", path="log")
    assert planted == plant(seed=seed, calls=2, day=day)


def test_there_are_not_values_without_end() -> None:
    """Ages over 89 are few: a run that would plant one twice is refused."""
    with pytest.raises(ValueError, match="not enough different values"):
        plant(seed=1, calls=60)


def test_numbers_belong_to_nobody() -> None:
    """Telephones, social security numbers and addresses of the network are from ranges that are given to nobody."""
    for value in plant(seed=4, calls=10):
        text = str(value.value)
        if value.kind in {"phone", "fax"}:
            assert re.fullmatch(r"\+1\d{3}55501\d\d", text)
        if value.kind == "ssn":
            assert re.fullmatch(r"9\d\d-7\d-\d{4}", text)
        if value.kind == "ipv4":
            assert 240 <= int(text.partition(".")[0]) <= 254
        if value.kind in {"email", "url"}:
            assert ".example" in text


def test_no_scenario_has_a_planted_number() -> None:
    """The callers of the packaged scenarios live in other area codes, so that a hit is a planted value's."""
    areas = {str(value.value)[2:5] for value in plant(seed=8, calls=20) if value.kind in {"phone", "fax"}}
    for scenario in (Path(medagent.__file__).parent / "simulator" / "scenarios").glob("*.yaml"):
        assert not areas & set(re.findall(r"\+1(\d{3})", scenario.read_text()))


def test_all_that_is_asked_of_the_forms_is_there() -> None:
    """Written, lower, upper, spoken, spelled, split, misspelled, digits, reordered, formats, parts, possessive."""
    forms = {form for value in plant(seed=5, calls=1) for form in value.forms}
    assert forms >= set(ALL_THAT_IS_ASKED)


@pytest.mark.parametrize("short", ["Ann", "1982", "60614", "97", "4417", "Maria", "5550137"])
def test_what_says_too_little_is_not_a_form(short: str) -> None:
    """A short name, a year, a ZIP code of five, a day without its year, an age: any clean text may hold it."""
    assert not searchable({"written": (short,), "split": (short[:1], short[1:])})


def test_a_day_has_its_year_in_every_form() -> None:
    """A day and a month without a year say too little: any clean text may hold them."""
    for value in plant(seed=7, calls=10):
        if value.kind.endswith("_date"):
            year = str(value.value)[:4]
            for form in ("written", "lower", "upper", "misspelled", "reordered", "formats", "digits"):
                assert all(year in text for text in value.forms[form])


def test_the_marks_of_voice_and_photo_are_in_every_piece_of_them() -> None:
    """Any 64 bytes of a marked recording or photo hold the mark as text or as bytes."""
    for value in plant(seed=6, calls=1):
        if isinstance(value.value, bytes):
            marks = [value.forms["written"][0].encode(), value.forms["bytes"][0].encode("latin-1")]
            for start in range(12, len(value.value) - 64):
                assert any(mark in value.value[start : start + 64] for mark in marks)
