"""Destinations, outbox and export workers of these settings; the one module that names exporters."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from medagent.pricing import load_prices
from medagent.redaction import Redactor
from medagent.redaction.clock import call_clock, release_delay_days
from medagent.redaction.policy import ClockMode, Queued
from medagent.redaction.shapes import members
from medagent.runtime.host import spool_path
from medagent.runtime.identity import identity
from medagent.settings import Settings, make_home
from medagent.telemetry.delivery import Delivery
from medagent.telemetry.destination import parse_headers, traces_url
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter, Service
from medagent.telemetry.exporters.jsonlog import JsonLog
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.gates import ExportGate, Gate
from medagent.telemetry.keeper import Housekeeping, Keeper
from medagent.telemetry.ledger import check_clock
from medagent.telemetry.metric_totals import SpanCounter
from medagent.telemetry.metrics_worker import MetricsWorker, TotalsExporter
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.owners import Owners
from medagent.telemetry.recovery import GuardrailEntries, Recovered, RecoveryWatch, end_of_dead, recover
from medagent.telemetry.shipper import GATHER_S, Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.spool.directory import SpoolDirectory
from medagent.telemetry.spool.importer import ImportWatch, SpoolImporter
from medagent.telemetry.switch import Switch
from medagent.telemetry.switch_sync import SwitchSync

if TYPE_CHECKING:
    from medagent.telemetry.exporters.otlp_metrics import ClosedValues

from medagent.runtime.destinations import langfuse_url
from medagent.runtime.host import key_ring, ledger, ledger_path, policy
from medagent.runtime.kill_switch import export_gate

_DAY_US = 86_400_000_000
_APART_S = 0.3


def archive(settings: Settings, *, gate: Gate | None = None) -> Archive:
    """The local archive, always a destination; under a shifted clock it alone keeps the true time."""
    in_force = policy(settings)
    ring = key_ring(settings) if in_force.clock is ClockMode.SHIFTED else None
    key, old = (None, ()) if ring is None else (ring.pseudonym_key(), ring.old_pseudonym_keys())

    def occurred(span: SafeSpan) -> int:
        by = next((one for one in old if one.has_made(span.fields.get("participant_id"))), key)
        return span.end_us + call_clock(in_force, trace_id=span.trace_id, key=by).days * _DAY_US

    return Archive(
        make_home(settings.home) / "archive",
        retention_days=settings.archive_days,
        occurred=occurred,
        gate=gate or export_gate(settings),
    )


def exporters(settings: Settings, *, gate: Gate | None = None) -> list[Exporter]:
    """The destinations of these settings: the archive, LangSmith once its key is set, and what they list.

    `gate` is passed before each request of theirs; by default it is that of the host's switch.
    """
    settings.check_prod()
    gate, ca_pem, named = gate or export_gate(settings), settings.ca_pem(), service(settings)
    found: list[Exporter] = [archive(settings, gate=gate)]
    if settings.langsmith_api_key is not None:
        found.append(
            LangSmithExporter(
                api_key=settings.langsmith_api_key.get_secret_value(),
                endpoint=settings.langsmith_endpoint,
                project=settings.langsmith_project,
                workspace_id=settings.langsmith_workspace_id,
                retention_days=settings.langsmith_retention_days,
                gate=gate,
                ca_pem=ca_pem,
                service=named,
            )
        )
    off = settings.unusable_destinations()
    found += [_listed(name, settings, gate, ca_pem) for name in settings.destinations if name not in off]
    return found


def service(settings: Settings) -> Service:
    """Return the names under which destinations group the calls of these settings.

    A service with a name of its own has the agent's version, never that of medagent.
    """
    ours = Service()
    is_named = settings.service_name is not None
    return Service(
        name=settings.service_name or ours.name,
        version=settings.agent_version or (None if is_named else ours.version),
        environment=settings.deployment_environment,
        project=settings.phoenix_project,
    )


def _listed(name: str, settings: Settings, gate: Gate, ca_pem: bytes | None) -> Exporter:
    if name == "jsonlog":
        target = settings.jsonlog
        place: Path | Literal["stdout"] = "stdout" if target == "stdout" else Path(target).expanduser()
        return JsonLog(place, emf=settings.jsonlog_emf, gate=gate)
    from medagent.telemetry.exporters import otlp  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    if name == "langfuse":
        secret = settings.langfuse_secret_key
        return otlp.LangfuseExporter(
            public_key=settings.langfuse_public_key or "",
            secret_key="" if secret is None else secret.get_secret_value(),
            base_url=langfuse_url(settings),
            retention_days=settings.langfuse_retention_days,
            gate=gate,
            ca_pem=ca_pem,
            service=service(settings),
        )
    given = settings.otlp_headers
    return otlp.OtlpExporter(
        url=traces_url(settings.otlp_endpoint or "", variable="MEDAGENT_OTLP_ENDPOINT"),
        headers=parse_headers("" if given is None else given.get_secret_value(), variable="MEDAGENT_OTLP_HEADERS"),
        region=settings.otlp_region,
        retention_days=settings.otlp_retention_days,
        gate=gate,
        ca_pem=ca_pem,
        service=service(settings),
        names=otlp.Names(voice_drafts=settings.otlp_voice_drafts),
    )


def metrics(settings: Settings, gate: Gate) -> tuple[TotalsExporter, SpanCounter] | None:
    """Return the exporter of OTLP metrics and what counts spans for it; None where no collector gets any."""
    if not settings.otlp_metrics or settings.otlp_endpoint is None or "otlp" not in settings.destinations:
        return None
    from medagent.telemetry.exporters import otlp_metrics  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    url = otlp_metrics.metrics_url(traces_url(settings.otlp_endpoint, variable="MEDAGENT_OTLP_ENDPOINT"))
    given = "" if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
    closed, named = _closed_values(settings), service(settings)
    exporter = otlp_metrics.OtlpMetricsExporter(
        url=url,
        headers=parse_headers(given, variable="MEDAGENT_OTLP_HEADERS"),
        closed=closed,
        gate=gate,
        ca_pem=settings.ca_pem(),
        service=named,
    )
    count = functools.partial(otlp_metrics.amounts_of, closed=closed, service=named)
    return exporter, SpanCounter(stream=otlp_metrics.stream_of(url), count=count)


def _closed_values(settings: Settings) -> ClosedValues:
    """Return the values that attributes of metrics may have: closed lists of the policy, and the operator's models."""
    from medagent.telemetry.exporters.otlp_metrics import ClosedValues  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    in_force = policy(settings)

    def listed(span: str, *path: str | int) -> frozenset[str]:
        rule = in_force.rule_for(span, path)
        return frozenset() if rule is None else members(rule.shape)

    families = (name.partition(".") for name in in_force.spans)
    return ClosedValues(
        tools=frozenset(name for family, _, name in families if family == "tool" and name not in ("", "*")),
        models=load_prices(settings.pricing_path).models | {settings.model},
        providers=listed("agent_turn", "provider"),
        error_types=listed("session.end", "errors", 0, "error_type") | listed("tool.*", "error_type"),
        error_sources=listed("session.end", "errors", 0, "error_source"),
        call_outcomes=listed("voice_session", "outcome"),
        tool_outcomes=listed("tool.*", "outcome"),
    )


