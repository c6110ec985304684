"""What was audited: version, machine, libraries, and the four digests that bind the report to exactly this."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

import medagent
from medagent.attestation.report import Destination, System
from medagent.compose import ledger_path, policy
from medagent.errors import MedagentError
from medagent.proof import digest
from medagent.settings import Settings
from medagent.telemetry.ledger import entries

_LIBRARIES = (
    "cryptography",
    "langsmith",
    "livekit",
    "livekit-agents",
    "livekit-plugins-openai",
    "opentelemetry-proto",
    "presidio-analyzer",
    "pydantic",
    "requests",
    "rfc8785",
    "sqlalchemy",
    "zstandard",
)
_PACKAGE = Path(medagent.__file__).parent


def describe(settings: Settings) -> System:
    """The system of these settings as it is configured, not as the audit redirects it."""
    in_force = policy(settings)
    destinations = configured(settings)
    last = _last_audited_policy(settings)
    return System(
        version=medagent.__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        processors=os.cpu_count() or 1,
        libraries=dict(_versions()),
        code_sha256=_code(),
        lock_sha256=_lock(),
        policy_name=in_force.name,
        policy_version=in_force.version,
        policy_sha256=in_force.digest,
        policy_reviewed_by=tuple(sorted({review.by for review in in_force.reviews.values()})),
        policy_changed_since_last_audit=None if last is None else last != in_force.digest,
        destinations=destinations,
        destinations_sha256=digest(sorted((one.model_dump(mode="json") for one in destinations), key=digest)),
    )


def configured(settings: Settings) -> tuple[Destination, ...]:
    """Where telemetry goes once it may, each with the host of its configured address."""
    found = [Destination(name="archive", host="local", project=None, region="local", retention_days=90)]
    if settings.langsmith_api_key is not None:
        found.append(
            Destination(
                name="langsmith",
                host=_host(settings.langsmith_endpoint),
                project=settings.langsmith_project,
                region="",
                retention_days=settings.langsmith_retention_days,
            )
        )
    return tuple(found)


def _versions() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


def _code() -> str:
    files = sorted(path for path in _PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return digest({str(path.relative_to(_PACKAGE)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files})


def _lock() -> str:
    path = _PACKAGE.parent.parent / "requirements.lock"
    return hashlib.sha256(path.read_bytes() if path.is_file() else b"").hexdigest()


def _last_audited_policy(settings: Settings) -> str | None:
    """The digest of the policy of the host's last audit; None where its ledger tells of none."""
    last = None
    try:
        for entry in entries(ledger_path(settings)):
            if entry.kind == "audit":
                last = str(entry.content["policy"])
    except MedagentError:
        return last
    return last


def _host(url: str) -> str:
    return urlsplit(url).hostname or "unknown"
