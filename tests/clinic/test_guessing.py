import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, select

from medagent.alerts.identity_checks import IdentityCheckAlert
from medagent.alerts.state import AlertState
from medagent.clinic import Clinic, Patient, Refusal, verification
from medagent.clinic.schema import AppointmentRow, AttemptRow
from medagent.clinic.verification import MOST_FAILURES, WINDOW
from medagent.runtime.alerting import identity_check_alert
from medagent.settings import Settings

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
OKAFOR = "Dr. Amara Okafor"
TESTA = Patient(name="Testa María Planted-Name", dob=date(1980, 1, 31), phone="+13125550142")
OTHER = Patient(name="Otto Otherplanted", dob=date(1975, 5, 5), phone="+13125550144")
LINE, OTHER_LINE = "+525512345678", "+442079460958"
WRONG_DAY = date(1981, 1, 31)


@pytest.fixture
def ids(clinic: Clinic) -> dict[str, str]:
    slots = clinic.free_slots(now=NOW, doctor=OKAFOR, limit=2)
    return {
        each.name: clinic.book(each, when=slot.starts_at, doctor=OKAFOR, now=NOW).confirmation_id
        for each, slot in zip((TESTA, OTHER), slots, strict=True)
    }


def outcome(clinic: Clinic, number: str | None = None, *, now: datetime = NOW, **claim: Any) -> str:
    """What one call hears: each is a call of its own."""
    try:
        clinic.called_from(number).verify(now=now, **claim)
    except Refusal as refused:
        return refused.code
    return "proved"


def fail(clinic: Clinic, times: int, number: str | None = None, *, now: datetime = NOW, **claim: Any) -> list[str]:
    return [outcome(clinic, number, now=now, **{"dob": WRONG_DAY, "name": TESTA.name, **claim}) for _ in range(times)]


@pytest.mark.usefixtures("ids")
def test_after_five_failures_a_record_is_for_staff_only(clinic: Clinic) -> None:
    """From five lines, in five spellings: then not even the right date and name open it, nor the confirmation id."""
    names = ["Testa Maria Plantedname", "Planted-Name, Testa María", "TESTA MARIA PLANTED NAME", "Testa Planted-Name"]
    names.append(TESTA.name)
    for number, name in enumerate(names[: MOST_FAILURES - 1]):
        assert outcome(clinic, f"+1312555010{number}", dob=WRONG_DAY, name=name) == "not_verified"
        assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "proved"
    assert outcome(clinic, OTHER_LINE, dob=WRONG_DAY, name=names[-1]) == "not_verified"
    assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "not_verified"
    assert outcome(clinic, dob=OTHER.dob, name=OTHER.name) == "proved"


def test_an_id_is_guessed_at_no_more_often_than_a_name(clinic: Clinic, ids: dict[str, str]) -> None:
    """Five dates tried with a kept confirmation id: the record is locked for its name too."""
    for days in range(MOST_FAILURES):
        wrong = TESTA.dob + timedelta(days=days + 1)
        assert outcome(clinic, dob=wrong, confirmation_id=ids[TESTA.name]) == "not_verified"
    assert outcome(clinic, dob=TESTA.dob, confirmation_id=ids[TESTA.name]) == "not_verified"
    assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "not_verified"


@pytest.mark.usefixtures("ids")
def test_names_are_guessed_at_no_more_often_than_dates(clinic: Clinic) -> None:
    """Five names tried for a known date of birth, from five lines: the record is locked until staff lift it."""
    for number in range(MOST_FAILURES):
        claim = {"dob": TESTA.dob, "name": f"Nemo{number} Nobody{number}"}
        assert outcome(clinic, f"+1312555010{number}", **claim) == "not_verified"
    assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "not_verified"
    clinic.forget_identity_checks()
    assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "proved"


