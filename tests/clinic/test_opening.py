from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from medagent.clinic import Clinic, Closure, Refusal
from medagent.clinic.hours import Calendar, Sitting
from medagent.clinic.opening import opening_hours
from medagent.clinic.schema import HolidayRow, LocationRow

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OKAFOR, MAIN, HARBOR = "Dr. Amara Okafor", "Lakeside Main Street", "Lakeside Harbor View"
MONDAY = date(2026, 11, 23)


def test_the_week_of_the_clinic_is_what_its_doctors_add_up_to(clinic: Clinic) -> None:
    """Two doctors at one place at one time are one stretch; the next three holidays are named."""
    found = clinic.opening_hours(now=NOW, location=MAIN)
    assert [(each.weekday, each.opens, each.closes) for each in found.hours] == [
        *((day, *hours) for day in range(5) for hours in ((time(8, 30), time(12)), (time(13), time(17)))),
        (5, time(9), time(12)),
    ]
    assert {(each.location, each.zone, each.doctor) for each in found.hours} == {(MAIN, "America/Chicago", None)}
    assert [each.name for each in found.closures] == ["Thanksgiving Day", "Christmas Day", "New Year's Day"]


def test_a_doctors_hours_are_theirs(clinic: Clinic) -> None:
    """Thursday and Friday are at the other place, Saturday is a morning."""
    found = clinic.opening_hours(now=NOW, doctor=OKAFOR)
    assert {each.doctor for each in found.hours} == {OKAFOR}
    places = [each.location for each in found.hours if each.weekday in (3, 4)]
    assert places == [HARBOR] * 4
    assert [(each.opens, each.closes) for each in found.hours if each.weekday == 5] == [(time(9), time(12))]


@pytest.mark.parametrize(
    ("day", "stretches", "closed"),
    [(MONDAY, 4, []), (date(2026, 11, 26), 0, ["Thanksgiving Day"]), (date(2026, 11, 29), 0, [])],
)
def test_a_day_has_its_hours_or_the_reason_why_not(
    clinic: Clinic, day: date, stretches: int, closed: list[str]
) -> None:
    """A Monday, a holiday, a Sunday: only the holiday has a name."""
    found = clinic.opening_hours(now=NOW, day=day)
    assert (len(found.hours), [each.name for each in found.closures]) == (stretches, closed)
    assert {each.weekday for each in found.hours} <= {day.weekday()}


def test_a_place_can_be_closed_alone_and_has_its_own_zone(clinic: Clinic) -> None:
    """A works holiday at the harbour closes the harbour; its hours are told in its zone."""

    def change(session: object) -> None:
        from sqlalchemy.orm import Session

        assert isinstance(session, Session)
        session.execute(update(LocationRow).where(LocationRow.name == HARBOR).values(time_zone="America/New_York"))
        harbor = session.query(LocationRow).filter_by(name=HARBOR).one()
        session.add(HolidayRow(date=MONDAY, name="Painters", location_id=harbor.id))

    clinic.database.write(change)
    found = clinic.opening_hours(now=NOW, day=MONDAY)
    assert {(each.location, each.zone) for each in found.hours} == {(MAIN, "America/Chicago")}
    assert found.closures == (Closure(day=MONDAY, name="Painters", location=HARBOR),)
    assert clinic.opening_hours(now=NOW, day=MONDAY, location=MAIN).closures == ()
    tuesday = clinic.opening_hours(now=NOW, day=MONDAY + timedelta(days=1), location=HARBOR)
    assert {each.zone for each in tuesday.hours} == {"America/New_York"}


@pytest.mark.parametrize(
    ("day", "doctor", "location", "code"),
    [
        (date(2026, 11, 19), None, None, "past_date"),
        (date(2027, 11, 21), None, None, "too_far_ahead"),
        (None, "nobody", None, "doctor_not_at_location"),
    ],
)
def test_what_cannot_be_said_is_refused(
    clinic: Clinic, day: date | None, doctor: str | None, location: str | None, code: str
) -> None:
    """What is past, what is beyond the known holidays, who is not there."""
    with pytest.raises(Refusal) as refused:
        clinic.opening_hours(now=NOW, day=day, doctor=doctor, location=location)
    assert refused.value.code == code


HOURS = st.tuples(st.times(), st.times()).map(sorted).filter(lambda both: both[0] < both[1])


@given(
    sittings=st.lists(st.tuples(HOURS, st.sampled_from(["A", "B"]), st.sampled_from(["D", "E"])), max_size=8),
    moment=st.times(),
    day=st.none() | st.just(MONDAY),
)
def test_a_moment_is_open_exactly_if_somebody_sits_then(
    sittings: list[tuple[list[time], str, str]], moment: time, day: date | None
) -> None:
    """Merged stretches lose no minute, add none, do not touch each other, and stand in order."""
    calendar = Calendar(
        sittings=tuple(
            Sitting(doctor=doctor, location=place, zone=ZoneInfo("UTC"), weekday=0, opens=opens, closes=closes)
            for (opens, closes), place, doctor in sittings
        ),
        holidays=frozenset(),
    )
    found = opening_hours(calendar, (), by_doctor=False, day=day).hours
    for place in ("A", "B"):
        here = [each for each in found if each.location == place]
        is_open = any(each.opens <= moment <= each.closes for each in here)
        assert is_open == any(hours[0] <= moment <= hours[1] for hours, at, _ in sittings if at == place)
        assert all(before.closes < after.opens for before, after in pairwise(here))
