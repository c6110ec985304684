from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from medagent.clinic import Clinic, Patient, Refusal, seed_demo
from medagent.clinic.clinic import HORIZON
from medagent.clinic.schema import CANCELLED, AppointmentRow, HolidayRow, LocationRow, PatientRow

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")
OKAFOR, LINDQVIST, RAMAN = "Dr. Amara Okafor", "Dr. Henrik Lindqvist", "Dr. Priya Raman"
MAIN, HARBOR = "Lakeside Main Street", "Lakeside Harbor View"
PATIENT = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    path: Path = tmp_path_factory.mktemp("quiet") / "clinic.db"
    clinic = Clinic.open(f"sqlite:///{path}")
    seed_demo(clinic, now=NOW)
    yield clinic
    clinic.close()


@settings(max_examples=60, deadline=None)
@given(
    now=st.integers(0, 730 * 86_400).map(lambda after: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=after)),
    ahead=st.integers(-400, 400),
    length=st.integers(0, 10),
    doctor=st.sampled_from([None, OKAFOR, LINDQVIST, RAMAN]),
    location=st.sampled_from([None, MAIN, HARBOR]),
)
def test_what_is_offered_can_be_kept(  # noqa: PLR0917  # Hypothesis names them all
    quiet: Clinic, now: datetime, ahead: int, length: int, doctor: str | None, location: str | None
) -> None:
    """Never past, never over a year ahead, never on a holiday, always in the range, the hours and the choice made."""
    closed = set(quiet.database.read(lambda session: session.scalars(select(HolidayRow.date)).all()))
    first = now.date() + timedelta(days=ahead)
    last = first + timedelta(days=length)
    for slot in quiet.free_slots(now=now, first=first, last=last, doctor=doctor, location=location):
        wall = slot.starts_at
        assert now < slot.instant <= now + HORIZON
        assert first <= wall.date() <= last
        assert wall.date() not in closed
        assert wall.weekday() < 6
        assert time(8, 30) <= wall.time() <= time(16, 30)
        assert wall.minute in (0, 30)
        assert slot.doctor == (doctor or slot.doctor)
        assert slot.location == (location or slot.location)
        assert slot in quiet.slots_at(wall, now=now, doctor=doctor, location=location)


def test_the_clock_decides_what_is_past(quiet: Clinic) -> None:
    """At 10:00 sharp the 10:00 slot is gone, a second before it is there; the calendar's day is the clinic's."""
    ten = datetime(2026, 11, 24, 10, tzinfo=CHICAGO)
    before, at = ten - timedelta(seconds=1), ten
    assert quiet.free_slots(now=before, doctor=OKAFOR)[0].starts_at == ten
    assert quiet.free_slots(now=at, doctor=OKAFOR)[0].starts_at == ten + timedelta(minutes=30)
    evening = datetime(2026, 11, 23, 23, 0, tzinfo=CHICAGO)
    assert quiet.free_slots(now=evening, doctor=OKAFOR)[0].starts_at.date() == date(2026, 11, 24)


@pytest.mark.parametrize(
    ("when", "doctor", "location", "code"),
    [
        ("2026-11-20T10:30", OKAFOR, None, "past_date"),
        ("2027-11-22T10:00", OKAFOR, None, "too_far_ahead"),
        ("2026-11-24T10:10", OKAFOR, None, "off_grid"),
        ("2026-11-24T10:00:01", OKAFOR, None, "off_grid"),
        ("2026-11-26T10:00", OKAFOR, None, "closed_day"),
        ("2026-11-22T10:00", OKAFOR, None, "closed_day"),
        ("2026-11-24T10:00", OKAFOR, HARBOR, "closed_day"),
        ("2026-11-24T12:00", OKAFOR, None, "outside_hours"),
        ("2026-11-24T17:00", OKAFOR, None, "outside_hours"),
        ("2026-11-24T10:00", "nobody", None, "doctor_not_at_location"),
        ("2026-11-24T15:00+00:00", OKAFOR, None, None),
        ("2026-11-24T09:00-06:00", OKAFOR, None, None),
        ("2026-11-24T09:00", OKAFOR, MAIN, None),
        ("2026-11-24T16:30", OKAFOR, None, None),
    ],
)
def test_a_time_is_a_slot_or_the_refusal_says_why(
    quiet: Clinic, when: str, doctor: str, location: str | None, code: str | None
) -> None:
    """A naive time is the clinic's own; every kind of wrong time has its own word."""
    if code is None:
        (slot,) = quiet.slots_at(local(when), now=NOW, doctor=doctor, location=location)
        assert slot.doctor == doctor
        return
    with pytest.raises(Refusal) as refused:
        quiet.slots_at(local(when), now=NOW, doctor=doctor, location=location)
    assert refused.value.code == code
    with pytest.raises(Refusal):
        quiet.book(PATIENT, when=local(when), doctor=doctor, location=location, now=NOW)
    assert quiet.database.read(lambda session: session.scalars(select(AppointmentRow)).all()) == []


