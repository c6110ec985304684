"""No core dump of a process that holds callers' values in its memory.

`RLIMIT_CORE=0` does it without `PR_SET_DUMPABLE`, which would hide the memory figures that LiveKit's worker reads. A
handler that `core_pattern` pipes to gets the dump in spite of the limit.
"""

from __future__ import annotations

import contextlib
import resource
from pathlib import Path

_PATTERN = Path("/proc/sys/kernel/core_pattern")


def disable_core_dumps() -> None:
    """Set the limit of core files to 0, for this process and its children."""
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def is_pattern_piped(pattern: Path = _PATTERN) -> bool:
    """Return whether the kernel hands core dumps to a program, which no limit of ours stops."""
    try:
        return pattern.read_bytes().lstrip().startswith(b"|")
    except OSError:
        return False
