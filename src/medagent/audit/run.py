"""One audit from its protocol to its report: calls, drills, search, verdict, and the files that it leaves."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from medagent.alerts.rules import load_alerts
from medagent.attestation.binding import lock_deviations
from medagent.attestation.bundle import Bundle
from medagent.attestation.consistency import FULL_CALL_S, FULL_CALLS
from medagent.attestation.installed_check import InstalledResult
from medagent.attestation.minimum import PLANTED_COPIES, SAMPLED_TRACES
from medagent.attestation.officers import Officers
from medagent.attestation.report import AgentAudit, Annex, Report, Run, Sample
from medagent.attestation.signed import Signed
from medagent.attestation.statements import read_report
from medagent.audit import assembly
from medagent.audit.agent_calls import plan_agent_calls, plan_agent_drill
from medagent.audit.agent_findings import agent_audit
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.alert_drill import LookedAt, drill_alerts
from medagent.audit.annex import seal_for
from medagent.audit.capture import Capture, Document, arrivals, log_arrivals
from medagent.audit.casting import Role, cast, cast_drill
from medagent.audit.child import Ran, Rooms, run_line
from medagent.audit.evidence import Evidence
from medagent.audit.integrity import examine
from medagent.audit.legal import legal_status, load_processors
from medagent.audit.line import Done, Spec
from medagent.audit.planted import Planted, plant
from medagent.audit.priority import lower_priority
from medagent.audit.protocol import Protocol
from medagent.audit.reading import read_texts
from medagent.audit.redirection import deviations_of, redirected
from medagent.audit.render import html, pdf
from medagent.audit.request_drill import drill_requests
from medagent.audit.review import can_hold_leak
from medagent.audit.review import sample as draw_sample
from medagent.audit.search import Search
from medagent.audit.shaped_leaks import Leaks
from medagent.audit.switch_drill import SwitchThrower
from medagent.audit.system import describe
from medagent.audit.verdict import Measured, judge
from medagent.audit.watching import written_files
from medagent.clinic import Clinic
from medagent.errors import MedagentError, TraceNotFoundError
from medagent.file_access import write_file
from medagent.redaction import Policy
from medagent.runtime.exports import archive
from medagent.runtime.host import key_ring, ledger, policy
from medagent.runtime.installed_watch import check_installed
from medagent.runtime.kill_switch import officers, switch
from medagent.settings import Settings, load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.telemetry.span import SafeSpan

Told = Callable[[Mapping[str, Any]], None]
"""Hears how far the audit is: `kind` is `stage`, `turn`, `ended`."""

_DRILL_S = 60.0
_DRILL_WALL_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """The report, and the directory in which it and its annexes were laid."""

    report: Report
    directory: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is to be run: the protocol with its file's digest, how fast, what is planted, where the report goes."""

    protocol: Protocol
    protocol_sha256: str
    pace: float
    seed: int
    out: Path
    day: date = field(default_factory=lambda: datetime.now(UTC).date())
    """What the run's own clock writes is planted nowhere."""
    agent: AgentSubject | None = None
    """Somebody's agent, which is played with calls made from its tools; None is the packaged receptionist."""
    tool_hosts: tuple[str, ...] = ()
    """Hosts that the agent's tools call: a connection that is refused to one of them is no finding."""
    example: bool = False
    """Mark the report as an example: no signature makes it a GO."""

    @property
    def rehearsal(self) -> bool:
        """Whether it is faster or smaller than an audit is; at the pace of life its latency is judged all the same."""
        protocol = self.protocol
        whole = protocol.calls >= FULL_CALLS and protocol.call_seconds >= FULL_CALL_S and protocol.scenarios == "all"
        read = protocol.sample >= SAMPLED_TRACES and protocol.planted_copies >= PLANTED_COPIES
        return self.pace != 1 or not whole or not read


