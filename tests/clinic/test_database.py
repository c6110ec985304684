import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import inspect, make_url, select, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from medagent.clinic import Clinic, Patient, seed_demo
from medagent.clinic.schema import AppointmentRow, Base, DoctorRow, HolidayRow, ScheduleRow, UtcDateTime
from medagent.errors import ClinicError

PLANTED = "Testa Plantedname"
PATIENT = Patient(name=PLANTED, dob=date(1980, 1, 31), phone="+13125550142")
WHEN = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001  # local, as a caller says it


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def execute(clinic: Clinic, *statements: str) -> None:
    clinic.database.write(lambda session: [session.connection().exec_driver_sql(each) for each in statements])


def test_only_the_owner_can_read_the_database(sqlite_url: str, now: datetime) -> None:
    """The directory is 0700; the file, its log and its index are 0600."""
    clinic = Clinic.open(sqlite_url)
    seed_demo(clinic, now=now)
    clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=now)
    path = file_of(sqlite_url)
    modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
    clinic.close()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert modes == {"clinic.db": 0o600, "clinic.db-wal": 0o600, "clinic.db-shm": 0o600}


def test_an_open_directory_and_file_are_tightened(tmp_path: Path) -> None:
    """What somebody left readable is not left so."""
    path = tmp_path / "wide" / "clinic.db"
    path.parent.mkdir(mode=0o755)
    path.touch(mode=0o644)
    Clinic.open(f"sqlite:///{path}").close()
    assert (path.parent.stat().st_mode & 0o777, path.stat().st_mode & 0o777) == (0o700, 0o600)


def test_a_directory_shared_by_all_is_refused(tmp_path: Path) -> None:
    """A sticky directory such as /tmp is neither used nor taken from the others."""
    tmp_path.chmod(0o1777)
    with pytest.raises(ClinicError, match="shared"):
        Clinic.open(f"sqlite:///{tmp_path / 'clinic.db'}")
    assert tmp_path.stat().st_mode & 0o7777 == 0o1777


@pytest.mark.parametrize(
    "bad",
    [
        "sqlite://",
        "sqlite:///:memory:",
        "not a url hunter2",
        "nodialect://user:hunter2@host/db",
        "mysql+pymysql://user:hunter2@127.0.0.1:1/db",
        "sqlite:////dev/null/hunter2/clinic.db",
        "postgresql+psycopg://user:hunter2@127.0.0.1:1/hunter2",
    ],
)
def test_a_url_that_cannot_be_opened_is_an_error_that_does_not_quote_it(bad: str) -> None:
    """A password in the URL is not in the error, nor in anything that hangs on it."""
    with pytest.raises(ClinicError) as refused:
        Clinic.open(bad)
    error = refused.value
    assert "hunter2" not in "".join(traceback.format_exception(error)).replace(bad, "") + error.diagnostics()
    assert error.__cause__ is None


def test_a_file_that_is_no_database_is_an_error(sqlite_url: str) -> None:
    """Fail closed, with our error."""
    file_of(sqlite_url).parent.mkdir(mode=0o700)
    file_of(sqlite_url).write_bytes(b"something else entirely" * 100)
    with pytest.raises(ClinicError):
        Clinic.open(sqlite_url)


RAISING = {
    "sqlite": ("CREATE TRIGGER tell BEFORE INSERT ON patients BEGIN SELECT RAISE(ABORT, 'no room for {}'); END",),
    "postgresql": (
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no room for {}'; END $$",
        "CREATE TRIGGER tell BEFORE INSERT ON patients FOR EACH ROW EXECUTE FUNCTION tell()",
    ),
}


