"""Transactions on the outbox's database: private on disk, mute about values, and never for ever on a broken file."""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from medagent.errors import OutboxError, OutboxUnavailableError
from medagent.file_access import open_to_write
from medagent.telemetry.outbox.schema import bring_up_to_date, is_current

_BROKEN = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_LASTING = ("SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_RANGE", "SQLITE_MISUSE")
_LASTING_CLASSES = ("0A", "21", "22", "23", "42")
"""The SQLSTATE classes that no second try mends: what is not supported, bad data, a constraint, a missing table."""
_SIDE_FILES = ("-wal", "-shm")
_POSTGRESQL: dict[str, Any] = {
    "pool_pre_ping": True,
    "pool_timeout": 5,
    "connect_args": {
        "connect_timeout": 5,
        "tcp_user_timeout": 10_000,
        "options": "-c lock_timeout=5000 -c statement_timeout=30000",
    },
}
_log = logging.getLogger(__name__)


class Database:
    """SQLite or PostgreSQL, made ready at its first use; safe from any thread, with other processes beside it.

    A SQLite file that is broken is set aside under `<name>.corrupt-<UTC time>` and a new one is begun; whoever has the
    old one open finds that out at his next use, since he looks whether the file at the path is still the one he opened.
    """

    def __init__(self, url: str | Path, *, most_connections: int | None = None) -> None:
        """Prepare a database at a URL or in a SQLite file; raises `OutboxError`, which never quotes it."""
        pool = {} if most_connections is None else {"pool_size": most_connections, "max_overflow": 0}
        try:
            # The parts of a path are not read as those of a URL.
            parsed = sa.URL.create("sqlite", database=str(url)) if isinstance(url, Path) else sa.make_url(url)
            is_sqlite = parsed.get_backend_name() == "sqlite"
            options = pool | ({} if is_sqlite else _POSTGRESQL)
            self._engine = sa.create_engine(parsed, hide_parameters=True, **options)
        except (SQLAlchemyError, ImportError, ValueError) as error:
            failure = type(error).__name__
        else:
            failure = "in memory" if is_sqlite and not parsed.database else ""
        if failure:
            raise OutboxError(
                f"the outbox's database cannot be opened ({failure})",
                hint="MEDAGENT_OUTBOX_URL is sqlite:/// and a path, or postgresql+psycopg:// (extra: postgres)",
            )
        self._path = Path(parsed.database or "") if is_sqlite else None
        self._opened: int | None = None
        self._is_ready = False
        self._closings = 0
        self._lock = threading.Lock()
        if is_sqlite:
            sa.event.listen(self._engine, "connect", _configure_sqlite)
            sa.event.listen(self._engine, "begin", _begin_sqlite)

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view, which waits for no writer; raises as `writing`."""
        closings = self._closings
        with self._translated(), self._engine.connect().execution_options(reading=True) as connection:
            try:
                yield connection
            finally:
                self._give_back(connection, closings)

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: all or nothing.

        Raises `OutboxUnavailableError` where a later try may do it, `OutboxError` where none will.
        """
        closings = self._closings
        with self._translated(), self._engine.begin() as connection:
            try:
                yield connection
            finally:
                self._give_back(connection, closings)

    def is_missing(self) -> bool:
        """Whether there is no SQLite file yet; a server is never missing."""
        return self._path is not None and not self._path.exists()

    def corrupt(self) -> list[str]:
        """The names of the files that were set aside, oldest first."""
        if self._path is None:
            return []
        found = self._path.parent.glob(f"{self._path.name}.corrupt-*")
        return sorted(path.name for path in found if not path.name.endswith(_SIDE_FILES))

    def close(self) -> None:
        """Let go of every connection; one that a thread still uses is closed when it gives it back."""
        self._closings += 1
        self._engine.dispose()

    def _give_back(self, connection: sa.Connection, closings: int) -> None:
        """Take a connection out of its pool where the database was closed meanwhile: that pool would keep it open."""
        if self._closings != closings and not (connection.closed or connection.invalidated):
            connection.detach()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """A driver's message may quote a row: only its class and code pass."""
        opened: int | None = None
        try:
            opened = self._make_ready()
            yield
        except sa.exc.TimeoutError:
            raise OutboxUnavailableError("the outbox cannot be used: no connection is free") from None
        except DBAPIError as error:
            if self._is_broken(error):
                self._set_aside(opened, _code(error))
            elif not _may_pass(error):
                self._is_ready = False
                raise OutboxError(f"the outbox refused: {_said(error)}") from None
            raise OutboxUnavailableError(f"the outbox cannot be used: {_said(error)}") from None

    def _make_ready(self) -> int | None:
        """Open what is at the path unless it is open already; returns which file that is."""
        with self._lock:
            if not self._is_ready or self._opened != self._file():
                try:
                    self._open()
                except DBAPIError as error:
                    if not self._is_broken(error) or not self._set_aside(self._opened, _code(error)):
                        raise
                    self._open()
            return self._opened

    def _open(self) -> None:
        self._is_ready = False
        self._engine.dispose()
        if self._path is not None:
            try:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                if self._path.is_symlink() or not self._path.is_file():
                    os.close(open_to_write(self._path))
            except OSError as error:
                raise OutboxUnavailableError(f"the outbox cannot be used: {type(error).__name__}") from None
        self._opened = self._file()
        with self._engine.connect().execution_options(reading=True) as connection:
            current = is_current(connection)  # a writer elsewhere may not keep us from opening what is there
        if not current:
            with self._engine.begin() as connection:
                bring_up_to_date(connection)
        self._is_ready = True

    def _file(self) -> int | None:
        """Which file is at the path: its inode, None where there is none; a server is always the same."""
        if self._path is None:
            return 0
        try:
            return self._path.stat().st_ino
        except OSError:
            return None

    def _is_broken(self, error: DBAPIError) -> bool:
        return self._path is not None and _code(error).startswith(_BROKEN)

    def _set_aside(self, opened: int | None, why: str) -> bool:
        """Rename a broken file, once, whoever of several finds it first; its side files go before it."""
        path = self._path
        if path is None:
            return False
        try:
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if opened != self._file():
                    return True
                aside = path.with_name(f"{path.name}.corrupt-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
                for side in (*_SIDE_FILES, ""):
                    if (file := path.with_name(path.name + side)).exists():
                        file.rename(aside.with_name(aside.name + side))
            finally:
                os.close(descriptor)
        except OSError as error:
            _log.error("the outbox is broken (%s) and cannot be set aside (%s)", why, type(error).__name__)
            return False
        _log.error("the outbox was broken (%s): it is set aside as %s, a new one is begun", why, aside.name)
        return True


def _code(error: DBAPIError) -> str:
    """SQLite's name of the error, or the SQLSTATE; empty where the server could not be asked."""
    code = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None)
    return str(code or "")


def _said(error: DBAPIError) -> str:
    return f"{type(error.orig or error).__name__} {_code(error)}".rstrip()


def _may_pass(error: DBAPIError) -> bool:
    """Whether a later try may do it: a lock, a full disk, a server that is away."""
    code = _code(error)
    if code.startswith("SQLITE_"):
        return not code.startswith(_LASTING)
    return error.connection_invalidated or code[:2] not in _LASTING_CLASSES


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver's own BEGIN comes too late to keep two writers apart
    for pragma in ("busy_timeout=5000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
