"""The composition root: what a process is made of, wired the same for the three lines, the worker and the CLI."""

from __future__ import annotations

import functools
import logging
import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from pydantic import SecretStr

import medagent
from medagent.core_dumps import disable_core_dumps
from medagent.errors import LedgerError, MedagentError, OutboxError, SwitchError
from medagent.os_account import OsAccount, current_account
from medagent.outcomes import Outcomes
from medagent.presidio import recognisers_of
from medagent.pricing import load_prices
from medagent.proof import Json, KeyRing, VerifyKey, digest
from medagent.redaction import Policy, Redactor, load_policy
from medagent.redaction.clock import call_clock, release_delay_days
from medagent.redaction.loading import find_policy
from medagent.redaction.policy import ClockMode, Queued
from medagent.redaction.shapes import members
from medagent.settings import Settings, make_home
from medagent.telemetry.delivery import Delivery
from medagent.telemetry.events import AudioStarted, CallEnded, CallStarted, ResponseFinished, ResponseStarted
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter, Gate, RemoteDeletion, Service
from medagent.telemetry.exporters.jsonlog import JsonLog
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.interpreter import share
from medagent.telemetry.keeper import Housekeeping, Keeper
from medagent.telemetry.ledger import Ledger, LedgerTrips, check_clock, entries, last_trip, votes
from medagent.telemetry.ledger.anchors import Anchor, FileAnchor, Head, check_heads, heads_in, second_place
from medagent.telemetry.line import Inlet
from medagent.telemetry.metric_totals import SpanCounter
from medagent.telemetry.metrics_worker import MetricsWorker, TotalsExporter
from medagent.telemetry.outbox import Lacking, Outbox, OutboxStatus
from medagent.telemetry.outbox.ledger_head import OutboxAnchor
from medagent.telemetry.outbox.trips import OutboxTrips
from medagent.telemetry.overhead import Overhead, OverheadWatch
from medagent.telemetry.owners import Owners
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.recovery import GuardrailEntries, Recovered, RecoveryWatch, recover
from medagent.telemetry.session import Destination, SessionMaker
from medagent.telemetry.shipper import GATHER_S, Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from medagent.telemetry.switch_message import SwitchMessage, message_of

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller
    from medagent.alerts.identity_checks import IdentityCheckAlert
    from medagent.alerts.post import Sender
    from medagent.alerts.rules import Alerts
    from medagent.alerts.watch import Watch
    from medagent.attestation.binding import Binding
    from medagent.attestation.bundle import Bundle
    from medagent.attestation.installed import Places
    from medagent.attestation.installed_check import InstalledResult, OnProgress
    from medagent.attestation.installed_code import InstalledCode
    from medagent.attestation.installed_watch import InstalledWatch
    from medagent.attestation.officers import Officers
    from medagent.attestation.report import Destination as BoundDestination
    from medagent.attestation.report import InstalledDistribution
    from medagent.telemetry.exporters.otlp_metrics import ClosedValues
    from medagent.telemetry.incident import Investigation

LANGFUSE_CLOUD = "https://cloud.langfuse.com"
_DAY_US = 86_400_000_000
_APART_S = 0.3
_STOP_S = 0.3
_log = logging.getLogger(__name__)


def switch(settings: Settings) -> Switch:
    """The host's kill switch, whose every change goes into the ledger; ledger and outbox keep its trips too."""

    def record(change: Mapping[str, Json]) -> None:
        ledger(settings).append("switch_changed", change)

    return Switch(
        make_home(settings.home),
        forced=settings.telemetry,
        env=settings.env,
        record=record,
        audited=functools.partial(audited, settings),
        ledger=LedgerTrips(ledger_path(settings)),
        outbox=OutboxTrips(settings.outbox_location),
        go_days=settings.go_days,
        code=installed_code(settings) if settings.env == "prod" else None,
    )


def export_gate(settings: Settings) -> Gate:
    """What every request of these settings passes, its switch made at the first; for who has no switch at hand."""
    made = functools.cache(lambda: ExportGate(switch(settings)))

    def gate() -> None:
        made()()

    return gate


def switch_message(settings: Settings) -> SwitchMessage | None:
    """Return what is to be said of the switch, with the remedy here; None where telemetry is on and exports go on."""
    state = switch(settings).state()
    return None if state.may_export else message_of(state, env=settings.env)