def test_a_time_is_read_in_the_zone_of_its_place(clinic: Clinic) -> None:
    """Two places in two zones: ten o'clock is ten o'clock there, and "any place" finds only the doctor's own."""
    clinic.database.write(
        lambda session: session.execute(
            update(LocationRow).where(LocationRow.name == HARBOR).values(time_zone="America/New_York")
        )
    )
    thursday, tuesday = local("2026-12-03T10:00"), local("2026-12-01T10:00")
    (harbor,) = clinic.slots_at(thursday, now=NOW, doctor=OKAFOR)
    (main,) = clinic.slots_at(tuesday, now=NOW, doctor=OKAFOR)
    assert (harbor.location, harbor.starts_at.isoformat()) == (HARBOR, "2026-12-03T10:00:00-05:00")
    assert (main.location, main.starts_at.isoformat()) == (MAIN, "2026-12-01T10:00:00-06:00")


def test_a_booked_slot_is_offered_no_more_until_it_is_cancelled(clinic: Clinic) -> None:
    """And what is cancelled is free again, for another patient too."""
    slot = clinic.free_slots(now=NOW, doctor=OKAFOR)[0]
    booking = clinic.book(PATIENT, when=slot.starts_at, doctor=OKAFOR, now=NOW)
    assert booking.slot == slot
    assert not clinic.is_free(slot)
    assert slot not in clinic.free_slots(now=NOW)
    clinic.database.write(lambda session: session.execute(update(AppointmentRow).values(status=CANCELLED)))
    assert clinic.free_slots(now=NOW, doctor=OKAFOR)[0] == slot
    other = Patient(name="Testo Other", dob=date(1990, 2, 2), phone="+13125550143")
    assert clinic.book(other, when=slot.starts_at, doctor=OKAFOR, now=NOW).confirmation_id != booking.confirmation_id


def test_a_refused_slot_comes_with_others_that_can_be_booked(clinic: Clinic) -> None:
    """What is offered instead is free: the first of it is booked at once."""
    when = local("2026-11-24T10:00")
    clinic.book(PATIENT, when=when, doctor=OKAFOR, now=NOW)
    other = Patient(name="Testo Other", dob=date(1990, 2, 2), phone="+13125550143")
    with pytest.raises(Refusal) as refused:
        clinic.book(other, when=when, doctor=OKAFOR, now=NOW)
    assert refused.value.code == "slot_taken"
    instead = refused.value.alternatives[0]
    assert not isinstance(instead, str)
    assert clinic.book(other, when=instead.starts_at, doctor=OKAFOR, now=NOW).slot == instead


def test_an_id_that_is_taken_is_drawn_again(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are random, so one day one comes twice: the booking gets another, the caller notices nothing."""
    drawn = iter(["LC-K7M4Q9", "LC-K7M4Q9", "LC-8K4M9Q"])
    monkeypatch.setattr("medagent.clinic.booking.new_confirmation_id", lambda: next(drawn))
    times = [slot.starts_at for slot in clinic.free_slots(now=NOW, doctor=OKAFOR, limit=2)]
    ids = [clinic.book(PATIENT, when=when, doctor=OKAFOR, now=NOW).confirmation_id for when in times]
    assert ids == ["LC-K7M4Q9", "LC-8K4M9Q"]


def test_a_patient_is_known_again_and_only_gaps_are_filled(clinic: Clinic) -> None:
    """Another spelling of the same name is the same patient; an address once given is not replaced by a voice."""
    times = [slot.starts_at for slot in clinic.free_slots(now=NOW, doctor=OKAFOR)]
    clinic.book(PATIENT, when=times[0], doctor=OKAFOR, now=NOW)
    for name, email in (("testa  PLANTEDNAME", "first@example.com"), ("Testa Plantedname", "second@example.com")):
        again = Patient(name=name, dob=PATIENT.dob, phone=PATIENT.phone, email=email)
        clinic.book(again, when=times.pop(), doctor=OKAFOR, now=NOW)
    kept = clinic.database.read(lambda session: session.execute(select(PatientRow.name, PatientRow.email)).all())
    assert kept == [("Testa Plantedname", "first@example.com")]
