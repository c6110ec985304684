"""`medagent trace`: the calls in the local archive."""

from __future__ import annotations

import getpass
import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from medagent.cli.access import record_access
from medagent.cli.call_rows import call_rows
from medagent.cli.call_timeline import print_timeline
from medagent.cli.output import console, moment, plain_console, print_failure, print_json, tree
from medagent.compose import archive, redactors, undelivered
from medagent.errors import BrokenChainError, OutboxError, TraceNotFoundError
from medagent.proof import Json
from medagent.settings import load_settings
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.failures import Failure
from medagent.telemetry.lookup import Lookup, treated
from medagent.telemetry.outbox import Lacking
from medagent.telemetry.span import SafeSpan

if TYPE_CHECKING:
    from rich.console import Console

    from medagent.telemetry.exporters.archive import Archive

_WHOLE = ("voice_session", "session.start", "agent_turn", "session.end", "policy.guardrail")

app = typer.Typer(help="Read the calls in the local archive.", no_args_is_help=True)

TraceId = Annotated[str | None, typer.Argument(help="A call's id or its beginning; the latest call if left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_calls(
    limit: Annotated[int, typer.Option(min=1, help="How many, newest first.")] = 20, as_json: AsJson = False
) -> None:
    """List the latest calls."""
    settings = load_settings()
    record_access(settings, "archive", "trace_list")
    calls = archive(settings).calls(limit)
    if as_json:
        print_json(
            {
                "trace_id": call.trace_id,
                "start_us": call.start_us,
                "duration_ms": call.duration_ms,
                "outcome": call.outcome,
                "reason": call.reason,
                "spans": call.spans,
                "complete": call.complete,
                "synthetic": call.synthetic,
            }
            for call in calls
        )
        return
    if not calls:
        console().print("No call is in the archive yet: `medagent call` plays one.")
        return
    table = Table("call", "began", "took", "outcome", "ended by", "spans", "complete", box=None, pad_edge=False)
    for call in calls:
        complete = Text("yes", style="green") if call.complete else Text("no", style="red")
        took = f"{call.duration_ms / 1000:.1f} s"
        outcome = "doctor" if call.synthetic else call.outcome or "–"
        row = (call.trace_id[:8], moment(call.start_us), took, outcome, call.reason or "–")
        table.add_row(*row, str(call.spans), complete)
    console().print(table)


@app.command()
def show(
    trace_id: TraceId = None,
    as_timeline: Annotated[
        bool, typer.Option("--timeline", help="Who was heard when, each wait and what it was made of.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show one call's spans as they left, or as a timeline."""
    settings = load_settings()
    spans = _spans(archive(settings), trace_id)
    record_access(settings, "archive", "trace_show", trace_id=spans[0].trace_id if spans else None)
    if as_timeline:
        call = call_rows(spans)
        if as_json:
            print_json(call.documents())
        else:
            print_timeline(call, to=plain_console())
    elif as_json:
        print_json(span.document() for span in spans)
    else:
        console().print(tree(spans))


@app.command()
def check(trace_id: TraceId = None, as_json: AsJson = False) -> None:
    """Check that a call's trace is whole and as it was sealed; exit code 1 where it is not.

    Of a call of which spans were deleted – by retention, a refusal, a purge – only the chain can be judged.
    What a destination has not had is shown with its cause, and changes no exit code: it is still to be delivered.
    """
    settings = load_settings()
    store = archive(settings)
    chain = store.chain(trace_id or _latest(store))
    record_access(settings, "archive", "trace_check", trace_id=chain[0].trace_id)
    spans = [link for link in chain if isinstance(link, SafeSpan)]
    deleted: dict[str, Json] = {**Counter(str(link.cause) for link in chain if not isinstance(link, SafeSpan))}
    missing = [] if deleted else missing_of(spans)
    try:
        verify_chain(chain)
        broken = None
    except BrokenChainError as error:
        broken = str(error)
    lacking: list[Lacking] = []
    unread: str | None = None
    try:
        lacking = undelivered(settings, chain[0].trace_id)
    except OutboxError as error:  # the trace can be judged without it
        unread = str(error)
    if as_json:
        about: dict[str, Json] = {"trace_id": chain[0].trace_id, "complete": not missing and broken is None}
        waits: list[Json] | None = [_document(one) for one in lacking] if unread is None else None
        print_json([{**about, "missing": missing, "deleted": deleted, "chain": broken or "ok", "undelivered": waits}])
    else:
        out = console()
        out.print(f"call {chain[0].trace_id}: {len(spans)} spans")
        for cause, count in deleted.items():
            out.print(f"deleted by {cause}: {count} spans, each with its tombstone", style="yellow")
        if not deleted:
            out.print(f"missing: {', '.join(missing)}" if missing else "complete", style="red" if missing else "green")
        out.print(f"chain broken: {broken}" if broken else "chain whole", style="red" if broken else "green")
        for one in lacking:
            _show_lacking(out, one)
        if unread is not None:
            out.print(f"deliveries are not known: {unread}", style="yellow")
    if missing or broken is not None:
        raise typer.Exit(1)


def _document(one: Lacking) -> dict[str, Json]:
    about: dict[str, Json] = {"destination": one.destination, "spans": one.spans, "set_aside": one.set_aside}
    return about if one.error is None else about | Failure.read(one.error).explain(one.destination).document()


def _show_lacking(out: Console, one: Lacking) -> None:
    aside = f", {one.set_aside} set aside" if one.set_aside else ""
    says = f"not at {one.destination}: {one.spans} spans{aside}"
    if one.error is None:
        out.print(f"{says}: not tried yet", style="yellow")
    else:
        print_failure(out, f"{says}: ", Failure.read(one.error).explain(one.destination), style="yellow")


@app.command()
def find(
    room: Annotated[bool, typer.Option("--room", help="By the room's name.")] = False,
    phone: Annotated[bool, typer.Option("--phone", help="By the caller's number.")] = False,
    confirmation: Annotated[bool, typer.Option("--confirmation", help="By a confirmation id.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find the calls of a room, a caller's number or a confirmation id; exit code 1 where there is none.

    The raw value is asked for, or read from stdin, so that no shell remembers it; it is treated as the policy treats
    it under each pseudonym key that this host knows, compared here, and neither kept nor logged.
    """
    if [room, phone, confirmation].count(True) != 1:
        raise typer.BadParameter("say one of --room, --phone, --confirmation")
    settings = load_settings()
    what = "room" if room else "phone number" if phone else "confirmation id"
    raw = getpass.getpass(f"{what}: ") if sys.stdin.isatty() else sys.stdin.readline()
    kind: Lookup = "room" if room else "phone" if phone else "confirmation"
    record_access(settings, "archive", "trace_find")
    values = [value for each in redactors(settings) for value in treated(each, kind, raw.strip())]
    found = archive(settings).holding(list(dict.fromkeys(values)))
    if as_json:
        print_json({"trace_id": trace_id} for trace_id in found)
    elif found:
        for trace_id in found:
            console().print(trace_id)
    else:
        console().print(f"no call in the archive has this {what}")
    if not found:
        raise typer.Exit(1)


def _kept(guardrail: SafeSpan) -> tuple[str, ...]:
    """What a whole call has by its guardrail: after a refusal two spans, outside the sample the guardrail alone."""
    consent, sampling = guardrail.fields.get("consent"), guardrail.fields.get("sampling")
    if isinstance(sampling, Mapping) and sampling.get("sampled") is False:
        return ("policy.guardrail",)
    refused = isinstance(consent, Mapping) and consent.get("state") == "refused"
    return ("voice_session", "policy.guardrail") if refused else _WHOLE


def missing_of(spans: list[SafeSpan]) -> list[str]:
    """What a whole call would have: by its own account, and by the spans that are there."""
    present = {span.name for span in spans}
    wanted = next((_kept(span) for span in spans if span.name == "policy.guardrail"), _WHOLE)
    missing = [name for name in wanted if name not in present]
    for span in spans:
        own = span.fields.get("missing") if span.name == "session.end" else None
        if isinstance(own, list):
            missing += [str(name) for name in own if name not in missing]
    return missing


def _spans(store: Archive, trace_id: str | None) -> list[SafeSpan]:
    return store.spans(trace_id or _latest(store))


def _latest(store: Archive) -> str:
    latest = store.calls(1)
    if not latest:
        raise TraceNotFoundError("no call is in the archive yet", hint="`medagent call` plays one")
    return latest[0].trace_id
