import zoneinfo
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from medagent.clinic import Clinic, Patient, Refusal, Slot, clock_words, spoken_slot
from medagent.clinic.schema import DoctorRow, LocationRow, ScheduleRow
from medagent.clinic.zones import as_said, country_of, is_zone, moments, passing, use_pinned_zones, zones_version
from zone_changes import Change, changes, zones

PERSON = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")
CHICAGO, KOLKATA = zoneinfo.ZoneInfo("America/Chicago"), zoneinfo.ZoneInfo("Asia/Kolkata")


def watched(wall: datetime, change: Change) -> list[datetime]:
    """The instants at which the zone's clocks show a time near a change: by reading them, without `fold`."""
    instants = {(wall - offset).replace(tzinfo=UTC) for offset in (change.before, change.after)}
    return sorted(at for at in instants if at.astimezone(change.zone).replace(tzinfo=None, fold=0) == wall)


def test_there_are_changes_of_both_kinds_in_many_zones() -> None:
    """The search finds what it is for: hundreds of gaps and of folds, also of half an hour and of two hours."""
    assert len([each for each in changes() if each.is_gap]) > 250
    assert len([each for each in changes() if not each.is_gap]) > 250
    assert len({each.zone.key for each in changes()}) > 25
    assert {timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2)} <= {e.after - e.before for e in changes()}


def test_moments_are_what_the_clocks_of_all_zones_show_for_ten_years() -> None:
    """Around each change: no moment in a gap, two in a fold, one elsewhere, and each reads as the time asked for."""
    for change in changes():
        local = (change.at + min(change.before, change.after)).replace(tzinfo=None)
        for minutes in (-31, -30, -1, 0, 1, 29, 30, 59, 60, 61, 119, 120):
            wall = local + timedelta(minutes=minutes)
            found = moments(wall, change.zone)
            assert [each.astimezone(UTC) for each in found] == watched(wall, change), (change, wall)
            assert [passing(each) for each in found] == ([1, 2] if len(found) == 2 else [0] * len(found))


def test_an_offset_of_another_season_is_no_moment() -> None:
    """Around each change the offset of the other side names no moment, and the right one names the instant."""
    for change in changes():
        for at, right, wrong in (
            (change.at - timedelta(hours=5), change.before, change.after),
            (change.at + timedelta(hours=5), change.after, change.before),
        ):
            wall = (at + right).replace(tzinfo=None)
            assert moments(as_said(datetime.fromisoformat(f"{wall.isoformat()}{_iso(right)}")), change.zone) == (at,)
            assert moments(as_said(datetime.fromisoformat(f"{wall.isoformat()}{_iso(wrong)}")), change.zone) == ()


def _iso(offset: timedelta) -> str:
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@pytest.fixture(scope="module")
def open_always(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Clinic, dict[str, tuple[str, str]]]]:
    """A clinic with a place in each zone that has a change, and a doctor there by day and by night."""
    clinic = Clinic.open(Path(tmp_path_factory.mktemp("zones")) / "clinic" / "clinic.db")
    keys = sorted({each.zone.key for each in changes()})

    def fill(session: Session) -> None:
        for number, key in enumerate(keys, start=1):
            session.add(LocationRow(id=number, name=f"Place {number}", time_zone=key, address="1 Test Street"))
            session.add(DoctorRow(id=number, name=f"Dr. Test Number{number}", specialty="test"))
            session.flush()
            session.add_all(
                ScheduleRow(doctor_id=number, location_id=number, weekday=day, opens=time(), closes=time(23, 59))
                for day in range(7)
            )

    clinic.database.write(fill)
    yield clinic, {key: (f"Dr. Test Number{number}", f"Place {number}") for number, key in enumerate(keys, start=1)}
    clinic.close()


def test_a_time_that_names_no_one_moment_is_asked_back_in_every_zone(
    open_always: tuple[Clinic, dict[str, tuple[str, str]]],
) -> None:
    """One gap and one fold of each zone: refused with free slots, by their own offset; the stale offset too."""
    clinic, places = open_always
    latest = {(each.zone.key, each.is_gap): each for each in changes()}
    assert len(latest) > 50
    for (key, is_gap), change in latest.items():
        doctor, location = places[key]
        wall = (change.at + min(change.before, change.after)).replace(tzinfo=None)
        wall += timedelta(minutes=-wall.minute % 30)
        now = change.at - timedelta(days=4)
        with pytest.raises(Refusal) as refused:
            clinic.book(PERSON, when=wall, doctor=doctor, location=location, now=now)
        assert refused.value.code == ("nonexistent_time" if is_gap else "ambiguous_time"), change
        offered = refused.value.alternatives
        assert offered
        assert all(isinstance(slot, Slot) and slot.starts_at.tzinfo == change.zone for slot in offered)
        later = wall + timedelta(days=1)
        stale = as_said(datetime.fromisoformat(f"{later.isoformat()}{_iso(change.before)}"))
        with pytest.raises(Refusal) as refused:
            clinic.book(PERSON, when=stale, doctor=doctor, location=location, now=now)
        assert refused.value.code == "wrong_offset", change
        first = refused.value.alternatives[0]
        assert isinstance(first, Slot)
        assert first.starts_at.replace(tzinfo=None, fold=0) == stale.replace(tzinfo=None)


