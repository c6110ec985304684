import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, event

from medagent.clinic import Clinic, Patient, Refusal, VerifiedPatient

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OKAFOR = "Dr. Amara Okafor"
TESTA = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")
TWIN = Patient(name="Testo Plantedname", dob=date(1980, 1, 31), phone="+13125550142")
NAMESAKE = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550143")
OTHER = Patient(name="Testa Otherperson", dob=date(1975, 5, 5), phone="+13125550144")
NOBODYS_ID = "LC-K7M4Q9"


def local(text: str) -> datetime:
    return datetime.fromisoformat(text)


def booked(clinic: Clinic, *patients: Patient) -> list[str]:
    slots = clinic.free_slots(now=NOW, doctor=OKAFOR, limit=len(patients))
    return [
        clinic.book(patient, when=slot.starts_at, doctor=OKAFOR, now=NOW).confirmation_id
        for patient, slot in zip(patients, slots, strict=True)
    ]


def refusal(clinic: Clinic, **claim: Any) -> tuple[str, str, tuple[object, ...]] | None:
    try:
        clinic.verify(**claim)
    except Refusal as refused:
        return refused.code, str(refused), refused.alternatives
    return None


@contextmanager
def statements() -> Iterator[list[str]]:
    seen: list[str] = []

    def see(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", see)


def test_the_date_of_birth_with_the_id_or_the_name_is_proof(clinic: Clinic) -> None:
    """Either will do, both will do, the name as it was heard will do; and always the same patient."""
    mine, _ = booked(clinic, TESTA, OTHER)
    claims: list[dict[str, Any]] = [
        {"confirmation_id": mine},
        {"name": "testa  PLANTEDNAME"},
        {"name": TESTA.name, "phone": TESTA.phone},
        {"confirmation_id": mine, "name": TESTA.name, "phone": TESTA.phone},
    ]
    proved = [clinic.verify(dob=TESTA.dob, **claim) for claim in claims]
    assert len({each.patient_id for each in proved}) == 1
    assert [each.confirmation_id for each in proved] == [mine, None, None, mine]


def test_every_reason_not_to_believe_looks_the_same(clinic: Clinic) -> None:
    """Existing or not, an id, a name, a phone or a date that does not fit: one sentence, one list of statements."""
    mine, theirs = booked(clinic, TESTA, OTHER)
    wrong: list[dict[str, Any]] = [
        {"dob": OTHER.dob, "confirmation_id": mine},
        {"dob": date(1999, 9, 9), "confirmation_id": mine},
        {"dob": TESTA.dob, "confirmation_id": theirs},
        {"dob": TESTA.dob, "confirmation_id": NOBODYS_ID},
        {"dob": TESTA.dob, "name": OTHER.name},
        {"dob": TESTA.dob, "name": "Testa"},
        {"dob": TESTA.dob, "name": "Nemo Nobody"},
        {"dob": date(1999, 9, 9), "name": TESTA.name},
        {"dob": TESTA.dob, "name": TESTA.name, "phone": OTHER.phone},
        {"dob": TESTA.dob, "confirmation_id": mine, "name": OTHER.name},
        {"dob": TESTA.dob, "confirmation_id": NOBODYS_ID, "name": TESTA.name},
        {"dob": TESTA.dob, "phone": TESTA.phone},
        {"dob": TESTA.dob},
    ]
    answers, asked = set(), set()
    for claim in wrong:
        with statements() as seen:
            answers.add(refusal(clinic, **claim))
        asked.add(tuple(seen))
    assert len(asked) == 1
    ((code, message, alternatives),) = [answer for answer in answers if answer is not None]
    assert None not in answers
    assert (code, alternatives) == ("not_verified", ())
    assert "dob" in message


def test_two_of_one_name_and_birthday_are_told_apart_by_phone_or_id(clinic: Clinic) -> None:
    """Neither is guessed; another name on the same phone is another person."""
    mine, _, _ = booked(clinic, TESTA, NAMESAKE, TWIN)
    answer = refusal(clinic, dob=TESTA.dob, name=TESTA.name)
    assert answer is not None
    assert answer[0] == "not_verified"
    by_phone = clinic.verify(dob=TESTA.dob, name=TESTA.name, phone=TESTA.phone)
    assert by_phone.patient_id == clinic.verify(dob=TESTA.dob, confirmation_id=mine).patient_id
    assert by_phone.patient_id != clinic.verify(dob=TESTA.dob, name=TESTA.name, phone=NAMESAKE.phone).patient_id
    on_the_line = clinic.called_from(TESTA.phone)
    assert on_the_line.verify(dob=TESTA.dob, name=TESTA.name).patient_id == by_phone.patient_id
    assert refusal(on_the_line, dob=TESTA.dob, name="Testa") == answer
    assert refusal(on_the_line, dob=TESTA.dob) == answer


def test_what_was_claimed_is_in_no_refusal_and_no_log(clinic: Clinic, caplog: pytest.LogCaptureFixture) -> None:
    """Not the name, not the number, not the date, not the id; and a verified patient shows nothing either."""
    caplog.set_level(logging.DEBUG)
    (mine,) = booked(clinic, TESTA)
    with pytest.raises(Refusal) as refused:
        clinic.verify(dob=date(1981, 2, 1), confirmation_id=mine, name=TESTA.name, phone=TESTA.phone)
    told = f"{refused.value!r} {refused.value.diagnostics()} {caplog.text}"
    assert not [value for value in ("Planted", "0142", "1981", mine) if value in told]
    assert "7" not in f"{VerifiedPatient(patient_id=7, confirmation_id='LC-K7M4Q9')!r}".partition("object at")[0]
