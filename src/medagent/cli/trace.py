"""`medagent trace`: the calls in the local archive."""

from __future__ import annotations

import getpass
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from medagent.alerts.rules import load_alerts, threshold_ms
from medagent.cli.access import record_access
from medagent.cli.call_rows import call_rows, seconds
from medagent.cli.call_timeline import encodable, print_timeline
from medagent.cli.moments import milliseconds_of, moment_of
from medagent.cli.output import console, moment, plain_console, print_failure, print_json, tree
from medagent.errors import BrokenChainError, OutboxError, TraceNotFoundError
from medagent.proof import Json
from medagent.runtime.exports import archive
from medagent.runtime.host import redactors
from medagent.runtime.maintenance import undelivered
from medagent.settings import load_settings
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.failures import Failure
from medagent.telemetry.lookup import Lookup, treated
from medagent.telemetry.outbox import Lacking
from medagent.telemetry.span import SafeSpan

if TYPE_CHECKING:
    from rich.console import Console

    from medagent.telemetry.exporters.archive import Archive, CallSummary

_WHOLE = ("voice_session", "session.start", "agent_turn", "session.end", "policy.guardrail")


class Sort(StrEnum):
    """Orders of a list of calls."""

    START = "start"
    DURATION = "duration"
    SLOWEST = "slowest"
    TTFT = "ttft"
    COST = "cost"


app = typer.Typer(help="Read the calls in the local archive.", no_args_is_help=True)

TraceId = Annotated[str | None, typer.Argument(help="A call's id or its beginning; the latest call if left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command("list")
def list_calls(  # noqa: PLR0917  # typer reads options from the signature
    limit: Annotated[int, typer.Option(min=1, help="How many.")] = 20,
    slow: Annotated[
        bool, typer.Option("--slow", help="Calls with a wait over the threshold of the alert on TTFT-A.")
    ] = False,
    over: Annotated[str | None, typer.Option("--over", metavar="TIME", help="As --slow, over this: 800ms, 2s.")] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Calls that failed, as the alert on errors counts them.")
    ] = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Calls that ended since: 30m, 2h, 7d, 2026-11-30.")
    ] = None,
    sort: Annotated[Sort, typer.Option("--sort", help="Newest first, or the largest first.")] = Sort.START,
    as_json: AsJson = False,
) -> None:
    """List calls, the newest first.

    The slowest wait is the longest TTFT-A of a turn or the longest dead air.

    A call failed if an error was not recovered from, or a tool's run failed.
    """
    settings = load_settings()
    over_ms = threshold_ms(load_alerts(settings.alerts_path)) if slow else None
    if over is not None:
        over_ms = milliseconds_of(over, "--over")
    since_us = None if since is None else moment_of(since, "--since", now_us=time.time_ns() // 1000)
    record_access(settings, "archive", "trace_list")
    calls = archive(settings).calls(limit, sort=sort.value, over_ms=over_ms, failed=failed, since_us=since_us)
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
                "failed": call.failed,
                "ttft_ms": call.ttft_ms,
                "dead_air_longest_ms": call.dead_air_ms,
                "slowest_ms": call.slowest_ms,
                "cost_usd": call.cost_usd,
            }
            for call in calls
        )
        return
    if not calls:
        is_narrowed = over_ms is not None or failed or since_us is not None
        none = "No call is in the archive yet: `medagent call` plays one."
        console().print("No call in the archive is as asked for." if is_narrowed else none)
        return
    out = plain_console()
    out.print(_calls_table(calls, sort=sort, encoding=out.encoding))
    if over_ms is not None:
        out.print(encodable(f"Waits over {seconds(over_ms)}. medagent trace show --timeline ID says why", out.encoding))


def _calls_table(calls: Sequence[CallSummary], *, sort: Sort, encoding: str) -> Table:
    """The calls in 80 columns; the fourth is what was sorted by."""
    measured = {Sort.TTFT: "TTFT-A", Sort.COST: "cost"}.get(sort, "slowest")
    table = Table("call", "began (UTC)", "took", measured, "outcome", "ended by", "whole", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for call in calls:
        figures = {Sort.TTFT: seconds(call.ttft_ms), Sort.COST: _dollars(call.cost_usd)}
        figure = figures.get(sort, seconds(call.slowest_ms))
        outcome = Text("doctor" if call.synthetic else encodable(call.outcome or "–", encoding))
        outcome.stylize("red" if call.failed and not call.synthetic else "")
        row = (call.trace_id[:8], moment(call.start_us)[:16], seconds(call.duration_ms), encodable(figure, encoding))
        whole = Text("yes", style="green") if call.complete else Text("no", style="red")
        table.add_row(*row, outcome, encodable(call.reason or "–", encoding), whole)
    return table


def _dollars(value: float | None) -> str:
    return "–" if value is None else f"${value:.4f}"


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
    if as_timeline and spans:
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
