"""Report what was sent of one call, from receipts, archive and guardrail: names and paths, no value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from medagent.proof import Json
from medagent.redaction import REDACTED, WITHHELD, Policy
from medagent.redaction.policy import Leaf, ListNode, Node, ObjectNode
from medagent.telemetry.chain import Tombstone
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.outbox import DeletionRequest, Queued, TraceDelivery
from medagent.telemetry.span import SafeSpan

GUARDRAIL = "policy.guardrail"
_DAY_MS = 86_400_000
_OTLP = ("otlp", "langfuse")
_UNNAMED = "?"
"""A step of a path that the policy does not name: it may be a value that somebody chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFacts:
    """Where a destination keeps what it is given, and for how many days; None: it decides that itself."""

    name: str
    region: str
    retention_days: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardrailFacts:
    """A call's guardrail: the policy in force then, counts by action and category; `source` is where it was read."""

    source: str
    policy: str
    sha256: str
    actions: Mapping[str, int]
    categories: Mapping[str, int]
    destinations: Sequence[DestinationFacts] = ()
    withheld: Mapping[str, int] = field(default_factory=dict)
    """Texts that were not sent, by their language (`language_es`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSpan:
    """One span at one destination; times in milliseconds since the Unix epoch (UTC)."""

    span_id: str
    name: str
    outcome: Sent
    first_ms: int
    last_ms: int
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationReport:
    """One destination of a call: the spans sent, those that still wait, the state of a deletion."""

    facts: DestinationFacts
    is_fact_of_the_call: bool
    """Region and retention are the guardrail's, not today's settings."""
    spans: Sequence[SentSpan]
    queued: Queued | None
    deletion: DeletionRequest | None

    @property
    def first_ms(self) -> int | None:
        """When it was first sent something."""
        return min((span.first_ms for span in self.spans), default=None)

    @property
    def last_ms(self) -> int | None:
        """When it was last sent something."""
        return max((span.last_ms for span in self.spans), default=None)

    @property
    def may_hold(self) -> bool:
        """Return whether something may be there: refused spans are not."""
        return any(span.outcome > Sent.REFUSED for span in self.spans)

    @property
    def kept_until_ms(self) -> int | None:
        """When its retention ends; None where it is not known."""
        days, last = self.facts.retention_days, self.last_ms
        return None if days is None or last is None else last + days * _DAY_MS

    @property
    def was_sent_after_request(self) -> bool:
        """Return whether something was sent after the deletion was requested."""
        return self.deletion is not None and (self.last_ms or 0) > self.deletion.requested_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldSent:
    """One field of a kind of span: the rule's action and category by today's policy, how often it was sent and
    how often its value had been redacted. A path without a rule has neither."""

    span: str
    path: str
    action: str | None
    category: str | None
    count: int
    redacted: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """All that is known of one call after a leak."""

    trace_id: str
    is_open: bool
    held: int
    archived: int
    tombstones: Mapping[str, int]
    guardrail: GuardrailFacts | None
    is_policy_of_today: bool | None
    """Whether the policy has changed since; None where the call's is not known."""
    fields: Sequence[FieldSent]
    destinations: Sequence[DestinationReport]


def report(
    delivery: TraceDelivery,
    chain: Sequence[SafeSpan | Tombstone],
    *,
    guardrail: GuardrailFacts | None,
    policy: Policy,
    configured: Sequence[DestinationFacts],
    store: str,
) -> CallReport:
    """Put together what is known of one call; `store` is the archive's name, which is no destination here."""
    spans = [link for link in chain if isinstance(link, SafeSpan)]
    then = {facts.name: facts for facts in (guardrail.destinations if guardrail else ())}
    today = {facts.name: facts for facts in configured}
    sent = _sent(delivery)
    names = dict.fromkeys((*then, *sent, *delivery.queued, *(each.destination for each in delivery.deletions)))
    deletions = {each.destination: each for each in delivery.deletions}
    return CallReport(
        trace_id=delivery.trace_id,
        is_open=delivery.is_open,
        held=delivery.held,
        archived=len(spans),
        tombstones=dict(Counter(str(link.cause) for link in chain if isinstance(link, Tombstone))),
        guardrail=guardrail,
        is_policy_of_today=None if guardrail is None else guardrail.sha256 == policy.digest,
        fields=fields_of(spans, policy),
        destinations=[
            DestinationReport(
                facts=then.get(name)
                or today.get(name)
                or DestinationFacts(name=name, region="not known", retention_days=None),
                is_fact_of_the_call=name in then,
                spans=sent.get(name, ()),
                queued=delivery.queued.get(name),
                deletion=deletions.get(name),
            )
            for name in names
            if name != store
        ],
    )


