"""`medagent telemetry`: the kill switch, for the person on duty."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from medagent.attestation.allowance import file_report, not_a_go
from medagent.attestation.binding import installed_differences
from medagent.attestation.bundle import Bundle
from medagent.attestation.installed_check import InstalledResult
from medagent.attestation.process_check import check_findings
from medagent.attestation.report import InstalledDistribution
from medagent.cli.output import console, print_failure, print_json, print_switch
from medagent.cli.reasons import recorded_reason
from medagent.errors import AttestationError, OutboxUnavailableError, SwitchError
from medagent.os_account import current_account
from medagent.proof import Json
from medagent.runtime.host import ledger, machine_keys
from medagent.runtime.installed_watch import check_installed
from medagent.runtime.kill_switch import (
    audited,
    audits,
    check_votes,
    officers,
    record_votes,
    switch,
    switch_message,
    unconfirmed,
)
from medagent.runtime.maintenance import purge as purge_outbox
from medagent.runtime.maintenance import waiting
from medagent.settings import Settings, load_settings
from medagent.telemetry.failures import Failure
from medagent.telemetry.ledger import reason_problem
from medagent.telemetry.outbox import OutboxStatus
from medagent.telemetry.switch_message import message_of

app = typer.Typer(help="The kill switch: stop all telemetry on this host, or lift the stop.", no_args_is_help=True)


@app.command()
def off(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it for six years. Name a ticket, never a person.")],
) -> None:
    """Stop telemetry in every running process on this host, within a second; calls go on.

    Hosts that share an outbox in PostgreSQL stop too, within 2 s; exit code 1 and a line name each that did not answer.
    """
    settings = load_settings()
    switch(settings).turn_off(reason=recorded_reason(reason), by=current_account().name)
    print_switch(switch_message(settings), to=console())
    if problem := reason_problem(reason):
        console().print(f"the reason is not recorded: it {problem}")
    _confirm(settings)


def _confirm(settings: Settings) -> None:
    """Name each host that shares the outbox and has not applied the change; exit code 1 where one did not answer."""
    against = unconfirmed(settings)
    for host, why in against:
        console().print(Text(f"host {host.label}: {why}", style="yellow"), soft_wrap=True)
    if any(host.is_serving for host, _ in against):
        raise typer.Exit(1)


@app.command()
def on(
    audit: Annotated[
        Path | None, typer.Option(exists=True, help="A signed audit report: the bundle, or the directory it lies in.")
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why, in dev without an audit; the ledger keeps it for six years.")
    ] = None,
    override: Annotated[bool, typer.Option("--override", help="In dev: lift a trip too; needs --reason.")] = False,
) -> None:
    """Lift the stop: by a GO of an audit, or in dev with a reason.

    The GO is for exactly this code, lock file, installed distributions, policy and destinations, and newer than the
    last trip. Every installed file is read for it, which takes a minute the first time. The report and
    its annexes are copied under MEDAGENT_HOME/audits; every process verifies it anew when it starts. In dev
    (MEDAGENT_ENV=dev) a reason lifts an off by command; after a trip it takes --override.
    """
    settings = load_settings()
    if (audit is None) == (reason is None) or (override and reason is None):
        raise typer.BadParameter("give either --audit REPORT or --reason TEXT; --override goes with --reason")
    if audit is not None:
        _by_audit(settings, audit)
    else:
        by = current_account().name
        lifted = switch(settings).turn_on_without_audit(reason=recorded_reason(reason or ""), by=by, override=override)
        if lifted is not None:
            console().print(Text(f"lifted the trip of {lifted.at.isoformat()}: {lifted.reason}"), soft_wrap=True)
    message = switch_message(settings)
    if message is None:
        console().print("telemetry is on", style="green")
    else:
        print_switch(message, to=console())
        raise typer.Exit(1)
    _confirm(settings)


def _by_audit(settings: Settings, audit: Path) -> None:
    """Store the report, record its signatures, and turn telemetry on; refuse it if a signature is missing."""
    filed = file_report(
        audit,
        audits=audits(settings),
        officers=officers(settings),
        machine_keys=machine_keys(settings),
        check=lambda bundle: check_votes(settings, bundle),
    )
    record_votes(settings, Bundle.load(audits(settings) / filed.sha256)[0], by=current_account().name)
    if against := list(dict.fromkeys(not_a_go(filed, officers(settings)))):  # said before a minute of reading
        raise AttestationError(f"this report does not allow telemetry: {'; '.join(against)}")
    result = _checked(settings, filed.report.system.installed)
    audited(settings, filed.sha256, installed=result)
    record, report, by = ledger(settings), filed.report, current_account().name
    record.append("audit", {"report": filed.sha256, "verdict": "GO", "policy": report.system.policy_sha256})
    switch(settings).turn_on(report=filed.sha256, by=by)


def _checked(settings: Settings, listed: Sequence[InstalledDistribution]) -> InstalledResult:
    """Check every installed file, and refuse what is not as it was recorded, with all that was audited otherwise."""
    out = console(stderr=True)
    with out.status("reading every installed file …") as status:
        result = check_installed(
            settings, audited=listed, on_progress=lambda count: status.update(f"installed files read: {count}")
        )
    if (problem := result.problem()) is not None:
        is_other = listed and tuple(listed) != result.distributions
        check_findings("; ".join([*(installed_differences(result.distributions, listed) if is_other else ()), problem]))
    return result


@app.command()
def purge(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it for six years. Name a ticket, never a person.")],
) -> None:
    """Delete all that waits for a destination; the ledger says of which calls, the archive keeps their places."""
    if problem := reason_problem(reason):
        raise SwitchError(f"the reason {problem}", hint="it is kept for six years: name a ticket, never a person")
    lost = purge_outbox(load_settings(), by=current_account().name, reason=recorded_reason(reason))
    console().print(f"what waited is deleted, of {lost} calls" if lost else "nothing waited")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Say whether telemetry is on, who says so, and what waits for which destination."""
    settings = load_settings()
    state = switch(settings).state()
    try:
        queued: OutboxStatus | None = waiting(settings)
    except OutboxUnavailableError as error:  # a full disk says nothing of the switch
        queued = None
        console(stderr=True).print(str(error), style="yellow", soft_wrap=True)
    if as_json:
        about = {"on": state.on, "source": state.source, "reason": state.reason, "at": state.at, "waits": state.waits}
        remedy = message_of(state, env=settings.env).remedy
        counts: dict[str, Json] = {"due": None, "provisional": None, "held": None}
        if queued is not None:
            counts = {"due": dict(queued.due), "provisional": queued.provisional, "held": queued.ready}
        print_json([{**about, "remedy": remedy, **counts}])
        return
    out = console()
    if state.may_export:
        out.print("telemetry is on", style="green")
        if (ends := switch(settings).go_ends()) is not None:
            out.print(f"  its GO ends on {ends[1].date().isoformat()}")
    else:
        print_switch(message_of(state, env=settings.env), to=out)
    if queued is None:
        return
    for name, count in queued.due.items():
        out.print(f"  {name}: {count} spans wait")
        if name in queued.last_errors:
            said = Failure.read(queued.last_errors[name]).explain(name)
            print_failure(out, "", said, style="yellow", indent=4)
    if queued.provisional:
        out.print(f"  {queued.provisional} spans are provisional: their calls go on, or their process is gone")
