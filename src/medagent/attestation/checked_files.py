"""Files read once each: hashed, pinned, and a source's byte code compared; of the standard library alone."""

from __future__ import annotations

import base64
import hashlib
import importlib.machinery
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from medagent.attestation import byte_code
from medagent.attestation.file_pins import content_pin, pair, real, status_pin

EXTENSIONS = tuple(importlib.machinery.EXTENSION_SUFFIXES)
LOADABLE = (".py", ".pyc", *EXTENSIONS)


@dataclass(slots=True, kw_only=True)
class CheckedFiles:
    """Reads files and keeps what is known of them; `known` are pairs of source and byte code found equal before."""

    cache_prefix: str | None
    known: frozenset[bytes] = frozenset()
    on_file: Callable[[int], None] = lambda _: None
    pins: set[bytes] = field(default_factory=set)
    contents: set[bytes] = field(default_factory=set)
    pairs: set[bytes] = field(default_factory=set)
    foreign: list[str] = field(default_factory=list)
    """Byte code that is not its source's."""
    compiled: int = 0
    _hashes: dict[str, str] = field(default_factory=dict)
    _directories: dict[str, str] = field(default_factory=dict)
    _caches: dict[str, list[str]] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many files were read, byte code left aside."""
        return len(self._hashes)

    def real(self, path: str) -> str:
        """Return a path whose directory's links are resolved."""
        return real(path, self._directories)

    def sha256(self, path: str) -> str:
        """Return the digest of a file's content; pin what Python can load, and compare a source's byte code.

        Raises:
            OSError: It cannot be read.
        """
        place = self.real(path)
        if place not in self._hashes:
            self._hashes[place] = self._source(path, place) if path.endswith(".py") else self._other(path, place)
            self.on_file(len(self._hashes))
        return self._hashes[place]

    def is_as_recorded(self, path: str, recorded: str) -> bool:
        """Return whether a file has the digest that a RECORD writes as `sha256=…`; without one it counts as such."""
        name, _, value = recorded.partition("=")
        if not recorded:
            return True
        if name not in hashlib.algorithms_guaranteed:
            return False
        raw = bytes.fromhex(self.sha256(path))
        if name != "sha256":
            with open(path, "rb") as file:
                raw = hashlib.file_digest(file, name).digest()
        return value == base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    def _other(self, path: str, place: str) -> str:
        with open(path, "rb") as file:
            status, sha256 = os.fstat(file.fileno()), hashlib.file_digest(file, "sha256").digest()
        if path.endswith((*LOADABLE, ".pth")):
            self._pin(place, status, sha256)
        return sha256.hex()

    def _source(self, path: str, place: str) -> str:
        with open(path, "rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
        sha256 = hashlib.sha256(content).digest()
        self._pin(place, status, sha256)
        directory, _, name = path.rpartition("/")
        for kept in byte_code.cached(self._caches, directory, self.cache_prefix):
            if byte_code.stem_of(kept.rpartition("/")[2]) == name.removesuffix(".py"):
                self._compare(kept, path, status, content)
        return sha256.hex()

    def _compare(self, kept: str, path: str, source: os.stat_result, content: bytes) -> None:
        """Pin byte code that is its source's; what Python ignores is not pinned, and is compared once it counts."""
        try:
            with open(kept, "rb") as file:
                status, made = os.fstat(file.fileno()), file.read()
        except OSError:
            return  # gone since it was listed
        if byte_code.is_ignored(made, source):
            return
        level = byte_code.level_of(kept.rpartition("/")[2]) or 0
        sha256 = hashlib.sha256(made).digest()
        both = pair(hashlib.sha256(content).digest(), sha256, level)
        if both not in self.known:
            self.compiled += 1
            if not byte_code.belongs(made, content, path=path, level=level):
                self.foreign.append(kept)
                return
        self.pairs.add(both)
        self._pin(self.real(kept), status, sha256)

    def _pin(self, place: str, status: os.stat_result, sha256: bytes) -> None:
        self.pins.add(status_pin(place, status))
        self.contents.add(content_pin(place, sha256))


def walked(root: str, *, skipped: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the files that Python can import from a directory, links to directories followed, in their order."""
    yield from _walked(root, skipped, ())


def _walked(directory: str, skipped: frozenset[str], above: tuple[tuple[int, int], ...]) -> Iterator[str]:
    try:
        status, names = os.stat(directory), sorted(os.listdir(directory))
    except OSError:
        return
    here = (status.st_dev, status.st_ino)
    if here in above:
        return  # a link to a directory above it
    for name in names:
        path = f"{directory}/{name}"
        if name.endswith(LOADABLE) and os.path.isfile(path):
            yield path
        elif name.isidentifier() and name != "__pycache__" and name not in skipped and os.path.isdir(path):
            yield from _walked(path, skipped, (*above, here))
