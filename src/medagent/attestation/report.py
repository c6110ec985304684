"""The audit's report: one frozen document from which JSON, HTML and PDF are made, and which alone is signed.

It holds counts, names of rules, paths and digests; no planted value and no finding's text stands in it. Times are ISO
8601 in UTC, durations carry their unit in their name, digests are SHA-256 in lower-case hex.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from medagent.attestation.legal import LegalStatus

Verdict = Literal["GO", "NO-GO", "CLEAN", "NOT CLEAN"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Letter = Annotated[str, Field(pattern=r"^[A-R]$")]
"""A row of the Safe Harbor list, 45 CFR 164.514(b)(2)(i)."""
Count = Annotated[int, Field(ge=0)]
ADJUDICABLE = "second_reader"
"""The one criterion that people may still settle: every mark of the second reader, by an officer's signature."""


class Part(BaseModel):
    """A part of the report: nothing in it is unknown, nothing is changed afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Run(Part):
    """When and how it was run; at a pace other than 1 it is a rehearsal, which judges no latency."""

    run_id: str
    started_at: str
    ended_at: str
    seed: int
    pace: float
    rehearsal: bool
    env: Literal["dev", "prod"]
    calls: Count
    call_seconds: float
    scenarios: tuple[str, ...]
    protocol_name: str
    protocol_version: str
    protocol_sha256: Sha256
    example: bool = False
    """Run to be shown: it is marked on every page, and no signature makes it a GO."""


class Destination(Part):
    """Where telemetry goes as configured; during the audit its address alone is the capture's."""

    name: str
    host: str
    project: str | None
    region: str
    retention_days: int | None
    workspace: str | None = None
    """LangSmith's workspace (None: the key's own); for a collector and Slack, a keyed digest of the tenant."""
    release_delay_days: int = 0
    """A call is released to it after a random number of days from 1 to this; 0: at once."""
    address: str | None = None
    """Scheme, host and port as used, path and what else may be secret as a keyed digest; None in an older report."""
    account: str | None = None
    """A keyed digest of the keys and headers by which the destination knows the account; None where there are none."""


class BoundSetting(Part):
    """A setting that decides what leaves: its name, and its value or a keyed digest of it."""

    name: str
    value: str


class InstalledDistribution(Part):
    """An installed distribution, Python itself, or a file of no distribution: the digest of its files."""

    name: str
    version: str
    sha256: Sha256


class System(Part):
    """What was audited; the digests bind the report to exactly this."""

    version: str
    python: str
    platform: str
    processors: Count
    libraries: dict[str, str]
    code_sha256: Sha256
    lock_sha256: Sha256
    policy_name: str
    policy_version: str
    policy_sha256: Sha256
    policy_clock: str | None = None
    """`exact` or `shifted`; None in a report from before it was noted."""
    policy_reviewed_by: tuple[str, ...]
    policy_changed_since_last_audit: bool | None
    destinations: tuple[Destination, ...]
    destinations_sha256: Sha256
    """The digest of the destinations and of `settings`."""
    settings: tuple[BoundSetting, ...] = ()
    """Empty in an older report."""
    installed: tuple[InstalledDistribution, ...] = ()
    """Empty in a rehearsal and in an older report."""
    installed_sha256: Sha256 | None = None
    """The digest of `installed`; None where it is empty."""


class Criterion(Part):
    """One thing that a GO needs: what was asked, the limit, what was measured; `judged` is false in a rehearsal."""

    name: str
    question: str
    limit: str
    measured: str
    passed: bool
    judged: bool = True
    trips_switch: bool = False


class MatrixRow(Part):
    """One of the 18 identifiers: which fields carry it, what is done to them, what was planted, what was found."""

    letter: Letter
    identifier: str
    fields: tuple[str, ...]
    actions: tuple[str, ...]
    test: str
    planted: Count
    found_outside: Count
    forms: tuple[str, ...] = ()
    """In what form each field is sent, in the order of the fields."""
    free_text: tuple[str, ...] = ()
    """Fields whose words may hold one too."""


