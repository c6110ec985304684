"""The command line as a person runs it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MEDAGENT = str(Path(sys.executable).with_name("medagent"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def medagent(*words: str, home: Path, given: str = "", **environment: str) -> Done:
    """Run a command to its end with `given` on its stdin."""
    done = subprocess.run(
        [MEDAGENT, *words],
        env={**os.environ, "MEDAGENT_HOME": str(home), **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(code=done.returncode, out=done.stdout, err=done.stderr)
