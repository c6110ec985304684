"""Locks of the export service: one that is active on a host, and one process for each identity."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from medagent.file_access import is_locked, lock_unlocked, open_to_write
from medagent.telemetry.spool.header import Identity

_ACTIVE = "active"


@dataclass(slots=True)
class HeldLock:
    """A lock that this process holds."""

    descriptor: int

    def release(self) -> None:
        """Release the lock."""
        os.close(self.descriptor)


class ServiceLocks:
    """The files `<spool>/service/<name>.lock`, each locked by the process that it stands for."""

    def __init__(self, spool: Path) -> None:
        self._directory = spool / "service"

    def take_active(self) -> HeldLock | None:
        """Become the host's active export service; None where another process is."""
        return self._take(_ACTIVE)

    def take(self, identity: Identity) -> HeldLock | None:
        """Become the one process for an identity; None where another process is."""
        return self._take(_key(identity))

    def has(self, identity: Identity) -> bool:
        """Return whether a service of an identity is there, active or waiting to be."""
        return is_locked(self._path(_key(identity)))

    def is_active(self) -> bool:
        """Return whether an export service is active on this host."""
        return is_locked(self._path(_ACTIVE))

    def is_another_waiting(self, identity: Identity) -> bool:
        """Return whether a service of another identity waits to be active."""
        ours = {f"{_key(identity)}.lock", f"{_ACTIVE}.lock"}
        with contextlib.suppress(OSError):
            return any(path.name not in ours and is_locked(path) for path in self._directory.iterdir())
        return False

    def _take(self, name: str) -> HeldLock | None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(open_to_write(self._path(name)))
        descriptor = lock_unlocked(self._path(name))
        return None if descriptor is None else HeldLock(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.lock"


def _key(identity: Identity) -> str:
    digests = f"{identity.code} {identity.policy} {identity.settings}"
    return hashlib.sha256(digests.encode()).hexdigest()[:16]
