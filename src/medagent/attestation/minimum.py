"""Minimum requirements of a GO, in code: no protocol and no report can ask for less; pure.

`audits/week5.yaml` asks for exactly this. What a report measured is compared with these limits again, because a report
that is signed by the machine alone is no proof of its own criteria.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType

from medagent.attestation.consistency import FULL_CALL_S, FULL_CALLS
from medagent.attestation.officers import REVIEWER
from medagent.attestation.report import ADJUDICABLE, Report

SIGN_OFF = "sign_off"
REQUIRED_ROLES: Mapping[str, int] = MappingProxyType({REVIEWER: 2, SIGN_OFF: 1})
"""Different people whose signatures a GO has at least, by role."""
REQUIRED_CRITERIA = frozenset(
    {
        "leaks",
        "second_reader",
        "planted",
        "installed",
        "inventory",
        "ways_out",
        "calls",
        "door",
        "safeguards",
        "overhead",
        "overhead_wall",
        "drop",
        "alerts",
        "switch",
        "seals",
        "tampering",
    }
)
AGENT_CRITERIA = frozenset({"agent_tools", "agent_fields", "agent_policy", "agent_code"})
"""Those that an audit of an agent of the clinic's own has besides."""
LETTERS = 18
ALERTS = frozenset({"error_rate", "ttft_p95", "tool_failure_rate"})
ALERT_MESSAGES = 2
TAMPERED_COPIES = 10
SAMPLED_TRACES, PLANTED_COPIES = 10, 4
REVIEWER_SENSITIVITY = 0.8
LAUNCH_DELAY_DAYS = 14
OVERHEAD_P99_US, OVERHEAD_TRIP_US = 1000.0, 5000.0
DROP = 0.01
SWITCH_MS = 1000.0


def required_roles(report: Report) -> dict[str, int]:
    """Return the number of people by role: what the protocol asks for, and never less than the minimum."""
    asked = report.required_roles
    return {role: max(asked.get(role, 0), REQUIRED_ROLES.get(role, 0)) for role in {*asked, *REQUIRED_ROLES}}


def unmet(report: Report, *, protocols: Collection[str], adjudicated: bool) -> Iterator[str]:
    """Yield each minimum requirement of a GO that an audit's report does not meet.

    Args:
        report: The report of an audit; a rehearsal meets none of it.
        protocols: SHA-256 of the pinned protocols.
        adjudicated: Whether officers decided that every open mark of the second reader is no leak.
    """
    if report.run.rehearsal or report.run.pace != 1:
        yield "a rehearsal is never a GO"
    if report.run.calls < FULL_CALLS or report.run.call_seconds < FULL_CALL_S:
        yield f"fewer than {FULL_CALLS} calls of {FULL_CALL_S:g} s were played"
    if report.run.protocol_sha256 not in protocols:
        yield f"protocol {report.run.protocol_name} {report.run.protocol_sha256[:12]} is not pinned beside the officers"
    yield from _criteria(report, adjudicated=adjudicated)
    yield from _measured(report)
    yield from unmet_by_agent(report)
    yield from _asked(report)


def _criteria(report: Report, *, adjudicated: bool) -> Iterator[str]:
    names = {one.name for one in report.criteria}
    yield from (f"criterion {name} is missing" for name in sorted(REQUIRED_CRITERIA - names))
    for one in report.criteria:
        if not one.judged:
            yield f"criterion {one.name} was not judged"
        elif not one.passed and not (adjudicated and one.name == ADJUDICABLE):
            yield f"criterion {one.name} failed"


