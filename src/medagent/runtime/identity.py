"""Digests of what a process runs; a spool file is read by a service that runs the same."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from medagent.proof import canonical
from medagent.runtime.host import key_ring, policy
from medagent.settings import Settings
from medagent.telemetry.spool.header import Identity

_OF_ONE_PROCESS = frozenset({"telemetry", "agent_path", "export_service"})
"""Settings that do not decide what is sent, or that a job learns by itself."""


def identity(settings: Settings, *, service: str | None = None) -> Identity:
    """Return the digests of code, policy and settings; `service` names an export service in the same process."""
    from medagent.attestation.binding import code_digest  # noqa: PLC0415  # reads each file of the package

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

    given = {name: plain(value) for name, value in settings.model_dump().items() if name not in _OF_ONE_PROCESS}
    return key_ring(settings).pseudonym_key().keyed_digest("settings", canonical(given).decode())
