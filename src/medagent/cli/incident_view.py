"""How an incident is shown: 100 columns for a person, a JSON object for a program. Ids, names and paths, no value."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from medagent.proof import Json
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.incident import CallReport, DestinationReport, FieldSent, ids_at
from medagent.telemetry.outbox import DeletionRequest

_QUIET = "bright_black"
_MARKS = {
    Sent.DELIVERED: Text("✓", style="red"),
    Sent.UNKNOWN: Text("?", style="yellow"),
    Sent.REFUSED: Text("✗", style=_QUIET),
}
_WORDS = {Sent.DELIVERED: "delivered", Sent.UNKNOWN: "no answer", Sent.REFUSED: "refused"}
_OUTCOMES = {Sent.DELIVERED: "delivered", Sent.UNKNOWN: "unknown", Sent.REFUSED: "refused"}
_MACHINE = ("measurement", "machine")
_BY_HAND = {
    "otlp": "OTLP has no deletion. Ask whoever runs the collector and what is behind it, by trace_id {hex}. "
    "Its metrics are totals without an id: nothing of one call can be found in them",
    "jsonlog": "A log has no deletion by id. Delete the lines whose trace_id is {id}; in CloudWatch find them with "
    '{{ $.trace_id = "{id}" }}, and delete the log stream or shorten its retention',
}
_SAYS = {
    "confirmed_deleted": "confirmed",
    "requested": "requested",
    "not_confirmed": "not confirmed",
    "not_supported": "by hand",
    "failed": "failed",
}
_CAUSES = {
    "still_shown": "still shown there. Read back later: medagent incident {id}",
    "never_shown": "not shown there, and was not before: is this the account and project of then?",
    "not_configured": "set its key to delete there",
    "no_answer": "no answer",
    "not_reachable": "not reachable",
    "stopped_by_filter": "the request filter stopped the request",
    "http_401": "answered 401: the key is not valid",
    "http_403": "answered 403: the key may not delete, or is of another region or workspace",
    "http_404": "answered 404: no such project or path",
}


def show(out: Console, call: CallReport, *, senders: Sequence[str]) -> None:
    """Print one call."""
    out.print()
    out.rule(Text(f"call {call.trace_id}", style="bold"), align="left", style=_QUIET)
    _facts(out, call)
    if call.destinations:
        out.print()
        out.print(_destinations(call))
    _spans(out, call)
    _fields(out, call)
    _meaning(out, call, senders)


def show_states(states: Sequence[DeletionRequest]) -> None:
    """Print nothing more than that no destination had anything to delete: all else is in the tables."""
    if not states:
        Console(width=100, highlight=False).print("no destination was sent anything: nothing was requested")


def document(call: CallReport) -> dict[str, Json]:
    """Return all of it as JSON; times are ISO 8601 in UTC."""
    guardrail: Json = None
    if (found := call.guardrail) is not None:
        guardrail = {
            "source": found.source,
            "policy": found.policy or None,
            "policy_sha256": found.sha256,
            "is_policy_of_today": call.is_policy_of_today,
            "actions": dict(found.actions),
            "categories": dict(found.categories),
            "withheld": dict(found.withheld),
        }
    return {
        "trace_id": call.trace_id,
        "call_open": call.is_open,
        "guardrail": guardrail,
        "archive": {"spans": call.archived, "deleted": dict(call.tombstones)},
        "held": call.held,
        "destinations": [_destination(call.trace_id, each) for each in call.destinations],
        "fields": [
            {
                "span": each.span,
                "path": each.path,
                "action": each.action,
                "category": each.category,
                "count": each.count,
                "redacted": each.redacted,
            }
            for each in call.fields
        ],
    }


def _facts(out: Console, call: CallReport) -> None:
    facts = Table.grid(padding=(0, 2))
    if (found := call.guardrail) is None:
        facts.add_row("policy", Text("not known: neither archive nor ledger has this call's guardrail", style="yellow"))
    else:
        since = {True: "", False: ", changed since", None: ""}[call.is_policy_of_today]
        facts.add_row("policy", f"{found.policy} {found.sha256[:16]}{since}  (by the {found.source})".strip())
        facts.add_row("redaction", ", ".join(f"{count} {name}" for name, count in found.actions.items()) or "nothing")
        facts.add_row("by kind", ", ".join(f"{count} {name}" for name, count in found.categories.items()) or "–")
        if found.withheld:
            texts = (f"{count} {name.replace('_', ' ')}" for name, count in found.withheld.items())
            facts.add_row("withheld", ", ".join(texts))
    deleted = ", ".join(f"{count} deleted by {cause}" for cause, count in call.tombstones.items())
    here = f"{call.archived} spans in the archive" + (f", {deleted}" if deleted else "")
    facts.add_row("here", here if call.archived or deleted else "nothing in the archive: only receipts remain")
    if call.held:
        facts.add_row("held", Text(f"{call.held} spans, not sent anywhere", style="yellow"))
    if call.is_open:
        facts.add_row("open", Text("the call has not ended: it may still send", style="bold yellow"))
    out.print(facts)


def _destinations(call: CallReport) -> Table:
    table = Table("sent to", "region", "kept", "spans", "sent (UTC)", "deletion", box=None, pad_edge=False)
    for each in call.destinations:
        days = each.facts.retention_days
        counts = [
            f"{count} {word}"
            for outcome, word in _WORDS.items()
            if (count := sum(span.outcome is outcome for span in each.spans))
        ]
        table.add_row(
            each.facts.name,
            each.facts.region,
            "not known" if days is None else f"{days} days",
            Text("\n".join(counts), style="red" if each.may_hold else "")
            if counts
            else Text("no receipt", style=_QUIET),
            _between(each.first_ms, each.last_ms),
            _deletion(each),
        )
    return table


def _between(first_ms: int | None, last_ms: int | None) -> str:
    first, last = _moment(first_ms), _moment(last_ms)
    if first == last:
        return first
    return f"{first} – {last[11:] if last[:10] == first[:10] else last}"


def _deletion(each: DestinationReport) -> Text:
    if each.deletion is None:
        return Text("not requested" if each.may_hold else "–", style="" if each.may_hold else _QUIET)
    done = each.deletion.status == "confirmed_deleted" and not each.was_sent_after_request
    said = "sent again since" if each.was_sent_after_request else _SAYS[each.deletion.status]
    return Text(said, style="green" if done else "yellow")


def _spans(out: Console, call: CallReport) -> None:
    """One line for each span, one column for each destination."""
    sent = [each for each in call.destinations if each.spans]
    if not sent:
        return
    out.print()
    table = Table(box=None, pad_edge=False)
    table.add_column("span", overflow="fold")
    table.add_column("span id", no_wrap=True)
    for each in sent:
        table.add_column(each.facts.name, justify="center")
    by_id = [{span.span_id: span for span in each.spans} for each in sent]
    names = {span.span_id: (span.first_ms, span.name) for each in sent for span in each.spans}
    for span_id, (_, name) in sorted(names.items(), key=lambda item: item[1]):
        marks = [_MARKS[found[span_id].outcome] if span_id in found else Text("–", style=_QUIET) for found in by_id]
        table.add_row(name, span_id, *marks)
    out.print(table)
    out.print(Text("✓ delivered   ? no answer, may be there   ✗ refused   – not sent", style=_QUIET))
    ids = Table.grid(padding=(0, 2))
    for each in sent:
        about = ids_at(each.facts.name, trace_id=call.trace_id, span_id=each.spans[0].span_id)
        (trace_key, trace_id), (span_key, _) = about.items()
        rule = {"run_id": "is the span id", "_id": "begins with the span id"}.get(
            span_key, "is the span id's first 16 digits"
        )
        ids.add_row(each.facts.name, f"{trace_key} {trace_id}", f"{span_key} {rule}", style=_QUIET)
    out.print(ids)


def _fields(out: Console, call: CallReport) -> None:
    if not call.fields:
        if any(each.spans for each in call.destinations):
            out.print("\nfields: not known, the archive has no span of this call any more", style="yellow")
        return
    out.print("\nfields of the spans that were sent; no value is shown", style="bold")
    named = [each for each in call.fields if each.category not in _MACHINE]
    kinds = {each.span for each in call.fields}
    everywhere = [
        path for path in {each.path: 0 for each in named} if {e.span for e in named if e.path == path} == kinds
    ]
    table = Table.grid(padding=(0, 2))
    if len(kinds) > 1 and everywhere:
        shared = {each.path: each for each in named if each.path in everywhere}
        _add_fields(table, "every span", list(shared.values()))
        named = [each for each in named if each.path not in everywhere]
    for span, fields in groupby(named, key=lambda each: each.span):
        _add_fields(table, span, list(fields))
    out.print(Padding(table, (0, 0, 0, 2)))
    machine = sum(each.category in _MACHINE for each in call.fields)
    out.print(Text(f"  and {machine} machine fields and measurements: `--json` lists them", style=_QUIET))


def _add_fields(table: Table, span: str, fields: Sequence[FieldSent]) -> None:
    for number, (action, group) in enumerate(_by_action(fields)):
        paths = ", ".join(each.path + (" (redacted)" if each.redacted == each.count else "") for each in group)
        table.add_row("" if number else span, Text(action, style=_style(action)), paths)


def _by_action(fields: Sequence[FieldSent]) -> list[tuple[str, list[FieldSent]]]:
    grouped: dict[str, list[FieldSent]] = {}
    for each in fields:
        grouped.setdefault(each.action or "no rule", []).append(each)
    return sorted(grouped.items())


def _style(action: str) -> str:
    return "green" if action in ("REDACT", "DROP") else "yellow"


def _meaning(out: Console, call: CallReport, senders: Sequence[str]) -> None:
    out.print("\nwhat this means", style="bold")
    table = Table.grid(padding=(0, 2))
    for each in call.destinations:
        for number, line in enumerate(_meaning_at(call, each)):
            table.add_row("" if number else each.facts.name, line)
    for name in senders:
        table.add_row(name, "an alert holds figures, an incident's id, and of up to three calls the id's beginning")
    if call.archived:
        table.add_row("archive", "kept for the assessment. To delete it: --delete --destination archive --reason …")
    if not table.rows:
        table.add_row("nothing of this call was sent")
    out.print(Padding(table, (0, 0, 0, 2)))


def _meaning_at(call: CallReport, each: DestinationReport) -> list[Text]:
    request, found = each.deletion, list[Text]()
    if each.queued is not None and (waits := each.queued.due + each.queued.set_aside):
        aside = f", {each.queued.set_aside} of them dead-lettered" if each.queued.set_aside else ""
        found.append(Text(f"{waits} spans still wait here{aside}. To delete them: --purge --reason …", style="yellow"))
    if request is not None and request.status == "confirmed_deleted" and not each.was_sent_after_request:
        when = _moment(request.checked_ms)
        found.append(Text(f"deleted: no longer shown there on {when} UTC. Its backups end by contract", style="green"))
    elif request is not None and not each.was_sent_after_request and request.status != "not_supported":
        cause = _CAUSES.get(request.cause or "", (request.cause or "").replace("_", " ")).format(id=call.trace_id[:8])
        says = _SAYS[request.status] + (f": {cause}" if cause else "")
        found.append(Text(f"deletion {says}", style="yellow"))
    elif each.may_hold:
        until = _moment(each.kept_until_ms)
        is_over = each.kept_until_ms is not None and each.kept_until_ms < time.time_ns() // 1_000_000
        kept = "kept as long as it decides" if each.kept_until_ms is None else f"kept until {until} UTC"
        says = f"its retention ended on {until} UTC: look whether it is gone" if is_over else f"data is there, {kept}"
        found.append(Text(says, style="yellow" if is_over else "red"))
    elif not each.spans and each.is_fact_of_the_call:
        found.append(
            Text("no receipt: nothing was sent, or it was sent by a version that kept no receipts", style="yellow")
        )
    if each.facts.name in _BY_HAND and each.may_hold:
        hex_id = call.trace_id.replace("-", "")
        found.append(Text(_BY_HAND[each.facts.name].format(id=call.trace_id, hex=hex_id), style="yellow"))
    return found


def _destination(trace_id: str, each: DestinationReport) -> dict[str, Json]:
    queued, request = each.queued, each.deletion
    deletion: Json = None
    if request is not None:
        deletion = {
            "status": request.status,
            "cause": request.cause,
            "requested_at": _iso(request.requested_ms),
            "read_back_at": _iso(request.checked_ms),
            "sent_since": each.was_sent_after_request,
        }
    waits: Mapping[str, Json] | None = None
    if queued is not None:
        waits = {"due": queued.due, "being_sent": queued.leased, "dead_lettered": queued.set_aside}
    return {
        "name": each.facts.name,
        "region": each.facts.region,
        "retention_days": each.facts.retention_days,
        "facts_from": "guardrail" if each.is_fact_of_the_call else "settings",
        "may_hold": each.may_hold,
        "first_sent_at": _iso(each.first_ms),
        "last_sent_at": _iso(each.last_ms),
        "kept_until": _iso(each.kept_until_ms),
        "spans": [
            {
                "name": span.name,
                "span_id": span.span_id,
                "ids": dict(ids_at(each.facts.name, trace_id=trace_id, span_id=span.span_id)),
                "outcome": _OUTCOMES[span.outcome],
                "first_sent_at": _iso(span.first_ms),
                "last_sent_at": _iso(span.last_ms),
                "attempts": span.attempts,
            }
            for span in each.spans
        ],
        "queued": waits,
        "deletion": deletion,
    }


def _moment(ms: int | None) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") if ms else "–"


def _iso(ms: int | None) -> str | None:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds") if ms else None
