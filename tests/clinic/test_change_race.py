import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from medagent.clinic import Booking, Clinic, Patient, Refusal, VerifiedPatient, seed_demo
from medagent.clinic.schema import BOOKED, AppointmentRow, ChangeRow
from processes import fresh_processes

pytestmark = pytest.mark.timing

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
WANTED = datetime(2026, 11, 24, 16, 30)  # noqa: DTZ001  # local, as a caller says it
OKAFOR, RAMAN = "Dr. Amara Okafor", "Dr. Priya Raman"


def person(number: int) -> Patient:
    return Patient(name=f"Testa Person{number}", dob=date(1980, 1, 31), phone=f"+1312555{100 + number:04d}")


def all_booked(clinic: Clinic, count: int) -> list[tuple[VerifiedPatient, Booking]]:
    slots = clinic.free_slots(now=NOW, doctor=OKAFOR, limit=count)
    made = [clinic.book(person(n), when=s.starts_at, doctor=OKAFOR, now=NOW) for n, s in enumerate(slots)]
    return [(clinic.verify(dob=person(0).dob, confirmation_id=each.confirmation_id), each) for each in made]


def said(job: Callable[[], Booking]) -> str:
    try:
        return job().confirmation_id
    except Refusal as refusal:
        return refusal.code


def all_at_once(jobs: Sequence[Callable[[], Booking]]) -> list[str]:
    gate = threading.Barrier(len(jobs))

    def run(job: Callable[[], Booking]) -> str:
        gate.wait()
        return said(job)

    with ThreadPoolExecutor(len(jobs)) as pool:
        return list(pool.map(run, jobs))


def starts(clinic: Clinic) -> Counter[datetime]:
    booked = select(AppointmentRow.starts_at).where(AppointmentRow.status == BOOKED)
    return Counter(clinic.database.read(lambda session: session.scalars(booked).all()))


def test_of_many_movers_one_gets_the_slot_and_the_others_keep_theirs(clinic: Clinic) -> None:
    """Ten appointments, one wanted slot: one moves, nine are refused and stay where they were; nothing is lost."""
    mine = all_booked(clinic, 10)
    answers = all_at_once([partial(clinic.reschedule, patient, to=WANTED, now=NOW) for patient, _ in mine])
    assert Counter(answers)["slot_taken"] == 9
    now_at = starts(clinic)
    assert len(now_at) == 10
    assert set(now_at.values()) == {1}
    assert len(set(now_at) & {each.slot.instant for _, each in mine}) == 9


def test_a_mover_and_a_booker_do_not_share_a_slot(clinic: Clinic) -> None:
    """Five move to a slot that five others book: one of the ten has it."""
    mine = all_booked(clinic, 5)
    movers = [partial(clinic.reschedule, patient, to=WANTED, now=NOW) for patient, _ in mine]
    bookers = [partial(clinic.book, person(20 + n), when=WANTED, doctor=OKAFOR, now=NOW) for n in range(5)]
    assert Counter(all_at_once([*movers, *bookers]))["slot_taken"] == 9
    assert set(starts(clinic).values()) == {1}


def test_two_who_swap_at_once_never_share_a_slot(clinic: Clinic) -> None:
    """Each wants what the other has: no answer is an error, and whatever happens each has one slot of their own."""
    (first, a), (second, b) = all_booked(clinic, 2)
    answers = all_at_once(
        [
            lambda: clinic.reschedule(first, to=b.slot.starts_at, now=NOW),
            lambda: clinic.reschedule(second, to=a.slot.starts_at, now=NOW),
        ]
        * 3
    )
    assert set(answers) <= {"slot_taken", a.confirmation_id, b.confirmation_id}
    assert len(starts(clinic)) == 2


def test_one_cancellation_and_one_move_are_one_after_the_other(clinic: Clinic) -> None:
    """At the same moment for one appointment: it ends cancelled, the mover either came before or is told so."""
    ((patient, booking),) = all_booked(clinic, 1)
    answers = all_at_once(
        [lambda: clinic.cancel(patient, now=NOW), lambda: clinic.reschedule(patient, to=WANTED, now=NOW)] * 4
    )
    assert set(answers) <= {booking.confirmation_id, "no_such_appointment"}
    assert starts(clinic) == Counter()
    kept = clinic.database.read(lambda session: session.scalars(select(ChangeRow.is_at).order_by(ChangeRow.id)).all())
    assert kept[-1] is None
    assert len(kept) <= 2


def test_a_replayed_change_is_one_change_even_at_the_same_moment(clinic: Clinic) -> None:
    """One move eight times at once, then one cancellation eight times at once: one line of history each."""
    ((patient, booking),) = all_booked(clinic, 1)
    for job in (
        lambda: clinic.reschedule(patient, to=WANTED, now=NOW),
        lambda: clinic.cancel(patient, now=NOW),
    ):
        assert set(all_at_once([job] * 8)) == {booking.confirmation_id}
    lines = clinic.database.read(lambda session: len(session.scalars(select(ChangeRow)).all()))
    assert lines == 2


def test_a_patient_does_not_move_into_two_doctors_at_once(clinic: Clinic) -> None:
    """Two appointments of one patient, moved to one time with two doctors at the same moment: one gets there."""
    when = [slot.starts_at for slot in clinic.free_slots(now=NOW, doctor=OKAFOR, limit=2)]
    mine = [clinic.book(person(1), when=each, doctor=OKAFOR, now=NOW).confirmation_id for each in when]
    proved = [clinic.verify(dob=person(1).dob, confirmation_id=each) for each in mine]
    answers = all_at_once(
        [
            lambda: clinic.reschedule(proved[0], to=WANTED, now=NOW),
            lambda: clinic.reschedule(proved[1], to=WANTED, doctor=RAMAN, now=NOW),
        ]
    )
    assert Counter(answers)["patient_busy"] == 1
    assert len(starts(clinic)) == 2


def move_in_a_process(url: str, confirmation_id: str, gate: Barrier, answers: Any) -> None:
    clinic = Clinic.open(url)
    patient = clinic.verify(dob=person(0).dob, confirmation_id=confirmation_id)
    gate.wait()
    answers.put(said(lambda: clinic.reschedule(patient, to=WANTED, now=NOW)))
    clinic.close()


def test_of_many_processes_one_moves_into_the_slot(clinic_url: str) -> None:
    """Five processes, one wanted slot: one moves, four are told it is taken and lose nothing."""
    clinic = Clinic.open(clinic_url)
    seed_demo(clinic, now=NOW)
    mine = all_booked(clinic, 5)
    context = fresh_processes()
    gate, answers = context.Barrier(5), context.Queue()
    workers = [
        context.Process(target=move_in_a_process, args=(clinic_url, each.confirmation_id, gate, answers))
        for _, each in mine
    ]
    for worker in workers:
        worker.start()
    heard = [answers.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert Counter(heard)["slot_taken"] == 4
    assert len(starts(clinic)) == 5
    clinic.close()
