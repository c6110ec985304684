"""Anchors: the ledger's head kept in other places, so that a ledger that was rolled back or deleted is noticed.

The archive keeps one in a file, the outbox one in a table. A second place is outside of this user's reach: a file of
another user that can only be appended to, or a syslog receiver on this host. What it kept is compared with
`medagent ledger verify --heads FILE`; a file that can be read is compared at every start too.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import mmap
import os
import re
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from medagent.errors import BrokenLedgerError, LedgerError, MedagentError, SettingsError
from medagent.file_access import read_file, replace_file

_LINE = re.compile(r"medagent-ledger sequence=([0-9]{1,16}) hash=([0-9a-f]{64})")
_SYSLOG_PRIORITY = 13 * 8 + 5
"""Facility log audit, severity notice (RFC 5424)."""
_LONGEST_FILE = 64 * 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The latest entry of a ledger: its number and its hash."""

    sequence: int
    hash: str

    def line(self) -> str:
        """Return the head as a line of a log."""
        return f"medagent-ledger sequence={self.sequence} hash={self.hash}"


class Anchor(Protocol):
    """A place that keeps the head."""

    @property
    def name(self) -> str:
        """Where the head is kept, for messages."""

    @property
    def replaces(self) -> bool:
        """Whether a head takes the place of the one before: only one that follows from it may."""

    def keep(self, head: Head) -> None:
        """Keep a head; raises `MedagentError` or `OSError` where that cannot be done."""

    def heads(self) -> Iterable[Head]:
        """Return the heads that are kept and can be read; raises as `keep`."""


class FileAnchor:
    """A file that is replaced, in the archive's directory: the latest head."""

    replaces = True

    def __init__(self, path: Path, *, name: str = "archive") -> None:
        self.name = name
        self._path = path

    def keep(self, head: Head) -> None:
        """Replace the head that is kept."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._path, json.dumps({"sequence": head.sequence, "hash": head.hash}).encode())

    def heads(self) -> list[Head]:
        """Return the head; raises `LedgerError` where the file holds none."""
        try:
            found = json.loads(read_file(self._path))
            head = Head(sequence=int(found["sequence"]), hash=str(found["hash"]))
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise LedgerError(f"the ledger's head in the {self.name} cannot be read") from None
        if not _SHA256.fullmatch(head.hash):
            raise LedgerError(f"the ledger's head in the {self.name} cannot be read")
        return [head]


class AppendedAnchor:
    """A file of another user to which this process can only append; it is neither made nor replaced here."""

    name = "second place"
    replaces = False

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, head: Head) -> None:
        """Append a line."""
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, head.line().encode() + b"\n")
        finally:
            os.close(descriptor)

    def heads(self) -> list[Head]:
        """Return every head of the file; none where this process may not read it."""
        try:
            return list(heads_in(self._path))
        except LedgerError:
            return []


class SyslogAnchor:
    """A syslog receiver on this host: a Unix socket, or UDP on a loopback address."""

    name = "second place"
    replaces = False

    def __init__(self, address: str | tuple[str, int]) -> None:
        self._address = address

    def keep(self, head: Head) -> None:
        """Send one message (RFC 5424)."""
        message = f"<{_SYSLOG_PRIORITY}>1 - - medagent {os.getpid()} - - {head.line()}".encode()
        family = (
            socket.AF_UNIX
            if isinstance(self._address, str)
            else socket.AF_INET6
            if ":" in self._address[0]
            else socket.AF_INET
        )
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            sender.settimeout(1.0)
            sender.sendto(message, self._address)

    def heads(self) -> list[Head]:
        """Return none: a receiver is not asked."""
        return []


def second_place(setting: str) -> Anchor:
    """Return the anchor that `MEDAGENT_LEDGER_ANCHOR` names; raises `SettingsError` where it names none."""
    kind, _, place = setting.partition(":")
    if kind == "file" and place.startswith("/"):
        return AppendedAnchor(Path(place))
    if kind == "syslog" and place.startswith("/"):
        return SyslogAnchor(place)
    host, _, port = place.rpartition(":")
    with contextlib.suppress(ValueError):
        if kind == "syslog" and ipaddress.ip_address(host.strip("[]")).is_loopback and 0 < int(port) < 2**16:
            return SyslogAnchor((host.strip("[]"), int(port)))
    raise SettingsError(
        "MEDAGENT_LEDGER_ANCHOR: unknown place, expected file:/PATH, syslog:/SOCKET or syslog:127.0.0.1:PORT",
        hint="change or unset MEDAGENT_LEDGER_ANCHOR",
    )


def keep_everywhere(anchors: Iterable[Anchor], head: Head, *, ledger: Path) -> None:
    """Keep a head in each place; a place that cannot take it is logged and stops nothing.

    A head that the ledger lost is not replaced: else the next entry would hide that it was rolled back.
    """
    for anchor in anchors:
        try:
            if anchor.replaces:
                check_heads(ledger, ((anchor.name, before) for before in anchor.heads()))
            anchor.keep(head)
        except BrokenLedgerError as error:
            _log.error("%s", error)
        except (MedagentError, OSError) as error:
            _log.error("the ledger's head cannot be kept in the %s: %s", anchor.name, type(error).__name__)


def heads_in(path: Path) -> Iterator[Head]:
    """Yield every head in a text file, as a second place wrote it; raises `LedgerError` where it cannot be read."""
    try:
        if path.stat().st_size > _LONGEST_FILE:
            raise LedgerError(f"{path}: larger than {_LONGEST_FILE} bytes", hint="give the last part of it")
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise LedgerError(f"{path}: cannot be read ({type(error).__name__})") from None
    for found in _LINE.finditer(text):
        yield Head(sequence=int(found[1]), hash=found[2])


def check_heads(ledger: Path, heads: Iterable[tuple[str, Head]]) -> None:
    """Raise `BrokenLedgerError` where a head that a place keeps is not an entry of the ledger.

    Args:
        ledger: The ledger's file.
        heads: The name of each place, and a head that it keeps.
    """
    known = list(heads)
    if not known:
        return
    try:
        with ledger.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    for name, head in known:
                        if content.rfind(f'"hash":"{head.hash}"'.encode()) < 0:
                            raise _rolled_back(name, head)
    except FileNotFoundError:
        size = 0
    except OSError as error:
        raise LedgerError(f"the ledger {ledger} cannot be read ({type(error).__name__})") from None
    if not size:
        raise _rolled_back(*known[0])


def _rolled_back(name: str, head: Head) -> BrokenLedgerError:
    return BrokenLedgerError(
        f"it is missing, and the {name} keeps its hash: the ledger was rolled back or deleted",
        entry=head.sequence,
        hint="restore the ledger from a backup; MEDAGENT_HOME as a whole where there is none",
    )
