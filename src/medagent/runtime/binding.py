"""Digests that bind an audit report to code, policy, settings and destinations of a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import SecretStr

from medagent.attestation.code_digest import code_digest
from medagent.settings import Settings
from medagent.telemetry.destination import parse_headers, traces_url

if TYPE_CHECKING:
    from medagent.attestation.binding import Binding
    from medagent.attestation.report import Destination as BoundDestination
    from medagent.attestation.report import InstalledDistribution

from medagent.runtime import installed
from medagent.runtime.destinations import destinations, langfuse_url
from medagent.runtime.host import key_ring, policy


def binding_here(settings: Settings) -> Binding:
    """Return what a report must be bound to, to allow telemetry here; in prod also what is installed.

    Raises `AttestationError` where prod has no result of the last 25 hours, or one with findings.
    """
    return binding(
        settings, installed=installed.installed_code(settings).result().distributions if settings.env == "prod" else ()
    )


def binding(settings: Settings, *, installed: Sequence[InstalledDistribution] = ()) -> Binding:
    """Return what a report is bound to here; what is `installed` only where that was checked."""
    from medagent.attestation.binding import (  # noqa: PLC0415  # a start without a report needs none of it
        Binding,
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


def bound_destinations(settings: Settings) -> tuple[BoundDestination, ...]:
    """Return where data goes by these settings, Slack and PagerDuty too; a secret is told as a keyed digest alone."""
    from medagent.attestation.report import Destination as BoundDestination  # noqa: PLC0415  # a start without a report needs none of it

    ways, workspaces = _bound_ways(settings), _bound_workspaces(settings)

    hosts = {
        "archive": "this host",
        "langsmith": _host(settings.langsmith_endpoint),
        "otlp": _host(settings.otlp_endpoint or ""),
        "langfuse": _host(langfuse_url(settings)),
        "jsonlog": "stdout" if settings.jsonlog == "stdout" else "a file on this host",
    }
    settings.check_prod()
    found = [
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
        for one in destinations(settings)
    ]
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
        url = traces_url(settings.otlp_endpoint, variable="MEDAGENT_OTLP_ENDPOINT")
        given = "" if settings.otlp_headers is None else settings.otlp_headers.get_secret_value()
        headers = parse_headers(given, variable="MEDAGENT_OTLP_HEADERS")
        pairs = [text for pair in sorted(headers.items()) for text in pair]
        ways["otlp"] = (bound_address(url, key), secret("otlp", *pairs) if pairs else None)
    if "langfuse" in settings.destinations:
        base = langfuse_url(settings).rstrip("/")
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

    key, found = key_ring(settings).pseudonym_key(), dict[str, str | None]()
    if settings.otlp_headers is not None:
        given = parse_headers(settings.otlp_headers.get_secret_value(), variable="MEDAGENT_OTLP_HEADERS")
        found["otlp"] = bound_tenant(given, key)
    if settings.slack_webhook_url is not None:
        found["slack"] = bound_webhook_workspace(settings.slack_webhook_url.get_secret_value(), key)
    return found


def _host(url: str) -> str:
    parts = urlsplit(url)
    return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
