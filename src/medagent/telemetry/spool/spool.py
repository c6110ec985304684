"""Store of admitted spans in a job process: one file a call, which the export service reads.

A file is opened at a call's first change, locked while this process lives, and written at the end of each slice of
work: all of the slice is on disk (`fdatasync`) when its block ends, or none of it is. While a call's consent is open
its spans wait in memory: the file holds only those that a refused call keeps too.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from uuid import uuid4

from medagent.errors import OutboxError, OutboxUnavailableError
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.span_store import KEPT_ALWAYS, LARGEST_SPAN, EndOfCall, Release
from medagent.telemetry.spool.directory import SpoolDirectory
from medagent.telemetry.spool.header import Identity
from medagent.telemetry.spool.records import SpoolRecord

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _File:
    """An open file: what of it is valid."""

    descriptor: int
    path: Path
    size: int = 0

    def append(self, data: bytes) -> None:
        view, at = memoryview(data), self.size
        while view:
            written = os.pwrite(self.descriptor, view, at)
            view, at = view[written:], at + written

    def accept(self) -> None:
        """Keep what was appended."""
        self.size = os.fstat(self.descriptor).st_size

    def cut(self) -> None:
        """Remove what was appended and not accepted."""
        with suppress(OSError):
            os.ftruncate(self.descriptor, self.size)

    def is_removed(self) -> bool:
        return os.fstat(self.descriptor).st_nlink == 0

    def close(self) -> None:
        os.close(self.descriptor)


@dataclass(slots=True, kw_only=True)
class _Call:
    """A call as a slice of work has it so far."""

    release: Release
    is_crowded_out: bool = False
    generation: int = 0
    file: _File | None = None
    new: list[SpoolRecord] = field(default_factory=list)
    """Records that the slice adds."""
    held: list[SpoolRecord] = field(default_factory=list)
    """Spans that wait for consent."""
    frame: dict[str, SpoolRecord] = field(default_factory=dict)
    """The last form of each span that a refused call keeps."""
    has_hole: bool = False
    """Whether a file was removed while the call went on."""
    is_hole_told: bool = False
    starts_anew: bool = False
    """Whether the slice begins a new file, and the one before is deleted."""
    is_over: bool = False

    def copy(self) -> _Call:
        return replace(self, new=[], held=list(self.held), frame=dict(self.frame))


class Spool:
    """Spool of one process; for one thread, the telemetry worker."""

    def __init__(self, directory: Path, *, identity: Identity, max_bytes: int | None = None) -> None:
        """Prepare a spool; files are made when they are needed.

        Args:
            directory: Folder of the host's spool files.
            identity: What this process runs.
            max_bytes: Size of all files of the host over which a new call stores no more than `KEPT_ALWAYS`.
        """
        self.directory = SpoolDirectory(directory)
        self._identity = identity
        self._max_bytes = max_bytes
        self._calls: dict[str, _Call] = {}
        os.register_at_fork(after_in_child=self.close)

    @contextmanager
    def transaction(self) -> Iterator[SpoolTransaction]:
        """Gather the changes of one slice of work and write them when the block ends.

        Raises:
            OutboxUnavailableError: The folder cannot be written now; nothing of the slice was accepted.
        """
        slice_ = SpoolTransaction(self)
        yield slice_
        self._write(slice_.changed)

    def close(self) -> None:
        """Close the files of all calls, in a forked child too: it must not hold the locks of its parent."""
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if call.file is not None:
                call.file.close()

    def call(self, trace_id: str) -> _Call | None:
        """Return a call as it was last accepted."""
        return self._calls.get(trace_id)

    def is_full(self) -> bool:
        """Return whether a new call has no room for all of its spans; raises `OutboxUnavailableError`."""
        try:
            return self._max_bytes is not None and self.directory.size() >= self._max_bytes
        except OSError as error:
            raise OutboxUnavailableError(f"the spool cannot be read: {type(error).__name__}") from None

    def _write(self, changed: dict[str, _Call]) -> None:
        made: list[_File] = []
        touched: list[_File] = []
        replaced: list[_File] = []
        try:
            for trace_id, call in changed.items():
                before = call.file
                if call.file is None or call.starts_anew:
                    call.file = self._made(trace_id, call)
                    made.append(call.file)
                    if before is not None:
                        replaced.append(before)
                touched.append(call.file)
                call.file.append(b"".join(record.encoded() for record in call.new))
            for file in touched:
                os.fdatasync(file.descriptor)
            for (trace_id, call), file in zip(changed.items(), touched, strict=True):
                if file in made:
                    self._publish(trace_id, call, file)
        except OSError as error:
            for file in touched:
                file.cut()
            for file in made:
                file.path.unlink(missing_ok=True)
                file.close()
            raise OutboxUnavailableError(f"the spool cannot be written: {type(error).__name__}") from None
        for file in replaced:
            file.path.unlink(missing_ok=True)
            file.close()
        self._accept(changed)

    def _accept(self, changed: dict[str, _Call]) -> None:
        for trace_id, call in changed.items():
            call.new, call.starts_anew = [], False
            if call.file is not None and not call.is_over:
                call.file.accept()
                self._calls[trace_id] = call
            elif call.file is not None:
                call.file.close()
                self._calls.pop(trace_id, None)

    def _made(self, trace_id: str, call: _Call) -> _File:
        """Make a locked file under a name that no reader looks for."""
        folder = self.directory.path
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / f".{trace_id}.{uuid4().hex}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        call.generation += 1
        call.new = [self._identity.header(trace_id), *call.new]
        return _File(descriptor, path)

    def _publish(self, trace_id: str, call: _Call, file: _File) -> None:
        """Give a file the name that readers look for."""
        path = self.directory.file(trace_id, call.generation).path
        file.path.rename(path)
        file.path = path
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class SpoolTransaction:
    """Changes of one slice of work: see `CallChanges`."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.changed: dict[str, _Call] = {}

    def open_call(self, trace_id: str, *, release: Release) -> None:
        """Begin a call's file.

        Where the spool is full by then, it takes nothing of this call but its session and its guardrail.
        """
        if trace_id in self.changed or self._spool.call(trace_id) is not None:
            raise OutboxError(f"call {trace_id} was opened before")
        is_crowded_out = self._spool.is_full()
        if is_crowded_out:
            _log.error("the spool is full: it takes no more of call %s than its session and guardrail", trace_id)
        call = _Call(release=release, is_crowded_out=is_crowded_out)
        call.new.append(SpoolRecord("open", {"release": release}))
        self.changed[trace_id] = call

    def put(self, admitted: Admitted, *, final: bool) -> bool:
        """Store a span; return False where the call has a hole: no room for the span, or a file that was removed."""
        span = admitted.span
        call = self._call(span.trace_id)
        is_of_frame = span.name in KEPT_ALWAYS
        if call.release == "withdrawn" and not is_of_frame:
            return True
        if len(admitted.body) > LARGEST_SPAN or (call.is_crowded_out and not is_of_frame):
            return False
        stored = SpoolRecord("span", {"final": final, "digest": admitted.digest}, admitted.body)
        if is_of_frame:
            call.frame[span.name] = stored
        (call.held if call.release == "held" and not is_of_frame else call.new).append(stored)
        is_new_hole, call.is_hole_told = call.has_hole and not call.is_hole_told, True
        return not is_new_hole

    def release(self, trace_id: str) -> None:
        """Write the spans that waited for consent."""
        call = self._call(trace_id)
        if call.release == "held":
            call.release = "released"
            call.new += [SpoolRecord("release"), *call.held]
            call.held = []

    def withdraw(self, trace_id: str) -> None:
        """Drop the spans that waited for consent; where some were written, begin a new file and delete the old one."""
        call = self._call(trace_id)
        if call.release == "withdrawn":
            return
        was_released = call.release == "released"
        call.release, call.held = "withdrawn", []
        if was_released and call.file is not None:
            call.starts_anew = True
            call.new = [SpoolRecord("open", {"release": "withdrawn"}), *call.frame.values()]
        elif was_released:
            call.new = [one for one in call.new if one.operation != "span" or one in call.frame.values()]
        call.new.append(SpoolRecord("withdraw"))

    def end_call(self, end: EndOfCall) -> None:
        """End a call's file; a call of which nothing is stored gets one with its end alone."""
        call = self.changed.get(end.trace_id) or self._spool.call(end.trace_id)
        call = _Call(release="withdrawn") if call is None else self._call(end.trace_id)
        if end.is_sealed and call.release == "held":
            raise OutboxError(f"call {end.trace_id} is still held: settle its consent before it is closed")
        self.changed[end.trace_id] = call
        about = {"is_open": end.is_open, "is_sealed": end.is_sealed, "is_whole": end.is_whole and not call.has_hole}
        call.new.append(SpoolRecord("end", {**about, "about": dict(end.about)}))
        call.is_over = True

    def _call(self, trace_id: str) -> _Call:
        call = self.changed.get(trace_id)
        if call is None:
            accepted = self._spool.call(trace_id)
            if accepted is None:
                raise OutboxError(f"call {trace_id} is not open")
            call = self.changed[trace_id] = accepted.copy()
            if call.file is not None and call.file.is_removed():
                _restore(call)
        if call.is_over:
            raise OutboxError(f"call {trace_id} is closed")
        return call


def _restore(call: _Call) -> None:
    """Begin a new file in place of one that was removed, with what a refused call keeps."""
    _log.error("a spool file was removed while its call went on: the call is not complete")
    call.new = [SpoolRecord("open", {"release": call.release}), *call.frame.values()]
    call.starts_anew, call.has_hole, call.is_hole_told = True, True, False