def guardrail_of(spans: Sequence[SafeSpan]) -> GuardrailFacts | None:
    """Read the facts of a call's guardrail span; None where there is none."""
    found = next((span for span in spans if span.name == GUARDRAIL), None)
    if found is None:
        return None
    policy = _object(found.fields.get("policy"))
    listed = found.fields.get("destinations")
    return GuardrailFacts(
        source="archive",
        policy=f"{policy.get('name')} {policy.get('version')}",
        sha256=str(policy.get("sha256")),
        actions=_counts(found.fields.get("actions")),
        categories=_counts(found.fields.get("categories")),
        withheld=_counts(found.fields.get("withheld")),
        destinations=[
            DestinationFacts(name=str(one["name"]), region=str(one["region"]), retention_days=_days(one))
            for one in (listed if isinstance(listed, list) else ())
            if isinstance(one, Mapping) and isinstance(one.get("name"), str) and isinstance(one.get("region"), str)
        ],
    )


def guardrail_in_ledger(content: Mapping[str, Json]) -> GuardrailFacts:
    """Read what the ledger's entry says where the archive has no guardrail any more."""
    return GuardrailFacts(
        source="ledger",
        policy="",
        sha256=str(content.get("policy")),
        actions=_counts(content.get("actions")),
        categories=_counts(content.get("categories")),
    )


def fields_of(spans: Sequence[SafeSpan], policy: Policy) -> list[FieldSent]:
    """List the fields that were sent, by kind of span; a key that the policy does not name is shown as `?`."""
    seen: Counter[tuple[str, str, str | None, str | None]] = Counter()
    redacted: Counter[tuple[str, str, str | None, str | None]] = Counter()
    for span in spans:
        pending: list[tuple[Json, Node | None, str]] = [(dict(span.fields), policy.tree(span.name), "")]
        while pending:
            value, node, path = pending.pop()
            if isinstance(value, Mapping):
                children = node.children if isinstance(node, ObjectNode) else {}
                for name, inner in value.items():
                    known = children.get(name)
                    step = name if known is not None else _UNNAMED
                    pending.append((inner, known, f"{path}.{step}" if path else step))
            elif isinstance(value, list):
                item = node.item if isinstance(node, ListNode) else None
                pending += [(inner, item, f"{path}[]") for inner in value]
            elif value is not None:
                action, category = (
                    (node.rule.action.value, node.rule.category.value) if isinstance(node, Leaf) else (None, None)
                )
                key = (span.name, path, action, category)
                seen[key] += 1
                redacted[key] += value in (REDACTED, WITHHELD)
    return [
        FieldSent(span=span, path=path, action=action, category=category, count=count, redacted=redacted[key])
        for key, count in sorted(seen.items(), key=lambda item: (item[0][0], item[0][1]))
        for span, path, action, category in (key,)
    ]


def ids_at(destination: str, *, trace_id: str, span_id: str) -> dict[str, str]:
    """Return the ids under which a destination shows a span."""
    if destination in _OTLP:
        names = ("trace", "observation") if destination == "langfuse" else ("trace_id", "span_id")
        return dict(zip(names, (UUID(trace_id).hex, UUID(span_id).hex[:16]), strict=True))
    if destination == "jsonlog":
        return {"trace_id": trace_id, "_id": f"{span_id}.*"}
    return {"trace_id": trace_id, "run_id": span_id}


def _sent(delivery: TraceDelivery) -> dict[str, list[SentSpan]]:
    """Join receipts: the surest outcome, the first and the last time of each span."""
    found: dict[str, dict[str, SentSpan]] = {}
    for receipt in delivery.receipts:
        spans = found.setdefault(receipt.destination, {})
        for span_id, name in receipt.spans.items():
            before = spans.get(span_id)
            spans[span_id] = SentSpan(
                span_id=span_id,
                name=name,
                outcome=max(receipt.outcome, before.outcome) if before else receipt.outcome,
                first_ms=min(receipt.first_ms, before.first_ms) if before else receipt.first_ms,
                last_ms=max(receipt.last_ms, before.last_ms) if before else receipt.last_ms,
                attempts=receipt.attempts + (before.attempts if before else 0),
            )
    return {name: list(spans.values()) for name, spans in found.items()}


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _counts(value: Json) -> dict[str, int]:
    return {name: count for name, count in _object(value).items() if isinstance(count, int) and count}


def _days(facts: Mapping[str, Json]) -> int | None:
    days = facts.get("retention_days")
    return days if isinstance(days, int) else None
