"""What a report is bound to: code, lock file, policy, installed code, and destinations with settings."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from medagent.attestation.code_digest import PACKAGE
from medagent.attestation.report import BoundSetting, Destination, InstalledDistribution, System
from medagent.errors import AttestationError
from medagent.proof import digest

LOCK = PACKAGE / "requirements.lock"
KEY_SETTING, KEYED = "MEDAGENT_PSEUDONYM_KEY", "keyed:"
_VARIABLES = {
    ("langsmith", "address"): "LANGSMITH_ENDPOINT",
    ("langsmith", "account"): "LANGSMITH_API_KEY",
    ("otlp", "address"): "MEDAGENT_OTLP_ENDPOINT",
    ("otlp", "account"): "MEDAGENT_OTLP_HEADERS",
    ("langfuse", "address"): "LANGFUSE_BASE_URL",
    ("langfuse", "account"): "LANGFUSE_PUBLIC_KEY, LANGFUSE_SECRET_KEY",
    ("jsonlog", "address"): "MEDAGENT_JSONLOG",
    ("otlp", "workspace"): "MEDAGENT_OTLP_HEADERS",
    ("slack", "address"): "MEDAGENT_SLACK_WEBHOOK_URL",
    ("slack", "workspace"): "MEDAGENT_SLACK_WEBHOOK_URL",
    ("pagerduty", "address"): "MEDAGENT_PAGERDUTY_URL",
    ("pagerduty", "account"): "MEDAGENT_PAGERDUTY_ROUTING_KEY",
    ("archive", "retention_days"): "MEDAGENT_ARCHIVE_DAYS",
}
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?: *; *([^\\]+?))? *\\?$", re.MULTILINE)
_INSTALLERS = frozenset({"medagent", "pip", "setuptools", "wheel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The digests of what runs here, to be held against those of a report.

    Without `installed_sha256` the installed code is not compared: in dev, where nothing checked it.
    """

    code_sha256: str
    lock_sha256: str
    policy_sha256: str
    destinations_sha256: str
    destinations: tuple[Destination, ...] = ()
    settings: tuple[BoundSetting, ...] = ()
    installed: tuple[InstalledDistribution, ...] = ()
    installed_sha256: str | None = None

    def differences(self, system: System) -> tuple[str, ...]:
        """What of an audited system is not what runs here, in words; empty where all of it is."""
        pairs = {
            "code": (self.code_sha256, system.code_sha256),
            "lock file": (self.lock_sha256, system.lock_sha256),
            "policy": (self.policy_sha256, system.policy_sha256),
            "destinations": (self.destinations_sha256, system.destinations_sha256),
        }
        differ = {what: (here, audited) for what, (here, audited) in pairs.items() if here != audited}
        said = [
            f"the {what} here ({here[:12]}) is not what was audited ({audited[:12]})"
            for what, (here, audited) in differ.items()
            if what != "destinations"
        ]
        if "destinations" in differ:
            named = ", ".join(self._named(system)) or "a setting that the report does not list"
            here, audited = differ["destinations"]
            said.append(f"the destinations here ({here[:12]}) are not what was audited ({audited[:12]}): {named}")
        if self.installed_sha256 is not None and self.installed_sha256 != system.installed_sha256:
            said += installed_differences(self.installed, system.installed)
        return tuple(said)

    def _named(self, system: System) -> Iterator[str]:
        """Each part of a destination and each setting that is another here; no value of either.

        Under another key no keyed digest is the same: then the key alone is named, and what is told in clear.
        """
        ours, theirs = ({one.name: one.value for one in each.settings} for each in (self, system))
        another_key = bool(theirs) and ours.get(KEY_SETTING) != theirs.get(KEY_SETTING)

        def differ(here: object, audited: object) -> bool:
            return here != audited and not (another_key and KEYED in str(here) and KEYED in str(audited))

        here, audited = ({one.name: one.model_dump() for one in each.destinations} for each in (self, system))
        for name in sorted({*here, *audited}):
            if name not in here or name not in audited:
                yield f"{name} is {'not configured' if name not in here else 'new'}"
                continue
            for part in (part for part in here[name] if differ(here[name][part], audited[name][part])):
                variable = _VARIABLES.get((name, part))
                yield f"{name}: {part}" + (f" ({variable})" if variable else "")
        if theirs:
            yield from (name for name in sorted({*ours, *theirs}) if differ(ours.get(name), theirs.get(name)))


def installed_digest(distributions: Iterable[InstalledDistribution]) -> str:
    """Return the digest of what is installed."""
    return digest([one.model_dump(mode="json") for one in distributions])


def installed_differences(
    here: Iterable[InstalledDistribution], audited: Iterable[InstalledDistribution]
) -> tuple[str, ...]:
    """Name each installed distribution that is another here than it was audited; never empty."""
    ours, theirs = (_by_name(listed) for listed in (here, audited))
    if not theirs:
        return ("the report lists no installed distributions",)
    found = []
    for name in sorted({*ours, *theirs}):
        now, before = ours.get(name, {}), theirs.get(name, {})
        if now == before:
            continue
        versions = ", ".join(sorted(now)) if now else "not installed"
        changed = "with other files " if now.keys() == before.keys() else ""
        new = "" if before else "new, "
        here_too = f"{changed}{versions} here" if now else versions
        found.append(f"{' '.join([name, *sorted(before)])}: {new}not what was audited ({here_too})")
    return tuple(found) or ("the installed distributions are not what was audited",)


def _by_name(listed: Iterable[InstalledDistribution]) -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {}
    for one in listed:
        found.setdefault(one.name, {}).setdefault(one.version, []).append(one.sha256)
    return found


def lock_digest(lock: Path = LOCK) -> str:
    """The digest of the lock file that travels with the package; raises `AttestationError` where there is none."""
    try:
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    except OSError:
        raise AttestationError(f"there is no lock file at {lock}", hint="install medagent anew") from None


def lock_deviations(lock: Path = LOCK) -> tuple[str, ...]:
    """The installed distributions that are not as the lock file pins them; what is pinned may be absent."""
    pinned: dict[str, set[str]] = {}
    for name, version, marker in _PINNED.findall(lock.read_text(encoding="utf-8")):
        if not marker or Marker(marker).evaluate():
            pinned.setdefault(canonicalize_name(name), set()).add(version)
    installed = {canonicalize_name(one.metadata["Name"]): one.version for one in metadata.distributions()}
    return tuple(
        f"{name} {version} is installed, the lock file "
        + (f"says {' or '.join(sorted(pinned[name]))}" if name in pinned else "does not name it")
        for name, version in sorted(installed.items())
        if name not in _INSTALLERS and version not in pinned.get(name, ())
    )


def destinations_digest(destinations: Iterable[Destination], settings: Iterable[BoundSetting] = ()) -> str:
    """Return the digest of the destinations, in any order, and of the bound settings.

    A part that is not set is left out, so that reports from before it could be set still hold.
    """
    documents = [one.model_dump(mode="json") for one in destinations]
    for document in documents:
        for part in ("workspace", "address", "account"):
            if document[part] is None:
                del document[part]
        if not document["release_delay_days"]:
            del document["release_delay_days"]
    documents += [{"setting": one.name, "value": one.value} for one in settings]
    return digest(sorted(documents, key=digest))
