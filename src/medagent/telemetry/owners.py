"""Who is alive: a locked file per process, since a number can come back to another process and a lock cannot."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from medagent.errors import SettingsError
from medagent.file_access import is_locked, read_file, write_file

_PLACE = "place"
_SILENT_S = 600


class Owners:
    """The processes that share one state directory; elsewhere a process counts as dead once it was silent for 10 min.

    Raises `SettingsError` where the directory cannot be used.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            for one in (directory.parent, directory):
                one.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._place = _settled(directory / _PLACE, str(uuid4()))
        except OSError as error:
            raise _unusable(directory, error) from None

    def claim(self) -> Owner:
        """A new owner, alive as long as this process or until it is released; raises `SettingsError`."""
        while True:
            name = str(uuid4())
            path = self._directory / name
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            except OSError as error:
                raise _unusable(self._directory, error) from None
            if path.exists():  # nobody swept it away between the two
                return Owner(f"{self._place}/{name}", path, descriptor)
            os.close(descriptor)

    def alive(self, owner: str, *, silent_s: int | None) -> bool:
        """Whether a call may still be somebody's; `silent_s` counts for a process of another directory alone."""
        place, _, name = owner.partition("/")
        if place == self._place:
            return is_locked(self._directory / name)
        return silent_s is not None and silent_s < _SILENT_S

    def sweep(self, needed: Collection[str]) -> None:
        """Remove the files of the dead, but of those that something is still to be done for."""
        for path in self._directory.iterdir():
            if path.name != _PLACE and f"{self._place}/{path.name}" not in needed:
                _remove_unlocked(path)


class Owner:
    """This process, as its calls name it; a forked child lets go of the lock, or it would keep the dead alive."""

    def __init__(self, name: str, path: Path, descriptor: int) -> None:
        self.name = name
        self._path = path
        self._descriptor: int | None = descriptor
        os.register_at_fork(after_in_child=self._let_go)

    def release(self) -> None:
        """Nothing is this owner's any more; a second call does nothing."""
        if self._descriptor is not None:
            self._path.unlink(missing_ok=True)
            self._let_go()

    def _let_go(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def _settled(path: Path, proposed: str) -> str:
    """What a file says, once one process has written it whole."""
    draft = path.parent.with_name(f".place.{proposed}")
    try:
        return read_file(path).decode("ascii")
    except FileNotFoundError:
        write_file(draft, proposed.encode(), mode=0o600)
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return read_file(path).decode("ascii")


def _remove_unlocked(path: Path) -> None:
    """Under its lock: a process that has made its file and not locked it yet sees that it is gone."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


def _unusable(directory: Path, error: OSError) -> SettingsError:
    return SettingsError(
        f"the state directory {directory} cannot be used ({type(error).__name__})",
        hint="set MEDAGENT_HOME to a directory that this user can write",
    )
