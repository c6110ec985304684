from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import delete, select, update

from medagent.clinic import Booking, Clinic, Patient, Refusal, Slot, VerifiedPatient
from medagent.clinic.schema import BOOKED, AppointmentRow, ChangeRow, LocationRow

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OKAFOR, RAMAN = "Dr. Amara Okafor", "Dr. Priya Raman"
TESTA = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")
OTHER = Patient(name="Testo Other", dob=date(1990, 2, 2), phone="+13125550143")


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


TEN, ELEVEN, TWELVE = (local(f"2026-11-24T{clock}") for clock in ("10:00", "11:00", "11:30"))


def book(clinic: Clinic, when: datetime, patient: Patient = TESTA, doctor: str = OKAFOR) -> Booking:
    return clinic.book(patient, when=when, doctor=doctor, now=NOW)


def proved(clinic: Clinic, confirmation_id: str | None = None, patient: Patient = TESTA) -> VerifiedPatient:
    return clinic.verify(dob=patient.dob, confirmation_id=confirmation_id, name=patient.name)


def rows(clinic: Clinic) -> list[tuple[str, str, datetime]]:
    columns = select(AppointmentRow.confirmation_id, AppointmentRow.status, AppointmentRow.starts_at)
    return clinic.database.read(
        lambda session: [
            (kept, status, starts) for kept, status, starts in session.execute(columns.order_by(AppointmentRow.id))
        ]
    )


def changes(clinic: Clinic) -> int:
    return clinic.database.read(lambda session: len(session.scalars(select(ChangeRow)).all()))


def test_a_cancelled_slot_is_free_and_a_second_time_is_the_same_answer(clinic: Clinic) -> None:
    """By id or by name, with the time or without: one cancellation, one answer, one line of history."""
    booking = book(clinic, TEN)
    answers = [clinic.cancel(proved(clinic, booking.confirmation_id), now=NOW)]
    answers += [clinic.cancel(proved(clinic, booking.confirmation_id), when=TEN, now=NOW)]
    answers += [clinic.cancel(proved(clinic), when=when, now=NOW) for when in (None, TEN)]
    assert answers == [booking] * 4
    assert changes(clinic) == 1
    assert clinic.is_free(booking.slot)
    assert book(clinic, TEN, OTHER).slot == booking.slot


def test_a_replay_means_the_last_cancellation(clinic: Clinic) -> None:
    """Of two cancelled appointments, "cancel it" again answers with the one cancelled last."""
    first, second = book(clinic, TEN), book(clinic, ELEVEN)
    clinic.cancel(proved(clinic), when=ELEVEN, now=NOW)
    assert clinic.cancel(proved(clinic), now=NOW) == first
    assert clinic.cancel(proved(clinic), now=NOW) == first
    assert clinic.cancel(proved(clinic), when=ELEVEN, now=NOW) == second


def test_a_moved_appointment_keeps_its_id_and_frees_its_slot(clinic: Clinic) -> None:
    """The old slot is bookable, the new one is not; the row, the id and the patient stay."""
    booking = book(clinic, TEN)
    moved = clinic.reschedule(proved(clinic, booking.confirmation_id), to=ELEVEN, now=NOW)
    assert moved.confirmation_id == booking.confirmation_id
    assert (moved.slot.starts_at.isoformat(), moved.slot.doctor) == ("2026-11-24T11:00:00-06:00", OKAFOR)
    assert clinic.is_free(booking.slot)
    assert not clinic.is_free(moved.slot)
    assert rows(clinic) == [(booking.confirmation_id, BOOKED, moved.slot.instant)]


def test_a_move_that_is_asked_twice_is_one_move(clinic: Clinic) -> None:
    """By id or by name, naming the time that it left or not: the same answer, one line of history."""
    booking = book(clinic, TEN)
    moved = clinic.reschedule(proved(clinic), when=TEN, to=ELEVEN, now=NOW)
    for confirmation_id in (None, booking.confirmation_id):
        for when in (None, TEN):
            assert clinic.reschedule(proved(clinic, confirmation_id), when=when, to=ELEVEN, now=NOW) == moved
    assert changes(clinic) == 1


def test_a_time_that_was_left_before_names_no_appointment_for_another_move(clinic: Clinic) -> None:
    """Moved from ten to eleven, "move the one at ten to half past" is asked back, with the one there is."""
    book(clinic, TEN)
    moved = clinic.reschedule(proved(clinic), to=ELEVEN, now=NOW)
    with pytest.raises(Refusal) as not_moved:
        clinic.reschedule(proved(clinic), when=TEN, to=TWELVE, now=NOW)
    with pytest.raises(Refusal) as not_cancelled:
        clinic.cancel(proved(clinic), when=TEN, now=NOW)
    for refused in (not_moved.value, not_cancelled.value):
        assert (refused.code, refused.alternatives) == ("no_such_appointment", (moved.slot,))
    assert clinic.reschedule(proved(clinic), when=ELEVEN, to=TWELVE, now=NOW).slot.starts_at.minute == 30