def audits(settings: Settings) -> Path:
    """Return where the reports are kept that allowed telemetry on this host."""
    return make_home(settings.home) / "audits"


def officers(settings: Settings) -> Officers:
    """The pinned list of who may sign: the packaged one, unless the settings name another directory."""
    from medagent.attestation.officers import PINNED, Officers  # noqa: PLC0415  # a start without a report needs none of it

    return Officers.load(settings.officers_path or PINNED)


def machine_keys(settings: Settings) -> list[VerifyKey]:
    """The public key with which this installation signs its reports; none where it has no key, and none is made."""
    given = None if settings.signing_key is None else settings.signing_key.get_secret_value()
    if given is None and not (settings.home / "keys" / "signing.key").exists():
        return []
    return [KeyRing(settings.home / "keys", env=settings.env, signing_hex=given).signing_key().public]


def audited(settings: Settings, report_sha256: str, *, installed: InstalledResult | None = None) -> datetime:
    """When the audit of a filed report began, if it allows telemetry here; raises `MedagentError` otherwise.

    Its signatures, what it is bound to, and that the ledger knows of no later trip, all verified anew. In prod that
    includes the signed result of the check of what is installed; `installed` is one that was made just now.
    """
    from medagent.attestation.allowance import allowed, filed  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.attestation.bundle import Bundle  # noqa: PLC0415  # the same

    listed = officers(settings)
    check_ledger_heads(settings)
    check_votes(settings, Bundle.load(audits(settings) / report_sha256)[0])
    verified = filed(report_sha256, audits=audits(settings), officers=listed, machine_keys=machine_keys(settings))
    bound = binding_here(settings) if installed is None else binding(settings, installed=installed.distributions)
    began = allowed(verified, binding=bound, env=settings.env, officers=listed, days=settings.go_days)
    tripped = last_trip(ledger_path(settings))
    if tripped is not None and began <= tripped:
        raise SwitchError("it tripped after this audit began", hint="mend the cause, then audit anew")
    return began


def check_votes(settings: Settings, bundle: Bundle) -> None:
    """Raise `AttestationError` where a bundle lacks a statement that this host's ledger knows."""
    from medagent.attestation.ballots import check_none_missing  # noqa: PLC0415  # a start without a report needs none of it

    check_none_missing(bundle, votes(ledger_path(settings), bundle.report_sha256))


def record_votes(settings: Settings, bundle: Bundle, *, by: str) -> None:
    """Check a verified bundle as `check_votes` does, and record its statements that the ledger does not know yet."""
    from medagent.attestation.ballots import ballots  # noqa: PLC0415  # a start without a report needs none of it

    check_votes(settings, bundle)
    known = {one.statement for one in votes(ledger_path(settings), bundle.report_sha256)}
    record = ledger(settings)
    for content in (one for one in ballots(bundle) if one["statement"] not in known):
        record.append("sign_off", {**content, "by": by})


def binding_here(settings: Settings) -> Binding:
    """Return what a report must be bound to, to allow telemetry here; in prod also what is installed.

    Raises `AttestationError` where prod has no result of the last 25 hours, or one with findings.
    """
    return binding(
        settings, installed=installed_code(settings).result().distributions if settings.env == "prod" else ()
    )


def binding(settings: Settings, *, installed: Sequence[InstalledDistribution] = ()) -> Binding:
    """Return what a report is bound to here; what is `installed` only where that was checked."""
    from medagent.attestation.binding import (  # noqa: PLC0415  # a start without a report needs none of it
        Binding,
        code_digest,
        destinations_digest,
        installed_digest,
        lock_digest,
    )
    from medagent.attestation.bound import bound_settings  # noqa: PLC0415  # the same

    destinations = bound_destinations(settings)
    decides = bound_settings(settings, key_ring(settings).pseudonym_key())
    return Binding(
        code_sha256=code_digest(),
        lock_sha256=lock_digest(),
        policy_sha256=policy(settings).digest,
        destinations_sha256=destinations_digest(destinations, decides),
        destinations=destinations,
        settings=decides,
        installed=tuple(installed),
        installed_sha256=installed_digest(installed) if installed else None,
    )


