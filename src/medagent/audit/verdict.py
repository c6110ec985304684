"""What was measured, held against the protocol: criteria, verdict, causes. Pure: the same measures, the same verdict.

A GO here is the machine's part of one; people's signatures complete it. A rehearsal is never GO, and judges latency
only at the pace of life.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from medagent.attestation.report import (
    AgentAudit,
    AlertDrill,
    Criterion,
    Delivery,
    Integrity,
    Latency,
    Mark,
    Scan,
    SecondReader,
    SwitchDrill,
    Verdict,
)
from medagent.audit.agent_findings import shown, wrong_fields, wrong_tools
from medagent.audit.protocol import Protocol

_ALL_LETTERS = 18
_PLACES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Everything that a verdict rests on; `*_calls` count, seconds are of a call's own time at pace 1."""

    scan: Scan
    second_reader: SecondReader
    latency: Latency
    delivery: Delivery
    alerts: Sequence[AlertDrill]
    switch: SwitchDrill
    integrity: Integrity
    unclassified: int
    letters_planted: int
    long_calls: int
    short_calls: int
    broken_calls: Sequence[str]
    """What was wrong with a call, by its name."""
    shortest_call_s: float
    addresses: Sequence[str]
    """Where the system spoke to that is neither the capture nor the model."""
    refused: Sequence[str]
    """What the door refused, by rule and path."""
    failures: int
    unread: Sequence[str]
    idle: Sequence[str] = ()
    """Safeguards that, shown what they alone must stop, did not."""
    installed: Sequence[str] | None = None
    """What is not as a distribution's RECORD has it, and byte code of another source; None where it was not checked."""
    distributions: int = 0
    agent: AgentAudit | None = None
    """The agent of the clinic's own that was played; None is the packaged receptionist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict with what led to it."""

    verdict: Verdict
    causes: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    trips_switch: bool
    earliest_launch: str | None


def judge(measured: Measured, protocol: Protocol, *, rehearsal: bool, on: date) -> Judged:
    """Hold everything against its limit; `on` is the day of the audit."""
    criteria = _criteria(measured, protocol, rehearsal=rehearsal)
    failed = [one for one in criteria if one.judged and not one.passed]
    clean = not failed
    verdict: Verdict = ("CLEAN" if clean else "NOT CLEAN") if rehearsal else ("GO" if clean else "NO-GO")
    return Judged(
        verdict=verdict,
        causes=tuple(f"{one.name}: {one.measured} (limit: {one.limit})" for one in failed),
        criteria=criteria,
        trips_switch=any(one.trips_switch for one in failed),
        earliest_launch=None if clean else (on + timedelta(days=protocol.launch_delay_days)).isoformat(),
    )


def _places(marks: Sequence[Mark]) -> str:
    """The first places of open marks, each with the kind that was marked there."""
    places = list(dict.fromkeys(f"{mark.path} ({mark.kind})" for mark in marks))
    more = [f"{len(places) - _PLACES_SHOWN} more places"] if len(places) > _PLACES_SHOWN else []
    return f": {', '.join([*places[:_PLACES_SHOWN], *more])}" if places else ""


