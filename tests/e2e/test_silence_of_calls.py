"""Dead air and caller silence of played calls, against what the simulated caller heard and said."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from medagent.agent.bridge import Bridge
from medagent.cli.call_rows import call_rows
from medagent.rehearsal import Rehearsed, Stage, stage
from medagent.settings import load_settings
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.events import TurnDetectionSet

pytestmark = pytest.mark.timing

PACE = 10.0
NAMES = ("silent_caller", "reconnect", "barge_in")
TICK_S = 0.005
EDGE_MS = 25.0
"""A bound of a silence is an event that one frame of audio and a queue of the loop come before."""


class PacedLine:
    """A call's queue for which the silence that the server waits for is as much shorter as the call is faster."""

    def __init__(self, line: Any) -> None:
        self._line = line
        self.trace_id = line.trace_id

    def send(self, kind: type[Any], **fields: Any) -> Any:
        if kind is TurnDetectionSet and fields["silence_ms"] is not None:
            fields["silence_ms"] = round(fields["silence_ms"] / PACE)
        return self._line.send(kind, **fields)


@dataclass(slots=True)
class Heard:
    """The caller's own record: when they spoke and when they heard the agent, in seconds of the event loop's clock."""

    began: float = 0.0
    said: list[tuple[str, float]] = field(default_factory=list)
    lag_ms: float = 0.0

    def silences(self) -> dict[str, list[float]]:
        """Lengths in ms: the agent's silences from joining or a last word to a sound, and the rest, the caller's."""
        found: dict[str, list[float]] = {"dead_air": [], "caller_silence": []}
        speaks = sounds = False
        since, turn = self.began, "dead_air"
        for kind, at in self.said:
            if not speaks and not sounds:
                found[turn].append((at - since) * 1000)
            if kind == "caller_stops":
                turn = "dead_air"
            elif kind == "agent_audio_stops" and not speaks:
                turn = "caller_silence"
            speaks = {"caller_speaks": True, "caller_stops": False}.get(kind, speaks)
            sounds = {"agent_audio_starts": True, "agent_audio_stops": False}.get(kind, sounds)
            since = at
        return found


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Rehearsed, Heard]]:
    """Three calls side by side: nobody speaks; the server hangs up twice; the caller interrupts."""

    async def one(line: Stage, name: str) -> tuple[Rehearsed, Heard]:
        heard = Heard()

        def before(_session: object, bridge: Bridge) -> None:
            heard.began = time.monotonic()
            bridge._line = PacedLine(bridge._line)  # type: ignore[assignment]

        def on_event(kind: str, _detail: str) -> None:
            heard.said.append((kind, time.monotonic()))

        async def feel() -> None:
            while True:
                began = time.monotonic()
                await asyncio.sleep(TICK_S)
                heard.lag_ms = max(heard.lag_ms, (time.monotonic() - began - TICK_S) * 1000)

        feeling = asyncio.create_task(feel())
        try:
            return await line.play(load_scenario(name), before=before, on_event=on_event), heard
        finally:
            feeling.cancel()

    async def play() -> dict[str, tuple[Rehearsed, Heard]]:
        settings = load_settings(MEDAGENT_HOME=tmp_path_factory.mktemp("silences"))
        async with stage(settings, NAMES, pace=PACE) as line:
            return {name: await one(line, name) for name in NAMES}

    return asyncio.run(play())


@pytest.mark.parametrize("name", NAMES)
def test_silences_are_those_that_the_caller_heard(played: Mapping[str, tuple[Rehearsed, Heard]], name: str) -> None:
    """Dead air and caller silence of the trace are the caller's own, within what the event loop was late."""
    call, heard = played[name]
    assert not call.problems
    for kind, theirs in heard.silences().items():
        ours = [one["duration_ms"] for one in call.end["silences"] if one["kind"] == kind]
        edges = len(theirs) * EDGE_MS + 2 * heard.lag_ms
        assert abs(sum(ours) - sum(theirs)) <= edges, (kind, ours, theirs, heard.lag_ms)
        assert call.end[f"{kind}_ms"] == pytest.approx(sum(ours), abs=0.1)
        assert abs(max(ours) - max(theirs)) <= EDGE_MS + 2 * heard.lag_ms, (kind, ours, theirs, heard.lag_ms)
    duration = call.end["duration_ms"]
    assert call.end["dead_air_ms"] + call.end["caller_silence_ms"] <= duration


def test_reconnection_during_the_agents_turn_is_within_its_dead_air(
    played: Mapping[str, tuple[Rehearsed, Heard]],
) -> None:
    """The first reconnection happens while the caller waits for an answer, the second while the agent speaks."""
    end = played["reconnect"][0].end
    first, second = end["reconnected_at_ms"]
    dead = [(one["at_ms"], one["at_ms"] + one["duration_ms"]) for one in end["silences"] if one["kind"] == "dead_air"]
    assert any(at < first < until for at, until in dead)
    assert not any(at < second < until for at, until in dead)
    rows = call_rows(played["reconnect"][0].spans)
    assert [row.at_ms for row in rows.rows if row.kind == "reconnect"] == [first, second]


def test_who_says_nothing_leaves_one_silence_of_each_kind(played: Mapping[str, tuple[Rehearsed, Heard]]) -> None:
    """Until the greeting the caller waits; after it the agent does, until the caller hangs up."""
    end = played["silent_caller"][0].end
    assert [one["kind"] for one in end["silences"]] == ["dead_air", "caller_silence"]
    assert end["dead_air_longest_ms"] == end["dead_air_ms"]


def test_interruption_is_no_silence(played: Mapping[str, tuple[Rehearsed, Heard]]) -> None:
    """Between the interrupted answer and the words over it nothing is silent; each turn has its own dead air."""
    call = played["barge_in"][0]
    turns = sorted((s.fields for s in call.spans if s.name == "user_turn"), key=lambda fields: str(fields["index"]))
    assert [turn["caller_silence_ms"] for turn in turns if turn["interrupted_agent"]] == [0]
    agent = [span.fields["dead_air_ms"] for span in call.spans if span.name == "agent_turn"]
    assert sum(float(str(each)) for each in agent) == pytest.approx(call.end["dead_air_ms"], abs=0.1)
