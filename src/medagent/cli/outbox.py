"""`medagent outbox`: what waits for which destination, since when, and what stands in its way."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from medagent.cli.output import console, print_failure, print_json
from medagent.proof import Json
from medagent.runtime.exports import exporters, outbox
from medagent.runtime.kill_switch import hosts
from medagent.runtime.maintenance import SpoolStatus, spooled, waiting
from medagent.settings import load_settings
from medagent.telemetry.failures import Failure
from medagent.telemetry.hosts import HostStatus
from medagent.telemetry.outbox import OutboxStatus

app = typer.Typer(help="What waits to be delivered.", no_args_is_help=True)


@app.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False) -> None:
    """Say what waits for which destination; exit code 1 where a span or the outbox itself was set aside."""
    settings = load_settings()
    found, spool, shared = waiting(settings), spooled(settings), hosts(settings)
    if as_json:
        print_json(
            [{**_document(found), "spool": _spool_document(spool), "hosts": [_host_document(one) for one in shared]}]
        )
    else:
        _show(found)
        console().print(spool_line(spool), style=None if spool.service == "running" or not spool.files else "yellow")
        for one in shared:
            style = "yellow" if one.has_problem() else None
            console().print(Text(f"host {one.label}: {one.says()}", style=style or ""), soft_wrap=True)
    if found.set_aside or found.corrupt:
        raise typer.Exit(1)


@app.command()
def retry(
    destination: Annotated[str | None, typer.Argument(help="One destination; all if left out.")] = None,
) -> None:
    """Offer what was set aside once more, as after a change at the destination.

    Exit code 2 where no destination has this name: neither one that is set up, nor one that something waits for.
    """
    settings = load_settings()
    configured = exporters(settings)
    box = outbox(settings, configured)
    try:
        if destination is not None:
            status = box.status()
            known = {one.name for one in configured} | set(status.due) | set(status.set_aside)
            if destination not in known:
                expected = ", ".join(sorted(known))
                raise typer.BadParameter(f"unknown destination, expected one of {expected}", param_hint="DESTINATION")
        console().print(f"{box.offer_again(destination)} deliveries are due again")
    finally:
        box.close()


def _document(found: OutboxStatus) -> dict[str, Json]:
    aside: list[Json] = [
        {"destination": one.destination, "span_id": one.span_id, "name": one.name, "error": one.error}
        | Failure.read(one.error).explain(one.destination).document()
        for one in found.set_aside_spans
    ]
    errors: dict[str, Json] = {
        name: Failure.read(stored).explain(name).document() for name, stored in found.last_errors.items()
    }
    return {
        "due": dict(found.due),
        "oldest_s": dict(found.oldest_s),
        "delayed": dict(found.delayed),
        "leased": dict(found.leased),
        "paused_s": dict(found.paused_s),
        "last_errors": errors,
        "set_aside": dict(found.set_aside),
        "set_aside_spans": aside,
        "removed": list(found.removed),
        "dropped": dict(found.dropped),
        "provisional": found.provisional,
        "ready": found.ready,
        "bytes": found.bytes,
        "max_bytes": found.max_bytes,
        "refused": found.refused,
        "corrupt": list(found.corrupt),
    }


def _host_document(one: HostStatus) -> dict[str, Json]:
    return {
        "host": one.host,
        "name": one.name,
        "is_serving": one.is_serving,
        "silent_s": one.silent_s,
        "clock_ahead_s": one.clock_ahead_s,
        "problem": one.problem,
    }


def _spool_document(spool: SpoolStatus) -> dict[str, Json]:
    return {"files": spool.files, "living": spool.living, "bytes": spool.bytes, "export_service": spool.service}


def spool_line(spool: SpoolStatus) -> str:
    """Return what waits in the spool, and for whom, in one line."""
    service = {
        "running": "an export service is running",
        "missing": "no export service is running: the next call starts one, or: medagent ship --follow",
        "other": "the export service that is running has other code, policy or settings: it ends when it is idle",
    }[spool.service]
    calls = "1 call" if spool.files == 1 else f"{spool.files} calls"
    return f"spool: {calls} ({spool.living} in progress), {spool.bytes / 1e6:,.1f} MB; {service}"


def _show(found: OutboxStatus) -> None:
    out = console()
    table = Table("destination", "wait", "oldest", "being sent", "set aside", box=None, pad_edge=False)
    for name in sorted({*found.due, *found.set_aside}):
        oldest = f"{found.oldest_s[name]:,.0f} s" if name in found.oldest_s else "–"
        counts = (str(each.get(name, 0)) for each in (found.leased, found.set_aside))
        named = f"{name} (not configured)" if name in found.removed else name
        table.add_row(named, str(found.due.get(name, 0)), oldest, *counts)
    out.print(table)
    for name, stored in found.last_errors.items():
        print_failure(out, f"{name}: ", Failure.read(stored).explain(name), style="yellow")
    for name, count in found.delayed.items():
        out.print(f"{count} of the spans for {name} wait for the day of their release (MEDAGENT_RELEASE_DELAY_DAYS)")
    for name, seconds in found.paused_s.items():
        out.print(f"{name} asked to be left alone for another {seconds:,.0f} s")
    for one in found.set_aside_spans:
        said = Failure.read(one.error).explain(one.destination)
        print_failure(out, f"set aside for {one.destination}: {one.name} {one.span_id}: ", said, style="red")
    for name, count in found.dropped.items():
        out.print(f"{count} deliveries to {name} were given up, as too old or by a purge", style="yellow")
    for file in found.corrupt:
        out.print(f"broken and set aside: {file}", style="red")
    if found.refused:
        out.print(f"{found.refused} spans were refused: there was no room for them", style="red")
    limit = "" if found.max_bytes is None else f" of {found.max_bytes / 1e6:,.0f} MB"
    out.print(f"{found.bytes / 1e6:,.1f}{limit}; {found.provisional} spans are provisional, {found.ready} held")
