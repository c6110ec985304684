"""Digest of the package's own code; a job needs it of the whole room."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from medagent.proof import digest

PACKAGE = Path(__file__).parent.parent
_BOUND_APART = frozenset({"requirements.lock", "officers"})
"""Has a digest of its own, or says who may sign: to pin an officer is no change of what was audited."""


def code_digest(package: Path = PACKAGE) -> str:
    """Return the digest of every file of an installed package, path by path; byte code is not among them."""
    found = {str(path.relative_to(package)): hashlib.sha256(path.read_bytes()).hexdigest() for path in _files(package)}
    return digest(found)


def _files(package: Path) -> Iterator[Path]:
    for directory, names, files in os.walk(package, followlinks=True):
        here = Path(directory)
        at_top = here == package
        names[:] = [name for name in names if name != "__pycache__" and not (at_top and name in _BOUND_APART)]
        for name in files:
            if not name.endswith((".pyc", ".pyo")) and not (at_top and name in _BOUND_APART):
                yield here / name