def installed_code(settings: Settings) -> InstalledCode:
    """Return the installed code of this host, one object for all uses in this process."""
    from medagent.attestation.agent_files import agent_files  # noqa: PLC0415  # the same
    from medagent.attestation.installed_code import InstalledCode  # noqa: PLC0415  # only prod and the audit need it

    case = (settings.home, settings.agent_path)
    if case not in _INSTALLED:
        _INSTALLED[case] = InstalledCode(
            home=make_home(settings.home),
            places=functools.partial(_places, settings),
            environment=settings.child_environment(),
            trusted=functools.partial(machine_keys, settings),
            key=key_ring(settings).signing_key,
            agent=agent_files(settings.agent_path),
        )
    return _INSTALLED[case]


_INSTALLED: dict[tuple[Path, Path | None], InstalledCode] = {}


def _places(settings: Settings) -> Places:
    from medagent.attestation.agent_files import agent_files  # noqa: PLC0415  # the same
    from medagent.attestation.binding import PACKAGE  # noqa: PLC0415  # only a check needs it
    from medagent.attestation.installed_check import places_here  # noqa: PLC0415  # the same

    return places_here([PACKAGE], agent_files(settings.agent_path))


def check_installed(
    settings: Settings, *, audited: Sequence[InstalledDistribution] | None, on_progress: OnProgress = lambda _: None
) -> InstalledResult:
    """Check all that is installed, sign the result, and record it against what was audited, if there is that.

    Raises `AttestationError` where there is no result; one with findings is returned.
    """
    result = installed_code(settings).check(on_progress=on_progress)
    _record_installed(settings, result, audited)
    return result


def installed_watch(settings: Settings, *, since: datetime | None) -> InstalledWatch:
    """Return a thread that checks once a day, in prod while a report is in force.

    A result from before `since` is due too.
    """
    from medagent.attestation.allowance import filed  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.attestation.installed_watch import InstalledWatch  # noqa: PLC0415  # the same

    stop = switch(settings)

    def recorded(result: InstalledResult) -> None:
        audited: Sequence[InstalledDistribution] | None = None
        if (report := stop.report()) is not None:
            found = filed(
                report, audits=audits(settings), officers=officers(settings), machine_keys=machine_keys(settings)
            )
            audited = found.report.system.installed
        _record_installed(settings, result, audited)

    return InstalledWatch(
        installed_code(settings),
        since=since,
        is_wanted=lambda: settings.env == "prod" and stop.report() is not None,
        on_checked=recorded,
    )


def _record_installed(
    settings: Settings, result: InstalledResult, audited: Sequence[InstalledDistribution] | None
) -> None:
    """Log what differs, and record the check in the ledger with the names of the distributions."""
    from medagent.attestation.binding import installed_differences  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.telemetry.ledger import installed_content  # noqa: PLC0415  # the same

    is_other = audited is not None and tuple(audited) != result.distributions
    differences = installed_differences(result.distributions, audited or ()) if is_other else ()
    said = [*result.findings, *differences]
    for one in said:
        _log.error("installed code: %s", one)
    ledger(settings).append("installed_checked", installed_content(result.sha256, said))


def bound_destinations(settings: Settings) -> tuple[BoundDestination, ...]:
    """Return where data goes by these settings, Slack and PagerDuty too; a secret is told as a keyed digest alone."""
    from medagent.attestation.report import Destination as BoundDestination  # noqa: PLC0415  # a start without a report needs none of it

    ways, workspaces = _bound_ways(settings), _bound_workspaces(settings)

    hosts = {
        "archive": "this host",
        "langsmith": _host(settings.langsmith_endpoint),
        "otlp": _host(settings.otlp_endpoint or ""),
        "langfuse": _host(settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD),
        "jsonlog": "stdout" if settings.jsonlog == "stdout" else "a file on this host",
    }
    found = []
    for one in exporters(settings):
        found.append(
            BoundDestination(
                name=one.name,
                host=hosts[one.name],
                project={"langsmith": settings.langsmith_project, "otlp": settings.phoenix_project}.get(one.name),
                workspace=settings.langsmith_workspace_id if one.name == "langsmith" else workspaces.get(one.name),
                region=one.region,
                retention_days=one.retention_days,
                release_delay_days=0 if one.name == "archive" else settings.release_delay_days,
                address=ways[one.name][0],
                account=ways[one.name][1],
            )
        )
        one.close()
    alerted = {"slack": settings.slack_webhook_url, "pagerduty": settings.pagerduty_routing_key}
    found += [
        BoundDestination(
            name=name,
            host=_host(settings.pagerduty_url if name == "pagerduty" else secret.get_secret_value()),
            project=None,
            workspace=workspaces.get(name),
            region="not stated",
            retention_days=None,
            address=ways[name][0],
            account=ways[name][1],
        )
        for name, secret in alerted.items()
        if secret is not None
    ]
    return tuple(found)


