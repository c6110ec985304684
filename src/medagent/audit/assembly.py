"""From what was measured to the parts of the report: pure, and without a planted value in any of them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medagent.attestation.report import (
    Bound,
    Channel,
    Delivery,
    Finding,
    InventoryRow,
    Latency,
    MatrixRow,
    PlantedRow,
    Scan,
    Spread,
)
from medagent.attestation.statistics import upper_95
from medagent.audit.capture import Arrivals, Document, inflated
from medagent.audit.line import Done
from medagent.audit.measure import Spent, percentiles
from medagent.audit.planted import Planted
from medagent.audit.search import ALL, Hit, Search
from medagent.audit.wrappings import TooMuchError
from medagent.proof import Json, digest
from medagent.redaction import Policy, Rule
from medagent.redaction.safe_harbor import all_rules, matrix
from medagent.telemetry.span import SafeSpan

Chains = Mapping[str, Sequence[SafeSpan]]
_SITES = ("field_rule", "text_layer", "admission", "exit", "log_door", "not_recorded")
_CHANNELS = ("langsmith", "otlp", "langfuse", "slack", "pagerduty", "stdout", "stderr", "files", "process", "reports")


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """What the search found, and by exact path what it could not read to its end."""

    scan: Scan
    around: Mapping[str, str] = field(repr=False)
    """Of each finding the text that it stands in."""
    unread: tuple[str, ...]


def search_all(search: Search, documents: Sequence[Document], chains: Chains, *, excluded: Sequence[str]) -> Searched:
    """Look for every planted value in every document, in the names of the files, and across the borders of fields."""
    hits: list[Hit] = []
    unread: list[str] = []
    seen: set[tuple[str, bytes]] = set()
    for document in documents:
        if not document.raw or (document.channel, document.raw) in seen:
            continue
        seen.add((document.channel, document.raw))
        named = search.look(document.path.encode(), channel=document.channel, path="the name of a file")
        hits += named
        path = document.path if not named else digest(document.path)[:16]
        try:
            for raw in dict.fromkeys((document.raw, inflated(document.raw))):
                hits += search.look(raw, channel=document.channel, path=path)
        except TooMuchError:
            unread.append(f"{path} ({document.channel})")
    for trace_id, spans in chains.items():
        fields = [(path, text) for span in spans for path, text in texts_of_span(span)]
        hits += search.look_fields(fields, channel="archive", path=f"trace {trace_id}")
    scan = _scan(documents, hits, chains, excluded)
    texts = (hit.around for hit in dict.fromkeys(hits))
    around = {finding.finding_id: text for finding, text in zip(scan.findings, texts, strict=True)}
    return Searched(scan=scan, around=around, unread=tuple(unread))


def _scan(documents: Sequence[Document], hits: Sequence[Hit], chains: Chains, excluded: Sequence[str]) -> Scan:
    found = tuple(
        Finding(
            finding_id=f"finding-{number:04}",
            planted_id=hit.planted_id,
            letter=hit.letter,
            form=hit.form,
            encoding=hit.encoding,
            channel=hit.channel,
            path=hit.path,
        )
        for number, hit in enumerate(dict.fromkeys(hits), 1)
    )
    count, size = Counter[str](), Counter[str]()
    for document in documents:
        count[document.channel] += 1
        size[document.channel] += len(document.raw)
    count["archive"] = len(chains)
    size["archive"] = sum(
        len(text.encode()) for spans in chains.values() for s in spans for _, text in texts_of_span(s)
    )
    by_channel = Counter(finding.channel for finding in found)
    names = dict.fromkeys((*_CHANNELS, "archive", *sorted(count)))
    return Scan(
        channels=tuple(
            Channel(channel=name, documents=count[name], bytes=size[name], findings=by_channel[name]) for name in names
        ),
        excluded=tuple(excluded),
        forms=(),
        encodings=ALL,
        findings=found,
    )


def texts_of_span(span: SafeSpan) -> Iterator[tuple[str, str]]:
    """Every text of a span with its path: its fields' strings and keys, in their order."""
    yield from _texts(dict(span.fields), span.name)


