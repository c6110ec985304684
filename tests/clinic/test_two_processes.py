"""Two processes that answer two callers at the same moment, on SQLite and on PostgreSQL."""

from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from medagent.clinic import Clinic
from medagent.clinic.schema import BOOKED, AppointmentRow, LocationRow, PatientRow
from medagent.tools import TOOLS, invoke
from processes import fresh_processes

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
ROUNDS = 6
OKAFOR, RAMAN = {"doctor_name": "Dr. Amara Okafor"}, {"doctor_name": "Dr. Priya Raman"}
BOOK = next(tool for tool in TOOLS if tool.name == "book_appointment")


def answer_calls(url: str, calls: list[dict[str, str]], gate: Barrier, answers: Any, name: str) -> None:
    """One process: a call a round, each begun together with the other's."""
    clinic = Clinic.open(url)
    heard = []
    for arguments in calls:
        gate.wait(60)
        heard.append(invoke(BOOK, arguments, clinic=clinic, now=NOW))
    clinic.close()
    answers.put((name, heard))


def both(url: str, first: list[dict[str, str]], second: list[dict[str, str]]) -> list[tuple[Any, Any]]:
    """What each of two processes heard, round by round."""
    context = fresh_processes()
    gate, answers = context.Barrier(2), context.Queue()
    workers = [
        context.Process(target=answer_calls, args=(url, calls, gate, answers, name))
        for name, calls in (("first", first), ("second", second))
    ]
    for worker in workers:
        worker.start()
    heard = dict(answers.get(timeout=120) for _ in workers)
    for worker in workers:
        worker.join()
    return list(zip(heard["first"], heard["second"], strict=True))


@pytest.fixture
def slots(clinic: Clinic) -> list[str]:
    """Starts at which both doctors sit, one a round."""
    okafor = {slot.instant: slot for slot in clinic.free_slots(now=NOW, doctor=OKAFOR["doctor_name"], limit=200)}
    raman = {slot.instant for slot in clinic.free_slots(now=NOW, doctor=RAMAN["doctor_name"], limit=200)}
    return [okafor[at].starts_at.isoformat() for at in sorted(raman & set(okafor))][:ROUNDS]


def rows(clinic: Clinic, *columns: Any) -> list[tuple[Any, ...]]:
    found = select(*columns)
    if AppointmentRow.starts_at in columns:
        found = found.where(AppointmentRow.status == BOOKED)
    return clinic.database.read(lambda session: [tuple(row) for row in session.execute(found)])


def test_of_two_callers_for_one_slot_one_wins_and_the_other_hears_the_next(
    clinic: Clinic, clinic_url: str, slots: list[str]
) -> None:
    """Every round: one confirmation, one refusal with later free times of the same doctor; no slot is lost or twice."""

    def calls(name: str, phone: str) -> list[dict[str, str]]:
        person = {"patient_name": name, "phone": phone, "dob": "1980-01-31"}
        return [{**person, **OKAFOR, "appointment_datetime": at} for at in slots]

    heard = both(clinic_url, calls("Testa Ashgrove", "+525555501142"), calls("Otto Birch", "312 555 0143"))
    for at, pair in zip(slots, heard, strict=True):
        assert sorted(answer["outcome"] for answer in pair) == ["ok", "refused"]
        lost = next(answer for answer in pair if answer["outcome"] == "refused")
        assert lost["error_type"] == "slot_taken"
        offered = [each["appointment_datetime"] for each in lost["alternatives"]]
        assert offered
        assert all(datetime.fromisoformat(each) > datetime.fromisoformat(at) for each in offered)
        assert {each["doctor_name"] for each in lost["alternatives"]} == set(OKAFOR.values())
    assert len(rows(clinic, AppointmentRow.starts_at)) == len(slots)


@pytest.mark.parametrize("same_doctor", [True, False], ids=["one-doctor", "two-doctors"])
def test_two_spellings_of_one_person_hold_one_booking(
    clinic: Clinic, clinic_url: str, slots: list[str], same_doctor: bool
) -> None:
    """At the same moment from two lines: with one doctor both hear one id, with two doctors one is refused."""
    person = {"dob": "1980-01-31", "phone": "312 555 0142"}
    spellings = ("José O’Plantedname", "o'plantedname, jose")
    doctors = (OKAFOR, OKAFOR if same_doctor else RAMAN)
    first, second = (
        [{**person, **doctor, "patient_name": name, "appointment_datetime": at} for at in slots]
        for name, doctor in zip(spellings, doctors, strict=True)
    )
    for pair in both(clinic_url, first, second):
        if same_doctor:
            assert {answer["outcome"] for answer in pair} == {"ok"}
            assert len({answer["confirmation_id"] for answer in pair}) == 1
        else:
            assert sorted(str(answer.get("error_type")) for answer in pair) == ["None", "patient_busy"]
    assert len(rows(clinic, PatientRow.id)) == 1
    assert len(rows(clinic, AppointmentRow.starts_at)) == len(slots)


def test_slots_that_overlap_by_a_quarter_are_not_both_booked(clinic: Clinic, clinic_url: str) -> None:
    """No index can see it: ten o'clock in Kolkata and half past ten in Kathmandu, one patient, two doctors."""
    clinic.database.write(
        lambda session: [
            session.execute(update(LocationRow).where(LocationRow.name.like(f"%{place}%")).values(time_zone=zone))
            for place, zone in (("Main", "Asia/Kolkata"), ("Harbor", "Asia/Kathmandu"))
        ]
    )
    days = ("2026-11-23", "2026-11-24", "2026-11-30", "2026-12-01")
    person = {"dob": "1980-01-31", "phone": "+525555501142", "patient_name": "Testa Plantedname"}
    first = [{**person, **OKAFOR, "clinic_location": "Main", "appointment_datetime": f"{day}T10:00"} for day in days]
    second = [{**person, **RAMAN, "clinic_location": "Harbor", "appointment_datetime": f"{day}T10:30"} for day in days]
    for pair in both(clinic_url, first, second):
        assert sorted(str(answer.get("error_type")) for answer in pair) == ["None", "patient_busy"]