def test_another_doctor_can_take_it_over(clinic: Clinic) -> None:
    """Then place and doctor change with the time."""
    book(clinic, TEN)
    moved = clinic.reschedule(proved(clinic), to=TEN, doctor=RAMAN, now=NOW)
    assert (moved.slot.doctor, moved.slot.location) == (RAMAN, "Lakeside Harbor View")


def test_of_several_appointments_the_caller_says_which(clinic: Clinic) -> None:
    """Without the time both are named, with it or with an id the one meant is taken."""
    first, second = book(clinic, TEN), book(clinic, ELEVEN)
    with pytest.raises(Refusal) as refused:
        clinic.cancel(proved(clinic), now=NOW)
    assert (refused.value.code, refused.value.alternatives) == ("several_appointments", (first.slot, second.slot))
    assert clinic.cancel(proved(clinic), when=local("2026-11-24T16:00+00:00"), now=NOW) == first
    assert clinic.cancel(proved(clinic, second.confirmation_id), now=NOW) == second


def test_what_is_over_or_another_patients_is_not_touched(clinic: Clinic) -> None:
    """An id opens its own appointment only, a past one is none, and nobody's else is named."""
    booking = book(clinic, TEN)
    book(clinic, ELEVEN, OTHER)
    later = booking.slot.instant + timedelta(minutes=1)
    before = rows(clinic)
    for when, now in ((None, later), (ELEVEN, NOW), (TWELVE, NOW)):
        with pytest.raises(Refusal) as not_cancelled:
            clinic.cancel(proved(clinic, booking.confirmation_id), when=when, now=now)
        with pytest.raises(Refusal) as not_moved:
            clinic.reschedule(proved(clinic), when=when, to=TWELVE, now=now)
        for refused in (not_cancelled.value, not_moved.value):
            assert refused.code == "no_such_appointment"
            assert set(refused.alternatives) <= {booking.slot}
    assert rows(clinic) == before


def test_a_cancelled_appointment_cannot_be_moved(clinic: Clinic) -> None:
    """It is not revived: a new one is booked instead."""
    booking = book(clinic, TEN)
    clinic.cancel(proved(clinic), now=NOW)
    for patient in (proved(clinic), proved(clinic, booking.confirmation_id)):
        with pytest.raises(Refusal) as refused:
            clinic.reschedule(patient, to=ELEVEN, now=NOW)
        assert refused.value.code == "no_such_appointment"


@pytest.mark.parametrize(
    ("to", "doctor", "location", "code"),
    [
        ("2026-11-24T11:00", None, None, "slot_taken"),
        ("2026-11-24T11:30", RAMAN, None, "patient_busy"),
        ("2026-11-20T08:30", None, None, "past_date"),
        ("2027-11-30T10:00", None, None, "too_far_ahead"),
        ("2026-11-24T10:10", None, None, "off_grid"),
        ("2026-11-26T10:00", None, None, "closed_day"),
        ("2026-11-24T12:00", None, None, "outside_hours"),
        ("2026-11-24T10:00", None, "Lakeside Harbor View", "closed_day"),
    ],
)
def test_a_new_time_that_cannot_be_had_leaves_the_old_one(
    clinic: Clinic, to: str, doctor: str | None, location: str | None, code: str
) -> None:
    """Refused with its reason in the name of the new time, and with others to offer; no row has changed."""
    mine = book(clinic, TEN)
    book(clinic, TWELVE)
    book(clinic, ELEVEN, OTHER)
    before = rows(clinic)
    with pytest.raises(Refusal) as refused:
        clinic.reschedule(proved(clinic, mine.confirmation_id), to=local(to), doctor=doctor, location=location, now=NOW)
    assert refused.value.code == code
    assert "new_appointment_datetime" in str(refused.value)
    assert len(refused.value.alternatives) == (0 if code == "too_far_ahead" else 5)
    assert (rows(clinic), changes(clinic)) == (before, 0)


