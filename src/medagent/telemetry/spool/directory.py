"""The folder of a host's spool files: names, sizes, and whether a file's process lives."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from medagent.file_access import is_locked

_NAME = re.compile(r"(?P<trace_id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.(?P<generation>\d{1,9})\.spool")


@dataclass(frozen=True, slots=True, order=True)
class SpoolFile:
    """A spool file: a call, and which of its files it is; a later one replaces the earlier ones."""

    trace_id: str
    generation: int
    path: Path

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.path.name

    def is_alive(self) -> bool:
        """Return whether its process lives, by the lock that it holds."""
        return is_locked(self.path)

    def changed_ms(self) -> int:
        """Return when the file was written last, in Unix ms; the present for one that is gone."""
        try:
            return self.path.stat().st_mtime_ns // 1_000_000
        except OSError:
            return time.time_ns() // 1_000_000

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)


class SpoolDirectory:
    """Lists the spool files of a host, `<trace id>.<generation>.spool`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, trace_id: str, generation: int) -> SpoolFile:
        """Return a call's file by its name, whether it is there or not."""
        return SpoolFile(trace_id, generation, self.path / f"{trace_id}.{generation}.spool")

    def files(self) -> list[SpoolFile]:
        """Return the files that are there, a call's earlier ones first."""
        return sorted(self._found())

    def has(self, trace_id: str) -> bool:
        """Return whether a call has a file."""
        return any(file.trace_id == trace_id for file in self._found())

    def size(self) -> int:
        """Return the bytes of all files."""
        held = 0
        for file in self._found():
            with suppress(OSError):
                held += file.path.stat().st_size
        return held

    def _found(self) -> Iterator[SpoolFile]:
        with suppress(FileNotFoundError, NotADirectoryError):
            for path in self.path.iterdir():
                if found := _NAME.fullmatch(path.name):
                    yield SpoolFile(found["trace_id"], int(found["generation"]), path)
