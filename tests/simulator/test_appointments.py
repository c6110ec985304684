from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from made_scenario import line, says, scenario_document, written

from medagent.clinic import Clinic, seed_demo
from medagent.clinic.schema import CANCELLED, AppointmentRow
from medagent.errors import SimulatorError
from medagent.simulator.appointments import check_clinic, held_by, prepare
from medagent.simulator.clinic_fault import breaking
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.tools import TOOLS, invoke

NOW = datetime(2031, 5, 6, 15, 0, tzinfo=UTC)
_GIVEN = {"appointments": [{"doctor_name": "Raman", "in_days": 3}, {"doctor_name": "Dr. Priya Raman", "in_days": 3}]}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    opened = Clinic.open(f"sqlite:///{tmp_path / 'clinic' / 'clinic.db'}")
    seed_demo(opened, now=NOW)
    yield opened
    opened.close()


def _scenario(tmp_path: Path, clinic: dict[str, Any] | None, **settings: Any) -> Scenario:
    turn = {"caller": line(), "model": [says("I see.")]}
    expects = {"outcome": "informed", "clinic": clinic}
    return load_scenario(written(tmp_path, scenario_document("held", turn, expects=expects, **settings))[0])


def _update(clinic: Clinic, confirmation_id: str, **values: Any) -> None:
    change = sa.update(AppointmentRow).where(AppointmentRow.confirmation_id == confirmation_id).values(**values)
    clinic.database.write(lambda session: session.execute(change))


def test_what_is_given_is_booked_by_the_clinic(tmp_path: Path, clinic: Clinic) -> None:
    """Given appointments are real bookings on different slots of that doctor, not before the day that was asked for."""
    before = prepare(_scenario(tmp_path, {}, given=_GIVEN), clinic, now=NOW)
    assert before.earlier == ()
    assert [held.doctor_name for held in before.given] == ["Dr. Priya Raman"] * 2
    assert len({held.starts_at for held in before.given}) == 2
    assert min(held.starts_at for held in before.given) > NOW + timedelta(days=2)
    for fact, held in zip(before.facts, before.given, strict=True):
        assert fact["confirmation_id"] == held.confirmation_id
        assert datetime.fromisoformat(fact["appointment_datetime"]) == held.starts_at


def test_the_database_is_judged_not_the_words(tmp_path: Path, clinic: Clinic) -> None:
    """Untouched, moved and cancelled appointments each fit their own expectation and no other one."""
    untouched = {"booked": [{"time": "same"}, {"time": "same"}]}
    moved = {"booked": [{"time": "changed", "doctor_name": "Dr. Priya Raman"}, {"time": "same"}]}
    cancelled = {"booked": [{"time": "same"}], "cancelled": [{"time": "same"}]}
    scenario = _scenario(tmp_path, untouched, given=_GIVEN)
    before = prepare(scenario, clinic, now=NOW)

    def fits() -> list[bool]:
        expectations: tuple[dict[str, Any] | None, ...] = (untouched, moved, cancelled, {}, None)
        return [not check_clinic(_scenario(tmp_path, each, given=_GIVEN), clinic, before) for each in expectations]

    assert fits() == [True, False, False, False, True]
    _update(clinic, before.given[0].confirmation_id, starts_at=before.given[0].starts_at + timedelta(days=7))
    assert fits() == [False, True, False, False, True]
    _update(clinic, before.given[0].confirmation_id, starts_at=before.given[0].starts_at, status=CANCELLED)
    assert fits() == [False, False, True, False, True]


def test_earlier_calls_are_neither_counted_nor_touched(tmp_path: Path, clinic: Clinic) -> None:
    """What the same person booked in an earlier call is not this call's, and a change to it is found."""
    scenario = _scenario(tmp_path, {})
    earlier = prepare(_scenario(tmp_path, {}, given=_GIVEN), clinic, now=NOW)
    before = prepare(scenario, clinic, now=NOW)
    assert before.earlier == earlier.given
    assert check_clinic(scenario, clinic, before) == []
    _update(clinic, earlier.given[0].confirmation_id, status=CANCELLED)
    assert check_clinic(scenario, clinic, before) == ["an appointment of an earlier call was changed"]


def test_a_problem_says_nothing_of_the_patient(tmp_path: Path, clinic: Clinic) -> None:
    """Where the clinic holds too little or too much the message names doctors and times at most."""
    scenario = _scenario(tmp_path, {"cancelled": [{"doctor_name": "Dr. Amara Okafor", "time": "same"}]}, given=_GIVEN)
    before = prepare(scenario, clinic, now=NOW)
    problems = check_clinic(scenario, clinic, before)
    assert len(problems) == 3
    for value in (*scenario.person.values(), *(held.confirmation_id for held in before.given)):
        assert value not in " ".join(problems)
    assert held_by(scenario, clinic) == before.given


def test_a_person_who_says_little_is_known_by_name(tmp_path: Path, clinic: Clinic) -> None:
    """A scenario whose person has no number can be judged too: whoever phones under that name books under it."""
    scenario = _scenario(tmp_path, {}, person={"patient_name": "maren  OLDFIELD"})
    before = prepare(scenario, clinic, now=NOW)
    assert check_clinic(scenario, clinic, before) == []
    prepare(_scenario(tmp_path, {}, given=_GIVEN), clinic, now=NOW)
    assert len(check_clinic(scenario, clinic, before)) == 2


def test_the_broken_tool_alone_is_broken(tmp_path: Path, clinic: Clinic) -> None:
    """The named tool fails with the patient in its error's message; the others are the very ones that were given."""
    scenario = _scenario(tmp_path, {}, clinic_fault={"tool": "book_appointment", "kind": "raise"})
    with breaking(TOOLS, scenario) as tools:
        broken = next(tool for tool in tools if tool.name == "book_appointment")
        assert [tool for tool in tools if tool is not broken] == [t for t in TOOLS if t.name != "book_appointment"]
        with pytest.raises(Exception, match="Maren Oldfield"):
            broken.run(clinic, None, NOW)
        person = {name: scenario.person[name] for name in ("patient_name", "phone", "dob")}
        when = {"appointment_datetime": "2031-05-08T10:00", "doctor_name": "Dr. Priya Raman"}
        answer = invoke(broken, {**person, **when}, clinic=clinic, now=NOW)
    assert (answer["outcome"], answer["error_type"]) == ("failed", "IntegrityError")
    assert held_by(scenario, clinic) == ()


def test_a_tool_that_is_not_there_cannot_break(tmp_path: Path) -> None:
    """A scenario that breaks a tool of another name is an error, not a call without a fault."""
    scenario = _scenario(tmp_path, {}, clinic_fault={"tool": "book_appointmnt", "kind": "raise"})
    with pytest.raises(SimulatorError), breaking(TOOLS, scenario):
        pass


@pytest.mark.timing
def test_a_hang_ends_with_the_call(tmp_path: Path, clinic: Clinic) -> None:
    """A tool that hangs is let go when the call is over, and fails then: no thread outlives the call."""
    scenario = _scenario(tmp_path, {}, clinic_fault={"tool": "book_appointment", "kind": "hang", "seconds": 60})
    with ThreadPoolExecutor() as threads:
        with breaking(TOOLS, scenario) as tools:
            broken = next(tool for tool in tools if tool.name == "book_appointment")
            hanging = threads.submit(broken.run, clinic, None, NOW)
            assert not hanging.done()
        assert hanging.exception(timeout=60) is not None
