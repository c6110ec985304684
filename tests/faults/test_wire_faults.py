"""What network and destination can do: nothing that was accepted is lost or shown twice, and no call waits for it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from faults.scene import CALL, LONG_S, ON_THE_WIRE, Scene, Victim, until
from medagent.telemetry.door.derived import short_id

pytestmark = [pytest.mark.timing, pytest.mark.slow]

ENDED = "ended, whole"
HELD_S = 2.0
"""What a call's own thread may spend on a whole call's events; a destination that hangs would hold it for longer."""
GARBAGE = b"\x00\xff\x13 this is no protocol\r\n\r\n".hex()
CUT_ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 4096\r\n\r\n{".hex()


def took(scene: Scene, victim: Victim, count: int = 2) -> list[str]:
    """Let the victim take calls that end while the fault lasts, each with its whole trace on disk; their ids."""
    told = victim.tell("calls", count)
    assert victim.tell("written", LONG_S)["written"]
    for trace_id in told["traces"]:
        assert scene.names(trace_id) == CALL
    return list(told["traces"])


@pytest.mark.parametrize(
    ("fault", "mode", "status"),
    [
        ("HTTP 500", {"status": 500}, 500),
        ("HTTP 503", {"status": 503}, 503),
        ("HTTP 400 for everything", {"status": 400}, 400),
        ("HTTP 401", {"status": 401}, 401),
        ("HTTP 404", {"status": 404}, 404),
        ("HTTP 413 for everything", {"status": 413}, 413),
        ("closes mid-body", {"cuts": True}, 0),
        ("closes in the middle of its answer", {"raw": CUT_ANSWER}, None),
        ("garbage for an answer", {"raw": GARBAGE}, None),
    ],
)
def test_an_answer_that_is_none(
    running: tuple[Scene, Victim], fault: str, mode: dict[str, Any], status: int | None
) -> None:
    """Whatever a destination answers while it fails, it has each span once it does not, and no call heard of it."""
    scene, victim = running
    met = len(scene.destination.requests())
    scene.destination.mode(**mode)
    calls = took(scene, victim)
    destination = scene.destination
    until(lambda: destination.took(since=met) if status is None else destination.met(status, since=met))
    before = scene.accepted()
    scene.destination.mode()
    assert victim.tell("flush", LONG_S)["lacking"] == []
    scene.row(fault, before, call=ENDED, calls=calls, repeats=status is None)


def test_never_an_answer(scene: Scene) -> None:
    """A destination that takes all and answers nothing holds neither a call nor another destination."""
    scene.destination.mode(hangs="everywhere")
    with scene.victim("--patience", "1") as victim:
        took(scene, victim)
        until(scene.destination.took)
        until(lambda: len({span.trace_id for span in scene.archived()}) == 2)
        before = scene.accepted()
        scene.destination.mode()
        assert victim.tell("flush", LONG_S)["lacking"] == []
    row = scene.row("accepts and never answers", before, call=ENDED)
    assert row.repeats, "what was not answered was not sent again"


@pytest.mark.deadline
@pytest.mark.parametrize("mode", [{"hangs": "everywhere"}, {"status": 500}, {"delay": 5}])
def test_no_call_is_held_for_two_seconds(scene: Scene, mode: dict[str, Any]) -> None:
    """The thread of a call spends less than 2 s on its events, whatever the destination does."""
    scene.destination.mode(**mode)
    with scene.victim("--patience", "1") as victim:
        assert victim.tell("calls", 2)["held_s"] < HELD_S
        until(scene.destination.requests)
        assert victim.tell("calls", 2)["held_s"] < HELD_S


def test_an_answer_after_twelve_seconds(scene: Scene) -> None:
    """The product's own patience outlasts it: one request each, one answer each, no span sent twice."""
    scene.destination.mode(delay=12)
    with scene.victim() as victim:
        took(scene, victim, 1)
        until(scene.destination.took)
        scene.destination.mode()
        assert victim.tell("flush", LONG_S)["lacking"] == []
    scene.row("answers after 12 s", scene.accepted(), call=ENDED, repeats=False)
    first, *_ = scene.destination.requests()
    assert time.monotonic() - first[0] > 12


