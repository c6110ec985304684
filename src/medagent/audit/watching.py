"""What a process touches while it runs: files that it writes, addresses, commands; seen from inside and outside."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medagent.audit.capture import Document

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_LOOK_EVERY_S = 0.1
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  # looked through, not written to
_SHARED = Path("/dev/shm")  # noqa: S108  # as above
_MOST_BYTES = 64 * 2**20


class Touched:
    """Python's own audit events of this process; a hook once added stays until the process ends."""

    def __init__(self) -> None:
        self.written: set[str] = set()
        self.addresses: set[str] = set()
        self.started: set[str] = set()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep what may write, speak or start; never raises, since an audit hook that raises stops the operation."""
        with contextlib.suppress(Exception):
            match event:
                case "open":
                    path, mode, flags = arguments
                    if isinstance(path, str | bytes) and (flags & _WRITES or set(mode or "") & set("wax+")):
                        self.written.add(os.path.abspath(os.fsdecode(path)))  # noqa: PTH100  # no Path: it is a hot path
                case "sqlite3.connect" | "os.truncate" | "os.mkdir":
                    self.written.add(os.path.abspath(os.fsdecode(arguments[0])))  # noqa: PTH100
                case "os.rename" | "os.link" | "os.symlink":
                    self.written.add(os.path.abspath(os.fsdecode(arguments[1])))  # noqa: PTH100
                case "socket.connect" | "socket.sendto":
                    self.addresses.add(_address(arguments[1]))
                case "socket.getaddrinfo":
                    self.addresses.add(f"name {arguments[0]}")
                case "subprocess.Popen" | "os.posix_spawn" | "os.exec":
                    self.started.add(f"{arguments[0]} {arguments[1]}")
                case "os.system":
                    self.started.add(str(arguments[0]))


def _address(target: Any) -> str:
    return f"{target[0]}:{target[1]}" if isinstance(target, tuple) else str(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What `/proc` showed of a process and its children: command lines, environments, files held open to write."""

    documents: tuple[Document, ...]
    held: frozenset[str]


class ProcessWatch:
    """Looks at `/proc` ten times a second, at a process and everything it started, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pids = {pid}
        self._kept: dict[tuple[str, bytes], Document] = {}
        self._held: set[str] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-process-watch", daemon=True)

    def __enter__(self) -> ProcessWatch:
        """Begin to look."""
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self._stopping.set()
        self._thread.join()

    def seen(self) -> Seen:
        """All that was seen so far, each thing once."""
        return Seen(documents=tuple(self._kept.values()), held=frozenset(self._held))

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_EVERY_S):
            self._look()

    def _look(self) -> None:
        pending = list(self._pids)
        while pending:
            pid = pending.pop()
            about = Path(f"/proc/{pid}")
            for name in ("cmdline", "environ"):
                with contextlib.suppress(OSError):
                    raw = (about / name).read_bytes()
                    self._kept.setdefault((name, raw), Document(channel="process", path=f"{name} of {pid}", raw=raw))
            with contextlib.suppress(OSError):
                self._held |= set(_held_to_write(about))
            with contextlib.suppress(OSError):
                for task in (about / "task").iterdir():
                    children = {int(child) for child in (task / "children").read_text().split()}
                    pending += children - self._pids
                    self._pids |= children


def _held_to_write(about: Path) -> Iterator[str]:
    for link in (about / "fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/sys/")):
                flags = (about / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & (os.O_WRONLY | os.O_RDWR):
                    yield target


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that were found, and by exact path what was not read and why."""

    documents: tuple[Document, ...]
    unread: tuple[str, ...]


def written_files(
    directories: list[Path], *, opened: set[str], since: float, excluded: set[Path], not_ours: list[Path]
) -> Written:
    """Every file below `directories`, each that was opened to write, what is new in shared memory and right in /tmp.

    New directories in /tmp may be anybody's: what the system opened there is known from its own events and from /proc.
    `excluded` are exact paths that are not read, `not_ours` directories of the auditor; `since` is Unix seconds.
    """
    candidates = {path for directory in directories for path in _files(directory)}
    candidates |= {Path(path) for path in opened if Path(path).is_file()}
    candidates |= {path for path in _files(_SHARED) if _newer(path, since)}
    for directory in _TEMPORARY:
        candidates |= {path for path in _top(directory) if _newer(path, since)}
    documents, unread = [], []
    for path in sorted(candidates):
        if path in excluded or any(path.is_relative_to(one) for one in not_ours):
            continue
        try:
            if path.stat().st_size > _MOST_BYTES:
                unread.append(f"{path} (over {_MOST_BYTES >> 20} MiB)")
                continue
            raw = path.read_bytes()
        except OSError as error:
            unread.append(f"{path} ({type(error).__name__})")
            continue
        documents.append(Document(channel="files", path=str(path), raw=raw, at=time.time()))
    return Written(documents=tuple(documents), unread=tuple(unread))


def _files(directory: Path) -> Iterator[Path]:
    for root, _, names in os.walk(directory):
        yield from (path for name in names if _is_plain(path := Path(root, name)))


def _top(directory: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in directory.iterdir() if _is_plain(path))


def _is_plain(path: Path) -> bool:
    try:
        return path.is_file() and not path.is_symlink()
    except OSError:
        return False


def _newer(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False
