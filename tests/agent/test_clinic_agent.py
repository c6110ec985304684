"""What the receptionist adds to the clinic's tools: patience, and an end to guessing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from medagent.agent import clinic_agent
from medagent.agent.clinic_agent import MOST_ATTEMPTS, ClinicAgent
from medagent.clinic import Clinic, seed_demo
from medagent.settings import ConsentScript
from medagent.tools import TOOLS, Tool

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
PERSON = {"patient_name": "Testa Plantedname", "phone": "312 555 0142", "dob": "1980-01-31"}


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Clinic]:
    opened = Clinic.open(f"sqlite:///{tmp_path / 'clinic' / 'clinic.db'}")
    seed_demo(opened, now=NOW)
    yield opened
    opened.close()


def agent(clinic: Clinic, *tools: Tool[Any]) -> ClinicAgent:
    return ClinicAgent(clinic, name="Lakeside", now=lambda: NOW, tools=tools or TOOLS)


async def use(receptionist: ClinicAgent, name: str, **arguments: object) -> dict[str, Any]:
    tool: Any = next(each for each in receptionist.tools if each.info.name == name)
    answer: dict[str, Any] = json.loads(await tool(raw_arguments=arguments))
    return answer


async def test_all_six_tools_are_offered(clinic: Clinic) -> None:
    """Each under its name, with its own description and a flat schema."""
    offered: list[Any] = list(agent(clinic).tools)
    assert [each.info.name for each in offered] == [tool.name for tool in TOOLS]
    assert len(offered) == 6


async def test_guessing_ends(clinic: Clinic) -> None:
    """After three failed proofs nothing of the caller's is looked up in this call, not even with the right one."""
    receptionist = agent(clinic)
    booked = await use(
        receptionist, "book_appointment", **PERSON, doctor_name="Okafor", appointment_datetime="2026-11-24T10:00"
    )
    assert booked["outcome"] == "ok"
    for year in range(MOST_ATTEMPTS):
        wrong = await use(receptionist, "cancel_appointment", **PERSON | {"dob": f"199{year}-01-31"})
        assert wrong["error_type"] == "not_verified"
    assert (await use(receptionist, "cancel_appointment", **PERSON))["error_type"] == "not_verified"
    assert (await use(receptionist, "get_opening_hours"))["outcome"] == "ok"
    assert (await use(agent(clinic), "cancel_appointment", **PERSON))["outcome"] == "ok"


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def last_line(receptionist: ClinicAgent) -> str:
    return str(receptionist.instructions).strip().splitlines()[-1]


async def test_the_instructions_have_the_clinics_day_and_time(clinic: Clinic) -> None:
    """At 18:30 in Chicago it is still Monday there, whatever UTC says; also behind a question of consent."""
    clock = Clock(datetime(2026, 11, 24, 0, 30, tzinfo=UTC))
    script = ConsentScript(words="May we?", version="1.0")
    for consent in (None, script):
        said = last_line(ClinicAgent(clinic, name="Lakeside", now=clock, consent=consent))
        assert "Today is Monday, November 23, 2026 (2026-11-23)" in said
        assert "18:30" in said
        assert "America/Chicago" in said
        assert "tomorrow is Tuesday 2026-11-24" in said


async def test_the_clock_of_a_long_call_goes_on(clinic: Clinic) -> None:
    """Not at every look: after five minutes, and at once with a new day or when the clocks change."""
    clock = Clock(datetime(2026, 11, 24, 5, 50, tzinfo=UTC))
    receptionist = ClinicAgent(clinic, name="Lakeside", now=clock)
    clock.at += timedelta(minutes=4)
    assert not await receptionist.refresh_clock()
    clock.at += timedelta(minutes=1)
    assert await receptionist.refresh_clock()
    assert "23:55" in last_line(receptionist)
    clock.at += timedelta(minutes=5, seconds=-1)
    assert not await receptionist.refresh_clock()
    clock.at += timedelta(seconds=1)
    assert await receptionist.refresh_clock()
    assert "Today is Tuesday, November 24, 2026 (2026-11-24), it is 12:00 AM (midnight)" in last_line(receptionist)
    clock.at = datetime(2027, 3, 14, 7, 59, 30, tzinfo=UTC)
    await receptionist.refresh_clock()
    clock.at += timedelta(minutes=1)
    assert await receptionist.refresh_clock()
    assert "3:00 AM (03:00) Chicago time (America/Chicago, UTC-05:00)" in last_line(receptionist)


async def test_without_a_database_the_call_begins_all_the_same(clinic: Clinic) -> None:
    """A clinic whose zones cannot be read says that its time is UTC."""
    clinic.database.write(lambda session: session.connection().exec_driver_sql("ALTER TABLE locations RENAME TO gone"))
    assert "the clinic's zone is not known" in last_line(agent(Clinic(clinic.database)))


async def test_failures_count_against_the_number_that_the_call_comes_from(clinic: Clinic) -> None:
    """Two calls from one line: five failures there, and the next caller on it hears that staff calls back."""

    def call(number: str | None) -> ClinicAgent:
        receptionist = agent(clinic)
        receptionist._caller_number = lambda: number
        return receptionist

    for turn in range(5):
        stranger = {"patient_name": f"Nemo{turn} Nobody{turn}", "dob": "1990-01-31"}
        wrong = await use(call("+525555501142"), "cancel_appointment", **stranger)
        assert wrong["error_type"] == "not_verified"
    assert (await use(call("+525555501142"), "cancel_appointment", **PERSON))["error_type"] == "staff_only"
    assert (await use(call("anonymous"), "cancel_appointment", **PERSON))["error_type"] == "not_verified"


@pytest.mark.timing
async def test_a_tool_that_hangs_is_given_up(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is not kept waiting: after its time the tool is a timeout that the model can speak of."""
    monkeypatch.setattr(clinic_agent, "TOOL_TIMEOUT_S", 0.1)
    hours = next(tool for tool in TOOLS if tool.name == "get_opening_hours")

    def hang(*_: object) -> dict[str, Any]:
        time.sleep(0.5)
        return {}

    answer = await use(agent(clinic, replace(hours, run=hang)), "get_opening_hours")
    assert (answer["outcome"], answer["error_type"]) == ("timeout", "timeout")


@pytest.mark.parametrize(("said", "told"), [(True, [True]), (False, [False]), ("yes", [False]), (None, [False])])
async def test_a_yes_is_true_and_nothing_else(clinic: Clinic, said: object, told: list[bool]) -> None:
    """With a script there is a seventh tool, which tells the caller's answer and has no other effect."""
    script = ConsentScript(words="May we?", version="1.0")
    receptionist = ClinicAgent(clinic, name="Lakeside", now=lambda: NOW, consent=script)
    assert len(receptionist.tools) == 7
    heard: list[bool] = []
    receptionist.on_consent = heard.append
    assert await use(receptionist, "record_consent", granted=said) == {"outcome": "ok"}
    assert heard == told
