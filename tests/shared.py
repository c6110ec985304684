"""Make once in a run of the tests what all of its workers only read."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_VARIABLE = "TESTS_SHARED_DIRECTORY"


def begin() -> None:
    """Create the directory of a run; its workers inherit the address."""
    os.environ[_VARIABLE] = tempfile.mkdtemp(prefix="medagent-tests-")


def end() -> None:
    """Delete the directory of a run."""
    shutil.rmtree(os.environ.pop(_VARIABLE), ignore_errors=True)


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return the directory that `make` fills when the first test of a run asks for it; nobody may change it."""
    shared = Path(os.environ[_VARIABLE])
    made = shared / name
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            beginning = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=shared))
            make(beginning)
            beginning.rename(made)
    return made
