from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.clinic.holidays import us_holidays


def test_2026_is_as_published() -> None:
    """The federal calendar of 2026: eleven holidays, Independence Day on its Saturday and observed on the Friday."""
    days = ["01-01", "01-19", "02-16", "05-25", "06-19", "07-03", "07-04", "09-07", "10-12", "11-11", "11-26", "12-25"]
    assert sorted(us_holidays(2026)) == [date.fromisoformat(f"2026-{day}") for day in days]


@pytest.mark.parametrize("day", [date(2021, 12, 31), date(2022, 12, 26), date(2023, 1, 2), date(2027, 12, 24)])
def test_a_holiday_on_a_weekend_closes_the_weekday_beside_it(day: date) -> None:
    """Also over the turn of the year: New Year's Day of 2022 was observed in 2021."""
    assert day in us_holidays(day.year)


@given(year=st.integers(1990, 2150))
def test_every_holiday_of_a_year_lies_in_it(year: int) -> None:
    """Eleven names every year, but for a New Year's Day that is observed before its year."""
    found = us_holidays(year)
    assert {day.year for day in found} == {year}
    assert len(set(found.values())) == 11
