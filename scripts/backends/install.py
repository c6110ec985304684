"""Install a backend into a virtual environment of its own, once for each set of pins."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.backends.pins import Pins

_READY = ".ready"
_INSTALLS_WITHIN_S = 1800


class NotInstalledError(Exception):
    """pip could not install a backend."""


def installed(pins: Pins) -> Path:
    """Return the directory of a backend's environment, made first where it is missing or not whole.

    Raises:
        NotInstalledError: pip failed; the message ends with its last lines.
    """
    place = pins.directory
    place.parent.mkdir(parents=True, exist_ok=True)
    with _alone(place.with_suffix(".lock")):
        if not (place / _READY).exists():
            shutil.rmtree(place, ignore_errors=True)
            _install(pins, place)
            (place / _READY).touch()
    return place


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait until no other process installs the same."""
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _install(pins: Pins, place: Path) -> None:
    venv.create(place, with_pip=True)
    constraints = place / "constraints.txt"
    constraints.write_text("\n".join(pins.constraints) + "\n", encoding="utf-8")
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    try:
        made = subprocess.run(
            [*pip, "-c", str(constraints), pins.requirement],
            capture_output=True,
            text=True,
            timeout=_INSTALLS_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NotInstalledError(f"{pins.name}: pip timed out after {_INSTALLS_WITHIN_S} s") from None
    if made.returncode:
        last = " | ".join(made.stderr.strip().splitlines()[-3:])
        raise NotInstalledError(
            f"{pins.name}: pip failed on Python {sys.version_info.major}.{sys.version_info.minor}: {last}"
        )
