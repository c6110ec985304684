from datetime import datetime
from typing import Any

import pytest

from medagent.clinic import Clinic
from medagent.tools import invoke
from medagent.tools.get_opening_hours import GET_OPENING_HOURS


@pytest.fixture
def ask(clinic: Clinic, now: datetime) -> Any:
    return lambda **arguments: invoke(GET_OPENING_HOURS, arguments, clinic=clinic, now=now)


def test_a_week_is_told_with_place_zone_and_the_next_holidays(ask: Any) -> None:
    """Both places, six days at one of them, and no "open", which is a day's."""
    answer = ask()
    assert answer["outcome"] == "ok"
    assert "open" not in answer
    assert answer["hours"][0] == {
        "weekday": "Monday",
        "opens": "08:30",
        "closes": "12:00",
        "time_zone": "America/Chicago",
        "clinic_location": "Lakeside Harbor View",
    }
    assert {each["weekday"] for each in answer["hours"] if each["clinic_location"] == "Lakeside Main Street"} == {
        *("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    }
    assert answer["holidays"][0] == {"holiday_date": "2026-11-26", "holiday_name": "Thanksgiving Day"}


def test_a_doctors_day_is_told_with_the_doctor(ask: Any) -> None:
    """On Saturday Dr. Okafor is there in the morning."""
    answer = ask(doctor_name="okafor", date="2026-11-28")
    assert (answer["open"], answer["holidays"]) == (True, [])
    assert [(each["doctor_name"], each["opens"], each["closes"]) for each in answer["hours"]] == [
        ("Dr. Amara Okafor", "09:00", "12:00")
    ]


@pytest.mark.parametrize(("day", "holiday"), [("2026-11-26", ["Thanksgiving Day"]), ("2026-11-29", [])])
def test_a_closed_day_is_an_answer_that_names_the_holiday(ask: Any, day: str, holiday: list[str]) -> None:
    """Thanksgiving has a name, a Sunday has none."""
    answer = ask(date=day)
    assert (answer["outcome"], answer["open"], answer["hours"]) == ("ok", False, [])
    assert [each["holiday_name"] for each in answer["holidays"]] == holiday


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"doctor_name": "Testa Plantedname"}, "unknown_doctor"),
        ({"clinic_location": "downtown"}, "unknown_location"),
        ({"date": "tomorrow"}, "invalid_date"),
        ({"date": "2026-11-19"}, "past_date"),
        ({"date": "2028-01-01"}, "too_far_ahead"),
        ({"day": "Monday"}, "unknown_field"),
    ],
)
def test_a_bad_argument_is_refused_without_being_repeated(ask: Any, arguments: dict[str, str], code: str) -> None:
    """Each has its code."""
    answer = ask(**arguments)
    assert (answer["outcome"], answer["error_type"]) == ("refused", code)
    assert "Planted" not in str(answer)
