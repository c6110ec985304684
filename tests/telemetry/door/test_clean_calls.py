"""A clean call never trips the door: the short form of `make bench-door`."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest
from bench.clean_calls import replay
from bench.recorded import Recording, record
from bench.varied import vary

from medagent.telemetry.events import CallStarted, ToolStarted

pytestmark = [pytest.mark.timing, pytest.mark.slow]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Recording]:
    return asyncio.run(record(tmp_path_factory.mktemp("recorded")))


def test_a_hundred_clean_calls_arrive_everywhere(recordings: list[Recording], tmp_path: Path) -> None:
    """Each is whole at the archive, LangSmith, Langfuse, a collector and the log; the switch stays on."""
    played = replay(recordings, calls=100, home=tmp_path)
    assert played.tripped is None
    assert played.is_clean, played


def test_no_two_of_them_are_the_same(recordings: list[Recording]) -> None:
    """Seeds make other people and other arguments of one recording, and one seed always the same call."""
    booked = next(recording for recording in recordings if recording.scenario == "book")

    def said(seed: int) -> tuple[str | None, ...]:
        events = vary(booked, Random(seed))
        numbers = [event.caller_number for event in events if isinstance(event, CallStarted)]
        return (*numbers, *(event.arguments for event in events if isinstance(event, ToolStarted)))

    assert said(1) == said(1)
    told = [said(seed) for seed in range(50)]
    assert len({call[0] for call in told}) > 40
    assert len({call[-1] for call in told}) == 50
    assert not any(booked.person["patient_name"] in str(call) for call in told)
