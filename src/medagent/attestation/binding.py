"""What a report is bound to: code, lock file, policy, and destinations with settings, each by one digest."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from medagent.attestation.report import BoundSetting, Destination, System
from medagent.errors import AttestationError
from medagent.proof import digest

PACKAGE = Path(__file__).parent.parent
LOCK = PACKAGE / "requirements.lock"
_BOUND_APART = frozenset({"requirements.lock", "officers"})
"""Has a digest of its own, or says who may sign: to pin an officer is no change of what was audited."""
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
    """The four digests of what runs here, to be held against those of a report."""

    code_sha256: str
    lock_sha256: str
    policy_sha256: str
    destinations_sha256: str
    destinations: tuple[Destination, ...] = ()
    settings: tuple[BoundSetting, ...] = ()

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


def code_digest(package: Path = PACKAGE) -> str:
    """The digest of every file of an installed package, path by path; what Python itself compiles is left out."""
    found = {str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(package)}
    return digest(found)


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


def _files(package: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(package, followlinks=True):
        here = Path(directory)
        at_top = here == package
        names[:] = [name for name in names if name != "__pycache__" and not (at_top and name in _BOUND_APART)]
        for name in files:
            if not name.endswith((".pyc", ".pyo")) and not (at_top and name in _BOUND_APART):
                yield here / name
