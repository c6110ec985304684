"""What a process touches while it runs: files that it writes, addresses, commands; seen from inside and outside."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medagent.audit.capture import Document

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_LOOK_EVERY_S = 0.1
_TEMPORARY = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  # looked through, not written to
_SHARED = Path("/dev/shm")  # noqa: S108  # as above
_MOST_BYTES = 64 * 2**20
_DELETED = " (deleted)"


class Touched:
    """Python's own audit events of this process; a hook once added stays until the process ends.

    What the process deletes, overwrites or cuts was written all the same: it is kept in the directory `kept` first, in
    which other processes may keep theirs; what could not be kept is `lost`.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.written: set[str] = set()
        self.addresses: set[str] = set()
        self.started: set[str] = set()
        self.lost: set[str] = set()
        self._kept = kept
        self._number = itertools.count()

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Keep what may write, speak or start; never raises, since an audit hook that raises stops the operation."""
        with contextlib.suppress(Exception):
            match event:
                case "open" | "os.truncate" | "sqlite3.connect":
                    self._on_content(event, *arguments)
                case "os.mkdir" | "os.remove" | "os.rename" | "os.link" | "os.symlink":
                    self._on_name(event, arguments)
                case "socket.connect" | "socket.sendto":
                    self.addresses.add(_address(arguments[1]))
                case "socket.getaddrinfo":
                    self.addresses.add(f"name {arguments[0]}")
                case "subprocess.Popen" | "os.posix_spawn" | "os.exec":
                    self.started.add(f"{arguments[0]} {arguments[1]}")
                case "os.system":
                    self.started.add(str(arguments[0]))

    def _on_content(self, event: str, path: str | bytes | int, mode: object = None, flags: int = 0) -> None:
        cuts = event == "os.truncate" or flags & os.O_TRUNC
        if isinstance(path, int) and event == "open":
            return  # it was opened by its name before
        if event != "open" or flags & _WRITES or set(str(mode or "")) & set("wax+"):
            whole = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else _absolute(path)  # noqa: PTH115
            if cuts:
                self._keep(whole, shutil.copyfile)
            self.written.add(whole)

    def _on_name(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.remove":
            self._keep(_absolute(*arguments), _linked)
            return
        path, directory = (arguments[0], arguments[2]) if event == "os.mkdir" else (arguments[1], arguments[-1])
        whole = _absolute(path, directory)
        if event == "os.rename":
            self._keep(whole, _linked)
        if event != "os.mkdir" or not os.path.lexists(whole):  # else it was there before, with what others wrote
            self.written.add(whole)

    def _keep(self, path: str, take: Callable[[str, str], object]) -> None:
        if self._kept is None or path not in self.written or not os.path.isfile(path):  # noqa: PTH113  # as below
            return
        name = f"{os.getpid()}-{next(self._number)}-{os.path.basename(path)}"  # noqa: PTH119
        try:
            take(path, str(self._kept / name))
        except OSError as error:
            self.lost.add(f"{path} ({type(error).__name__})")


def _absolute(path: str | bytes, directory: int = -1) -> str:
    """The whole path of one that may be relative, to a directory's descriptor where one is given."""
    whole = os.fsdecode(path)
    if not os.path.isabs(whole):  # noqa: PTH117  # no Path here: it is a hot path
        start = os.getcwd() if directory < 0 else os.readlink(f"/proc/self/fd/{directory}")  # noqa: PTH109, PTH115
        whole = os.path.join(start, whole)  # noqa: PTH118
    return os.path.normpath(whole)


def _linked(path: str, kept: str) -> None:
    try:
        os.link(path, kept)
    except OSError:
        shutil.copyfile(path, kept)


def _address(target: Any) -> str:
    return f"{target[0]}:{target[1]}" if isinstance(target, tuple) else str(target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What `/proc` showed of a process and its children: command lines, environments, files held open to write."""

    documents: tuple[Document, ...]
    """Those that have no name in any directory among them."""
    held: frozenset[str]
    unread: tuple[str, ...]


class ProcessWatch:
    """Looks at `/proc` ten times a second, at a process and everything it started, until it is stopped."""

    def __init__(self, pid: int) -> None:
        self._pids = {pid}
        self._kept: dict[tuple[str, bytes], Document] = {}
        self._nameless: dict[str, tuple[tuple[int, int], Document]] = {}
        self._held: set[str] = set()
        self._unread: set[str] = set()
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
        nameless = (document for _, document in list(self._nameless.values()))
        return Seen(
            documents=(*self._kept.values(), *nameless), held=frozenset(self._held), unread=tuple(sorted(self._unread))
        )

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
                for descriptor, target in _held_to_write(about):
                    if target.endswith(_DELETED):
                        self._read(descriptor, f"{target} of {pid}")
                    else:
                        self._held.add(target)
            with contextlib.suppress(OSError):
                for task in (about / "task").iterdir():
                    children = {int(child) for child in (task / "children").read_text().split()}
                    pending += children - self._pids
                    self._pids |= children

    def _read(self, descriptor: Path, name: str) -> None:
        """A file that was deleted while it is held, or never had a name: what is in it now, when it has changed."""
        with contextlib.suppress(OSError):
            about = descriptor.stat()
            if not stat.S_ISREG(about.st_mode) or not about.st_size:
                return
            name, state = f"{name}, {about.st_ino}", (about.st_size, about.st_mtime_ns)
            if about.st_size > _MOST_BYTES:
                self._unread.add(f"{name} (over {_MOST_BYTES >> 20} MiB)")
            elif self._nameless.get(name, (None,))[0] != state:
                raw = descriptor.read_bytes()
                before = self._nameless.get(name)
                if before is not None and not raw.startswith(before[1].raw):
                    self._kept.setdefault((name, before[1].raw), before[1])
                self._nameless[name] = (state, Document(channel="files", path=name, raw=raw))


def _held_to_write(about: Path) -> Iterator[tuple[Path, str]]:
    """Descriptors and what each leads to."""
    for link in (about / "fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith("/") and not target.startswith(("/dev/", "/proc/", "/sys/")):
                flags = (about / "fdinfo" / link.name).read_text().split("flags:")[1].split()[0]
                if int(flags, 8) & (os.O_WRONLY | os.O_RDWR):
                    yield link, target


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The files that were found, and by exact path what was not read and why."""

    documents: tuple[Document, ...]
    unread: tuple[str, ...]


def written_files(
    directories: list[Path], *, opened: set[str], since: float, excluded: set[Path], not_ours: list[Path]
) -> Written:
    """Every file below `directories`, each that was opened to write, what is new in shared memory and right in /tmp.

    New directories in /tmp may be anybody's: what the system opened or made there is known from its own events and
    from /proc; of a directory among the `opened` every file is read.
    `excluded` are exact paths that are not read, `not_ours` directories of the auditor; `since` is Unix seconds.
    """
    candidates = {path for directory in directories for path in _files(directory)}
    candidates |= {Path(path) for path in opened if Path(path).is_file()}
    candidates |= {inner for path in opened if _is_plain_directory(Path(path)) for inner in _files(Path(path))}
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


def _is_plain_directory(path: Path) -> bool:
    try:
        return path.is_dir() and not path.is_symlink()
    except OSError:
        return False


def _newer(path: Path, since: float) -> bool:
    try:
        return path.stat().st_mtime >= since
    except OSError:
        return False
