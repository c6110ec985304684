"""Disks of a victim's own: a small one that fills up, one that may only be read; where mounts are allowed at all."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

_SIZE_MB = 16
_FILLER = "filler"


@functools.cache
def namespace() -> Sequence[str]:
    """The words that give a command mounts of its own: as root, or as root of a user namespace; none where neither."""
    for words in (["unshare", "--mount"], ["unshare", "--map-root-user", "--mount"]):
        try:
            tried = subprocess.run([*words, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, check=False)
        except OSError:
            return ()
        if tried.returncode == 0:
            return words
    return ()


def on_a_small_disk(directory: Path) -> list[str]:
    """What goes in front of a command that is to find a disk of 16 MB at this path."""
    directory.mkdir()
    return _mounting(f'mount -t tmpfs -o size={_SIZE_MB}m,mode=0700 medagent "$0"', directory)


def read_only(directory: Path) -> list[str]:
    """What goes in front of a command that may only read what is at this path."""
    return _mounting('mount --bind "$0" "$0" && mount -o remount,bind,ro "$0"', directory)


def _mounting(how: str, directory: Path) -> list[str]:
    return [*namespace(), "sh", "-c", f'{how} && exec "$@"', str(directory)]


def seen_by(pid: int, path: Path) -> Path:
    """Where a path of that process is for this one."""
    return Path(f"/proc/{pid}/root{path}")


def copied(pid: int, path: Path, to: Path) -> Path:
    """A copy of what a process that does nothing now has there: SQLite does not open a path that leads through it."""
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(seen_by(pid, path), to, ignore=shutil.ignore_patterns(_FILLER, "*-shm"))
    return to


def fill(directory: Path) -> Path:
    """Write a file until the disk is full; it is full as long as the file is there."""
    filler = directory / _FILLER
    descriptor = os.open(filler, os.O_WRONLY | os.O_CREAT)
    try:
        while True:
            os.write(descriptor, bytes(4096))
    except OSError:
        return filler
    finally:
        os.close(descriptor)