def run_audit(settings: Settings, order: Order, told: Told) -> Audited:
    """Run it and write the report; only then touch this host: its ledger, and its switch where the verdict trips it.

    Raises `AuditError` where the audited process died, any `MedagentError` where it cannot begin.
    """
    officers(settings)  # a list that cannot be read is said before the calls, not after them
    load_processors(settings.processors_path)  # the same
    work = Path(tempfile.mkdtemp(prefix="medagent-audit-"))
    try:
        rooms = Rooms.made(work)
        evidence = _played(settings, order, rooms, told)
        told({"kind": "stage", "stage": "reading every byte that left"})
        installed = None if order.rehearsal else _checked(settings, told)
        report, files = _reported(settings, order, rooms, evidence, installed)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    for name, content in files.items():
        (order.out / name).parent.mkdir(parents=True, exist_ok=True)
        write_file(order.out / name, content)
    key = key_ring(settings).signing_key()
    bundle = Bundle.sealed(report, key)
    bundle.write(order.out)
    report, _ = read_report(bundle.report, [key.public])  # as it is read from the bundle: its mappings are sorted
    write_file(order.out / "report.json", report.model_dump_json(indent=1).encode())
    unsigned = Signed.nobody(report)
    write_file(order.out / "report.html", html(report, unsigned).encode())
    write_file(order.out / "report.pdf", pdf(report, unsigned))
    if report.trips_switch:
        failed = [one.name for one in report.criteria if one.judged and not one.passed and one.trips_switch]
        switch(settings).trip(f"audit: {', '.join(failed)}")
    said = {"report": bundle.report_sha256, "verdict": report.verdict, "policy": report.system.policy_sha256}
    ledger(settings).append("audit", said)
    return Audited(report=report, directory=order.out)


def _checked(settings: Settings, told: Told) -> InstalledResult:
    """After the calls, whose latency it would change: every installed file is read and all byte code compared."""
    told({"kind": "stage", "stage": "reading every installed file"})
    return check_installed(settings, audited=None)


# ---- what is played -------------------------------------------------------------------------------------------------