def _bound_ways(settings: Settings) -> dict[str, tuple[str, str | None]]:
    """Address and account of each destination that is configured, as requests use them."""
    from medagent.attestation.bound import bound_address, bound_file  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.telemetry.exporters import otlp  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    key = key_ring(settings).pseudonym_key()

    def secret(name: str, *values: SecretStr | str | None) -> str:
        texts = [one.get_secret_value() if isinstance(one, SecretStr) else one or "" for one in values]
        return key.keyed_digest(name, *texts)

    ways: dict[str, tuple[str, str | None]] = {
        "archive": ("this host", None),
        "langsmith": (
            bound_address(settings.langsmith_endpoint.rstrip("/"), key),
            secret("langsmith", settings.langsmith_api_key),
        ),
        "jsonlog": (bound_file(settings.jsonlog) + (" as EMF" if settings.jsonlog_emf else ""), None),
        "pagerduty": (bound_address(settings.pagerduty_url, key), secret("pagerduty", settings.pagerduty_routing_key)),
    }
    if settings.otlp_endpoint is not None:
        url = otlp.traces_url(settings.otlp_endpoint, variable="MEDAGENT_OTLP_ENDPOINT")
        given = "" if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
        headers = otlp.parse_headers(given, variable="MEDAGENT_OTLP_HEADERS")
        pairs = [text for pair in sorted(headers.items()) for text in pair]
        ways["otlp"] = (bound_address(url, key), secret("otlp", *pairs) if pairs else None)
    if "langfuse" in settings.destinations:
        base = (settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD).rstrip("/")
        account = secret("langfuse", settings.langfuse_public_key, settings.langfuse_secret_key)
        ways["langfuse"] = (bound_address(base, key), account)
    if settings.slack_webhook_url is not None:
        from medagent.alerts.rules import load_alerts  # noqa: PLC0415  # a call's process has no use for the alerts

        url = bound_address(settings.slack_webhook_url.get_secret_value(), key)
        ways["slack"] = (url, secret("slack channel", load_alerts(settings.alerts_path).slack_channel))
    return ways


def _bound_workspaces(settings: Settings) -> dict[str, str | None]:
    """Return keyed digests of each tenant that an address does not name: collector headers, Slack's workspace."""
    from medagent.attestation.bound import bound_tenant, bound_webhook_workspace  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.telemetry.exporters import otlp  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    key, found = key_ring(settings).pseudonym_key(), dict[str, str | None]()
    if settings.otlp_headers is not None:
        given = otlp.parse_headers(settings.otlp_headers.get_secret_value(), variable="MEDAGENT_OTLP_HEADERS")
        found["otlp"] = bound_tenant(given, key)
    if settings.slack_webhook_url is not None:
        found["slack"] = bound_webhook_workspace(settings.slack_webhook_url.get_secret_value(), key)
    return found


def _job_watch(settings: Settings) -> InstalledWatch | None:
    """Return the same for a job: a result from before its worker's start is due."""
    if settings.env != "prod":
        return None
    from medagent.attestation.installed_watch import parent_started  # noqa: PLC0415  # only prod needs it

    return installed_watch(settings, since=parent_started())


def _host(url: str) -> str:
    parts = urlsplit(url)
    return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")


def ledger_path(settings: Settings) -> Path:
    """Return where this host's ledger is."""
    return make_home(settings.home) / "ledger" / "ledger.jsonl"


def ledger(settings: Settings) -> Ledger:
    """This host's ledger, to append to; raises `KeyFileError` where prod has no signing key."""
    return Ledger(ledger_path(settings), key_ring(settings).signing_key(), anchors=ledger_anchors(settings))


def ledger_anchors(settings: Settings) -> list[Anchor]:
    """The places that keep the ledger's head: archive, outbox, and the second place where one is set."""
    found: list[Anchor] = [FileAnchor(make_home(settings.home) / "archive" / "ledger-head.json")]
    host = digest([platform.node(), str(settings.home)])
    found.append(OutboxAnchor(settings.outbox_location, host=host))
    if settings.ledger_anchor is not None:
        found.append(second_place(settings.ledger_anchor))
    return found


