"""What was audited: version, machine, libraries, and the digests that bind the report to exactly this."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from importlib import metadata

import medagent
from medagent.attestation.report import InstalledDistribution, System
from medagent.errors import MedagentError
from medagent.runtime.binding import binding
from medagent.runtime.host import ledger_path, policy
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


def describe(settings: Settings, installed: Sequence[InstalledDistribution] = ()) -> System:
    """The system of these settings as it is configured, not as the audit redirects it."""
    in_force = policy(settings)
    bound = binding(settings, installed=installed)
    last = _last_audited_policy(settings)
    return System(
        version=medagent.__version__,
        python=platform.python_version(),
        platform=platform.platform(terse=True),
        processors=os.cpu_count() or 1,
        libraries=dict(_versions()),
        code_sha256=bound.code_sha256,
        lock_sha256=bound.lock_sha256,
        policy_name=in_force.name,
        policy_version=in_force.version,
        policy_sha256=bound.policy_sha256,
        policy_clock=in_force.clock.value,
        policy_reviewed_by=tuple(sorted({review.by for review in in_force.reviews.values()})),
        policy_changed_since_last_audit=None if last is None else last != in_force.digest,
        destinations=bound.destinations,
        destinations_sha256=bound.destinations_sha256,
        settings=bound.settings,
        installed=bound.installed,
        installed_sha256=bound.installed_sha256,
    )


def _versions() -> Iterator[tuple[str, str]]:
    for name in _LIBRARIES:
        try:
            yield name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue


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
