"""Locks of the export service: one that is active on a host, and one process for each identity."""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from medagent.file_access import is_locked, lock_unlocked, open_to_write, read_file
from medagent.telemetry.spool.header import Identity

_ACTIVE = "active"
_TRY_EVERY_S = 1.0
_PROBES, _PROBE_S = 5, 0.02


@dataclass(slots=True)
class HeldLock:
    """A lock that this process holds."""

    descriptor: int

    def is_removed(self) -> bool:
        """Return whether the lock's file was deleted, as with the whole state directory."""
        return os.fstat(self.descriptor).st_nlink == 0

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

    def active_process(self) -> int | None:
        """Return the process id of the active export service; None where none is active or it is not known."""
        return self._process(_ACTIVE)

    def is_active_of(self, identity: Identity) -> bool:
        """Return whether the active export service is of an identity."""
        active = self._process(_ACTIVE)
        return active is not None and active == self._process(_key(identity))

    def is_another_waiting(self, identity: Identity) -> bool:
        """Return whether a service of another identity waits to be active."""
        ours = {f"{_key(identity)}.lock", f"{_ACTIVE}.lock"}
        with contextlib.suppress(OSError):
            return any(path.name not in ours and is_locked(path) for path in self._directory.iterdir())
        return False

    def _process(self, name: str) -> int | None:
        try:
            text = read_file(self._path(name), limit=32).decode()
        except (OSError, ValueError):
            return None
        return int(text) if text.isdigit() and is_locked(self._path(name)) else None

    def _take(self, name: str) -> HeldLock | None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(open_to_write(self._path(name)))
        descriptor = lock_unlocked(self._path(name))
        for _ in range(_PROBES):  # who only looks whether it is locked holds it for a moment
            if descriptor is not None:
                break
            time.sleep(_PROBE_S)
            descriptor = lock_unlocked(self._path(name))
        if descriptor is None:
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        return HeldLock(descriptor)

    def _path(self, name: str) -> Path:
        return self._directory / f"{name}.lock"


class ServiceRole:
    """The role of the host's export service, for a process that serves beside others until they end."""

    def __init__(self, locks: ServiceLocks, identity: Identity) -> None:
        self._locks = locks
        self._ours = locks.take(identity)
        self._active: HeldLock | None = None
        self._due = 0.0

    def is_held(self) -> bool:
        """Return whether this process has the role; it is taken as soon as no other process has it."""
        if self._active is None and time.monotonic() >= self._due:
            self._due = time.monotonic() + _TRY_EVERY_S
            self._active = self._locks.take_active()
        return self._active is not None

    def release(self) -> None:
        """Give the role up."""
        for lock in (self._active, self._ours):
            if lock is not None:
                lock.release()
        self._active = self._ours = None


def _key(identity: Identity) -> str:
    digests = f"{identity.code} {identity.policy} {identity.settings}"
    return hashlib.sha256(digests.encode()).hexdigest()[:16]