def check_ledger_heads(settings: Settings, *more: Path) -> None:
    """Raise `BrokenLedgerError` where a place keeps a head, or a file of `more` names one, that the ledger lacks."""
    kept: list[tuple[str, Head]] = []
    for anchor in ledger_anchors(settings):
        try:
            kept += [(anchor.name, head) for head in anchor.heads()]
        except OutboxError as error:
            _log.warning("the outbox's head of the ledger cannot be compared: %s", error)  # exports wait meanwhile
    kept += [(str(file), head) for file in more for head in heads_in(file)]
    check_heads(ledger_path(settings), kept)


def policy(settings: Settings) -> Policy:
    """The policy in force: a file, a packaged one by name, or `clinic`; read again when a file of its chain changed."""
    path = find_policy(str(settings.policy_path or "clinic"))
    stamps, held = _POLICIES.get(path, ((), None))
    if held is None or stamps != _stamps(held):
        held = load_policy(path)
        _POLICIES[path] = (_stamps(held), held)
    return held


_POLICIES: dict[Path, tuple[tuple[int, ...], Policy]] = {}
"""Each policy as it was last read, with the times at which its files had changed."""


def _stamps(held: Policy) -> tuple[int, ...]:
    """When each file of a policy's chain was changed, in ns; -1 for one that is gone."""
    paths = [one.path for one in held.files if one.path is not None]
    return tuple(path.stat().st_mtime_ns if path.exists() else -1 for path in paths)


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
            base_url=settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD,
            retention_days=settings.langfuse_retention_days,
            gate=gate,
            ca_pem=ca_pem,
            service=service(settings),
        )
    given = settings.otlp_headers
    return otlp.OtlpExporter(
        url=otlp.traces_url(settings.otlp_endpoint or "", variable="MEDAGENT_OTLP_ENDPOINT"),
        headers=otlp.parse_headers("" if given is None else given.get_secret_value(), variable="MEDAGENT_OTLP_HEADERS"),
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
    from medagent.telemetry.exporters import otlp, otlp_metrics  # noqa: PLC0415  # OpenTelemetry's messages take 40 ms to load

    url = otlp_metrics.metrics_url(otlp.traces_url(settings.otlp_endpoint, variable="MEDAGENT_OTLP_ENDPOINT"))
    given = "" if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
    closed, named = _closed_values(settings), service(settings)
    exporter = otlp_metrics.OtlpMetricsExporter(
        url=url,
        headers=otlp.parse_headers(given, variable="MEDAGENT_OTLP_HEADERS"),
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
        check_clock=lambda: check_clock(ledger_path(settings), has_spans=store.has_spans()),
    )


def delivery(settings: Settings, destinations: Sequence[Exporter], stop: Switch, redacts: Redactor) -> Delivery:
    """A shipper for each destination on this host's outbox, and who ends what dead processes left; not started."""
    living = owners(settings)
    owner = living.claim()
    counted = metrics(settings, ExportGate(stop))
    counters = {} if counted is None else {counted[0].name: counted[1]}
    box = outbox(settings, destinations, owner=owner.name, counters=counters)
    store = next(one for one in destinations if isinstance(one, Archive))
    purges = policy(settings).queued_when_off is Queued.PURGE
    entries = GuardrailEntries(box, ledger(settings))
    shippers = [
        # They are woken at the same moment; one behind another they leave the call's loop its turn.
        Shipper(one, outbox=box, switch=stop, gather_s=GATHER_S + number * _APART_S)
        for number, one in enumerate(destinations)
    ]

    def look() -> Recovered:
        found = recover(box, owner=owner.name, owners=living, redactor=redacts, switch=stop, entries=entries)
        for shipper in shippers if found.calls else ():
            shipper.wake()
        return found

    workers = [] if counted is None else [MetricsWorker(counted[0], stream=counted[1].stream, outbox=box, switch=stop)]
    return Delivery(
        outbox=box,
        owner=owner,
        entries=entries,
        shippers=shippers,
        housekeeping=Housekeeping(keeper(settings, box, store), switch=stop, purges_when_off=purges),
        recovery=RecoveryWatch(look),
        metrics=workers,
    )


def purge(settings: Settings, *, by: str, reason: str) -> int:
    """Delete all that is queued on this host; returns how many calls lost some."""
    box = outbox(settings, exporters(settings))
    try:
        return keeper(settings, box, archive(settings)).purge(by=by, reason=reason)
    finally:
        box.close()


def prune(settings: Settings, *, account: OsAccount, is_clock_right: bool = False) -> int:
    """Delete expired spans of the archive; returns how many.

    With `is_clock_right` the ledger records first that a person confirmed the clock. Raises `ClockError` where it may
    have jumped ahead.
    """
    if is_clock_right:
        ledger(settings).append("clock_confirmed", account.content())
    box = outbox(settings, ())
    try:
        return keeper(settings, box, archive(settings)).prune(by=account.name)
    finally:
        box.close()


@contextmanager
def investigation(settings: Settings, *, by: str) -> Iterator[Investigation]:
    """Open what this host knows of sent calls, with the ways to delete them; `by` is the person, for the ledger."""
    from medagent.telemetry import incident  # noqa: PLC0415  # no call needs it
    from medagent.telemetry.exporters.langfuse_deletion import LangfuseDeletion  # noqa: PLC0415  # the same
    from medagent.telemetry.exporters.langsmith_deletion import LangSmithDeletion  # noqa: PLC0415  # the same

    destinations = exporters(settings)
    names = {one.name for one in destinations}
    box, store = outbox(settings, destinations), next(one for one in destinations if isinstance(one, Archive))
    ways: dict[str, RemoteDeletion] = {}
    if "langsmith" in names and settings.langsmith_api_key is not None:
        ways["langsmith"] = LangSmithDeletion(
            api_key=settings.langsmith_api_key.get_secret_value(),
            endpoint=settings.langsmith_endpoint,
            project=settings.langsmith_project,
            workspace_id=settings.langsmith_workspace_id,
            ca_pem=settings.ca_pem(),
        )
    if "langfuse" in names and settings.langfuse_secret_key is not None:
        ways["langfuse"] = LangfuseDeletion(
            public_key=settings.langfuse_public_key or "",
            secret_key=settings.langfuse_secret_key.get_secret_value(),
            base_url=settings.langfuse_base_url or settings.langfuse_host or LANGFUSE_CLOUD,
            ca_pem=settings.ca_pem(),
        )

    def recorded() -> Iterator[tuple[str, Mapping[str, Json]]]:
        yield from ((entry.kind, entry.content) for entry in entries(ledger_path(settings)))

    def record(kind: str, content: Mapping[str, Json]) -> None:
        ledger(settings).append(kind, content)

    try:
        yield incident.Investigation(
            outbox=box,
            store=store,
            policy=policy(settings),
            configured=[
                incident.DestinationFacts(name=one.name, region=one.region, retention_days=one.retention_days)
                for one in destinations
            ],
            guardrails=recorded,
            deletion=incident.Deletion(
                outbox=box, ways=ways, deletable=frozenset({"langsmith", "langfuse"}), record=record, by=by
            ),
            keeper=keeper(settings, box, store),
        )
    finally:
        box.close()
        for one in destinations:
            one.close()


def redactor(settings: Settings, rosters: Mapping[str, Collection[str]] | None = None) -> Redactor:
    """The policy of these settings with this installation's keys."""
    in_force = policy(settings)
    keys = key_ring(settings).pseudonym_key()
    return Redactor(in_force, keys=keys, rosters=rosters, recognisers=recognisers_of(in_force))


def redactors(settings: Settings) -> Iterator[Redactor]:
    """Yield a redactor for each pseudonym key, the current one first; for lookups, not for export."""
    in_force, ring = policy(settings), key_ring(settings)
    for key in (ring.pseudonym_key(), *ring.old_pseudonym_keys()):
        yield Redactor(in_force, keys=key, recognisers=recognisers_of(in_force))


def key_ring(settings: Settings) -> KeyRing:
    """This installation's keys."""
    pseudonym, signing, old = (
        None if secret is None else secret.get_secret_value()
        for secret in (settings.pseudonym_key, settings.signing_key, settings.pseudonym_keys_old)
    )
    directory = make_home(settings.home) / "keys"
    return KeyRing(directory, env=settings.env, pseudonym_hex=pseudonym, signing_hex=signing, old_hex=old)


def alert_watch(settings: Settings, alerts: Alerts) -> Watch:
    """The alerts of these settings over the archive, with the destinations whose address or key is set."""
    from medagent.alerts.pagerduty import PagerDuty  # noqa: PLC0415  # a call's process has no use for the alerts
    from medagent.alerts.post import Post  # noqa: PLC0415  # the same
    from medagent.alerts.slack import Slack  # noqa: PLC0415  # the same
    from medagent.alerts.state import AlertState  # noqa: PLC0415  # the same
    from medagent.alerts.watch import Watch  # noqa: PLC0415  # the same

    settings.check_prod()
    stop, ca_pem = switch(settings), settings.ca_pem()
    slack, pagerduty = (Post(name=name, gate=ExportGate(stop), ca_pem=ca_pem) for name in ("slack", "pagerduty"))
    senders: dict[str, Sender] = {}
    if settings.slack_webhook_url is not None:
        url = settings.slack_webhook_url.get_secret_value()
        senders["slack"] = Slack(url, channel=alerts.slack_channel, post=slack)
    if settings.pagerduty_routing_key is not None:
        senders["pagerduty"] = PagerDuty(
            settings.pagerduty_routing_key.get_secret_value(), events_url=settings.pagerduty_url, post=pagerduty
        )
    return Watch(
        alerts,
        spans=archive(settings),
        state=AlertState(make_home(settings.home) / "alerts"),
        senders=senders,
        switch=stop,
        env=settings.env,
        go_ends=stop.go_ends,
        names_calls=_shows_days(settings),
    )


def identity_check_alert(settings: Settings) -> IdentityCheckAlert:
    """Return the recorder of failed identity checks, with the destinations whose address or key is set."""
    from medagent.alerts.identity_checks import IdentityCheckAlert  # noqa: PLC0415  # a traced agent has no use for it
    from medagent.alerts.state import AlertState  # noqa: PLC0415  # the same
    from medagent.clinic.verification import MOST_FAILURES, WINDOW  # noqa: PLC0415  # the same

    named = {"slack": settings.slack_webhook_url, "pagerduty": settings.pagerduty_routing_key}
    return IdentityCheckAlert(
        append=lambda kind, content: ledger(settings).append(kind, content),
        state=lambda: AlertState(make_home(settings.home) / "alerts"),
        destinations=[name for name, secret in named.items() if secret is not None],
        env=settings.env,
        failures=MOST_FAILURES,
        hours=int(WINDOW.total_seconds()) // 3600,
    )


def _shows_days(settings: Settings) -> bool:
    """Return whether the policy sends the day of a call; a policy that cannot be read counts as one that does not."""
    try:
        return policy(settings).clock is ClockMode.EXACT
    except MedagentError:
        return False


def waiting(settings: Settings) -> OutboxStatus:
    """Return what waits in the outbox for which destination."""
    box = outbox(settings, exporters(settings))
    try:
        return box.status()
    finally:
        box.close()


def undelivered(settings: Settings, trace_id: str) -> list[Lacking]:
    """Return what of a call each destination has not had; an outbox that is not there is not made for it."""
    box = outbox(settings, ())
    try:
        return [] if box.is_missing() else box.lacking(trace_id)
    finally:
        box.close()


class Telemetry:
    """Everything between the events of a process's calls and the wire; start it once, close it at the end."""

    def __init__(
        self,
        settings: Settings,
        *,
        rosters: Mapping[str, Collection[str]] | None = None,
        outcomes: Outcomes | None = None,
        inlet: Inlet | None = None,
        overhead: Overhead | None = None,
    ) -> None:
        """Events may wait in `inlet` and costs be counted in `overhead` before this is made."""
        disable_core_dumps()
        self.settings = settings
        for name, remedy in settings.unusable_destinations().items():
            _log.warning("destination %s is off: %s", name, remedy)
        self.ledger = ledger(settings)
        self.switch = switch(settings)
        self.overhead = overhead or Overhead()
        self._overhead_watch = OverheadWatch(self.overhead, switch=self.switch)
        self.gate = ExportGate(self.switch)
        self.destinations = destinations = exporters(settings, gate=self.gate)
        self._redactor = redactor(settings, rosters)
        self._delivery = delivery(settings, destinations, self.switch, self._redactor)
        sessions = SessionMaker(
            redactor=self._redactor,
            prices=load_prices(settings.pricing_path),
            switch=self.switch,
            env=settings.env,
            destinations=[
                Destination(name=d.name, region=d.region, retention_days=d.retention_days) for d in destinations
            ],
            legal_basis=settings.legal_basis(),
            key=key_ring(settings).pseudonym_key(),
            sampling=settings.sampling,
            synthetic_callers=settings.synthetic_callers is not None,
            outcomes=outcomes or {},
            closed=self._delivery.entries.tell,
        )
        in_force = sessions.policy
        holds = {"name": in_force.name, "version": in_force.version, "sha256": in_force.digest}
        try:
            self.ledger.note("policy_changed", holds)
        except LedgerError as error:
            _log.error("the ledger does not say which policy holds: %s", error)
        if settings.synthetic_callers is not None:
            _log.warning("MEDAGENT_SYNTHETIC_CALLERS is set: no caller of this process may be a real person")
            self._declare_synthetic_callers()
        self.pipeline = Pipeline(
            sessions=sessions, outbox=self._delivery.outbox, on_due=self._delivery.wake, inlet=inlet
        )
        self._installed_watch = _job_watch(settings)
        self._is_closed = False

    def _declare_synthetic_callers(self) -> None:
        try:
            self.ledger.append("synthetic_callers", current_account().content())
        except LedgerError as error:
            _log.error("the ledger does not record MEDAGENT_SYNTHETIC_CALLERS: %s", error)

    def start(self) -> Telemetry:
        """Begin to work and to ship, and to end what dead processes left open."""
        share()
        self.pipeline.start()
        self._overhead_watch.start()
        self._delivery.start()
        if self._installed_watch is not None:
            self._installed_watch.start()
        return self

    def recover(self) -> Recovered:
        """End the calls of processes that died, and tell the ledger what it was still to be told."""
        return self._delivery.recovery.look()

    def watch(
        self,
        session: AgentSession[Any],
        *,
        caller: Caller | None = None,
        asks: bool = False,
        declared: Mapping[str, object] | None = None,
    ) -> Bridge:
        """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it.

        `declared` are the arguments of `trace_call` that tell of the agent.
        With `asks` nothing of the call is released before the bridge is told of its consent, whatever the settings say.
        Inside a LiveKit job the call ends with the job, which waits up to 2.5 s for its delivery. From here on log
        lines pass the door too, whatever handlers there are or will be, and LiveKit's own exits are shut.
        """
        from medagent.agent.declaration import declare  # noqa: PLC0415  # livekit costs seconds; the CLI need not pay them
        from medagent.agent.watching import watch  # noqa: PLC0415  # the same

        return watch(
            session,
            new_line=self.pipeline.line,
            overhead=self.overhead,
            settings=self.settings,
            caller=caller,
            declared=declare(self.settings, **(declared or {})),
            asks=asks,
            deliver=self.flush,
        )

    def hello(self) -> str:
        """Send a synthetic call of one greeting through everything that a real one passes; returns its trace id."""
        line = self.pipeline.line()
        line.send(
            CallStarted,
            wall_us=time.time_ns() // 1000,
            model=self.settings.model,
            provider="azure.ai.openai",
            mode="realtime",
            agent_version=medagent.__version__,
            synthetic=True,
        )
        line.send(ResponseStarted, response_id="hello")
        line.send(AudioStarted, response_id="hello")
        line.send(ResponseFinished, response_id="hello", status="completed", usage=None)
        line.send(CallEnded, reason="agent_ended")
        return line.trace_id

    def flush(self, timeout_s: float) -> Sequence[str]:
        """Wait until all that happened is delivered; returns the destinations that still lack something."""
        deadline = time.monotonic() + timeout_s
        self.pipeline.flush(timeout_s)
        return self._delivery.flush(max(0.1, deadline - time.monotonic()))

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls, write what is left, ship what the time allows; the rest stays in the outbox.

        It takes no longer than `timeout_s`, whatever hangs; a second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_s
        if self._installed_watch is not None:
            self._installed_watch.stop()
        self._overhead_watch.stop(_STOP_S)
        self.pipeline.stop(timeout_s)
        self._delivery.close(max(0.1, deadline - time.monotonic()))
        self.switch.close()