@pytest.mark.usefixtures("ids")
def test_a_calling_number_that_failed_five_times_is_for_staff_only(clinic: Clinic) -> None:
    """Five names, each another: the line is told to wait for staff, in any form of its number; another line is not."""
    for number in range(MOST_FAILURES):
        assert outcome(clinic, LINE, dob=WRONG_DAY, name=f"Nemo{number} Nobody{number}") == "not_verified"
    for form in (LINE, "+52 55 1234 5678", "sip:+525512345678@trunk.example"):
        assert outcome(clinic, form, dob=OTHER.dob, name=OTHER.name) == "staff_only"
    assert outcome(clinic, OTHER_LINE, dob=OTHER.dob, name=OTHER.name) == "proved"


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("sent", ["+266696687", "sip_anonymous", "anonymous", "Restricted", ""], ids=repr)
def test_callers_who_withhold_their_number_share_none(clinic: Clinic, sent: str) -> None:
    """Anonymous is no number: it can fail as often as there are records, and locks nobody."""
    for number in range(MOST_FAILURES + 1):
        assert outcome(clinic, sent, dob=WRONG_DAY, name=f"Nemo{number} Nobody{number}") == "not_verified"
    assert outcome(clinic, sent, dob=TESTA.dob, name=TESTA.name) == "proved"


def test_a_day_of_birth_cannot_be_tried_by_booking(clinic: Clinic, ids: dict[str, str]) -> None:
    """Whoever names a patient and the slot they hold hears that it is taken, and counts; locked, even with the day."""
    (when, *_rest) = clinic.database.read(
        lambda session: session.scalars(select(AppointmentRow.starts_at).order_by(AppointmentRow.id)).all()
    )

    def tried(day: date, phone: str = TESTA.phone) -> str:
        try:
            wish = Patient(name=TESTA.name, dob=day, phone=phone)
            return clinic.called_from(LINE).book(wish, when=when, doctor=OKAFOR, now=NOW).confirmation_id
        except Refusal as refused:
            return refused.code

    assert tried(TESTA.dob) == ids[TESTA.name]
    assert tried(TESTA.dob, OTHER.phone) == "slot_taken"
    for days in range(MOST_FAILURES):
        assert tried(TESTA.dob + timedelta(days=days + 1)) == "slot_taken"
    assert tried(TESTA.dob) == "slot_taken"
    assert outcome(clinic, dob=TESTA.dob, name=TESTA.name) == "not_verified"
    assert outcome(clinic, LINE, dob=OTHER.dob, name=OTHER.name) == "staff_only"


@pytest.mark.usefixtures("ids")
def test_a_day_later_it_is_free_again_and_trying_on_does_not_keep_it_locked(clinic: Clinic) -> None:
    """The window is of the failures that were counted; what failed while locked adds nothing."""
    fail(clinic, MOST_FAILURES)
    for hour in range(1, 24, 5):
        assert fail(clinic, 1, now=NOW + timedelta(hours=hour), dob=TESTA.dob) == ["not_verified"]
    after = NOW + WINDOW + timedelta(seconds=1)
    assert outcome(clinic, now=after, dob=TESTA.dob, name=TESTA.name) == "proved"
    left = clinic.database.read(lambda session: session.scalars(select(AttemptRow.at)).all())
    assert min(left) > after - WINDOW


@pytest.mark.usefixtures("ids")
def test_a_person_who_does_not_exist_is_answered_as_one_who_does(clinic: Clinic) -> None:
    """The same answers in the same order, letter for letter, before and after the limit."""

    def heard(name: str) -> list[tuple[str, str]]:
        answers = []
        for _ in range(MOST_FAILURES + 2):
            with pytest.raises(Refusal) as refused:
                clinic.verify(dob=WRONG_DAY, name=name, now=NOW)
            answers.append((refused.value.code, str(refused.value)))
        return answers

    assert heard(TESTA.name) == heard("Nemo Unknownperson")


