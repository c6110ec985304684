"""Connections of the outbox's database after it was closed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
import sqlalchemy as sa

from medagent.telemetry.outbox.database import Database


def open_files(directory: Path) -> list[str]:
    """The files below a directory that this process has open."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    return [str(link.readlink()) for link in links if str(link.readlink()).startswith(str(directory))]


@pytest.mark.parametrize("use", [Database.reading, Database.writing])
def test_connection_in_use_is_closed_when_it_is_given_back(
    tmp_path: Path, use: Callable[[Database], AbstractContextManager[sa.Connection]]
) -> None:
    """A thread may look at the switch while the process closes: its connection must not stay open for ever."""
    database = Database(tmp_path / "outbox.db")
    with database.writing() as connection:
        connection.execute(sa.text("SELECT 1"))
    with use(database) as connection:
        database.close()
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1
        assert open_files(tmp_path)
    assert open_files(tmp_path) == []
    with contextlib.suppress(ZeroDivisionError), use(database):
        database.close()
        raise ZeroDivisionError
    assert open_files(tmp_path) == []