class InventoryRow(Part):
    """One field that left or could leave: by which rule, why it is kept where it is, how often it was seen."""

    span: str
    field: str
    action: str
    category: str
    letter: Letter | None
    why_kept: str | None
    seen: Count


class Finding(Part):
    """A planted value outside: which (by id, never by value), in which form and encoding, where."""

    finding_id: str
    planted_id: str
    letter: Letter
    form: str
    encoding: str
    channel: str
    path: str


class Channel(Part):
    """One way out and what left by it."""

    channel: str
    documents: Count
    bytes: Count
    findings: Count


class Scan(Part):
    """The automatic scan of every byte that left; `excluded` are the only places that were not searched."""

    channels: tuple[Channel, ...]
    excluded: tuple[str, ...]
    forms: tuple[str, ...]
    encodings: tuple[str, ...]
    findings: tuple[Finding, ...]


class PlantedRow(Part):
    """One kind: values and forms planted, how often the system met them, where they were stopped, how many got out."""

    letter: Letter
    kind: str
    values: Count
    forms: Count
    offered: Count
    stopped: dict[str, Count]
    """By `field_rule`, `text_layer`, `admission`, `exit`, `log_door`, and `not_recorded` (telemetry never takes it)."""
    found_outside: Count


class Mark(Part):
    """What the second reader marked: path and kind; its text is in the encrypted annex alone."""

    mark_id: str
    path: str
    kind: str
    score: float
    settled: Literal["kept_shape", "adjudicated", "open"]
    rule: str | None


class SecondReader(Part):
    """An independent reader over every free text that left, and how much of what was planted it can see."""

    engine: str
    recognisers: tuple[str, ...]
    texts: Count
    sensitivity: dict[str, tuple[Count, Count]]
    """By kind: planted forms that it marked, planted forms that it was shown."""
    marks: tuple[Mark, ...]


class Spread(Part):
    """A distribution: how many, and its percentiles in the unit of its name."""

    count: Count
    p50: float
    p95: float
    p99: float
    max: float


class Latency(Part):
    """What telemetry costs the call (microseconds an operation) and how fast the line was (milliseconds)."""

    judged: bool
    thread_us: Spread
    wall_us: Spread
    thread_histogram: tuple[tuple[float, Count], ...]
    """Upper bound of each bucket in microseconds, and how many operations fell into it."""
    loop_lag_ms: Spread
    ttft_ms: Spread
    ttft_by_call: tuple[tuple[float, ...], ...]


class Delivery(Part):
    """What was accepted and what arrived, counted at the capture itself."""

    events: Count
    events_lost: Count
    spans_accepted: Count
    arrived: dict[str, Count]
    duplicates_visible: Count
    drop_rate: float


class AlertDrill(Part):
    """One alert made to fire and to clear."""

    name: str
    fired_at: str | None
    cleared_at: str | None
    messages: Count


class SwitchRound(Part):
    """The switch thrown while a destination refuses batches with a status and takes a second for each span alone.

    `in_the_middle`: it was doing so when the switch was thrown, so that the round proves something.
    """

    destination: str
    status: Count
    requests_before: Count
    requests_after: Count
    bytes_after: Count
    in_the_middle: bool


class SwitchDrill(Part):
    """The switch thrown in the middle of a call: what left after it, by destination, and whether the call went on."""

    thrown_at: str
    effective_after_ms: float
    bytes_after: dict[str, Count]
    call_went_on: bool
    recorded: bool
    rounds: tuple[SwitchRound, ...] = ()


class Tampering(Part):
    """A copy that was tampered with, and whether that was found."""

    what: str
    rejected: bool


class Integrity(Part):
    """Chains and ledger, and copies of them tampered with."""

    calls: Count
    chains_verified: Count
    ledger_entries: Count
    ledger_head: Sha256 | None
    tampered: tuple[Tampering, ...]


