"""A day that a call knows: what admission would refuse, the redactor has taken out before; else the switch trips."""

from __future__ import annotations

from datetime import date
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from medagent.audit.forms import date_forms
from medagent.redaction.policy import Category
from medagent.redaction.text.forms import Identifier
from medagent.redaction.text.known import KnownValues
from medagent.telemetry.door.forms import Form


@given(day=st.dates(date(1920, 1, 1), date(2025, 12, 31)), time=st.sampled_from(["", "T08:30:00-06:00"]))
def test_a_day_that_was_told_in_any_way_is_not_kept_as_a_moment(day: date, time: str) -> None:
    """Written, said, turned round: a date of birth is known again in a field that holds a day or a time."""
    moment = f"{day.isoformat()}{time}"
    for said in {text for texts in date_forms(day, Random(7)).values() for text in texts}:
        known = KnownValues()
        known.learn([Identifier(category=Category.DATE_OF_BIRTH, value=said)])
        if Form.of("date_of_birth", said).is_day(moment):
            assert known.parts.have_day(moment), said


def test_another_day_is_kept() -> None:
    """An appointment's day is nobody's birthday; with nothing known every day is kept."""
    known = KnownValues()
    assert not known.parts.have_day("2026-11-23")
    known.learn([Identifier(category=Category.DATE_OF_BIRTH, value="March 3rd, 1982")])
    assert not known.parts.have_day("2026-11-23T08:30:00-06:00")
    assert known.parts.have_day("1982-03-03")
