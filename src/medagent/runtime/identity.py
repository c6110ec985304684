"""Digests of what a process runs; a spool file is read by a service that runs the same."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from medagent.attestation.code_digest import code_digest
from medagent.proof import canonical
from medagent.runtime.host import key_ring, policy
from medagent.settings import Settings
from medagent.telemetry.spool.header import Identity

EXPORT_SETTINGS = frozenset(
    {
        "env", "home", "synthetic_callers", "officers_path", "ledger_anchor", "go_days", "service_name",
        "deployment_environment", "processors_path", "pseudonym_key", "pseudonym_keys_old", "signing_key", "outbox_url",
        "outbox_max_mb", "outbox_days", "release_delay_days", "archive_days", "consent", "consent_basis",
        "consent_script", "consent_script_version", "sampling", "langsmith_api_key", "langsmith_endpoint",
        "langsmith_project_name", "langsmith_workspace_id", "langsmith_retention_days", "destinations",
        "otlp_endpoint", "otlp_headers", "otlp_metrics", "otlp_region", "phoenix_project", "otlp_voice_drafts",
        "otlp_retention_days", "langfuse_public_key", "langfuse_secret_key", "langfuse_base_url", "langfuse_host",
        "langfuse_retention_days", "jsonlog", "jsonlog_emf", "ca_file",
    }
)  # fmt: skip
"""Settings that decide what is stored, sealed and sent, and where to: a job and its export service have the same."""
CALL_SETTINGS = frozenset(
    {
        "telemetry", "policy_path", "pricing_path", "agent_name", "agent_version", "agent_path", "alerts_path",
        "export_service", "clinic_database_url", "clinic_name", "clinic_country", "model", "call_max_minutes",
        "call_max_cost_usd", "azure_endpoint", "azure_api_key", "azure_deployment", "slack_webhook_url",
        "pagerduty_routing_key", "pagerduty_url", "caller_identity", "logs_in_clear", "livekit_url",
        "livekit_api_key", "livekit_api_secret", "livekit_open",
    }
)  # fmt: skip
"""The other settings: of one process, of a call, or with a digest of their own."""


def identity(settings: Settings, *, service: str | None = None) -> Identity:
    """Return the digests of code, policy and settings; `service` names an export service in the same process."""
    return Identity(
        code=code_digest(), policy=policy(settings).digest, settings=_settings_digest(settings), service=service
    )


def _settings_digest(settings: Settings) -> str:
    """Return a keyed digest: some settings are secrets."""

    def plain(value: Any) -> Any:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if isinstance(value, dict):
            return {str(name): plain(one) for name, one in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [plain(one) for one in value]
        return value if isinstance(value, str | int | bool | None) else str(value)

    given = {name: plain(value) for name, value in settings.model_dump().items() if name in EXPORT_SETTINGS}
    return key_ring(settings).pseudonym_key().keyed_digest("settings", canonical(given).decode())