class SampledTrace(Part):
    """A trace for the reviewers: its id, the digest of its worksheet, and the salted hash of what is planted in it."""

    trace_id: str
    sha256: Sha256
    commitment: Sha256 | None = None
    free_texts: Count | None = None
    """Free texts on the worksheet; None in a report from before they were counted."""
    other_texts: Count | None = None


class Sample(Part):
    """Drawn at random with the run's seed; the copies with planted leaks are named only in the officer's annex."""

    seed: int
    traces: tuple[SampledTrace, ...]
    planted_copies: Count
    minimum_sensitivity: Annotated[float, Field(ge=0, le=1)] = 1.0
    """The share of the planted leaks that a reviewer must find for the review to count."""


class Annex(Part):
    """A file beside the report, held to it by its digest."""

    name: str
    sha256: Sha256
    encrypted: bool = False


class Bound(Part):
    """What a sample without a finding proves: at most this rate, with 95 % confidence, of this unit."""

    what: str
    unit: str
    n: Count
    found: Count
    upper_95: float


class AgentField(Part):
    """A field of a tool of an agent: in which calls it held planted values, and what the policy does with it.

    `letters` are the kinds of identifiers that it held, `held` how often; `action` is None where no rule names it.
    `keeps` of `tried` planted texts have the shape that the policy keeps.
    """

    path: str
    kind: str
    letters: tuple[Letter, ...]
    held: Count
    action: str | None
    category: str | None
    keeps: Count = 0
    tried: Count = 0


class AgentTool(Part):
    """A tool of an agent: how often the model was offered and called it, how often its own code ran, its fields."""

    name: str
    span: str
    declared: bool
    """False where it was offered to the model and the agent does not declare it."""
    offered: Count
    """In so many calls."""
    called: Count
    ran: Count
    raised: Count
    fields: tuple[AgentField, ...]


class AgentFile(Part):
    """A file to which the report is bound, by its name below the agent's directory."""

    name: str
    sha256: Sha256


class AgentAudit(Part):
    """The agent of the clinic's own that was played: what it is made of and what became of its tools."""

    factory: str
    entry: str
    """The file to which a GO is bound: it calls `trace_call`."""
    files: tuple[AgentFile, ...]
    unbound: tuple[str, ...]
    """Modules that it loaded from its directory and that are none of `files`."""
    tools: tuple[AgentTool, ...]
    unseen: tuple[str, ...]
    """Parts of it that could not be seen, and why."""
    withheld: tuple[str, ...]
    """Those of which the policy lets nothing out."""
    objections: tuple[str, ...]
    """What `policy lint --agent` says against the policy."""
    tool_hosts: tuple[str, ...] = ()
    """Hosts that its tools were expected to call; connections to them were refused, as to any other."""


class Report(Part):
    """All that an audit found; `verdict` is the machine's part of it, which people's signatures must still complete."""

    format: Literal["medagent-audit/1"] = "medagent-audit/1"
    run: Run
    system: System
    verdict: Verdict
    causes: tuple[str, ...]
    earliest_launch: str | None
    """The first day on which a new audit may lead to a launch; None where nothing stands against one."""
    trips_switch: bool
    model_scripted: bool
    criteria: tuple[Criterion, ...]
    required_roles: dict[str, Count]
    matrix: Annotated[tuple[MatrixRow, ...], Field(min_length=18, max_length=18)]
    inventory: tuple[InventoryRow, ...]
    unclassified: Count
    scan: Scan
    planted: tuple[PlantedRow, ...]
    second_reader: SecondReader
    latency: Latency
    delivery: Delivery
    alerts: tuple[AlertDrill, ...]
    switch: SwitchDrill
    integrity: Integrity
    sample: Sample
    bounds: tuple[Bound, ...]
    deviations: tuple[str, ...]
    does_not_prove: tuple[str, ...]
    retention: tuple[str, ...]
    annexes: tuple[Annex, ...]
    legal: LegalStatus | None = None
    """None in a report from before it was stated."""
    agent: Annotated[AgentAudit | None, Field(exclude_if=lambda agent: agent is None)] = None
    """None where the packaged receptionist was played; then no report has it, so that older ones stay as they are."""
