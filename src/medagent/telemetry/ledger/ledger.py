"""The way in: one line at the end of the file, under a lock that all processes share, on the disk before it counts."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import mmap
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from medagent.errors import BrokenLedgerError, LedgerError
from medagent.file_access import open_to_read, open_to_write
from medagent.proof import GENESIS, Json, SigningKey, canonical
from medagent.telemetry.ledger.anchors import Anchor, Head, keep_everywhere
from medagent.telemetry.ledger.clock import clock_entry
from medagent.telemetry.ledger.contents import KEY_CREATED, RECOVERED, validated
from medagent.telemetry.ledger.entry import Entry
from medagent.telemetry.ledger.lock import lock

_LOOK_BACK = (1 << 16, 1 << 20)
"""How many bytes of the end are searched for an entry; one entry is far smaller than the first."""
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has the slower one alone


class Ledger:
    """Appends to one host's ledger; any number of threads and processes may. Nothing is ever taken out of it."""

    def __init__(self, path: Path, key: SigningKey, *, anchors: Sequence[Anchor] = ()) -> None:
        """`anchors` keep the head after each entry; one that cannot is logged."""
        self._path = path
        self._anchors = anchors
        self._key = key
        self._mine: tuple[int, bytes] | None = None
        self._lock = threading.Lock()

    def append(self, kind: str, content: Mapping[str, object]) -> Entry:
        """Record, and return once it is on the disk.

        Raises `LedgerContentError` where the content is not what the kind holds, `LedgerError` where it cannot be
        written now, `BrokenLedgerError` where what is there already is not what was written.
        """
        recorded = validated(kind, content)
        with self._opened() as descriptor:
            entry = self._append(descriptor, kind, recorded)
        self._anchor(entry)
        return entry

    def note(self, kind: str, content: Mapping[str, object]) -> Entry | None:
        """Record a state, unless the latest entry of this kind says the same; raises what `append` raises."""
        recorded = validated(kind, content)
        with self._opened() as descriptor:
            latest = _latest(descriptor, kind)
            if latest is not None and latest.content == recorded:
                return None
            entry = self._append(descriptor, kind, recorded)
        self._anchor(entry)
        return entry

    def append_once(self, kind: str, content: Mapping[str, object]) -> Entry | None:
        """Record what belongs to one call, unless an entry of this kind has the call already; raises as `append` does.

        It reads the whole ledger back where there is none: for what a crash left open, not for every call.
        """
        recorded = validated(kind, content)
        with self._opened() as descriptor:
            same_call = canonical({"trace_id": recorded["trace_id"]})[1:-1]
            if _latest(descriptor, kind, holding=same_call) is not None:
                return None
            entry = self._append(descriptor, kind, recorded)
        self._anchor(entry)
        return entry

    def _anchor(self, entry: Entry) -> None:
        if self._anchors:
            keep_everywhere(self._anchors, Head(sequence=entry.sequence, hash=entry.hash), ledger=self._path)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        """The file, locked against other threads and processes."""
        with self._lock:
            try:
                with _locked(self._path) as descriptor:
                    yield descriptor
            except OSError as error:
                name = errno.errorcode.get(error.errno or 0, type(error).__name__)
                raise LedgerError(f"the ledger {self._path} cannot be written ({name})") from None

    def _append(self, descriptor: int, kind: str, content: Mapping[str, Json]) -> Entry:
        size = os.fstat(descriptor).st_size
        if self._mine is not None and os.pread(descriptor, len(self._mine[1]), self._mine[0]) != self._mine[1]:
            raise BrokenLedgerError("the last entry of this process is gone or changed", hint="medagent ledger verify")
        last, debris, torn = _end(descriptor, size)
        due: list[tuple[str, Mapping[str, Json]]] = []
        if debris or torn:
            due.append((RECOVERED, {"bytes": len(debris), "sha256": hashlib.sha256(debris).hexdigest()}))
        if last is None or last.key_id != self._key.key_id:
            due.append((KEY_CREATED, {"key_id": self._key.key_id, "public_key": self._key.public.pem}))
        if (jump := clock_entry(descriptor, last, kind, datetime.now(UTC))) is not None:
            due.append(jump)
        lines = b"\n" if torn else b""
        for before, its_content in due:
            last = self._after(last, before, its_content)
            lines += last.line() + b"\n"
        entry = self._after(last, kind, content)
        line = entry.line() + b"\n"
        _write(descriptor, lines + line)
        self._mine = (size + len(lines), line)
        return entry

    def _after(self, last: Entry | None, kind: str, content: Mapping[str, Json]) -> Entry:
        return Entry.make(
            kind,
            content,
            sequence=0 if last is None else last.sequence + 1,
            previous=GENESIS if last is None else last.hash,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            key=self._key,
        )


def _end(descriptor: int, size: int) -> tuple[Entry | None, bytes, bool]:
    """The last whole entry, what stands after it (ended by a newline), and whether the file lacks its last newline.

    Raises `BrokenLedgerError` where what stands after it is no work of a crash.
    """
    for look_back in _LOOK_BACK:
        start = max(0, size - look_back)
        pieces = os.pread(descriptor, size - start, start).split(b"\n")
        torn = pieces[-1] != b""
        lines = pieces[1 if start else 0 : None if torn else -1]
        debris = b""
        for line in reversed(lines):
            try:
                return Entry.parse(line), debris, torn
            except ValueError:
                if _is_json(line):
                    raise BrokenLedgerError("the last line is no entry", hint="medagent ledger verify") from None
                debris = line + b"\n" + debris
        if not start:
            return None, debris, torn
    raise BrokenLedgerError("the end of the ledger holds no entry", hint="medagent ledger verify")


def _is_json(piece: bytes) -> bool:
    """Whether a line is whole and yet no entry: a crash leaves a beginning only."""
    try:
        json.loads(piece)
    except (ValueError, RecursionError):
        return False
    return True


def last_trip(path: Path) -> datetime | None:
    """When the switch tripped last, as the ledger says; raises `LedgerError` where it cannot be read."""
    try:
        with os.fdopen(open_to_read(path, is_link_followed=False), "rb") as file:
            entry = _latest(file.fileno(), "switch_changed", holding=b'"source":"trip"')
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be read ({type(error).__name__})") from None
    return None if entry is None else datetime.fromisoformat(entry.at)


def _latest(descriptor: int, kind: str, *, holding: bytes | None = None) -> Entry | None:
    """The latest entry of a kind, found from the end; with `holding` the latest whose line holds these bytes."""
    if os.fstat(descriptor).st_size == 0:
        return None
    mark = f'"kind":"{kind}"'.encode() if holding is None else holding
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        end = len(content)
        while (at := content.rfind(mark, 0, end)) >= 0:
            newline = content.find(b"\n", at)
            end = content.rfind(b"\n", 0, at) + 1
            try:
                entry = Entry.parse(content[end : len(content) if newline < 0 else newline])
            except ValueError:
                continue
            if entry.kind == kind:
                return entry
    return None


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, made 0600 where it is missing; the lock goes with the descriptor, also when the process dies."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = open_to_write(path, flags=os.O_RDWR | os.O_APPEND)
    try:
        lock(descriptor, fcntl.LOCK_EX)
        if is_new:
            directory = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        yield descriptor
    finally:
        os.close(descriptor)


def _write(descriptor: int, lines: bytes) -> None:
    """All of it, then the disk; what a full disk leaves of it is a torn line, which the next entry accounts for."""
    rest = memoryview(lines)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    _sync(descriptor)
