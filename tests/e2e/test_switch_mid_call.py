"""The switch is thrown while three processes are in a call: nothing leaves any more, and every caller is served."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from command import medagent
from medagent.simulator.scenario import load_scenario
from sink import Sink

CALLS = 3
PACE = 2.0


class Drill:
    """What three calls and the host were like when the switch was thrown, a second later, and at the end."""

    def __init__(self, home: Path, sink: Sink) -> None:
        self.home = home
        self.sink = sink
        self.clinics = [f"sqlite:///{home.parent / f'clinic-{number}.db'}" for number in range(CALLS)]
        self.ends: list[dict[str, Any]] = []
        self.after_a_second: dict[str, int] = {}
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


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drill]:
    directory = tmp_path_factory.mktemp("drill")
    home = directory / "home"
    with Sink(directory) as sink, ExitStack() as processes:
        drill = Drill(home, sink)
        langsmith = {"LANGSMITH_API_KEY": "lsv2_test", "LANGSMITH_ENDPOINT": sink.url}
        command = [sys.executable, str(Path(__file__).with_name("told_call.py")), str(home), str(PACE)]
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
        assert all(process.poll() is None for process in calls)
        done = medagent("telemetry", "off", "--reason", "drill", home=home)
        assert done.code == 0, done.err
        time.sleep(1)
        drill.after_a_second = drill.left()
        drill.ends = [
            line for process in calls for line in map(json.loads, process.stdout or ()) if line["at"] == "end"
        ]
        drill.at_the_end = drill.left()
        yield drill


def test_after_a_second_nothing_leaves_and_nothing_is_stored(drill: Drill) -> None:
    """What had left by then has left; the destination, the archive and the outbox get nothing more."""
    assert drill.after_a_second["requests"] > 0
    for place, amount in drill.at_the_end.items():
        assert amount <= drill.after_a_second[place]


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
