from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import example, given
from hypothesis import strategies as st

from medagent.clinic.hours import GRID, Calendar, Sitting

ZONES = (
    "America/Chicago",
    "Europe/Zurich",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Pacific/Apia",
    "Asia/Kathmandu",
)
CHANGES = (
    date(2027, 3, 14),
    date(2027, 11, 7),
    date(2027, 3, 28),
    date(2027, 10, 31),
    date(2027, 10, 3),
    date(2027, 4, 4),
    date(2011, 12, 30),
)


def shown(day: date, zone: ZoneInfo) -> dict[datetime, datetime]:
    """Each local time that the zone's clocks show on a day, with the first instant at which they do: by watching."""
    seen: dict[datetime, datetime] = {}
    instant = datetime.combine(day, time(), UTC) - timedelta(hours=26)
    for _ in range(76 * 4):
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        if wall.date() == day:
            seen.setdefault(wall, instant)
        instant += timedelta(minutes=15)
    return seen


def sitting(zone: str, weekday: int, opens: time, closes: time) -> Sitting:
    return Sitting(doctor="D", location="L", zone=ZoneInfo(zone), weekday=weekday, opens=opens, closes=closes)


@given(
    zone=st.sampled_from(ZONES),
    day=st.sampled_from(CHANGES) | st.dates(date(1995, 1, 1), date(2090, 1, 1)),
    hours=st.tuples(st.times(), st.times()).map(sorted),
)
@example(zone="America/Chicago", day=date(2027, 3, 14), hours=[time(0), time(23, 59)])
@example(zone="America/Chicago", day=date(2027, 11, 7), hours=[time(0), time(23, 59)])
@example(zone="Pacific/Apia", day=date(2011, 12, 30), hours=[time(0), time(23, 59)])
def test_a_day_offers_exactly_what_its_clocks_show_within_the_hours(zone: str, day: date, hours: list[time]) -> None:
    """Every grid time that comes up and ends before closing, once, at its first passing; nothing else, ever."""
    opens, closes = hours
    calendar = Calendar(sittings=(sitting(zone, day.weekday(), opens, closes),), holidays=frozenset())
    expected = {
        instant
        for wall, instant in shown(day, ZoneInfo(zone)).items()
        if wall.minute % 30 == 0 and wall.time() >= opens and wall + GRID <= datetime.combine(day, closes)
    }
    assert [slot.instant for slot in calendar.slots(day)] == sorted(expected)


@given(
    day=st.dates(date(2020, 1, 1), date(2040, 1, 1)),
    weekday=st.integers(0, 6),
    closed=st.none() | st.sampled_from(["L", "elsewhere"]),
)
def test_a_holiday_closes_its_place_and_no_other(day: date, weekday: int, closed: str | None) -> None:
    """A slot is only on the sitting's weekday, and never where that day is a holiday."""
    calendar = Calendar(
        sittings=(sitting("America/Chicago", weekday, time(9), time(10)),), holidays=frozenset({(day, closed)})
    )
    opens = weekday == day.weekday() and closed == "elsewhere"
    assert len(calendar.slots(day)) == (2 if opens else 0)


def test_a_skipped_hour_has_no_slot_and_a_repeated_one_has_one() -> None:
    """Chicago, 2027: 02:00 on March 14 never comes; 01:00 on November 7 comes twice and is offered at its first."""
    whole_day = Calendar(sittings=(sitting("America/Chicago", 6, time(0), time(4)),), holidays=frozenset())
    spring = [slot.starts_at.isoformat() for slot in whole_day.slots(date(2027, 3, 14))]
    autumn = [slot.starts_at.isoformat() for slot in whole_day.slots(date(2027, 11, 7))]
    assert [each for each in spring if "T02" in each] == []
    assert "2027-03-14T03:00:00-05:00" in spring
    assert [each for each in autumn if "T01:00" in each] == ["2027-11-07T01:00:00-05:00"]