def test_the_first_of_two_passings_can_be_booked_once_it_is_named(
    open_always: tuple[Clinic, dict[str, tuple[str, str]]],
) -> None:
    """With its offset a time that comes twice is one moment, and its words say which."""
    clinic, places = open_always
    change = next(each for each in changes() if each.zone.key == "America/Chicago" and not each.is_gap)
    doctor, location = places["America/Chicago"]
    wall = (change.at + change.after).replace(tzinfo=None)
    first = as_said(datetime.fromisoformat(f"{wall.isoformat()}{_iso(change.before)}"))
    booking = clinic.book(PERSON, when=first, doctor=doctor, location=location, now=change.at - timedelta(days=4))
    assert booking.slot.instant == first
    assert "the first time that hour comes" in spoken_slot(booking.slot, home=CHICAGO)
    second = as_said(datetime.fromisoformat(f"{wall.isoformat()}{_iso(change.after)}"))
    with pytest.raises(Refusal) as refused:
        clinic.book(PERSON, when=second, doctor=doctor, location=location, now=change.at - timedelta(days=4))
    assert (refused.value.code, refused.value.alternatives) == ("ambiguous_time", (booking.slot,))


def test_today_is_the_clinics_own_around_midnight_in_every_zone() -> None:
    """One second before and after local midnight and midnight in UTC: weekday, date, time and zone of the place."""
    for zone in zones():
        midnight = datetime(2026, 11, 24, tzinfo=zone).astimezone(UTC)
        for middle in (midnight, datetime(2026, 11, 24, tzinfo=UTC)):
            for now in (middle - timedelta(seconds=1), middle, middle + timedelta(seconds=1)):
                here = now.astimezone(zone)
                said = clock_words(now, places={"Place": zone}, home=zone)
                assert f"Today is {here:%A, %B} {here.day}, {here.year} ({here.date().isoformat()})" in said
                assert f"({here:%H:%M})" in said
                assert zone.key in said
                assert f"tomorrow is {here + timedelta(days=1):%A %Y-%m-%d}," in said


def test_a_place_in_another_zone_says_so() -> None:
    """Its slot has its own time and the clinic's, with the date where it is another; so has the clock."""
    slot = Slot(starts_at=datetime(2026, 11, 24, 8, 0, tzinfo=KOLKATA), doctor="D", location="L")
    assert spoken_slot(slot, home=CHICAGO) == (
        "Tuesday, November 24, 2026, 8:00 AM Kolkata time, which is 8:30 PM on Monday, November 23, 2026 Chicago time"
    )
    assert spoken_slot(slot, home=KOLKATA) == "Tuesday, November 24, 2026, 8:00 AM Kolkata time"
    said = clock_words(
        datetime(2026, 11, 24, 0, 30, tzinfo=UTC), places={"Lake": CHICAGO, "Hill": KOLKATA}, home=CHICAGO
    )
    assert "Today is Monday, November 23, 2026" in said
    assert "At Hill it is Tuesday, November 24, 2026, 6:00 AM Kolkata time (Asia/Kolkata)." in said
    assert "At Lake" not in said


def test_noon_and_midnight_are_named() -> None:
    """12:00 AM and 12:00 PM are said with the word that nobody mistakes."""
    noon = Slot(starts_at=datetime(2026, 11, 24, 12, 0, tzinfo=CHICAGO), doctor="D", location="L")
    midnight = Slot(starts_at=datetime(2026, 11, 24, 0, 0, tzinfo=CHICAGO), doctor="D", location="L")
    assert "12:00 PM (noon)" in spoken_slot(noon, home=CHICAGO)
    assert "12:00 AM (midnight)" in spoken_slot(midnight, home=CHICAGO)


def test_zones_are_those_of_the_pinned_package() -> None:
    """The system's zones are not read, and the release can be named."""
    use_pinned_zones()
    assert zoneinfo.TZPATH == ()
    assert zones_version().startswith("20")
    assert is_zone("Africa/Casablanca")
    assert not is_zone("America/Jane_Doe")
    assert not is_zone("../etc/passwd")


@pytest.mark.parametrize(
    ("names", "country"),
    [
        (["America/Chicago", "America/New_York"], "US"),
        (["Europe/Madrid"], "ES"),
        (["Asia/Calcutta"], "IN"),
        (["America/Toronto", "America/Toronto", "America/Chicago"], "CA"),
        (["UTC"], None),
    ],
    ids=["us", "es", "in-by-its-old-name", "most-of-them", "none"],
)
def test_the_country_is_where_the_zones_are(names: list[str], country: str | None) -> None:
    """A zone's country by the database's own table; a zone without one has none."""
    assert country_of(names) == country
