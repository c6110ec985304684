"""The verdict is pure: each criterion alone turns a GO into a NO-GO, and says so by its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reports import go, no_go

from medagent.attestation.minimum import REQUIRED_CRITERIA
from medagent.attestation.report import Finding, Mark, Report, Tampering
from medagent.audit.protocol import load_protocol
from medagent.audit.verdict import Judged, Measured, judge

PROTOCOL, _ = load_protocol(Path(__file__).parent.parent.parent / "audits" / "week5.yaml")
DAY = date(2026, 11, 21)


def measured_of(report: Report) -> Measured:
    return Measured(
        scan=report.scan,
        second_reader=report.second_reader,
        latency=report.latency,
        delivery=report.delivery,
        alerts=report.alerts,
        switch=report.switch,
        integrity=report.integrity,
        unclassified=0,
        letters_planted=18,
        long_calls=10,
        short_calls=18,
        broken_calls=(),
        shortest_call_s=301.0,
        addresses=(),
        refused=(),
        failures=0,
        unread=(),
        installed=(),
        distributions=155,
    )


def clean() -> Measured:
    """What a GO is made of."""
    sample = measured_of(go()[0])
    marks = tuple(mark for mark in sample.second_reader.marks if mark.settled != "open")
    tampered = tuple(Tampering(what=f"copy {n}", rejected=True) for n in range(10))
    return replace(
        sample,
        scan=sample.scan.model_copy(update={"findings": ()}),
        second_reader=sample.second_reader.model_copy(update={"marks": marks}),
        integrity=sample.integrity.model_copy(update={"tampered": tampered}),
        switch=sample.switch.model_copy(update={"bytes_after": {}, "effective_after_ms": 300.0}),
        delivery=sample.delivery.model_copy(update={"drop_rate": 0.0, "duplicates_visible": 0}),
    )


def judged(measured: Measured, *, rehearsal: bool = False) -> Judged:
    return judge(measured, PROTOCOL, rehearsal=rehearsal, on=DAY)


def test_the_minimum_of_a_go_names_every_criterion() -> None:
    """A criterion that is added or taken away is a change of the minimum too."""
    assert {one.name for one in judged(clean()).criteria} == REQUIRED_CRITERIA


FINDING = Finding(
    finding_id="finding-0001",
    planted_id="A-name-0-0",
    letter="A",
    form="written",
    encoding="plain",
    channel="stderr",
    path="line",
)
MARK = Mark(mark_id="mark-0001", path="stderr line", kind="OWN_NAME", score=0.8, settled="open", rule=None)


def with_overhead(measured: Measured, *, thread: float = 50.0, wall: float = 80.0, at_pace_1: bool = True) -> Measured:
    latency = measured.latency
    return replace(
        measured,
        latency=latency.model_copy(
            update={
                "judged": at_pace_1,
                "thread_us": latency.thread_us.model_copy(update={"p99": thread}),
                "wall_us": latency.wall_us.model_copy(update={"p99": wall}),
            }
        ),
    )


SPOILED: dict[str, Callable[[Measured], Measured]] = {
    "leaks": lambda m: replace(m, scan=m.scan.model_copy(update={"findings": (FINDING,)})),
    "second_reader": lambda m: replace(m, second_reader=m.second_reader.model_copy(update={"marks": (MARK,)})),
    "planted": lambda m: replace(m, letters_planted=17),
    "inventory": lambda m: replace(m, unclassified=1),
    "ways_out": lambda m: replace(m, addresses=("203.0.113.7:443",)),
    "calls": lambda m: replace(m, broken_calls=("long-00: cut off",)),
    "door": lambda m: replace(m, refused=("admission: tool.x: notes",)),
    "safeguards": lambda m: replace(m, idle=("exit",)),
    "installed": lambda m: replace(m, installed=("requests 2.32.3: requests/__init__.py is not as RECORD has it",)),
    "overhead": lambda m: with_overhead(m, thread=1001.0),
    "overhead_wall": lambda m: with_overhead(m, wall=1001.0),
    "drop": lambda m: replace(m, delivery=m.delivery.model_copy(update={"drop_rate": 0.01})),
    "alerts": lambda m: replace(m, alerts=[one.model_copy(update={"cleared_at": None}) for one in m.alerts]),
    "switch": lambda m: replace(m, switch=m.switch.model_copy(update={"bytes_after": {"otlp": 1}})),
    "seals": lambda m: replace(m, integrity=m.integrity.model_copy(update={"chains_verified": 0})),
    "tampering": lambda m: replace(
        m,
        integrity=m.integrity.model_copy(
            update={"tampered": (*m.integrity.tampered, Tampering(what="a copy", rejected=False))}
        ),
    ),
}


def test_a_clean_audit_is_the_machines_part_of_a_go() -> None:
    """Nothing found, everything within its limit: GO, no cause, no earliest launch."""
    verdict = judged(with_overhead(clean()))
    assert (verdict.verdict, verdict.causes, verdict.earliest_launch) == ("GO", (), None)
    assert {one.name for one in verdict.criteria} == set(SPOILED)


def test_the_places_of_open_marks_are_named_up_to_three() -> None:
    """An engineer sees where to look: paths and kinds, each once, never the text."""
    marks = [MARK.model_copy(update={"mark_id": f"mark-{n:04}", "path": f"otlp.field_{n // 2}"}) for n in range(10)]
    measured = replace(clean(), second_reader=clean().second_reader.model_copy(update={"marks": tuple(marks)}))
    (criterion,) = [one for one in judged(measured).criteria if one.name == "second_reader"]
    shown = ": otlp.field_0 (OWN_NAME), otlp.field_1 (OWN_NAME), otlp.field_2 (OWN_NAME), 2 more places"
    assert criterion.measured.endswith(f"texts{shown}")


def with_round(measured: Measured, **changes: object) -> Measured:
    first, *rest = measured.switch.rounds
    rounds = (first.model_copy(update=changes), *rest)
    return replace(measured, switch=measured.switch.model_copy(update={"rounds": rounds}))


@pytest.mark.parametrize("changes", [{"requests_after": 1}, {"bytes_after": 1}, {"in_the_middle": False}])
def test_switch_round_that_fails_or_proves_nothing_is_a_no_go(changes: dict[str, object]) -> None:
    """A request after off, and a round in which the destination was not in the middle of requests."""
    verdict = judged(with_round(with_overhead(clean()), **changes))
    assert verdict.verdict == "NO-GO"
    assert [cause.partition(":")[0] for cause in verdict.causes] == ["switch"]


def test_audit_without_switch_rounds_is_a_no_go() -> None:
    """A drill that was left out proves nothing."""
    measured = with_overhead(clean())
    without = replace(measured, switch=measured.switch.model_copy(update={"rounds": ()}))
    assert judged(without).verdict == "NO-GO"


@pytest.mark.parametrize("name", SPOILED)
def test_each_criterion_alone_is_a_no_go(name: str) -> None:
    """One thing wrong is enough; the cause begins with its name, and the launch is fourteen days away."""
    verdict = judged(SPOILED[name](with_overhead(clean())))
    assert verdict.verdict == "NO-GO"
    assert [cause.split(":")[0] for cause in verdict.causes] == [name]
    assert verdict.earliest_launch == "2026-12-05"


@pytest.mark.parametrize(("thread", "trips"), [(1000.0, False), (1001.0, False), (5000.0, False), (5001.0, True)])
def test_only_over_five_milliseconds_does_overhead_trip(thread: float, trips: bool) -> None:
    """Up to one millisecond is fine, up to five is a NO-GO that trips nothing, above it trips the switch."""
    verdict = judged(with_overhead(clean(), thread=thread))
    assert (verdict.verdict == "GO", verdict.trips_switch) == (thread <= 1000, trips)


@pytest.mark.parametrize("name", ["leaks", "safeguards", "installed", "seals", "tampering"])
def test_a_leak_an_idle_safeguard_and_a_broken_seal_trip_the_switch(name: str) -> None:
    """What cannot wait for people stops the host at once."""
    assert judged(SPOILED[name](with_overhead(clean()))).trips_switch


@given(name=st.sampled_from(sorted(SPOILED)), thread=st.floats(0, 1e6), wall=st.floats(0, 1e6))
def test_a_fast_rehearsal_is_never_a_go_and_judges_no_latency(name: str, thread: float, wall: float) -> None:
    """Whatever was measured, it is CLEAN or NOT CLEAN, and overhead is neither cause nor trip."""
    spoiled = with_overhead(SPOILED[name](clean()), thread=thread, wall=wall, at_pace_1=False)
    verdict = judged(spoiled, rehearsal=True)
    assert verdict.verdict == ("CLEAN" if name.startswith("overhead") else "NOT CLEAN")
    assert not any(cause.startswith("overhead") for cause in verdict.causes)
    fast = with_overhead(clean(), thread=thread, wall=wall, at_pace_1=False)
    assert judged(fast, rehearsal=True).verdict == "CLEAN"


def test_a_small_rehearsal_at_the_pace_of_life_judges_latency() -> None:
    """Two short calls at pace 1 are no audit, and what is too slow in them is too slow."""
    slow = judged(with_overhead(clean(), wall=1001.0), rehearsal=True)
    assert slow.verdict == "NOT CLEAN"
    assert [cause.split(":")[0] for cause in slow.causes] == ["overhead_wall"]


def test_a_call_that_is_too_short_is_no_call_of_an_audit() -> None:
    """A long call under the protocol's length fails the audit; in a rehearsal its length is not measured."""
    short = replace(with_overhead(clean()), shortest_call_s=299.0)
    assert judged(short).verdict == "NO-GO"
    assert judged(short, rehearsal=True).verdict == "CLEAN"


def test_nothing_measured_proves_nothing() -> None:
    """No byte read, no operation, no span, no chain: none of it passes."""
    empty = measured_of(no_go()[0])
    nothing = replace(
        empty,
        scan=empty.scan.model_copy(update={"channels": (), "findings": ()}),
        delivery=empty.delivery.model_copy(update={"spans_accepted": 0, "drop_rate": 0.0}),
        integrity=empty.integrity.model_copy(update={"calls": 0, "chains_verified": 0, "tampered": ()}),
        alerts=(),
    )
    failed = {cause.split(":")[0] for cause in judged(nothing).causes}
    assert {"leaks", "drop", "seals", "tampering", "alerts"} <= failed
