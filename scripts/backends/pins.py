"""Pinned versions of the backends: `pins.txt`, sections of `name==version` lines; everything else follows from it."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_PINS = Path(__file__).with_name("pins.txt")
_REQUIREMENTS = {"phoenix": "arize-phoenix", "mlflow": "mlflow[genai]"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """One backend's own requirement, and the version of each distribution that it needs."""

    name: str
    requirement: str
    constraints: tuple[str, ...]

    @property
    def version(self) -> str:
        """The backend's own version."""
        distribution = self.requirement.partition("[")[0]
        return next(one.partition("==")[2] for one in self.constraints if one.startswith(f"{distribution}=="))

    @property
    def directory(self) -> Path:
        """Where the backend is installed: outside the tree, another place for each set of pins and each Python."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        digest = hashlib.sha256("\n".join((self.requirement, *self.constraints)).encode()).hexdigest()[:12]
        python = f"py{sys.version_info.major}.{sys.version_info.minor}"
        return cache / "medagent" / "backends" / f"{self.name}-{self.version}-{python}-{digest}"


def load_pins(path: Path = _PINS) -> dict[str, Pins]:
    """Return the pins by backend."""
    sections: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("["):
            sections[text.strip("[]")] = []
        elif text:
            sections[list(sections)[-1]].append(text)
    return {
        name: Pins(name=name, requirement=_REQUIREMENTS[name], constraints=tuple(lines))
        for name, lines in sections.items()
    }
