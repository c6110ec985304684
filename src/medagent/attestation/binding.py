"""What a report is bound to: this code, this lock file, this policy, these destinations, each by one digest."""

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

from medagent.attestation.report import Destination, System
from medagent.errors import AttestationError
from medagent.proof import digest

PACKAGE = Path(__file__).parent.parent
LOCK = PACKAGE / "requirements.lock"
_BOUND_APART = frozenset({"requirements.lock", "officers"})
"""Has a digest of its own, or says who may sign: to pin an officer is no change of what was audited."""
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)(?: *; *([^\\]+?))? *\\?$", re.MULTILINE)
_INSTALLERS = frozenset({"medagent", "pip", "setuptools", "wheel"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """The four digests of what runs here, to be held against those of a report."""

    code_sha256: str
    lock_sha256: str
    policy_sha256: str
    destinations_sha256: str

    def differences(self, system: System) -> tuple[str, ...]:
        """What of an audited system is not what runs here, in words; empty where all of it is."""
        pairs = {
            "code": (self.code_sha256, system.code_sha256),
            "lock file": (self.lock_sha256, system.lock_sha256),
            "policy": (self.policy_sha256, system.policy_sha256),
            "destinations": (self.destinations_sha256, system.destinations_sha256),
        }
        return tuple(
            f"the {what} here ({here[:12]}) is not what was audited ({audited[:12]})"
            for what, (here, audited) in pairs.items()
            if here != audited
        )


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


def destinations_digest(destinations: Iterable[Destination]) -> str:
    """Return the digest of the destinations: type, host, project, workspace, region, retention, delay; in any order.

    A workspace that is not set and a delay of 0 are left out, so that reports from before they could be set still hold.
    """
    documents = [one.model_dump(mode="json") for one in destinations]
    for document in documents:
        if document["workspace"] is None:
            del document["workspace"]
        if not document["release_delay_days"]:
            del document["release_delay_days"]
    return digest(sorted(documents, key=digest))


def _files(package: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(package, followlinks=True):
        here = Path(directory)
        at_top = here == package
        names[:] = [name for name in names if name != "__pycache__" and not (at_top and name in _BOUND_APART)]
        for name in files:
            if not name.endswith((".pyc", ".pyo")) and not (at_top and name in _BOUND_APART):
                yield here / name
