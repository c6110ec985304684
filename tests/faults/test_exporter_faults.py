"""An exporter that is itself broken, in the victim's own process: the others deliver, and no call hears of it."""

from __future__ import annotations

import time

import pytest

from faults.scene import ALL, CALL, LONG_S, Scene, until

pytestmark = [pytest.mark.timing, pytest.mark.slow]

CLOSE_S, SLACK_S = 3.0, 2.0
"""What the product allows itself, and what an interpreter full of libraries needs beside it for its end."""


def test_one_that_hangs_in_a_real_call(scene: Scene) -> None:
    """One exporter hangs for ever, LangSmith answers 500, a collector nothing at all: a caller books and hangs up."""
    scene.destination.mode(status=500, hangs="/v1/traces")
    with scene.victim("--broken", "hangs", "--patience", "1") as victim:
        rung = victim.tell("ring", "book")
        assert (rung["ended"], rung["wrong"]) == ("done", [])
        assert victim.tell("written", LONG_S)["written"]
        until(lambda: 500 in scene.destination.answered("langsmith") and scene.destination.answered("otlp"))
        before = scene.accepted()
        scene.destination.mode()
        until(lambda: scene.lacking() == {"hangs"})
        [trace_id] = rung["traces"]
        assert scene.fields(trace_id, "session.end")["complete"]
        scene.row("an exporter hangs, 500, no answer (a real call)", before, call="booked, whole")
        assert victim.end() == 0  # while its exporter still hangs


@pytest.mark.deadline
def test_one_that_hangs_does_not_hold_the_end_of_its_process(scene: Scene) -> None:
    """With an exporter that never returns, the process closes its telemetry within 3 s and ends."""
    with scene.victim("--broken", "hangs") as victim:
        victim.tell("calls", 1)
        until(lambda: scene.lacking() == {"hangs"})
        began = time.monotonic()
        assert victim.end() == 0
        assert time.monotonic() - began < CLOSE_S + SLACK_S


@pytest.mark.parametrize("kind", ["raises", "leaks"])
def test_one_that_fails_by_itself(scene: Scene, kind: str) -> None:
    """It raises each time, or takes all memory that the process may have: the others get all, before and after."""
    with scene.victim("--broken", kind) as victim:
        told = [victim.tell("calls", 1)]
        assert victim.tell("written", LONG_S)["written"]
        until(lambda: scene.lacking() == {kind})
        if kind == "leaks":
            victim.tell("leak")
        until(lambda: victim.tell("counts")["tried"][kind] > 1)
        before = scene.accepted()
        told.append(victim.tell("calls", 2))
        assert victim.tell("written", LONG_S)["written"]
        until(lambda: scene.lacking() == {kind})
        assert victim.tell("counts")["lost"] == {"events": 0, "spans": 0, "failures": 0}
        for trace_id in [trace_id for each in told for trace_id in each["traces"]]:
            assert scene.names(trace_id) == CALL
        label = {"raises": "an exporter raises", "leaks": "an exporter leaks (to RLIMIT_AS)"}[kind]
        scene.row(label, before, call="ended, whole", to=ALL, repeats=False)