def test_a_time_is_meant_at_the_place_of_the_appointment(clinic: Clinic) -> None:
    """Ten o'clock in New York is found as ten o'clock there."""
    harbor = update(LocationRow).where(LocationRow.name == "Lakeside Harbor View").values(time_zone="America/New_York")
    clinic.database.write(lambda session: session.execute(harbor))
    booking = book(clinic, TEN, doctor=RAMAN)
    assert booking.slot.starts_at.isoformat() == "2026-11-24T10:00:00-05:00"
    assert clinic.cancel(proved(clinic), when=TEN, now=NOW) == booking


PEOPLE = [
    Patient(name=f"Testa Person{number}", dob=date(1980, 1, 1 + number), phone=f"+1312555{100 + number:04d}")
    for number in range(3)
]
TIMES = [local(f"2026-11-24T{hour:02d}:{minute:02d}") for hour in (10, 11) for minute in (0, 30)]


def attempt(job: Callable[[], Booking]) -> Booking | str:
    try:
        return job()
    except Refusal as refused:
        return refused.code


class Diary(RuleBasedStateMachine):
    """The clinic beside a plain dictionary of who has what: they agree after every step."""

    clinic: Clinic

    @initialize()
    def empty(self) -> None:
        self.clinic.database.write(
            lambda session: [session.execute(delete(table)) for table in (ChangeRow, AppointmentRow)]
        )
        self.model: dict[str, tuple[int, datetime, str]] = {}

    def taken(self, who: int, when: datetime, doctor: str, but: str = "") -> bool:
        others = [held for key, held in self.model.items() if key != but]
        return any(at == when and (person == who or whom == doctor) for person, at, whom in others)

    @rule(who=st.sampled_from(range(3)), when=st.sampled_from(TIMES), doctor=st.sampled_from([OKAFOR, RAMAN]))
    def book(self, who: int, when: datetime, doctor: str) -> None:
        same = [key for key, held in self.model.items() if held == (who, when, doctor)]
        taken = self.taken(who, when, doctor) and not same
        answer = attempt(lambda: self.clinic.book(PEOPLE[who], when=when, doctor=doctor, now=NOW))
        if isinstance(answer, str):
            assert answer in ("slot_taken", "patient_busy")
            assert taken
        else:
            assert same in ([], [answer.confirmation_id])
            assert not taken
            self.model[answer.confirmation_id] = (who, when, doctor)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), when=st.sampled_from(TIMES), doctor=st.sampled_from([None, OKAFOR, RAMAN]))
    def move(self, data: st.DataObject, when: datetime, doctor: str | None) -> None:
        key = data.draw(st.sampled_from(list(self.model)))
        who, _, whom = self.model[key]
        taken = self.taken(who, when, doctor or whom, but=key)
        patient = self.clinic.verify(dob=PEOPLE[who].dob, confirmation_id=key)
        answer = attempt(lambda: self.clinic.reschedule(patient, to=when, doctor=doctor, now=NOW))
        if isinstance(answer, str):
            assert answer in ("slot_taken", "patient_busy")
            assert taken
        else:
            assert answer.confirmation_id == key
            assert not taken
            self.model[key] = (who, when, doctor or whom)

    @precondition(lambda self: self.model)
    @rule(data=st.data(), twice=st.booleans())
    def cancel(self, data: st.DataObject, twice: bool) -> None:
        key = data.draw(st.sampled_from(list(self.model)))
        patient = self.clinic.verify(dob=PEOPLE[self.model.pop(key)[0]].dob, confirmation_id=key)
        first = self.clinic.cancel(patient, now=NOW)
        assert not twice or self.clinic.cancel(patient, now=NOW) == first

    @invariant()
    def the_free_slots_are_those_that_nobody_has(self) -> None:
        day = date(2026, 11, 24)
        free = self.clinic.free_slots(now=NOW, first=day, last=day, limit=99)
        offered = {(slot.starts_at.replace(tzinfo=None), slot.doctor) for slot in free}
        held = {(when, doctor) for _, when, doctor in getattr(self, "model", {}).values()}
        assert not offered & held
        assert {(when, doctor) for when in TIMES for doctor in (OKAFOR, RAMAN)} <= offered | held


@pytest.fixture
def diary(clinic: Clinic) -> type[Diary]:
    return type("DiaryOf", (Diary,), {"clinic": clinic})


def test_no_sequence_of_bookings_moves_and_cancellations_loses_or_doubles_a_slot(diary: type[Diary]) -> None:
    """Whatever is asked in whatever order: two never share a slot, and every slot that nobody has is offered."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(diary, settings=settings(max_examples=25, stateful_step_count=20, deadline=None))


def test_a_slot_says_its_zone(clinic: Clinic) -> None:
    """It is the one of its start."""
    slot: Slot = clinic.free_slots(now=NOW)[0]
    assert str(slot.zone) == "America/Chicago"
