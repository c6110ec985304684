"""Names for the second reader, from a source that the redactor does not use (SOURCES.md)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Names in lower case: those that are nothing else, and those that are words too."""

    certain: frozenset[str]
    words: frozenset[str]

    @classmethod
    def shipped(cls) -> Names:
        """The package's own list."""
        packed = resources.files("medagent.audit").joinpath("data", "names.txt.gz").read_bytes()
        lines = gzip.decompress(packed).decode().split()
        return cls(
            certain=frozenset(line for line in lines if not line.endswith("?")),
            words=frozenset(line[:-1] for line in lines if line.endswith("?")),
        )
