"""`medagent telemetry`: the kill switch, for the person on duty."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from medagent.attestation.allowance import file_report
from medagent.cli.output import console, print_failure, print_json
from medagent.compose import audited, audits, ledger, machine_keys, officers, switch, waiting
from medagent.compose import purge as purge_outbox
from medagent.errors import SwitchError
from medagent.settings import load_settings
from medagent.telemetry.failures import Failure
from medagent.telemetry.ledger import reason_problem

app = typer.Typer(help="The kill switch: stop all telemetry on this host, or lift the stop.", no_args_is_help=True)


@app.command()
def off(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it for six years. Name a ticket, never a person.")],
) -> None:
    """Stop telemetry in every running process on this host, within a second; calls go on."""
    settings = load_settings()
    switch(settings).turn_off(reason=reason, by=getpass.getuser())
    console().print("telemetry is off", style="red")
    if problem := reason_problem(reason):
        console().print(f"the reason is not recorded: it {problem}")


@app.command()
def on(
    audit: Annotated[
        Path, typer.Option(exists=True, help="A signed audit report: the bundle, or the directory it lies in.")
    ],
) -> None:
    """Lift the stop by a GO for exactly this code, lock file, policy and destinations, newer than the last trip.

    The report and its annexes are copied under MEDAGENT_HOME/audits; every process verifies it anew when it starts.
    """
    settings = load_settings()
    filed = file_report(
        audit, audits=audits(settings), officers=officers(settings), machine_keys=machine_keys(settings)
    )
    audited(settings, filed.sha256)
    record, report, by = ledger(settings), filed.report, getpass.getuser()
    record.append("audit", {"report": filed.sha256, "verdict": "GO", "policy": report.system.policy_sha256})
    signatures = [("reviewer", each.key_id) for each in filed.signed.reviews]
    signatures += [(each.role, each.key_id) for each in filed.signed.sign_offs]
    for role, key_id in signatures:
        record.append("sign_off", {"report": filed.sha256, "role": role, "key_id": key_id, "by": by})
    kill_switch = switch(settings)
    kill_switch.turn_on(report=filed.sha256, by=by)
    state = kill_switch.state()
    if state.on:
        console().print("telemetry is on", style="green")
    else:
        console().print(f"the stop is lifted, but telemetry is still off: {state.reason}", style="red")
        raise typer.Exit(1)


@app.command()
def purge(
    reason: Annotated[str, typer.Option(help="Why; the ledger keeps it for six years. Name a ticket, never a person.")],
) -> None:
    """Delete all that waits for a destination; the ledger says of which calls, the archive keeps their places."""
    if problem := reason_problem(reason):
        raise SwitchError(f"the reason {problem}", hint="it is kept for six years: name a ticket, never a person")
    lost = purge_outbox(load_settings(), by=getpass.getuser(), reason=reason)
    console().print(f"what waited is deleted, of {lost} calls" if lost else "nothing waited")


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Say whether telemetry is on, who says so, and what waits for which destination."""
    settings = load_settings()
    state, queued = switch(settings).state(), waiting(settings)
    if as_json:
        about = {"on": state.on, "source": state.source, "reason": state.reason, "at": state.at}
        print_json([{**about, "due": queued.due, "provisional": queued.provisional, "held": queued.ready}])
        return
    out = console()
    out.print("telemetry is on" if state.on else "telemetry is off", style="green" if state.on else "red")
    if not state.on:
        out.print(f"  by {state.source}: {state.reason}" + (f", since {state.at}" if state.at else ""))
    for name, count in queued.due.items():
        out.print(f"  {name}: {count} spans wait")
        if name in queued.last_errors:
            said = Failure.read(queued.last_errors[name]).explain(name)
            print_failure(out, "", said, style="yellow", indent=4)
    if queued.provisional:
        out.print(f"  {queued.provisional} spans are provisional: their calls go on, or their process is gone")