@contextmanager
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """The statements, the rows that they write, and the comparisons of names."""
    done: Counter[str] = Counter()
    compare = verification.compare_names

    def comparing(claimed: str, stored: str) -> Any:
        done["comparisons"] += 1
        return compare(claimed, stored)

    def see(
        _connection: object, _cursor: object, statement: str, parameters: Any, _context: object, many: bool
    ) -> None:
        done[statement] += 1
        done["rows"] += len(parameters) if many else 0

    monkeypatch.setattr(verification, "compare_names", comparing)
    event.listen(Engine, "before_cursor_execute", see)
    try:
        yield done
    finally:
        event.remove(Engine, "before_cursor_execute", see)
        monkeypatch.undo()


def test_a_check_does_the_same_work_whatever_is_wrong(
    clinic: Clinic, ids: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right, wrong day, wrong name, nobody, a locked record or line: as many statements, rows and comparisons."""
    clinic.places()
    claims: list[dict[str, Any]] = [
        {"dob": TESTA.dob, "name": TESTA.name},
        {"dob": WRONG_DAY, "name": TESTA.name},
        {"dob": TESTA.dob, "name": "Nemo Nobody"},
        {"dob": TESTA.dob, "name": "Testa"},
        {"dob": TESTA.dob, "confirmation_id": ids[TESTA.name]},
        {"dob": TESTA.dob, "confirmation_id": "LC-K7M4Q9"},
        {"dob": WRONG_DAY},
    ]
    lines = [None, LINE, LINE]
    seen = []
    for turn in range(3):
        for claim in claims:
            with work(monkeypatch) as done:
                outcome(clinic, lines[turn], **claim)
            seen.append(done)
    assert seen[0]["comparisons"] > 0
    assert all(each == seen[0] for each in seen)


def settings_of(home: Path, **more: str) -> Settings:
    return Settings.model_validate({"MEDAGENT_HOME": str(home), **more})


@pytest.mark.timing
@pytest.mark.usefixtures("ids")
def test_the_limit_is_recorded_and_announced_once_without_an_identifier(
    clinic: Clinic, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One entry of the ledger and one message for the record, the same for the line; nothing of whose they are."""
    settings = settings_of(tmp_path / "home", MEDAGENT_SLACK_WEBHOOK_URL="https://hooks.example.com/x")
    alert = identity_check_alert(settings)
    clinic.on_guessing(alert.reached)
    caplog.set_level(logging.DEBUG)
    fail(clinic, MOST_FAILURES + 2)
    for number in range(MOST_FAILURES + 2):
        outcome(clinic, LINE, dob=WRONG_DAY, name=f"Nemo{number} Nobody{number}")
    alert.wait(60)
    path = tmp_path / "home" / "ledger" / "ledger.jsonl"
    recorded = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    entries = [each["content"] for each in recorded if each["kind"] == "identity_checks_failed"]
    assert entries == [
        {"scope": scope, "failures": MOST_FAILURES, "hours": 24} for scope in ("record", "calling_number")
    ]
    state = AlertState(tmp_path / "home" / "alerts")
    texts = []
    while (message := state.claim("slack")) is not None:
        texts.append(message.notice.text())
        state.sent(message.number)
    state.close()
    assert len(texts) == 2
    assert texts[0].startswith("[DEV][OBS] Identity checks of one patient: 5 failed within 1 d, at ")
    assert "Identity checks of one number" in texts[1]
    told = " ".join((*texts, path.read_text(encoding="utf-8"), caplog.text))
    never = ("Planted", "Testa", "Nemo", "525512345678", "5550142", TESTA.dob.isoformat(), WRONG_DAY.isoformat())
    assert not [part for part in never if part in told]


@pytest.mark.timing
def test_without_a_destination_the_ledger_alone_has_it(tmp_path: Path) -> None:
    """Nobody to tell: an entry all the same, and no state of alerts is made."""
    alert = identity_check_alert(settings_of(tmp_path / "home"))
    assert isinstance(alert, IdentityCheckAlert)
    alert.reached("record")
    alert.wait(60)
    assert "identity_checks_failed" in (tmp_path / "home" / "ledger" / "ledger.jsonl").read_text(encoding="utf-8")
    assert not (tmp_path / "home" / "alerts").exists()
