"""A clinic whose system breaks in the middle of a call, as loudly as a real one: its error quotes the patient."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from medagent.clinic import Clinic
from medagent.errors import SimulatorError
from medagent.simulator.scenario import Scenario
from medagent.tools import Answer, Tool


@contextmanager
def breaking(tools: Sequence[Tool[Any]], scenario: Scenario) -> Iterator[Sequence[Tool[Any]]]:
    """The tools, the one that the scenario names broken; one that still hangs when the block ends is let go.

    Raises `SimulatorError` where no tool has that name.
    """
    fault = scenario.clinic_fault
    if fault is None:
        yield tools
        return
    if fault.tool not in {tool.name for tool in tools}:
        raise SimulatorError(f"there is no tool {fault.tool} to break")
    over = threading.Event()

    def run(_clinic: Clinic, _arguments: Any, _now: datetime) -> Answer:
        over.wait(fault.seconds or 0.0)
        raise _database_error(scenario)

    try:
        yield [replace(tool, run=run) if tool.name == fault.tool else tool for tool in tools]
    finally:
        over.set()


def _database_error(scenario: Scenario) -> IntegrityError:
    # As a driver words it: the row that was refused stands in the message.
    row = ", ".join(f"{name}={value}" for name, value in scenario.person.items())
    return IntegrityError("INSERT INTO patients", scenario.person, ValueError(f"Key ({row}) already exists."))