def _measured(report: Report) -> Iterator[str]:
    """What the numbers of the report show, whatever its criteria say of them."""
    outside = max(
        len(report.scan.findings),
        sum(one.findings for one in report.scan.channels),
        sum(row.found_outside for row in report.matrix),
        sum(row.found_outside for row in report.planted),
    )
    letters = {row.letter for row in report.planted if row.values}
    drills = {one.name: one for one in report.alerts}
    switch, integrity, latency = report.switch, report.integrity, report.latency
    checks = {
        f"{outside} planted values were found outside": outside == 0,
        "no byte was searched": any(one.bytes for one in report.scan.channels),
        f"identifiers of {LETTERS} kinds were not all planted": len(letters) == LETTERS,
        f"{report.unclassified} fields are not classified": report.unclassified == 0,
        "the second reader was shown no text": report.second_reader.texts > 0,
        "telemetry's own time was not judged": latency.judged and latency.thread_us.count > 0,
        f"telemetry's own time is above {OVERHEAD_P99_US:g} µs (p99)": latency.thread_us.p99 <= OVERHEAD_P99_US
        and latency.wall_us.p99 <= OVERHEAD_P99_US,
        f"{DROP:.0%} of the spans or more were lost, or some arrived twice": report.delivery.spans_accepted > 0
        and report.delivery.drop_rate < DROP
        and report.delivery.duplicates_visible == 0,
        f"fewer than {len(ALERTS)} alerts fired and cleared": len(drills) >= len(ALERTS)
        and all(one.fired_at and one.cleared_at and one.messages >= ALERT_MESSAGES for one in drills.values()),
        "the switch did not stop every byte": not any(switch.bytes_after.values())
        and not any(one.requests_after or one.bytes_after or not one.in_the_middle for one in switch.rounds)
        and switch.effective_after_ms <= SWITCH_MS,
        "the switch ended the call, or was not recorded": switch.call_went_on and switch.recorded,
        "a chain or the ledger is not whole": integrity.chains_verified == integrity.calls > 0
        and integrity.ledger_head is not None,
        "a tampered copy was accepted": len(integrity.tampered) >= TAMPERED_COPIES
        and all(one.rejected for one in integrity.tampered),
        "the report lists no installed distributions": bool(report.system.installed)
        and report.system.installed_sha256 is not None,
        "the report names a cause against itself": report.verdict != "GO"
        or not (report.causes or report.trips_switch or report.earliest_launch),
    }
    yield from (what for what, holds in checks.items() if not holds)


def unmet_by_agent(report: Report) -> Iterator[str]:
    """Yield what a GO lacks for the agent that the report is bound to, whatever its criteria say.

    A report that is bound to an agent of the clinic's own is of an audit that played it.
    """
    bound = next((one.value for one in report.system.settings if one.name == "MEDAGENT_AGENT"), "medagent")
    agent = report.agent
    if agent is None:
        if bound != "medagent":
            yield "it is bound to an agent that was not played"
        return
    if bound == "medagent":
        yield "it is not bound to the agent that was played"
    missing = sorted(AGENT_CRITERIA - {one.name for one in report.criteria})
    yield from (f"criterion {name} is missing" for name in missing)
    idle = [tool.name for tool in agent.tools if not (tool.declared and tool.called and tool.ran)]
    fields = [one for tool in agent.tools for one in tool.fields]
    checks = {
        f"the tool {', '.join(idle)} was not declared, called and run": not idle,
        "no field of a tool was seen": bool(fields),
        "a field of a tool did not hold every kind of identifier": all(len(one.letters) == LETTERS for one in fields),
        "a field of a tool is kept with an identifier in it": not any(one.keeps for one in fields),
        "a part of the agent was not seen": not agent.unseen,
        "`policy lint` objects to the policy": not agent.objections,
        "a module of the agent is not bound": not agent.unbound and bool(agent.files),
    }
    yield from (what for what, holds in checks.items() if not holds)


def _asked(report: Report) -> Iterator[str]:
    """What the protocol asked of people, where it is less than the minimum."""
    sample = report.sample
    if len(sample.traces) < SAMPLED_TRACES or sample.planted_copies < PLANTED_COPIES:
        yield f"the sample has fewer than {SAMPLED_TRACES} traces and {PLANTED_COPIES} planted copies"
    if sample.minimum_sensitivity < REVIEWER_SENSITIVITY:
        yield f"the protocol accepts reviewers who find less than {REVIEWER_SENSITIVITY:.0%} of the planted leaks"
    for role, count in REQUIRED_ROLES.items():
        if report.required_roles.get(role, 0) < count:
            yield f"the protocol asks for {report.required_roles.get(role, 0)} of {count} {role}"
