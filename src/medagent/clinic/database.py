"""Transactions on the clinic's database: private on disk, tried again after a lost race, mute about values."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from medagent.clinic.migrations import make_or_migrate
from medagent.errors import ClinicError
from medagent.file_access import make_database_file

T = TypeVar("T")
_TRIES = 4
_PAUSE_S = 0.05
_LOCK_WAIT_MS = 1_000
_PATIENCE_S = 3.0
"""No try begins later than this: with one more lock or connection to wait for, a caller hears an answer within 6 s."""
_POSTGRESQL: Mapping[str, Any] = {
    # One snapshot per transaction; a writer who lost a race is told so and comes again.
    "isolation_level": "REPEATABLE READ",
    "pool_timeout": _PATIENCE_S,
    "connect_args": {
        "connect_timeout": 2,
        "tcp_user_timeout": 3_000,
        "options": f"-c timezone=UTC -c lock_timeout={_LOCK_WAIT_MS} -c statement_timeout=2000",
    },
}
_OPENING = 0x6D65_6461
"""The advisory lock under which PostgreSQL's tables are made: CREATE TABLE IF NOT EXISTS alone can lose a race."""


class Database:
    """An engine with two doors, `read` and `write`; safe from any thread, and with other processes beside it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writer = engine.execution_options(medagent_writes=True)

    @classmethod
    def open(cls, url: str | Path) -> Database:
        """Connect, and create the tables that are missing; raises `ClinicError`, which never quotes the URL."""
        database = cls(_engine(url))
        try:
            database.write(_make_tables)
        except ClinicError:
            database.close()
            raise
        return database

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def read(self, work: Callable[[Session], T]) -> T:
        """Run `work` on one consistent view; raises `ClinicError`."""
        return _run(self._engine, work)

    def write(self, work: Callable[[Session], T]) -> T:
        """Run `work` in one transaction, again from its start after a lost race or a lock; raises `ClinicError`."""
        return _run(self._writer, work)


def _make_tables(session: Session) -> None:
    if session.get_bind().dialect.name == "postgresql":
        # A snapshot from before the lock would not show what its last holder made.
        session.connection(execution_options={"isolation_level": "READ COMMITTED"})
        session.execute(select(func.pg_advisory_xact_lock(_OPENING)))
    make_or_migrate(session)


def lock(session: Session, *subjects: str) -> None:
    """Let nobody else hold one of the subjects until this transaction ends; the first call of a transaction.

    SQLite has one writer at a time. PostgreSQL takes an advisory lock on each, and each statement after it sees what
    the holder before wrote.
    """
    if session.get_bind().dialect.name != "postgresql":
        return
    session.connection(execution_options={"isolation_level": "READ COMMITTED"})
    for key in sorted(int.from_bytes(sha256(each.encode()).digest()[:8], signed=True) for each in set(subjects)):
        session.execute(select(func.pg_advisory_xact_lock(key)))


def _run(engine: Engine, work: Callable[[Session], T]) -> T:
    failure = ""
    began = time.monotonic()
    for attempt in range(_TRIES):
        if time.monotonic() - began > _PATIENCE_S:
            break
        time.sleep(_PAUSE_S * attempt)
        try:
            with Session(engine) as session, session.begin():
                return work(session)
        except (IntegrityError, OperationalError) as error:
            failure = type(error).__name__
        except (SQLAlchemyError, UnicodeError) as error:
            failure = type(error).__name__
            break
    # Raised here and not in the handler: a driver's message may hold a row, and a context would carry it along.
    raise ClinicError(f"the clinic's database did not answer ({failure})", hint="see that it is there and writable")


def _engine(url: str | Path) -> Engine:
    failure = ""
    try:
        # The parts of a path are not read as those of a URL.
        parsed = URL.create("sqlite", database=str(url)) if isinstance(url, Path) else make_url(url)
        postgresql = parsed.get_backend_name() == "postgresql"
        if parsed.get_backend_name() == "sqlite":
            _make_private(parsed)
        engine = create_engine(parsed, hide_parameters=True, pool_pre_ping=True, **(_POSTGRESQL if postgresql else {}))
    except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
        failure = type(error).__name__
    if failure:
        raise ClinicError(
            f"the clinic's database cannot be opened ({failure})",
            hint="MEDAGENT_CLINIC_DATABASE_URL is sqlite:/// and a path, or postgresql+psycopg:// (extra: postgres)",
        )
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(url: URL) -> None:
    if not url.database or url.database.startswith((":memory:", "file:")):
        raise ClinicError("the clinic's database must be a file", hint="every thread would see another one in memory")
    path = Path(url.database)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.parent.stat().st_mode & stat.S_ISVTX:
        raise ClinicError(
            f"{path.parent} is shared by all users", hint="give the clinic's database a directory of its own"
        )
    path.parent.chmod(0o700)
    make_database_file(path)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # BEGIN is ours, see below
    for pragma in (f"busy_timeout={_LOCK_WAIT_MS}", "journal_mode=WAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that reads first and locks later cannot wait, only fail.
    writes = connection.get_execution_options().get("medagent_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