def _criteria(m: Measured, protocol: Protocol, *, rehearsal: bool) -> tuple[Criterion, ...]:
    limits = protocol.thresholds
    timed = m.latency.judged
    thread, wall = m.latency.thread_us.p99, m.latency.wall_us.p99
    open_marks = [mark for mark in m.second_reader.marks if mark.settled == "open"]
    exact = sum(channel.bytes for channel in m.scan.channels)
    tampered = [one.what for one in m.integrity.tampered if not one.rejected]
    silent = [one.name for one in m.alerts if one.fired_at is None or one.cleared_at is None or one.messages < 2]
    sealed = m.integrity.chains_verified == m.integrity.calls > 0 and m.integrity.ledger_head is not None
    rounds = m.switch.rounds
    after = sum(m.switch.bytes_after.values()) + sum(one.bytes_after for one in rounds)
    late = sum(one.requests_after for one in rounds)
    undrilled = [f"{one.destination} {one.status}" for one in rounds if not one.in_the_middle]
    lasted = m.long_calls >= protocol.calls and (m.shortest_call_s >= protocol.call_seconds or rehearsal)
    return (
        Criterion(
            name="leaks",
            question="Did a planted identifier leave, in any form, by any way?",
            limit="0 found outside",
            measured=_found(m.scan, exact),
            passed=not m.scan.findings and exact > 0,
            trips_switch=bool(m.scan.findings),
        ),
        Criterion(
            name="second_reader",
            question="Did an independent reader mark a text that left, and is no mark open?",
            limit="0 open marks",
            measured=f"{len(open_marks)} open of {len(m.second_reader.marks)} marks in {m.second_reader.texts} texts"
            f"{_places(open_marks)}",
            passed=not open_marks and m.second_reader.texts > 0,
        ),
        Criterion(
            name="planted",
            question="Were identifiers of all 18 kinds planted?",
            limit="18 kinds",
            measured=f"{m.letters_planted} kinds",
            passed=m.letters_planted == _ALL_LETTERS,
        ),
        Criterion(
            name="inventory",
            question="Is every field that left named by a rule of the policy?",
            limit="0 not classified",
            measured=f"{m.unclassified} not classified",
            passed=m.unclassified == 0,
        ),
        Criterion(
            name="ways_out",
            question="Did it speak to anybody but the model and its destinations, or write what nobody could read?",
            limit="no other address, no unread file",
            measured=_listed([*m.addresses, *m.unread], "none"),
            passed=not m.addresses and not m.unread,
        ),
        Criterion(
            name="calls",
            question="Did every call take place, last, and leave a complete trace?",
            limit=f"{protocol.calls} calls of {protocol.call_seconds:g} s, every scenario, none broken",
            measured=f"{m.long_calls} long and {m.short_calls} short calls, the shortest long one "
            f"{m.shortest_call_s:.0f} s; broken: {_listed(m.broken_calls, 'none')}",
            passed=lasted and not m.broken_calls,
        ),
        Criterion(
            name="door",
            question="Did the door stop anything, or telemetry fail, in calls that were redacted before it?",
            limit="0 refusals, 0 failures",
            measured=f"{len(m.refused)} refusals ({_listed(m.refused, 'none')}), {m.failures} failures",
            passed=not m.refused and m.failures == 0,
        ),
        Criterion(
            name="safeguards",
            question="Does each safeguard stop what is shown to it alone?",
            limit="none idle",
            measured=f"idle: {_listed(m.idle, 'none')}",
            passed=not m.idle,
            trips_switch=bool(m.idle),
        ),
        Criterion(
            name="installed",
            question="Is every installed file as its distribution recorded it, and all byte code that of its source?",
            limit="no file that is not",
            measured="not checked"
            if m.installed is None
            else f"{m.distributions} distributions; not so: {_listed(m.installed, 'none')}",
            passed=m.installed is not None and not m.installed and m.distributions > 0,
            judged=m.installed is not None,
            trips_switch=bool(m.installed),
        ),
        Criterion(
            name="overhead",
            question="What does telemetry take of a call's own thread, an operation?",
            limit=f"p99 at most {limits.overhead_p99_us:g} µs",
            measured=f"p99 {thread:.0f} µs of {m.latency.thread_us.count} operations",
            passed=m.latency.thread_us.count > 0 and thread <= limits.overhead_p99_us,
            judged=timed,
            trips_switch=thread > limits.overhead_trip_us,
        ),
        Criterion(
            name="overhead_wall",
            question="What does telemetry take of the clock on the wall, an operation?",
            limit=f"p99 at most {limits.overhead_p99_us:g} µs",
            measured=f"p99 {wall:.0f} µs",
            passed=m.latency.wall_us.count > 0 and wall <= limits.overhead_p99_us,
            judged=timed,
            trips_switch=wall > limits.overhead_trip_us,
        ),
        Criterion(
            name="drop",
            question="Did everything that was accepted arrive, once?",
            limit=f"under {limits.drop:.1%} lost, none twice",
            measured=f"{m.delivery.drop_rate:.2%} lost of {m.delivery.spans_accepted} spans and {m.delivery.events} "
            f"events, {m.delivery.duplicates_visible} twice",
            passed=m.delivery.spans_accepted > 0
            and m.delivery.drop_rate < limits.drop
            and m.delivery.duplicates_visible == 0,
        ),
        Criterion(
            name="alerts",
            question="Did each alert fire, clear, and tell somebody of both?",
            limit=f"{len(protocol.alerts)} alerts",
            measured=f"silent: {_listed(silent, 'none')}",
            passed=not silent and len(m.alerts) == len(protocol.alerts),
        ),
        Criterion(
            name="switch",
            question="Thrown in the middle of a call, does the switch stop every byte while the call goes on?",
            limit=f"0 bytes later than {limits.switch_ms:g} ms, the call goes on, the ledger says so",
            measured=f"{after} bytes after, {late} requests while batches were refused, "
            f"effective after {m.switch.effective_after_ms:.0f} ms, the call "
            f"{'went on' if m.switch.call_went_on else 'ended'}, "
            f"{'recorded' if m.switch.recorded else 'not recorded'}"
            + (f", not in the middle of requests: {_listed(undrilled, 'none')}" if undrilled or not rounds else ""),
            passed=after == 0
            and late == 0
            and bool(rounds)
            and not undrilled
            and m.switch.effective_after_ms <= limits.switch_ms
            and m.switch.call_went_on
            and m.switch.recorded,
        ),
        Criterion(
            name="seals",
            question="Are every call's chain and the ledger whole?",
            limit="all",
            measured=f"{m.integrity.chains_verified} of {m.integrity.calls} chains, "
            f"{m.integrity.ledger_entries} entries of the ledger",
            passed=sealed,
            trips_switch=not sealed,
        ),
        Criterion(
            name="tampering",
            question="Is every tampered copy rejected?",
            limit="all of 10",
            measured=f"{len(m.integrity.tampered)} copies, accepted: {_listed(tampered, 'none')}",
            passed=not tampered and len(m.integrity.tampered) >= 10,
            trips_switch=bool(tampered),
        ),
        *(() if m.agent is None else _of_agent(m.agent)),
    )


