"""From the spool files of a host into its outbox: sealed there in each call's order, once.

How far a file is stored is noted in the transaction that stores its records, so that a crash repeats nothing. A file
is deleted when the end of its call is stored. The call of a process that died is ended as recovery ends it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from medagent.errors import LedgerError, MedagentError, OutboxError, OutboxUnavailableError
from medagent.file_access import lock_unlocked, open_to_read
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.outbox import Outbox, Transaction
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.span_store import EndOfCall
from medagent.telemetry.spool.directory import SpoolDirectory, SpoolFile
from medagent.telemetry.spool.header import Identity
from medagent.telemetry.spool.records import SpoolRecord, decode
from medagent.telemetry.storage_log import storage_log

_LOOK_EVERY_S = 0.2
_MOST_OF_A_FILE = 1 << 21
"""Bytes that one look reads of a file: more than the largest record."""
_MOST_OF_A_LOOK = 1 << 23
_MOST_OF_A_HEADER = 4096
_AGAIN_S = 60.0
"""After so long a dead process's call is tried again that could not be ended."""
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Source:
    """One spool file as this process has read it."""

    file: SpoolFile
    offset: int = 0
    identity: Identity | None = None
    is_ended: bool = False
    is_claimed: bool = False
    is_damaged: bool = False
    lock: int | None = None
    """Descriptor that locks the file of a dead process, so that one process alone reads it."""
    try_again_at: float = 0.0

    def close(self) -> None:
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """Records that a look found in one file."""

    source: _Source
    records: Sequence[SpoolRecord]
    offset: int
    is_exhausted: bool = False
    """Whether its process is dead and nothing more can be read of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """Counts of one look: records stored, calls that ended, files that are left for a service of other digests."""

    records: int = 0
    calls: int = 0
    others: int = 0
    dead: int = 0
    """Calls of processes that died."""


class SpoolImporter:
    """Reads the spool files that are this process's to read; for one thread at a time."""

    def __init__(
        self,
        directory: SpoolDirectory,
        *,
        outbox: Outbox,
        identity: Identity,
        gate: ExportGate,
        reads_living: Callable[[], bool],
        end_dead: Callable[[str], bool],
        on_ended: Callable[[str], object],
        on_stored: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare to read.

        Args:
            directory: The host's spool files.
            outbox: Where their spans are sealed.
            identity: What this process runs; with `service` it reads its own files and those of dead processes.
            gate: The export worker's gate of the switch: nothing is sealed while it is closed.
            reads_living: Whether this process is the host's export service, which reads the files of living processes.
            end_dead: Ends the open call of a dead process (its trace id); returns whether it has ended.
            on_ended: Called with the trace id of each call whose end is stored; may raise `LedgerError`.
            on_stored: Called when the outbox has something new.
        """
        self._directory = directory
        self._outbox = outbox
        self._identity = identity
        self._gate = gate
        self._reads_living = reads_living
        self._end_dead = end_dead
        self._on_ended = on_ended
        self._on_stored = on_stored
        self._sources: dict[str, _Source] = {}
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self.close)
        self.others: frozenset[str] = frozenset()
        """Names of the files that wait for a service of other digests."""

    def look(self) -> Imported:
        """Store what is new in the files; returns what was done.

        Raises `OutboxUnavailableError` where the outbox cannot be used now.
        """
        with self._lock:
            if not self._gate.is_open():
                return Imported()
            files = self._directory.files()
            self._find(files)
            found = list(self._read(files))
            new = [read for read in found if read.records or not (read.source.is_claimed or read.source.is_ended)]
            if new and self._outbox.is_full():
                storage_log.error(_log, "the spool waits", OutboxError("the outbox is full"))
                return Imported(others=len(self.others))
            records = self._store(new)
            ended = [read.source for read in found if read.source.is_ended]
            for source in ended:
                self._tell(source.file.trace_id)
            dead = [read.source for read in found if self._is_over(read, files)]
            self._remove([*ended, *dead])
            if records or ended or dead:
                self._on_stored()
            return Imported(records=records, calls=len(ended), others=len(self.others), dead=len(dead))

    def close(self) -> None:
        """Unlock the files of dead processes, in a forked child too; a look that goes on keeps them until its end."""
        if self._lock.acquire(blocking=False):
            try:
                for source in self._sources.values():
                    source.close()
            finally:
                self._lock.release()

    # ---- reading ---------------------------------------------------------------------------------------------------

    def _find(self, files: Sequence[SpoolFile]) -> None:
        """Learn how far files are stored that this process has not seen, and forget those that are gone."""
        names = {file.name for file in files}
        for gone in self._sources.keys() - names:
            self._sources[gone].close()
        self._sources = {name: source for name, source in self._sources.items() if name in names}
        if new := [file for file in files if file.name not in self._sources]:
            stored = self._outbox.stored_spools([file.name for file in new])
            for file in new:
                source = self._sources[file.name] = _Source(file)
                if (known := stored.get(file.name)) is not None:
                    source.offset, source.is_ended = known.stored_bytes, known.is_ended

    def _read(self, files: Sequence[SpoolFile]) -> Iterator[_Read]:
        left = _MOST_OF_A_LOOK
        others = set()
        for file in files:
            source = self._sources[file.name]
            if source.is_ended:
                yield _Read(source=source, records=(), offset=source.offset)
                continue
            try:
                if not self._is_ours(source):
                    if source.identity is not None and not source.identity.runs_like(self._identity):
                        others.add(file.name)
                    continue
                decoded = decode(_read_at(file, source.offset, _MOST_OF_A_FILE))
            except OSError:
                continue  # removed meanwhile, or not readable now
            if decoded.is_damaged and not source.is_damaged:
                source.is_damaged = True
                _log.error("spool file %s: a record is damaged, what follows it is not read", file.name)
            yield _Read(
                source=source,
                records=decoded.records,
                offset=source.offset + decoded.size,
                is_exhausted=source.lock is not None and not decoded.records,
            )
            left -= decoded.size
            if left <= 0:
                break
        self.others = frozenset(others)

    def _is_ours(self, source: _Source) -> bool:
        """Return whether a file is this process's to read: its own, a dead process's, or as the export service."""
        if source.identity is None:
            header = decode(_read_at(source.file, 0, _MOST_OF_A_HEADER)).records
            source.identity = Identity.read(header[0]) if header else None
        theirs = source.identity
        if theirs is None or not theirs.runs_like(self._identity):
            return False
        if source.lock is None and self._lock_dead(source):
            return True
        if source.lock is not None:
            return True
        return theirs.service == self._identity.service and (theirs.service is not None or self._reads_living())

    def _lock_dead(self, source: _Source) -> bool:
        """Lock the file of a process that died; return False where it lives, or where another process was first."""
        source.lock = lock_unlocked(source.file.path)
        if source.lock is None:
            return False
        stored = self._outbox.stored_spools([source.file.name]).get(source.file.name)
        if stored is not None:  # another process may have stored more of it before it died too
            source.offset, source.is_ended = stored.stored_bytes, stored.is_ended
        source.is_claimed = False
        return True

    # ---- storing ---------------------------------------------------------------------------------------------------

    def _store(self, found: Sequence[_Read]) -> int:
        if not found:
            return 0
        count = 0
        ended: set[str] = set()
        with self._outbox.transaction(is_limited=False) as transaction:
            for read in found:
                name = read.source.file.name
                transaction.claim(read.source.file.trace_id)
                for record in read.records:
                    count += 1
                    if record.operation == "end":
                        ended.add(name)
                    self._apply(transaction, read.source.file.trace_id, record)
                if read.records:
                    transaction.note_spool(name, read.offset, is_ended=name in ended)
        for read in found:
            read.source.offset, read.source.is_claimed = read.offset, True
            read.source.is_ended = read.source.file.name in ended
        return count

    def _apply(self, transaction: Transaction, trace_id: str, record: SpoolRecord) -> None:
        """Carry out one record; one that cannot be is logged, and the others are carried out."""
        try:
            _carry_out(transaction, trace_id, record)
        except OutboxUnavailableError:
            raise
        except OutboxError as error:
            _log.error("telemetry failed on a span: %s", error)
        except (ValueError, KeyError, TypeError) as error:
            _log.error("telemetry failed on a record of call %s: %s", trace_id, type(error).__name__)

    def _tell(self, trace_id: str) -> None:
        try:
            self._on_ended(trace_id)
        except LedgerError as error:
            storage_log.error(_log, "the ledger does not have the guardrails of all calls yet", error)

    def _is_over(self, read: _Read, files: Sequence[SpoolFile]) -> bool:
        """Return whether a file needs to be read no more although it has no end; end the call of a dead process."""
        source, file = read.source, read.source.file
        if not read.is_exhausted or time.monotonic() < source.try_again_at:
            return False
        if any(later.trace_id == file.trace_id and later.generation > file.generation for later in files):
            return True
        if self._end_dead(file.trace_id):
            self._tell(file.trace_id)
            return True
        source.try_again_at = time.monotonic() + _AGAIN_S
        return False

    def _remove(self, sources: Sequence[_Source]) -> None:
        if not sources:
            return
        for source in sources:
            with suppress(OSError):
                source.file.remove()
            source.close()
            self._sources.pop(source.file.name, None)
        self._outbox.forget_spools([source.file.name for source in sources])


class ImportWatch:
    """Thread that has an importer look: every 0.2 s, and when it is woken."""

    def __init__(self, look: Callable[[], object]) -> None:
        self._look = look
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-spool", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def wake(self) -> None:
        """Have it look at once."""
        self._wake.set()

    def stop(self, timeout_s: float) -> None:
        """End the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._look()
            except MedagentError as error:
                storage_log.error(_log, "the spool waits", error)
            except Exception as error:  # noqa: BLE001  # the thread outlives any look; no message: it may quote
                _log.error("the spool cannot be read: %s", type(error).__name__)
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()


def _carry_out(transaction: Transaction, trace_id: str, record: SpoolRecord) -> None:
    about: Any = record.arguments
    match record.operation:
        case "header":
            pass
        case "open":
            if not transaction.knows(trace_id):
                transaction.open_call(trace_id, release=about["release"])
        case "span":
            if hashlib.sha256(record.body).hexdigest() != about["digest"]:
                raise OutboxError(f"a span of call {trace_id} is not as it was admitted")
            span = SafeSpan.from_document(json.loads(record.body))
            if span.trace_id != trace_id:
                raise OutboxError(f"a span in the file of call {trace_id} is another call's")
            transaction.put(Admitted(span=span, body=record.body, digest=about["digest"]), final=about["final"])
        case "release":
            transaction.release(trace_id)
        case "withdraw":
            transaction.withdraw(trace_id)
        case "end":
            given = {name: about[name] for name in ("is_open", "is_sealed", "is_whole", "about")}
            transaction.end_call(EndOfCall(trace_id=trace_id, **given))
        case _:
            raise OutboxError(f"call {trace_id}: unknown operation in its spool file")


def _read_at(file: SpoolFile, offset: int, most: int) -> bytes:
    descriptor = open_to_read(file.path, is_link_followed=False)
    try:
        return os.pread(descriptor, most, offset)
    finally:
        os.close(descriptor)
