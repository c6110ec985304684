"""What can befall the process itself: its end in mid-call or mid-request, its clock, a flood, a policy that is none."""

from __future__ import annotations

import signal
from collections.abc import Collection

import pytest

from faults.scene import CALL, LONG_S, Row, Scene, Victim, until

pytestmark = [pytest.mark.timing, pytest.mark.slow]


def in_call(scene: Scene, victim: Victim, known: Collection[str] = ()) -> None:
    """Have the victim answer a real call; wait until the caller was answered and more is on disk than was known."""
    victim.say("ring", "book")
    heard: list[str] = []
    while len(heard) < 4:
        heard.append(victim.hear()["heard"])
    until(lambda: set(scene.accepted()) - set(known))


def end_of(scene: Scene, trace_id: str) -> dict[str, object]:
    """What the call's one end says, once it has exactly one, and one guardrail."""
    names = scene.names(trace_id)
    assert (names.count("session.end"), names.count("policy.guardrail")) == (1, 1)
    return scene.fields(trace_id, "session.end")


def test_two_ends_in_the_middle_of_requests(scene: Scene) -> None:
    """`kill -9` while a batch is on the wire, SIGTERM in a real call while another hangs: one `ship` delivers for both.

    SIGTERM ends its process while the request hangs, and the call has its end on disk. What was on the wire is sent
    again under the same ids, when its lease has run out.
    """
    scene.destination.mode(hangs="everywhere")
    with scene.victim() as victim:
        killed = victim.tell("calls", 2)["traces"]
        assert victim.tell("written", LONG_S)["written"]
        until(scene.destination.took)
        victim.signal(signal.SIGKILL)
    before = scene.accepted()
    with scene.victim() as victim:
        in_call(scene, victim, before)
        seconds = victim.signal(signal.SIGTERM)
        assert victim.process.returncode == -signal.SIGTERM
    [ended] = {trace_id for trace_id, _ in scene.accepted().values()} - set(killed)
    left = scene.accepted()
    scene.destination.mode()
    assert scene.ship().code == 0
    assert set(left) == set(scene.accepted()), "something was left for the next process to end"
    assert end_of(scene, ended)["reason"] == "shutdown"
    assert [scene.names(trace_id) for trace_id in killed] == [CALL, CALL]
    assert scene.row("kill -9 mid-ship", before, call="ended, whole", calls=killed).repeats
    scene.row("SIGTERM mid-call (a real call)", left, call=f"shutdown, in {seconds:.1f} s", calls=[ended])


def test_kill_in_the_middle_of_a_call(scene: Scene) -> None:
    """`kill -9` on a real call: the next process gives it its one end, and what was sealed is still there."""
    with scene.victim() as victim:
        in_call(scene, victim)
        victim.signal(signal.SIGKILL)
    before = scene.accepted()
    [trace_id] = {trace_id for trace_id, _ in before.values()}
    assert scene.ship().code == 0
    end = end_of(scene, trace_id)
    assert (end["reason"], end["complete"]) == ("process_lost", False)
    scene.row("kill -9 mid-call (a real call)", before, call="process_lost, incomplete")


def test_the_clock_goes_back(scene: Scene) -> None:
    """An hour back, in the middle of a pause that was asked for: neither pause nor lease holds for that hour."""
    scene.destination.mode(status=429, retry_after=5)
    with scene.victim() as victim:
        victim.tell("calls", 1)
        until(lambda: scene.destination.met(429))
        victim.tell("begin")
        assert victim.tell("written", LONG_S)["written"]
        victim.tell("clock", -3600)
        before = scene.accepted()
        scene.destination.mode()
        told = victim.tell("end"), victim.tell("calls", 1)
        assert victim.tell("written", LONG_S)["written"]
        assert victim.tell("flush", LONG_S)["lacking"] == []
        for each in told:
            assert scene.names(each["traces"][0]) == CALL
            assert scene.fields(each["traces"][0], "session.end")["duration_ms"] < 3_600_000  # no clock: the hour
    scene.row("clock an hour back (time.time in the victim)", before, call="ended, whole", repeats=False)


def test_a_flood(scene: Scene) -> None:
    """50,000 events at once: what the queue cannot take is counted, marks the call, and the next call is whole."""
    with scene.victim() as victim:
        told = victim.tell("flood", 50_000)
        assert victim.tell("written", LONG_S)["written"]
        after = victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
        counts = victim.tell("counts")
    assert counts["lost"] == {"events": told["lost"], "spans": 0, "failures": 0}
    assert counts["on"]
    end = scene.fields(told["traces"][0], "session.end")
    assert told["lost"] == 0 or not end["complete"]
    assert scene.names(told["traces"][0]) == scene.names(after["traces"][0]) == CALL
    assert scene.fields(after["traces"][0], "session.end")["complete"]
    dropped = f"{told['lost']} events dropped, marked" if told["lost"] else "whole"
    label = f"a flood: 50,000 events in {told['seconds']:.1f} s"
    scene.row(label, scene.accepted(), call=dropped, repeats=False)


@pytest.mark.parametrize(("fault", "text"), [("missing", None), ("broken", "version: 1\nunheard_of: yes\n")])
def test_no_policy_at_the_start(scene: Scene, fault: str, text: str | None) -> None:
    """The agent answers its caller, telemetry is off, the ledger says so; no byte leaves, no span is stored.

    Of the two, the call without a policy is a real one.
    """
    path = scene.directory / "policy.yaml"
    if text is not None:
        path.write_text(text)
    with scene.victim("--three-lines", MEDAGENT_POLICY=str(path)) as victim:
        if text is None:
            rung = victim.tell("ring", "opening_hours")
            assert (rung["ended"], rung["wrong"]) == ("done", [])
        victim.tell("calls", 2)
        assert not victim.tell("loaded", LONG_S)["loaded"]
        victim.tell("calls", 2)
    assert [entry["error"] for entry in scene.ledger("not_started")] == ["PolicyError"]
    assert scene.accepted() == {}
    assert all(deliveries == [] for deliveries in scene.arrivals().values())
    call = "answered, untraced, in the ledger"
    scene.rows.append(
        Row(fault=f"policy {fault} at start", accepted=0, arrived=0, repeats=0, call=call, seconds=scene.age())
    )