def _of_agent(agent: AgentAudit) -> tuple[Criterion, ...]:
    tools, fields = list(wrong_tools(agent)), list(wrong_fields(agent))
    count = sum(len(tool.fields) for tool in agent.tools)
    return (
        Criterion(
            name="agent_tools",
            question="Was each tool of the agent declared, offered to the model, called, and run?",
            limit="every tool, nothing that could not be seen",
            measured=shown(tools) or f"{len(agent.tools)} tools, each called and run",
            passed=not tools,
        ),
        Criterion(
            name="agent_fields",
            question="Did each field of each tool hold identifiers of all 18 kinds, and is none kept?",
            limit="every field, none kept",
            measured=shown(fields) or f"{count} fields, each with all 18 kinds; none kept",
            passed=not fields and count > 0,
        ),
        Criterion(
            name="agent_policy",
            question="Does `policy lint` say nothing against the policy, for this agent?",
            limit="0 objections",
            measured=shown(agent.objections) or "0 objections",
            passed=not agent.objections,
        ),
        Criterion(
            name="agent_code",
            question="Is the report bound to every module that the agent loaded from its directory?",
            limit="every module",
            measured=f"not bound: {shown(agent.unbound)}" if agent.unbound else f"{len(agent.files)} files, all bound",
            passed=not agent.unbound and bool(agent.files),
        ),
    )


def _found(scan: Scan, size: int) -> str:
    if not scan.findings:
        return f"0 in {size} bytes"
    places = sorted({f"{finding.letter} in {finding.channel}" for finding in scan.findings})
    return f"{len(scan.findings)} found: {_listed(places, '')}"


def _listed(names: Sequence[str], none: str) -> str:
    shown = ", ".join(names[:5])
    return none if not names else shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")
