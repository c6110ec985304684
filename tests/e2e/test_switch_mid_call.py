"""The switch is thrown while three processes are in a call: nothing leaves any more, and every caller is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from command import medagent
from faults.scene import until
from medagent.simulator.scenario import load_scenario
from sink import Sink

pytestmark = pytest.mark.timing

CALLS = 3
PACE = 2.0
FASTER = 4.0
"""The pace at full speed, where the off is seen a second after it was given."""


class Drill:
    """What three calls and the host were like once the off had taken effect, and at the end."""

    def __init__(self, home: Path, sink: Sink) -> None:
        self.home = home
        self.sink = sink
        self.clinics = [f"sqlite:///{home.parent / f'clinic-{number}.db'}" for number in range(CALLS)]
        self.ends: list[dict[str, Any]] = []
        self.after_the_off: dict[str, int] = {}
        self.at_the_end: dict[str, int] = {}

    def left(self) -> dict[str, int]:
        """How much has left, or is stored to leave."""
        rows = {
            "archive": self._count("archive/archive.db", "SELECT COUNT(*) FROM span"),
            "outbox": self._count("outbox/outbox.db", "SELECT COUNT(*) FROM spans"),
        }
        return {**rows, "requests": len(self.sink.requests())}

    def _count(self, name: str, query: str) -> int:
        engine = sa.create_engine(f"sqlite:///{self.home / name}")
        try:
            with engine.connect() as connection:
                return int(connection.execute(sa.text(query)).scalar_one())
        finally:
            engine.dispose()


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def until_seen(calls: Sequence[subprocess.Popen[str]]) -> None:
    """Wait until each process has seen the off, and what it was doing then is done."""
    for process in calls:
        while told(process)["at"] != "off":
            pass


def throw(directory: Path, effect: Callable[[Sequence[subprocess.Popen[str]]], None], *, pace: float = PACE) -> Drill:
    """Turn telemetry off in the middle of three calls; `effect` waits until it has taken effect."""
    home = directory / "home"
    with Sink(directory) as sink, ExitStack() as processes:
        drill = Drill(home, sink)
        langsmith = {"LANGSMITH_API_KEY": "lsv2_test", "LANGSMITH_ENDPOINT": sink.url}
        command = [sys.executable, str(Path(__file__).with_name("told_call.py")), str(home), str(pace)]
        calls = [
            processes.enter_context(
                subprocess.Popen(
                    command,
                    env={**os.environ, **langsmith, "MEDAGENT_CLINIC_DATABASE_URL": clinic},
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            for clinic in drill.clinics
        ]
        for process in calls:
            assert told(process)["at"] == "mid-call"
        until(sink.requests)
        assert all(process.poll() is None for process in calls)
        done = medagent("telemetry", "off", "--reason", "drill", home=home)
        assert done.code == 0, done.err
        effect(calls)
        drill.after_the_off = drill.left()
        drill.ends = [
            line for process in calls for line in map(json.loads, process.stdout or ()) if line["at"] == "end"
        ]
        drill.at_the_end = drill.left()
        return drill


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return throw(tmp_path_factory.mktemp("drill"), until_seen)


def nothing_more(drill: Drill) -> bool:
    """Whether destination, archive and outbox got nothing after the off, and the destination had something before."""
    grown = [place for place, amount in drill.at_the_end.items() if amount > drill.after_the_off[place]]
    return not grown and drill.after_the_off["requests"] > 0


def test_once_the_off_is_seen_nothing_leaves_and_nothing_is_stored(drill: Drill) -> None:
    """What had left by then has left; the destination, the archive and the outbox get nothing more."""
    assert nothing_more(drill)


@pytest.mark.deadline
def test_a_second_after_the_off_nothing_leaves_and_nothing_is_stored(tmp_path: Path) -> None:
    """Counted from the end of `medagent telemetry off`, in three processes with a call each."""
    assert nothing_more(throw(tmp_path, lambda _calls: time.sleep(1), pace=FASTER))


def test_every_caller_is_served(drill: Drill) -> None:
    """The agents go on talking, each patient is booked, and what was not stored is counted."""
    assert [end["ended"] for end in drill.ends] == ["done"] * CALLS
    assert all(end["suppressed"] > 0 for end in drill.ends)
    assert [end["problems"] for end in drill.ends] == [[]] * CALLS
    query = "SELECT p.name FROM appointments a JOIN patients p ON p.id = a.patient_id WHERE a.status = 'booked'"
    for clinic in drill.clinics:
        with sa.create_engine(clinic).connect() as connection:
            booked = [row[0] for row in connection.execute(sa.text(query))]
        assert booked == [load_scenario("book").person["patient_name"]]


def test_it_outlives_them_and_is_on_record(drill: Drill) -> None:
    """A process that starts later finds it off, and the ledger says who, when and why, once."""
    status = json.loads(medagent("telemetry", "status", "--json", home=drill.home).out)
    assert (status["on"], status["source"], status["reason"]) == (False, "command", "drill")
    ledger = (drill.home / "ledger" / "ledger.jsonl").read_text()
    assert ledger.count("switch_changed") == 1
