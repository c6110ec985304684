"""The databases that the clinic is tested on: SQLite, and a real PostgreSQL server that lives as long as the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from medagent.clinic import Clinic, seed_demo

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
_INSTALLED = Path("/usr/lib/postgresql")
_SERVER = "-c listen_addresses= -c fsync=off -c max_connections=120 -c unix_socket_directories={}"


def _postgres(program: Path, *arguments: object) -> None:
    # The server refuses to run as root; Debian makes the user `postgres` with the package.
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    subprocess.run([program, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=60, **user)


def _installed() -> Path:
    """Return the newest server's programs; without one CI fails, and other runs skip."""
    found = sorted(_INSTALLED.glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    if not found:
        if os.environ.get("CI"):
            pytest.fail(f"no PostgreSQL under {_INSTALLED}: `make postgres` installs it")
        pytest.skip(f"no PostgreSQL under {_INSTALLED}: `make postgres` installs it")
    return found[-1].parent


class PostgresServer:
    """A server of its own that can be stopped and started again; it trusts its own users."""

    def __init__(self, home: Path, *, listen: str = "") -> None:
        self._programs = _installed()
        self.home = home
        self._data = home / "data"
        self._options = _SERVER.format(home).replace("listen_addresses=", f"listen_addresses={listen}", 1)
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        _postgres(
            self._programs / "initdb", "-D", self._data, "-U", "clinic", "--auth=trust", "-E", "UTF8", "--no-sync"
        )
        self.start()
        with psycopg.connect(host=str(home), user="clinic", dbname="postgres", autocommit=True) as admin:
            admin.execute("CREATE DATABASE clinic")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://clinic@/clinic?host={self.home}"

    def start(self) -> None:
        _postgres(
            self._programs / "pg_ctl", "-D", self._data, "-l", self.home / "log", "-w", "-o", self._options, "start"
        )

    def stop(self) -> None:
        """Stop as a crash does; it recovers at the next start."""
        _postgres(self._programs / "pg_ctl", "-D", self._data, "-m", "immediate", "-w", "stop")


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    server = PostgresServer(home)
    try:
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):  # a test may have stopped it
            server.stop()
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The directory of the socket of a server that trusts its own user; CI fails where it is not installed."""
    programs = _installed()
    # Not in pytest's own directory: that is root's alone, and a socket's path has at most 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(home, "postgres", "postgres")
        data = home / "data"
        _postgres(programs / "initdb", "-D", data, "-U", "clinic", "--auth=trust", "-E", "UTF8", "--no-sync")
        _postgres(programs / "pg_ctl", "-D", data, "-l", home / "log", "-w", "-o", _SERVER.format(home), "start")
        try:
            with psycopg.connect(host=str(home), user="clinic", dbname="postgres", autocommit=True) as admin:
                admin.execute("CREATE DATABASE clinic")
            yield str(home)
        finally:
            _postgres(programs / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'clinic' / 'clinic.db'}"


@pytest.fixture
def postgresql_url(postgresql_server: str) -> str:
    """An empty database: whoever was left in it is thrown out, and what was in it is gone."""
    with psycopg.connect(host=postgresql_server, user="clinic", dbname="clinic", autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        admin.execute("DROP SCHEMA public CASCADE")
        admin.execute("CREATE SCHEMA public")
    return f"postgresql+psycopg://clinic@/clinic?host={postgresql_server}"


@pytest.fixture(params=["sqlite", "postgresql"])
def clinic_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database, of either kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def clinic(clinic_url: str) -> Iterator[Clinic]:
    opened = Clinic.open(clinic_url)
    seed_demo(opened, now=NOW)
    yield opened
    opened.close()


@pytest.fixture
def now() -> datetime:
    return NOW