def _played(settings: Settings, order: Order, rooms: Rooms, told: Told) -> Evidence:
    protocol, began, started = order.protocol, time.time(), datetime.now(UTC)
    planted = plant(seed=order.seed, calls=protocol.calls, per_kind=protocol.planted_per_kind, day=order.day)
    roles, drill = _planned(order, planted)
    files = [_written(rooms, role) for role in (*roles, drill)]
    log = rooms.state / "calls.jsonl"
    with (
        Capture() as capture,
        SimulatorProcess(files, pace=order.pace, environment=settings.child_environment()) as simulator,
    ):
        if order.pace == 1:  # latency is judged, of which a provider elsewhere would take nothing
            lower_priority(simulator.pid)
        system = redirected(settings, rooms=rooms, capture=capture, model=simulator.endpoint, jsonlog="stdout")
        told({"kind": "stage", "stage": f"{len(roles)} calls", "calls": [role.scenario.name for role in roles]})
        line = run_line(_spec(system, roles, order, rooms), rooms=rooms, settings=settings, name="line", on_line=told)
        record = simulator.record()
        bodies = capture.documents()
        told({"kind": "stage", "stage": "the alerts, made to fire and to clear"})
        chains = _chains(load_settings(**system), line.done)
        lonely = load_settings(**{**system, "MEDAGENT_HOME": str(rooms.auditor / "alerts")})
        looked = LookedAt(rooms=rooms, settings=settings, system={**system, "MEDAGENT_HOME": str(lonely.home)})
        alerts = drill_alerts(lonely, protocol.alerts, capture, now_us=time.time_ns() // 1000, look=looked)
        told({"kind": "stage", "stage": "the switch, thrown in the middle of a call", "calls": [drill.scenario.name]})
        thrower = SwitchThrower(
            rooms=rooms, settings=settings, capture=capture, log=log, limit_ms=protocol.thresholds.switch_ms
        )

        def heard(about: Mapping[str, Any]) -> None:
            thrower.on_line(about)
            told(about)

        drilled = run_line(
            _spec({**system, "MEDAGENT_JSONLOG": str(log)}, [drill], order, rooms),
            rooms=rooms,
            settings=settings,
            name="drill",
            on_line=heard,
        )
        switched = thrower.result(drilled)
        told({"kind": "stage", "stage": "the switch, thrown while destinations refuse batches"})
        requested = drill_requests(
            settings, rooms=rooms, model=simulator.endpoint, limit_ms=protocol.thresholds.switch_ms
        )
        switched = switched.model_copy(
            update={
                "rounds": requested.rounds,
                "effective_after_ms": max(switched.effective_after_ms, requested.latest_ms),
            }
        )
        documents = [*capture.documents(), *line.documents, *drilled.documents, *thrower.documents, *looked.documents]
        documents += requested.documents
        known = (f"127.0.0.1:{capture.port}", simulator.endpoint.removeprefix("http://"))
    clinic = Clinic.open(load_settings(**system).clinic_url)
    rosters = clinic.rosters()
    clinic.close()
    opened = {path for ran in (line, drilled) for path in (*ran.done.written, *ran.seen.held)}
    files_left = written_files(
        [rooms.system], opened=opened, since=began, excluded=set(rooms.clinic), not_ours=[rooms.auditor, order.out]
    )
    documents += [*files_left.documents, *_spoken_to(line, drilled)]
    return Evidence(
        started=started,
        ended=datetime.now(UTC),
        planted=planted,
        roles=tuple(roles),
        line=line,
        drill=drilled,
        chains=chains,
        documents=tuple(documents),
        bodies=tuple(bodies),
        unread=(*files_left.unread, *(one for ran in (line, drilled) for one in (*ran.done.lost, *ran.seen.unread))),
        strangers=tuple(
            one for ran in (line, drilled) for one in ran.done.addresses if _strange(one, known, order.tool_hosts)
        ),
        record=record,
        rosters=rosters,
        alerts=tuple(alerts),
        switch=switched,
        integrity=examine(
            chains,
            rooms.state / "ledger" / "ledger.jsonl",
            [key_ring(load_settings(**system)).signing_key().public],
            rooms.auditor / "copies",
        ),
    )


def _planned(order: Order, planted: Sequence[Planted]) -> tuple[list[Role], Role]:
    """The calls, and the one in whose middle the switch is thrown."""
    protocol, drill_s = order.protocol, max(_DRILL_S, _DRILL_WALL_S * order.pace)
    if order.agent is None:
        names = protocol.scenario_names
        return (
            cast(planted, names, calls=protocol.calls, seconds=protocol.call_seconds, seed=order.seed),
            cast_drill(planted, names, seconds=drill_s, seed=order.seed),
        )
    tools, seed, pace = order.agent.declared(), order.seed, order.pace
    calls, seconds = protocol.calls, protocol.call_seconds
    return (
        plan_agent_calls(planted, tools, calls=calls, seconds=seconds, pace=pace, seed=seed),
        plan_agent_drill(planted, tools, seconds=drill_s, pace=pace, seed=seed),
    )


def _strange(address: str, known: Sequence[str], refused: Sequence[str]) -> bool:
    """Whether it is neither the capture nor the model, nor a host to which the agent's tools may try to connect."""
    if address.removeprefix("name ") in refused or address.rpartition(":")[0] in refused:
        return False
    # a local socket and the name of this machine lead nowhere
    return address not in known and address not in ("name 127.0.0.1", "name localhost", "name None")


def _written(rooms: Rooms, role: Role) -> Path:
    path = rooms.auditor / "scenarios" / f"{role.scenario.name}.yaml"
    path.write_text(json.dumps(asdict(role.scenario)), encoding="utf-8")
    return path


def _spec(system: Mapping[str, str], roles: Sequence[Role], order: Order, rooms: Rooms) -> Spec:
    return Spec(
        settings=dict(system),
        roles=tuple(roles),
        pace=order.pace,
        seed=order.seed,
        calls=order.protocol.calls,
        per_kind=order.protocol.planted_per_kind,
        day=order.day,
        deleted=rooms.deleted,
        report_fd=-1,
        agent=order.agent,
    )


def _chains(system: Settings, done: Done) -> dict[str, Sequence[SafeSpan]]:
    """The spans of each call as the audited system's archive has them, in the order of the calls."""
    store = archive(system)
    found: dict[str, Sequence[SafeSpan]] = {}
    try:
        for call in done.calls:
            try:
                found[call.trace_id] = store.spans(call.trace_id)
            except (TraceNotFoundError, MedagentError):
                found[call.trace_id] = ()
    finally:
        store.close()
    return found


def _spoken_to(*ran: Ran) -> list[Document]:
    """Addresses and commands, as text that left like any other."""
    told = [*(one for each in ran for one in each.done.addresses), *(one for each in ran for one in each.done.started)]
    return [Document(channel="process", path="addresses and commands", raw="\n".join(sorted(set(told))).encode())]


# ---- what is reported -----------------------------------------------------------------------------------------------


def _reported(
    settings: Settings, order: Order, rooms: Rooms, evidence: Evidence, installed: InstalledResult | None
) -> tuple[Report, dict[str, bytes]]:
    protocol, planted, chains = order.protocol, evidence.planted, evidence.chains
    in_force = policy(settings)
    searched = assembly.search_all(
        Search(planted), evidence.documents, chains, excluded=[str(path) for path in rooms.clinic]
    )
    scan = searched.scan.model_copy(update={"forms": tuple(sorted({form for one in planted for form in one.forms}))})
    reader = read_texts(evidence, planted, policy=in_force, alerts=load_alerts(settings.alerts_path))
    rows, unclassified = assembly.inventory(in_force, chains)
    done, drilled = evidence.line.done, evidence.drill.done
    spans = [span.span_id for spans in chains.values() for span in spans]
    arrived = arrivals(evidence.bodies, spans) | {"jsonlog": log_arrivals(evidence.line.stdout)}
    timed = assembly.latency(done, chains, judged=order.pace == 1)
    delivered = assembly.delivery(done, chains, arrived)
    long_calls = [call for call in done.calls if call.is_long]
    agent = _agent(settings, order, evidence, in_force)
    judged = judge(
        Measured(
            scan=scan,
            second_reader=reader.part,
            latency=timed,
            delivery=delivered,
            alerts=evidence.alerts,
            switch=evidence.switch,
            integrity=evidence.integrity,
            unclassified=unclassified,
            letters_planted=len({one.letter for one in planted}),
            long_calls=len(long_calls),
            short_calls=len(done.calls) - len(long_calls),
            broken_calls=evidence.broken_calls(),
            shortest_call_s=min((call.seconds * order.pace for call in long_calls), default=0.0),
            addresses=evidence.strangers,
            refused=tuple(sorted({*done.refusals, *drilled.refusals})),
            failures=done.failures + done.spans_suppressed,
            unread=(*evidence.unread, *searched.unread),
            idle=tuple(sorted({*done.idle, *drilled.idle})),
            installed=None if installed is None else installed.findings,
            distributions=0 if installed is None else len(installed.distributions),
            agent=agent,
        ),
        protocol,
        rehearsal=order.rehearsal,
        on=evidence.started.date(),
    )
    pinned = officers(settings)
    sampled, sheets, annexes = _sampled(order, chains, pinned, in_force)
    files = {**sheets, "annex/inventory.json": evidence.inventory_of_documents()}
    listed = [*annexes, _annex("annex/inventory.json", files["annex/inventory.json"])]
    secret = evidence.findings_text(scan, searched.around, reader.words)
    for name, content in _sealed(pinned, secret).items():
        files[name] = content
        listed.append(_annex(name, content, encrypted=True))
    system = describe(settings, () if installed is None else installed.distributions)
    report = Report(
        run=Run(
            run_id=secrets.token_hex(8),
            started_at=evidence.started.isoformat(timespec="seconds"),
            ended_at=evidence.ended.isoformat(timespec="seconds"),
            seed=order.seed,
            pace=order.pace,
            rehearsal=order.rehearsal,
            env=settings.env,
            calls=protocol.calls,
            call_seconds=protocol.call_seconds,
            scenarios=protocol.scenario_names if agent is None else _played_names(evidence),
            protocol_name=protocol.name,
            protocol_version=protocol.version,
            protocol_sha256=order.protocol_sha256,
            example=order.example,
        ),
        system=system,
        verdict=judged.verdict,
        causes=judged.causes,
        earliest_launch=judged.earliest_launch,
        trips_switch=judged.trips_switch,
        model_scripted=True,
        criteria=judged.criteria,
        required_roles=protocol.required_roles,
        matrix=assembly.matrix_rows(in_force, planted, scan),
        inventory=rows,
        unclassified=unclassified,
        scan=scan,
        planted=assembly.planted_rows(planted, [done, drilled], scan),
        second_reader=reader.part,
        latency=timed,
        delivery=delivered,
        alerts=evidence.alerts,
        switch=evidence.switch,
        integrity=evidence.integrity,
        sample=sampled,
        bounds=assembly.bounds(chains, scan),
        deviations=(
            *deviations_of(settings, is_timed=order.pace == 1),
            *_of_agent(order),
            *_rehearsed(order),
            *lock_deviations(),
        ),
        does_not_prove=protocol.does_not_prove,
        retention=protocol.retention,
        annexes=tuple(listed),
        legal=legal_status(in_force, system.destinations, settings.processors_path),
        agent=agent,
    )
    return report, files


def _agent(settings: Settings, order: Order, evidence: Evidence, in_force: Policy) -> AgentAudit | None:
    """What was found of the agent; None where the packaged receptionist was played."""
    if order.agent is None:
        return None
    assert settings.agent_path is not None  # noqa: S101  # whoever gives the agent binds it
    return agent_audit(
        order.agent,
        [one for one in (evidence.line.done.agent,) if one is not None],  # the record is of its calls
        evidence.record,
        policy=in_force,
        planted=evidence.planted,
        entry=settings.agent_path,
        tool_hosts=order.tool_hosts,
    )


def _played_names(evidence: Evidence) -> tuple[str, ...]:
    return tuple(role.scenario.name for role in evidence.roles if not role.is_long)


def _of_agent(order: Order) -> tuple[str, ...]:
    """What an audited agent of the clinic's own has otherwise than in operation."""
    if order.agent is None:
        return ()
    return (
        "The agent's tools ran with planted arguments; what they returned was replaced by planted values.",
        "Connections of the agent to other hosts were refused.",
        "The agent's process had none of the variables of this environment but paths and locale.",
    )


def _rehearsed(order: Order) -> tuple[str, ...]:
    """What makes it a rehearsal."""
    if not order.rehearsal:
        return ()
    size = f"{order.protocol.calls} calls of {order.protocol.call_seconds:g} s"
    timed = "its latency is judged" if order.pace == 1 else "no latency is judged"
    unchecked = "what is installed is not checked"
    return (f"A rehearsal: {size}, played {order.pace:g} times as fast as life; {timed}, {unchecked}.",)


def _sampled(
    order: Order, chains: Mapping[str, Sequence[SafeSpan]], pinned: Officers, in_force: Policy
) -> tuple[Sample, dict[str, bytes], tuple[Annex, ...]]:
    """The traces for people, drawn by the seed; the leaks that are planted in some are those of another seed.

    A call without a text that can hold a leak is drawn again where too few of the sample have one.
    """
    protocol = order.protocol
    complete = [spans for spans in chains.values() if spans]
    dice = random.Random(f"{order.seed} sample")  # noqa: S311 - the draw repeats by the seed in the report
    drawn = dice.sample(complete, min(protocol.sample, len(complete)))
    others: Sequence[Planted] = plant(seed=secrets.randbits(31), calls=max(1, protocol.planted_copies), day=order.day)
    leaks = Leaks.of(others)
    able = {id(spans) for spans in complete if can_hold_leak(spans, in_force, leaks)}
    spare = [spans for spans in complete if id(spans) in able and not any(spans is one for one in drawn)]
    for number, spans in enumerate(drawn):
        if spare and id(spans) not in able and sum(id(one) in able for one in drawn) < protocol.planted_copies:
            drawn[number] = spare.pop(dice.randrange(len(spare)))
    sampled = draw_sample(
        drawn,
        policy=in_force,
        leaks=leaks,
        planted_copies=min(protocol.planted_copies, sum(id(one) in able for one in drawn)),
        officers=pinned.all,
    )
    part = Sample(
        seed=order.seed,
        traces=sampled.traces,
        planted_copies=sampled.planted_copies,
        minimum_sensitivity=protocol.thresholds.reviewer_sensitivity,
    )
    return part, dict(sampled.files), sampled.annexes


def _annex(name: str, content: bytes, *, encrypted: bool = False) -> Annex:
    return Annex(name=name, sha256=hashlib.sha256(content).hexdigest(), encrypted=encrypted)


def _sealed(pinned: Officers, secret: bytes) -> dict[str, bytes]:
    """The findings' text for each officer who decides; nobody else reads it, and without officers nobody does."""
    return {
        f"annex/findings-{officer.key.key_id}.sealed": seal_for(officer.annex_key, secret)
        for officer in pinned.all
        if officer.annex_key is not None and secret
    }