def test_a_pause_that_was_asked_for(running: tuple[Scene, Victim]) -> None:
    """429 with `Retry-After: 3`: nothing more is sent for three seconds, then all of it."""
    scene, victim = running
    met = len(scene.destination.requests())
    scene.destination.mode(status=429, retry_after=3)
    calls = took(scene, victim)
    until(lambda: scene.destination.met(429, since=met))
    before = scene.accepted()
    scene.destination.mode()
    assert victim.tell("flush", LONG_S)["lacking"] == []
    for path in ("/runs/multipart", "/v1/traces"):
        first, *later = [(at, one.answered) for at, one in scene.destination.requests()[met:] if one.path == path]
        assert first[1] == 429
        assert all(at - first[0] > 2.9 for at, _ in later)
    scene.row("HTTP 429, Retry-After 3", before, call=ENDED, calls=calls, repeats=False)


def test_a_pause_of_ten_minutes_is_taken(scene: Scene) -> None:
    """429 with `Retry-After: 600`: `outbox status` says so, a second process keeps to it, and what waits is kept."""
    scene.destination.mode(status=429, retry_after=600)
    with scene.victim() as victim:
        took(scene, victim)
        until(lambda: scene.destination.met(429))
        before = scene.accepted()
    scene.destination.mode()
    asked = len(scene.destination.requests())
    status = scene.status()
    assert all(60 < status["paused_s"][name] <= 600 for name in ON_THE_WIRE)  # no clock: what was asked for
    assert all(status["due"][name] == len(before) for name in ON_THE_WIRE)
    assert scene.command("ship", "--wait", "2").code == 1
    assert len(scene.destination.requests()) == asked == 2
    scene.row("HTTP 429, Retry-After 600 (the pause alone)", before, call=ENDED, to=("jsonlog",), repeats=False)


def test_one_bad_span_among_good_ones(running: tuple[Scene, Victim]) -> None:
    """A batch that is refused for one span is split until it is found: set aside, named, offered again when told."""
    scene, victim = running
    poison = "tool.book_appointment"
    scene.destination.mode(poison=poison)
    calls = took(scene, victim)
    assert victim.tell("flush", LONG_S)["lacking"] == []
    before = scene.accepted()
    bad = {span_id for span_id, (trace_id, name) in before.items() if name == poison and trace_id in calls}
    there = scene.destination.arrivals()
    assert set(before) - {span_id for span_id, _ in there["langsmith"]} == bad
    assert set(map(short_id, before)) - {span_id for span_id, _ in there["otlp"]} == set(map(short_id, bad))
    status = scene.status()
    assert {(one["destination"], one["span_id"]) for one in status["set_aside_spans"]} == {
        (name, span_id) for name in ON_THE_WIRE for span_id in bad
    }
    assert {one["error"] for one in status["set_aside_spans"]} == {"content_refused 400"}
    scene.destination.mode()
    assert scene.command("outbox", "retry").code == 0
    assert victim.tell("flush", LONG_S)["lacking"] == []
    scene.row("HTTP 400 for one bad span", before, call=ENDED, calls=calls, repeats=False)


def test_a_batch_that_is_too_large(running: tuple[Scene, Victim]) -> None:
    """A destination that answers 413 over a size is given parts that fit, while it goes on to answer so."""
    scene, victim = running
    met = len(scene.destination.requests())
    scene.destination.mode(limit=6_000)
    calls = took(scene, victim, 3)
    assert victim.tell("flush", LONG_S)["lacking"] == []
    assert any(413 in scene.destination.answered(name, since=met) for name in ON_THE_WIRE)
    scene.destination.mode()
    scene.row("HTTP 413 over a size", scene.accepted(), call=ENDED, calls=calls, repeats=False)


def test_connection_refused(running: tuple[Scene, Victim]) -> None:
    """Nobody listens at the port; once somebody does, the same process delivers."""
    scene, victim = running
    scene.destination.stop()
    calls = took(scene, victim)
    until(lambda: scene.tried() == set(ON_THE_WIRE))
    before = scene.accepted()
    scene.destination.start()
    assert victim.tell("flush", LONG_S)["lacking"] == []
    scene.row("connection refused", before, call=ENDED, calls=calls, repeats=False)
