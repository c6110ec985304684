import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sqlalchemy import func, select

from medagent.clinic import Clinic, Patient, Refusal, seed_demo
from medagent.clinic.schema import AppointmentRow, PatientRow
from processes import fresh_processes

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
TUESDAY_TEN = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001  # local, as a caller says it
OKAFOR, RAMAN = "Dr. Amara Okafor", "Dr. Priya Raman"


def person(number: int) -> Patient:
    return Patient(name=f"Testa Person{number}", dob=date(1980, 1, 31), phone=f"+1312555{100 + number:04d}")


def attempt(clinic: Clinic, patient: Patient, when: datetime = TUESDAY_TEN, doctor: str = OKAFOR) -> str:
    try:
        return clinic.book(patient, when=when, doctor=doctor, now=NOW).confirmation_id
    except Refusal as refusal:
        return refusal.code


def all_at_once(jobs: list[Any]) -> list[str]:
    gate = threading.Barrier(len(jobs))

    def run(job: Any) -> str:
        gate.wait()
        return str(job())

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def rows(clinic: Clinic, table: type) -> int:
    return clinic.database.read(lambda session: session.scalars(select(func.count()).select_from(table)).one())


def test_of_many_threads_one_gets_the_slot(clinic: Clinic) -> None:
    """Twelve callers, one slot: one confirmation, eleven times "slot_taken", one row."""
    answers = all_at_once([lambda n=n: attempt(clinic, person(n)) for n in range(12)])
    assert Counter(answers)["slot_taken"] == 11
    assert rows(clinic, AppointmentRow) == 1


def test_a_replayed_call_gets_its_own_booking_even_at_the_same_moment(clinic: Clinic) -> None:
    """One caller's call twelve times at once: one id for all, one appointment, one patient."""
    answers = all_at_once([lambda: attempt(clinic, person(1)) for _ in range(12)])
    assert len(set(answers)) == 1
    assert answers[0].startswith("LC-")
    assert (rows(clinic, AppointmentRow), rows(clinic, PatientRow)) == (1, 1)


def test_nobody_sees_two_doctors_at_once(clinic: Clinic) -> None:
    """One patient, two doctors, one time, at the same moment: one booking and one "patient_busy"."""
    answers = all_at_once([lambda d=d: attempt(clinic, person(1), doctor=d) for d in (OKAFOR, RAMAN) * 4])
    assert Counter(answers)["patient_busy"] == 4
    assert rows(clinic, AppointmentRow) == 1


def test_callers_for_different_slots_all_get_theirs(clinic: Clinic) -> None:
    """A crowd that wants different things waits for the lock and is served: no error, no refusal."""
    slots = clinic.free_slots(now=NOW, doctor=OKAFOR, limit=16)
    answers = all_at_once([lambda n=n, s=s: attempt(clinic, person(n), s.instant) for n, s in enumerate(slots)])
    assert len({each for each in answers if each.startswith("LC-")}) == 16


def book_in_a_process(url: str, number: int, gate: Barrier, answers: Any) -> None:
    gate.wait()
    clinic = Clinic.open(url)
    seed_demo(clinic, now=NOW)
    answers.put(attempt(clinic, person(number)))
    clinic.close()


def test_of_many_processes_one_gets_the_slot(clinic_url: str) -> None:
    """Five processes that find no file, make it, fill it and book one slot: one wins, four are told it is taken."""
    context = fresh_processes()
    gate, answers = context.Barrier(5), context.Queue()
    workers = [context.Process(target=book_in_a_process, args=(clinic_url, n, gate, answers)) for n in range(5)]
    for worker in workers:
        worker.start()
    heard = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert Counter(heard)["slot_taken"] == 4
    clinic = Clinic.open(clinic_url)
    assert rows(clinic, AppointmentRow) == 1
    clinic.close()


def test_the_database_itself_refuses_a_second_booking(clinic: Clinic) -> None:
    """Past all checks of the code: the index alone stops a second booked row, and lets a cancelled one be."""
    attempt(clinic, person(1))
    columns = "doctor_id, location_id, {patient}, starts_at, duration, '{status}', '{id}', created_at"
    into = "doctor_id, location_id, patient_id, starts_at, duration, status, confirmation_id, created_at"
    attempt(clinic, person(2), datetime(2026, 11, 24, 11, 0))  # noqa: DTZ001  # another patient, to hold the copy
    for status, sound in (("cancelled", True), ("booked", False)):
        chosen = columns.format(patient=2, status=status, id=f"LC-{status}")
        copy = f"INSERT INTO appointments ({into}) SELECT {chosen} FROM appointments WHERE patient_id = 1"
        assert _accepted(clinic, copy) is sound


def _accepted(clinic: Clinic, statement: str) -> bool:
    from medagent.errors import ClinicError

    try:
        clinic.database.write(lambda session: session.connection().exec_driver_sql(statement))
    except ClinicError:
        return False
    return True