def outbox(
    settings: Settings,
    destinations: Sequence[Exporter],
    *,
    owner: str | None = None,
    counters: Mapping[str, SpanCounter] | None = None,
) -> Outbox:
    """The durable queue of this host, for these destinations; whoever opens calls in it names an owner that can die."""
    make_home(settings.home)
    return Outbox(
        settings.outbox_location,
        destinations=[one.name for one in destinations],
        owner=owner or str(uuid4()),
        max_bytes=settings.outbox_max_mb * 2**20,
        delay=_delay(settings),
        counters=counters or {},
    )


def _delay(settings: Settings) -> Callable[[str, str], int] | None:
    """Return how many days a call is held from each destination but the archive; None where nothing is held."""
    if settings.release_delay_days == 0:
        return None
    key = key_ring(settings).pseudonym_key()

    def days(trace_id: str, destination: str) -> int:
        most = 0 if destination == "archive" else settings.release_delay_days
        return release_delay_days(trace_id, most=most, key=key)

    return days


def owners(settings: Settings) -> Owners:
    """The processes that share this state directory, the living among them by their locks."""
    return Owners(make_home(settings.home) / "outbox" / "owners")


def keeper(settings: Settings, box: Outbox, store: Archive) -> Keeper:
    """Return who deletes from this outbox and this archive, and says so in the ledger."""
    return Keeper(
        outbox=box,
        store=store,
        record=lambda kind, content: ledger(settings).append(kind, content),
        outbox_days=settings.outbox_days,
        archive_days=settings.archive_days,
        spool=SpoolDirectory(spool_path(settings)),
        check_clock=lambda: check_clock(ledger_path(settings), has_spans=store.has_spans()),
    )


def delivery(
    settings: Settings,
    destinations: Sequence[Exporter],
    stop: Switch,
    redacts: Redactor,
    *,
    service: str | None = None,
    reads_living: Callable[[], bool] = lambda: True,
) -> Delivery:
    """Return the threads that seal and send what jobs of this host store; not started.

    Args:
        settings: The settings.
        destinations: Exporters, the archive among them.
        stop: The host's switch.
        redacts: Redactor of the machine-made fields in the end of a dead process's call.
        service: Name of the export service, where its jobs run in this process.
        reads_living: Whether the spool files of other living processes are read: by the host's export service alone.
    """
    living = owners(settings)
    owner = living.claim()
    counted = metrics(settings, ExportGate(stop))
    counters = {} if counted is None else {counted[0].name: counted[1]}
    box = outbox(settings, destinations, owner=owner.name, counters=counters)
    store = next(one for one in destinations if isinstance(one, Archive))
    purges = policy(settings).queued_when_off is Queued.PURGE
    entries = GuardrailEntries(box, ledger(settings))
    spool = SpoolDirectory(spool_path(settings))
    shippers = [
        # They are woken at the same moment; one behind another they leave the call's loop its turn.
        Shipper(one, outbox=box, switch=stop, gather_s=GATHER_S + number * _APART_S)
        for number, one in enumerate(destinations)
    ]

    def wake() -> None:
        for shipper in shippers:
            shipper.wake()

    def look() -> Recovered:
        found = recover(
            box, owner=owner.name, owners=living, redactor=redacts, switch=stop, entries=entries, spooled=spool.has
        )
        if found.calls:
            wake()
        return found

    importer = SpoolImporter(
        spool,
        outbox=box,
        identity=identity(settings, service=service),
        gate=ExportGate(stop),
        reads_living=reads_living,
        end_dead=lambda trace_id: end_of_dead(box, trace_id, owner=owner.name, redactor=redacts),
        on_ended=entries.tell,
        on_stored=wake,
    )
    workers = [] if counted is None else [MetricsWorker(counted[0], stream=counted[1].stream, outbox=box, switch=stop)]
    return Delivery(
        outbox=box,
        owner=owner,
        entries=entries,
        importer=importer,
        imports=ImportWatch(importer.look),
        shippers=shippers,
        housekeeping=Housekeeping(keeper(settings, box, store), switch=stop, purges_when_off=purges),
        recovery=RecoveryWatch(look),
        metrics=workers,
        hosts=None if (shared := stop.shared) is None else SwitchSync(stop, shared),
    )