def _texts(value: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _texts(inner, f"{path}[]")
    elif isinstance(value, str):
        yield path, value


# ---- the policy's side ----------------------------------------------------------------------------------------------


def matrix_rows(policy: Policy, planted: Sequence[Planted], scan: Scan) -> tuple[MatrixRow, ...]:
    """The eighteen identifiers: fields, actions, the policy's own examples, planted and found."""
    found = Counter(finding.letter for finding in scan.findings)
    values = Counter(one.letter for one in planted)
    rows = []
    for row in matrix(policy):
        passed = sum(row.examples.values())
        test = f"{passed} of {len(row.examples)} examples of the policy passed; planted values looked for"
        rows.append(
            MatrixRow(
                letter=row.letter,
                identifier=row.identifier,
                fields=tuple(row.rules),
                actions=tuple(sorted({rule.action.value for rule in row.rules.values()})),
                test=test if row.examples else "planted values looked for",
                planted=values[row.letter],
                found_outside=found[row.letter],
                forms=tuple(row.forms.values()),
                free_text=row.free_text,
            )
        )
    return tuple(rows)


def inventory(policy: Policy, chains: Chains) -> tuple[tuple[InventoryRow, ...], int]:
    """Every field that left and by which rule, those that could have; and how many no rule names."""
    seen: Counter[tuple[str, str]] = Counter()
    rules: dict[tuple[str, str], Rule] = {}
    unclassified: set[tuple[str, str]] = set()
    for span in (span for spans in chains.values() for span in spans):
        for steps in _paths(dict(span.fields), ()):
            place = (span.name, _shown(steps))
            seen[place] += 1
            rule = policy.rule_for(span.name, steps)
            if rule is None:
                unclassified.add(place)
            else:
                rules[place] = rule
    for name, rule in all_rules(policy):
        where, _, path = name.rpartition(": ")
        rules.setdefault((where or "any", path), rule)
    rows = [
        InventoryRow(
            span=span,
            field=field,
            action=rule.action.value,
            category=rule.category.value,
            letter=rule.safe_harbor,
            why_kept=rule.why,
            seen=seen[span, field],
        )
        for (span, field), rule in sorted(rules.items())
        if seen[span, field] or not any(span == s and field == f for s, f in unclassified)
    ]
    return tuple(rows), len(unclassified)


def _paths(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))
    else:
        yield path


def _shown(path: Sequence[str | int]) -> str:
    return re.sub(r"\.\[\]", "[]", ".".join("[]" if isinstance(step, int) else step for step in path))


# ---- what was planted -----------------------------------------------------------------------------------------------


def planted_rows(planted: Sequence[Planted], done: Sequence[Done], scan: Scan) -> tuple[PlantedRow, ...]:
    """By kind: how often the system met its values, where each meeting was stopped, how many got out."""
    outside = Counter(finding.planted_id for finding in scan.findings)
    rows = []
    for letter, kind in dict.fromkeys((one.letter, one.kind) for one in planted):
        ours = [one for one in planted if (one.letter, one.kind) == (letter, kind)]
        met = Counter[str]()
        for one in ours:
            for side in done:
                met.update(side.offers.get(one.planted_id, {}))
        rows.append(
            PlantedRow(
                letter=letter,
                kind=kind,
                values=len(ours),
                forms=sum(len(texts) for one in ours for texts in one.forms.values()),
                offered=met.total(),
                stopped={site: met[site] for site in _SITES},
                found_outside=sum(outside[one.planted_id] for one in ours),
            )
        )
    return tuple(rows)


# ---- what was timed and counted -------------------------------------------------------------------------------------


def latency(done: Done, chains: Chains, *, judged: bool) -> Latency:
    """Telemetry's own cost by the process's count, and TTFT-A by call as the traces tell it."""
    by_call = [
        tuple(float(t) for s in spans if isinstance(t := s.fields.get("ttft_ms"), int | float))
        for spans in chains.values()
    ]
    return Latency(
        judged=judged,
        thread_us=_spread(done.thread),
        wall_us=_spread(done.wall),
        thread_histogram=done.thread.buckets,
        loop_lag_ms=_spread(done.loop_lag_ms),
        ttft_ms=_spread(percentiles([value for call in by_call for value in call])),
        ttft_by_call=tuple(call for call in by_call if call),
    )


def _spread(spent: Spent) -> Spread:
    return Spread(**spent.model_dump(exclude={"buckets"}))


def delivery(done: Done, chains: Chains, arrived: Mapping[str, Arrivals]) -> Delivery:
    """What the audited process accepted, against what stands in the captured bodies."""
    accepted = {span.span_id for spans in chains.values() for span in spans}
    whole = {name: one for name, one in arrived.items() if name != "jsonlog"}
    missing = max((len(accepted - set(one.seen)) for one in whole.values()), default=len(accepted))
    lost = (missing + done.spans_lost + done.spans_suppressed) / max(1, len(accepted))
    return Delivery(
        events=done.events,
        events_lost=done.events_lost,
        spans_accepted=len(accepted),
        arrived={name: len(one.seen) for name, one in arrived.items()} | {"archive": len(accepted)},
        duplicates_visible=sum(one.repeats for one in arrived.values() if one.shown),
        drop_rate=max(lost, done.events_lost / max(1, done.events + done.events_lost)),
    )


def bounds(chains: Chains, scan: Scan) -> tuple[Bound, ...]:
    """What the automatic scan supports, with its units named; what people's reading supports stands with their word."""
    leaking = {finding.path for finding in scan.findings if finding.channel == "archive"}
    fields = sum(1 for spans in chains.values() for span in spans for _ in texts_of_span(span))
    units = (("call", len(chains)), ("span", sum(map(len, chains.values()))), ("text field", fields))
    return tuple(
        Bound(
            what="the automatic scan of what left",
            unit=unit,
            n=n,
            found=min(n, len(leaking)),
            upper_95=upper_95(n, min(n, len(leaking))),
        )
        for unit, n in units
    )