@pytest.mark.parametrize("missing_table", [False, True])
def test_what_the_driver_says_of_a_patient_stays_inside(
    clinic_url: str, clinic: Clinic, now: datetime, missing_table: bool
) -> None:
    """The database fails with a message that quotes the patient: neither the error nor its chain has the name."""
    breaking = (
        ("ALTER TABLE patients RENAME TO gone",) if missing_table else RAISING[make_url(clinic_url).get_backend_name()]
    )
    execute(clinic, *(each.format(PLANTED) for each in breaking))
    with pytest.raises(ClinicError) as failed:
        clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=now)
    error = failed.value
    assert PLANTED not in repr(error) + error.diagnostics()
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_name_that_cannot_be_stored_is_an_error_without_it(clinic: Clinic, now: datetime) -> None:
    """A lone surrogate does not reach the disk, and the encoder's complaint, which holds the name, is not chained."""
    with pytest.raises(ClinicError) as failed:
        clinic.book(replace(PATIENT, name=PLANTED + "\udc80"), when=WHEN, doctor="Dr. Amara Okafor", now=now)
    assert failed.value.__context__ is None


def test_a_patient_has_no_repr() -> None:
    """A patient in a log line or an assertion shows nothing."""
    assert "Planted" not in f"{PATIENT} {PATIENT!r}"


def test_an_instant_is_stored_as_utc_and_a_naive_time_not_at_all(clinic: Clinic, now: datetime) -> None:
    """What is read back is aware; `UtcDateTime` refuses what names no instant."""
    clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=now)
    (starts_at,) = clinic.database.read(lambda session: session.scalars(select(AppointmentRow.starts_at)).all())
    assert starts_at.isoformat() == "2026-11-24T16:00:00+00:00"
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(WHEN, sqlite.dialect())


def test_foreign_keys_hold(clinic: Clinic) -> None:
    """SQLite checks them only when it is told to: it was told."""
    with pytest.raises(ClinicError):
        clinic.database.write(lambda s: s.execute(text("UPDATE schedule SET doctor_id = 999")))


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_only_booked_appointments_are_unique_in_both_databases(name: str) -> None:
    """The guarantee against double booking is an index with a condition, wherever the clinic is stored."""
    dialect = make_url(f"{name}://").get_dialect()()
    indexes = Base.metadata.tables["appointments"].indexes
    made = {index.name: str(CreateIndex(index).compile(dialect=dialect)) for index in indexes}
    assert set(made) == {"one_booking_per_doctor", "one_booking_per_patient"}
    assert all("UNIQUE" in each and each.endswith("WHERE status = 'booked'") for each in made.values())


@pytest.mark.timing
def test_the_demo_is_put_in_once(clinic_url: str, clinic: Clinic, now: datetime) -> None:
    """Seeding again, and again from eight threads that open the same file, changes nothing."""

    def counts() -> list[int]:
        tables = (DoctorRow, ScheduleRow, HolidayRow)
        return clinic.database.read(lambda session: [len(session.scalars(select(each)).all()) for each in tables])

    def open_and_seed() -> None:
        other = Clinic.open(clinic_url)
        seed_demo(other, now=now)
        other.close()

    before = counts()
    threads = [threading.Thread(target=open_and_seed) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts() == before
    assert before[0] == 3


@pytest.mark.timing
def test_an_empty_database_can_be_opened_by_many_at_once(clinic_url: str) -> None:
    """Twelve agents start on it at the same moment: the tables are made once, nobody sees an error."""
    gate = threading.Barrier(12)

    def open_it(_: int) -> bool:
        gate.wait()
        Clinic.open(clinic_url).close()
        return True

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(open_it, range(12)))


def test_the_demo_knows_the_holidays_of_three_years(clinic: Clinic) -> None:
    """This year's and the next two's, so that a year ahead is always covered."""
    days = clinic.database.read(lambda session: session.scalars(select(HolidayRow.date)).all())
    assert {day.year for day in days} == {2026, 2027, 2028}
    assert date(2027, 11, 25) in days


def test_the_schema_is_all_there(clinic: Clinic) -> None:
    """Opening creates every table that the code knows."""
    there = clinic.database.read(lambda session: inspect(session.connection()).get_table_names())
    assert set(there) == set(Base.metadata.tables)


def test_the_clock_may_be_in_any_zone(clinic: Clinic, now: datetime) -> None:
    """The same instant from another zone gives the same slots."""
    assert clinic.free_slots(now=now) == clinic.free_slots(now=now.astimezone(UTC).astimezone())
