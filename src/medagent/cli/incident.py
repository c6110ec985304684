"""`medagent incident`: show what was sent of calls, and delete it there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from medagent.cli.access import record_access
from medagent.cli.incident_view import document, show, show_states
from medagent.cli.output import console, print_json
from medagent.cli.reasons import recorded_reason
from medagent.os_account import current_account
from medagent.proof import Json
from medagent.runtime.kill_switch import switch
from medagent.runtime.maintenance import investigation
from medagent.settings import Settings, load_settings
from medagent.telemetry.incident import CallReport, Investigation, deletable_of
from medagent.telemetry.ledger import reason_problem
from medagent.telemetry.outbox import DeletionRequest

_ARCHIVE = "archive"
_CONFIRMED = "confirmed_deleted"


def incident(
    traces: Annotated[list[str], typer.Argument(help="Ids of calls, or their beginnings.")],
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Request deletion where the calls went, and read back.")
    ] = False,
    purge: Annotated[bool, typer.Option("--purge", help="Delete what of the calls still waits here.")] = False,
    destination: Annotated[
        list[str] | None,
        typer.Option(
            help="Delete at this destination only; once for each. `archive` is deleted only where it is named."
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why; the ledger keeps it for six years. Name a ticket, never a person.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    wait: Annotated[float, typer.Option(min=0, max=3600, help="Seconds to read back after a request.")] = 30,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a call.")] = False,
) -> None:
    """Show what was sent of calls after a leak, and delete it there; exit code 1 where a deletion is not confirmed.

    Without --delete nothing is sent, unless an earlier deletion is not confirmed yet: then it is read back. Deletion
    and reading back send ids alone, so they work while telemetry is off.
    """
    if (delete or purge) and not (reason or "").strip():
        raise typer.BadParameter("--delete and --purge need --reason")
    if destination and not delete:
        raise typer.BadParameter("--destination goes with --delete")
    settings = load_settings()
    with investigation(settings, by=current_account().name) as found:
        calls = [found.report(trace_id) for trace_id in dict.fromkeys(map(found.find, traces))]
        for call in calls:
            record_access(settings, "archive", "incident", trace_id=call.trace_id)
        states: list[DeletionRequest] = []
        if delete or purge:
            names = _names(calls, destination) if delete else []
            _confirm(calls, names, yes=yes, as_json=as_json)
            if problem := reason_problem(reason or ""):
                console(stderr=True).print(f"the reason is not recorded: it {problem}")
            states = _act(found, calls, names, reason=recorded_reason(reason or ""), wait=wait)
            calls = [found.report(call.trace_id) for call in calls]
        else:
            calls = [found.read_back(call) for call in calls]
        _print(settings, found, calls, as_json=as_json)
    if delete:
        if not as_json:
            show_states(states)
        if any(state.status != _CONFIRMED for state in states):
            raise typer.Exit(1)


def _names(calls: Sequence[CallReport], chosen: Sequence[str] | None) -> list[str]:
    """The destinations to delete at: the chosen ones, or all that were sent something; never the archive unnamed."""
    known = dict.fromkeys(name for call in calls for name in deletable_of(call))
    if not chosen:
        return list(known)
    every = {each.facts.name for call in calls for each in call.destinations} | {_ARCHIVE}
    if unknown := [name for name in chosen if name not in every]:
        raise typer.BadParameter(
            f"--destination: {unknown[0]} was sent nothing, expected one of {', '.join(sorted(every))}"
        )
    return list(dict.fromkeys(chosen))


def _confirm(calls: Sequence[CallReport], names: Sequence[str], *, yes: bool, as_json: bool) -> None:
    if yes:
        return
    out = console(stderr=as_json)
    out.print("Calls to delete. This cannot be undone.", style="bold")
    for call in calls:
        out.print(f"  {call.trace_id}")
    out.print("First what still waits here, then at: " + (", ".join(names) or "no destination"))
    if typer.prompt("Type yes to delete", default="", show_default=False, err=as_json).strip() != "yes":
        out.print("nothing was deleted")
        raise typer.Exit(1)


def _act(
    found: Investigation, calls: Sequence[CallReport], names: Sequence[str], *, reason: str, wait: float
) -> list[DeletionRequest]:
    for call in calls:
        found.purge(call.trace_id, reason=reason)
    remote = [name for name in names if name != _ARCHIVE]
    states = found.delete(calls, remote, reason=reason, within_s=wait) if remote else []
    if _ARCHIVE in names:
        for call in calls:
            found.delete_here(call.trace_id, reason=reason)
    return states


def _print(settings: Settings, found: Investigation, calls: Sequence[CallReport], *, as_json: bool) -> None:
    state, broken = switch(settings).state(), found.outbox.corrupt()
    senders = [
        name
        for name, secret in (("slack", settings.slack_webhook_url), ("pagerduty", settings.pagerduty_routing_key))
        if secret is not None
    ]
    if as_json:
        lost: list[Json] = [*broken]
        about: dict[str, Json] = {"telemetry_on": state.on, "broken_outbox_files": lost}
        at = datetime.now(UTC).isoformat(timespec="seconds")
        print_json({"at": at, **about, **document(call)} for call in calls)
        return
    out = console()
    if state.on:
        out.print("telemetry is on: stop it first, `medagent telemetry off --reason …`", style="bold yellow")
    for file in broken:
        out.print(f"receipts before {file} are in that file, and are not shown here", style="yellow")
    for call in calls:
        show(out, call, senders=senders)
