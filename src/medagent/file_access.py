"""Read a file once through one descriptor; write files without following a symbolic link.

Files that are read may be symbolic links, as Kubernetes mounts them. FIFOs, devices and directories are refused in
both directions, but where the caller allows a stream.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import threading
from pathlib import Path

LARGEST_FILE = 2**20
"""Bytes of a file that a person or an installation wrote."""


_making = threading.Lock()


class FileKindError(OSError):
    """The path is a FIFO, a device, a directory or a socket, expected a regular file."""


class FileSizeError(OSError):
    """The file is larger than its limit."""


class FileModeError(OSError):
    """The file can be read or written by other users."""


def read_file(path: Path, *, limit: int = LARGEST_FILE, is_private: bool = False) -> bytes:
    """Return the content of a regular file, read once through one descriptor.

    Args:
        path: The file, or a symbolic link to it.
        limit: Most bytes.
        is_private: Whether a file that other users can read or write is refused.

    Raises:
        FileKindError: It is not a regular file; a FIFO is not waited for.
        FileSizeError: It has more than `limit` bytes.
        FileModeError: It is not private, and `is_private` is set.
        OSError: It cannot be opened or read.
    """
    descriptor = open_to_read(path)
    try:
        if is_private and os.fstat(descriptor).st_mode & 0o077:
            raise FileModeError(errno.EPERM, "open to other users")
        content = bytearray()
        while len(content) <= limit and (part := os.read(descriptor, limit + 1 - len(content))):
            content += part
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise FileSizeError(errno.EFBIG, "too large")
    return bytes(content)


def open_to_read(path: Path, *, is_link_followed: bool = True) -> int:
    """Open a regular file and return its descriptor; a FIFO is not waited for.

    Raises:
        FileKindError: It is not a regular file.
        OSError: It cannot be opened, or is a symbolic link and `is_link_followed` is not set.
    """
    link = 0 if is_link_followed else os.O_NOFOLLOW
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY | link)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileKindError(errno.EINVAL, "not a regular file")
    return descriptor


def open_to_write(path: Path, *, flags: int = os.O_RDWR, mode: int = 0o600, is_stream_allowed: bool = False) -> int:
    """Open a file, made where it is missing, and return its descriptor; a symbolic link is not followed.

    Args:
        path: The file.
        flags: How it is opened, besides O_CREAT, O_CLOEXEC and O_NOFOLLOW.
        mode: The mode of a file that is made here.
        is_stream_allowed: Whether a FIFO or a device is opened too; a FIFO without a reader is not waited for.

    Raises:
        FileKindError: It is not a regular file.
        OSError: It is a symbolic link, or cannot be opened.
    """
    # O_NONBLOCK alone keeps the open of a FIFO from waiting for its reader.
    always = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags | always, mode)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) and not is_stream_allowed:
            raise FileKindError(errno.EINVAL, "not a regular file")
        os.set_blocking(descriptor, True)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def make_database_file(path: Path) -> None:
    """Make a database's file for this user alone; one that is there is not opened.

    A process that closes any descriptor of a file drops all its POSIX locks on it. Where SQLite has the file open in
    this process, other processes would then delete its log of writes, and with it what was written.

    Raises:
        FileKindError: It is not a regular file.
        OSError: It is a symbolic link, or cannot be made.
    """
    with _making:  # nobody in this process may use the file before the descriptor that made it is closed
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
            os.close(os.open(path, flags, 0o600))
        except FileExistsError:
            mode = path.lstat().st_mode
            if stat.S_ISLNK(mode):
                raise OSError(errno.ELOOP, "a symbolic link") from None
            if not stat.S_ISREG(mode):
                raise FileKindError(errno.EINVAL, "not a regular file") from None
            if stat.S_IMODE(mode) != 0o600:
                path.chmod(0o600)


def replace_file(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file whole or not at all; a symbolic link at its place is replaced, and its target left as it is.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def write_file(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Write a file that a person named, over what is there; a symbolic link is not followed.

    Raises:
        FileKindError: It is not a regular file.
        OSError: It is a symbolic link, or cannot be written.
    """
    with os.fdopen(open_to_write(path, flags=os.O_WRONLY, mode=mode), "wb") as file:
        file.truncate()
        file.write(content)


def is_locked(path: Path) -> bool:
    """Return whether a process holds an exclusive `flock` on a file; one that cannot be examined counts as locked."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def lock_unlocked(path: Path) -> int | None:
    """Lock a file exclusively with `flock` if nobody has; return its descriptor, None where it cannot be locked now."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
