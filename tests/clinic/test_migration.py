from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, select, text

from medagent.clinic import Clinic, Patient, Refusal
from medagent.clinic.names import search_words
from medagent.clinic.schema import VERSION, AppointmentRow, ChangeRow, PatientRow, PatientWordRow, VersionRow
from medagent.errors import ClinicError

BEFORE = Path(__file__).parent / "before"
NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OKAFOR = "Dr. Amara Okafor"
BORN = {"Jose": date(1980, 1, 31), "Siobhan": date(1991, 5, 6), "Testa": date(1975, 5, 5)}


@pytest.fixture
def old_url(clinic_url: str) -> str:
    """A database that the code of version 1 made and filled: see the dumps in `before`."""
    url = make_url(clinic_url)
    rows = (BEFORE / "sqlite.sql").read_text(encoding="utf-8")
    if url.get_backend_name() == "sqlite":
        Path(str(url.database)).parent.mkdir(mode=0o700, parents=True)
    else:
        rows = (BEFORE / "postgresql.sql").read_text(encoding="utf-8") + _in_order(rows)
    engine = create_engine(url)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.connection.driver_connection.executescript(rows)  # type: ignore[union-attr]
        else:
            connection.exec_driver_sql("SET TIME ZONE 'UTC'")
            connection.connection.driver_connection.execute(rows)  # type: ignore[union-attr]
    engine.dispose()
    return clinic_url


def _in_order(dump: str) -> str:
    inserts = [line for line in dump.splitlines() if line.startswith("INSERT")]
    tables = ("locations", "doctors", "schedule", "holidays", "patients", "appointments", "changes")
    ordered = [line for table in tables for line in inserts if line.startswith(f'INSERT INTO "{table}"')]
    assert len(ordered) == len(inserts)
    kept = [f"SELECT setval('{table}_id_seq', 1000);" for table in tables]
    return "\n".join((*ordered, *kept))


@pytest.fixture
def taken_over(old_url: str) -> Iterator[Clinic]:
    clinic = Clinic.open(old_url)
    yield clinic
    clinic.close()


def patients(clinic: Clinic) -> list[tuple[int, str, str]]:
    rows = select(PatientRow.id, PatientRow.name, PatientRow.name_key).order_by(PatientRow.id)
    return [tuple(row) for row in clinic.database.read(lambda session: session.execute(rows).all())]  # type: ignore[misc]


def test_two_records_of_one_person_become_one(taken_over: Clinic) -> None:
    """José and Jose, born on one day with one number: one record has both appointments, and the change of one."""
    assert [row for row in patients(taken_over) if row[2] == "jose plantedname"] == [
        (1, "José Plantedname", "jose plantedname")
    ]
    rows = select(AppointmentRow.id, AppointmentRow.patient_id).where(AppointmentRow.patient_id < 3)
    assert set(taken_over.database.read(lambda session: session.execute(rows).all())) == {(1, 1), (2, 1)}
    assert len(taken_over.database.read(lambda session: session.scalars(select(ChangeRow)).all())) == 2
    jose = taken_over.verify(dob=BORN["Jose"], name="jose PLANTEDNAME", now=NOW)
    with pytest.raises(Refusal) as refused:
        taken_over.cancel(jose, now=NOW)
    assert refused.value.code == "several_appointments"


def test_records_with_appointments_at_one_time_stay_apart_and_lose_nothing(taken_over: Clinic) -> None:
    """Two spellings that were booked at the same moment: both records stay, and each id still opens its own."""
    kept = [row for row in patients(taken_over) if row[1].startswith("Siobhan")]
    assert [row[2] for row in kept] == ["oplanted siobhan", "oplanted siobhan 4"]
    with pytest.raises(Refusal):
        taken_over.verify(dob=BORN["Siobhan"], name="Siobhan O'Planted", now=NOW)
    rows = select(AppointmentRow.patient_id, AppointmentRow.confirmation_id)
    ids = dict(taken_over.database.read(lambda session: [tuple(row) for row in session.execute(rows)]))
    for patient_id in (3, 4):
        proved = taken_over.verify(dob=BORN["Siobhan"], confirmation_id=ids[patient_id], now=NOW)
        assert proved.patient_id == patient_id


def test_records_with_different_numbers_stay_apart(taken_over: Clinic) -> None:
    """A number is no identity, and another number is no proof of one person."""
    assert len([row for row in patients(taken_over) if row[1] == "Testa Plantedname"]) == 2
    by_phone = taken_over.verify(dob=BORN["Testa"], name="Testa Plantedname", phone="+13125550144", now=NOW)
    assert by_phone.patient_id == 5


def test_every_patient_can_be_searched_and_booked_again(taken_over: Clinic) -> None:
    """The words are there, the column is there, and the next booking is of the same person."""
    words = taken_over.database.read(
        lambda session: session.execute(select(PatientWordRow.patient_id, PatientWordRow.word)).all()
    )
    for number, name, _key in patients(taken_over):
        assert {word for owner, word in words if owner == number} == search_words(name)
    again = Patient(name="JOSE PLANTEDNAME", dob=BORN["Jose"], phone="+13125550142", extension="7")
    taken_over.book(again, when=datetime.fromisoformat("2026-11-30T10:00"), doctor=OKAFOR, now=NOW)
    kept = taken_over.database.read(
        lambda session: session.execute(select(PatientRow.name, PatientRow.extension).where(PatientRow.id == 1)).all()
    )
    assert kept == [("José Plantedname", "7")]


def test_it_is_taken_over_once(taken_over: Clinic, old_url: str) -> None:
    """A second opening changes nothing and finds the version."""
    before = patients(taken_over)
    again = Clinic.open(old_url)
    assert patients(again) == before
    assert again.database.read(lambda session: session.scalars(select(VersionRow.version)).all()) == [VERSION]
    again.close()


def test_a_later_version_is_refused(taken_over: Clinic, old_url: str) -> None:
    """What a later release made is not touched."""
    taken_over.database.write(lambda session: session.execute(text("UPDATE clinic_version SET version = 99")))
    with pytest.raises(ClinicError, match="version 99"):
        Clinic.open(old_url)


def test_an_old_database_lacks_what_the_new_one_has(old_url: str) -> None:
    """The dump is of version 1 indeed: no version, no words, no extension."""
    engine = create_engine(old_url)
    there = inspect(engine)
    assert "clinic_version" not in there.get_table_names()
    assert "extension" not in {column["name"] for column in there.get_columns("patients")}
    engine.dispose()
