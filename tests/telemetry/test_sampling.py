"""Sampling and floods, through a whole telemetry with its threads: calls are whole, or they say what they lack."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import pytest

from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry import events as ev
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import entries
from medagent.telemetry.pipeline import Line
from medagent.telemetry.session import is_sampled
from medagent.telemetry.span import SafeSpan
from spans import assert_one_tree

pytestmark = pytest.mark.timing

FLOOD = 50_000
QUEUE = 20_000


def running(**settings: object) -> Telemetry:
    return Telemetry(load_settings(**settings)).start()


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = running()
    yield made
    made.close()


def begin(telemetry: Telemetry) -> Line:
    line = telemetry.pipeline.line()
    about: dict[str, Any] = {"mode": "realtime", "model": "gpt-realtime", "provider": "azure.ai.openai"}
    line.send(ev.CallStarted, wall_us=time.time_ns() // 1000, agent_version="0.1.0", **about)
    return line


def speak(line: Line) -> None:
    line.send(ev.ResponseStarted, response_id="r")
    line.send(ev.AudioStarted, response_id="r")
    line.send(ev.ResponseFinished, response_id="r", status="completed", usage=None)


def stored(telemetry: Telemetry, trace_id: str) -> list[SafeSpan]:
    assert telemetry.flush(60) == []
    store = archive(telemetry.settings)
    try:
        return store.spans(trace_id)
    finally:
        store.close()


def test_a_call_is_stored_whole_or_as_its_guardrail() -> None:
    """One draw per call; every call has its guardrail with rate and answer, its chain, and its entry in the ledger."""
    telemetry = running(MEDAGENT_SAMPLING="0.4")
    lines = [begin(telemetry) for _ in range(16)]
    for line in lines:
        speak(line)
        line.send(ev.ConsentSettled, state="granted", method="spoken")
        line.send(ev.CallEnded, reason="caller_hung_up")
    try:
        for line in lines:
            spans = stored(telemetry, line.trace_id)
            verify_chain(spans)
            assert_one_tree(spans)
            sampled = is_sampled(line.trace_id, 0.4)
            assert len(spans) == (5 if sampled else 1)
            assert spans[-1].name == "policy.guardrail"
            assert spans[-1].fields["sampling"] == {"rate": 0.4, "sampled": sampled}
            assert spans[-1].fields["complete"] is True
            assert (spans[-1].parent_id is None) is not sampled
    finally:
        telemetry.close()
    told = {e.content["trace_id"] for e in entries(ledger_path(telemetry.settings)) if e.kind == "guardrail"}
    assert told == {line.trace_id for line in lines}


@pytest.mark.parametrize("rate", [1.0, 0.25, 0.01])
def test_the_share_is_the_rate(rate: float) -> None:
    """Of many random ids so many are drawn, of those that begin alike as well, and always the same."""
    ids = [str(uuid4()) for _ in range(20_000)]
    drawn = [is_sampled(each, rate) for each in ids]
    assert sum(drawn) / len(ids) == pytest.approx(rate, abs=0.02)
    assert drawn == [is_sampled(each, rate) for each in ids]
    alike = [f"00000000{each[8:]}" for each in ids]
    assert sum(is_sampled(each, rate) for each in alike) / len(ids) == pytest.approx(rate, abs=0.02)


def test_a_flood_harms_no_call_and_is_told(telemetry: Telemetry) -> None:
    """Fifty thousand events while the disk is locked: the queue stays bounded, the call's turn and end say so."""
    line, other = begin(telemetry), begin(telemetry)
    assert telemetry.pipeline.flush(60)
    line.send(ev.SpeechStarted, item_id="i")
    line.send(ev.SpeechStopped, item_id="i")
    line.send(ev.ResponseStarted, response_id="r")
    path = telemetry.settings.home / "outbox" / "outbox.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as locking:
        locking.execute("BEGIN IMMEDIATE")
        for _ in range(FLOOD):
            line.send(ev.AgentStateChanged, old="speaking", new="thinking")
        most = telemetry.pipeline._queue.qsize()
        locking.execute("ROLLBACK")
    assert QUEUE * 0.9 < most <= QUEUE
    line.send(ev.ResponseFinished, response_id="r", status="completed", usage=None)
    for each in (line, other):
        each.send(ev.CallEnded, reason="caller_hung_up")
    spans = stored(telemetry, line.trace_id)
    verify_chain(spans)
    [turn] = [span.fields for span in spans if span.name == "agent_turn"]
    [end] = [span.fields for span in spans if span.name == "session.end"]
    assert turn["incomplete"] is True
    assert (end["complete"], end["missing"]) == (False, ["events"])
    counts = telemetry.pipeline.counts
    assert end["events_lost"] == counts.events_lost > 0
    assert counts.events + counts.events_lost == line._seq + other._seq
    assert [s.fields["reason"] for s in stored(telemetry, other.trace_id) if s.name == "session.end"] == [
        "caller_hung_up"
    ]
