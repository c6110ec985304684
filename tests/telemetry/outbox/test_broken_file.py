"""A file that is broken, old, or gone: a new one is begun where it must, and nothing is tried for ever."""

from __future__ import annotations

import logging
import multiprocessing
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from medagent.errors import OutboxError, OutboxUnavailableError
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.outbox.schema import VERSION
from outboxes import CALLS, MakeOutbox, begin, put

FIRST_VERSION = """
CREATE TABLE calls (trace_id VARCHAR(36) PRIMARY KEY, owner VARCHAR(80) NOT NULL, state VARCHAR(8) NOT NULL,
  release VARCHAR(10) NOT NULL, next_sequence INTEGER NOT NULL, head VARCHAR(64) NOT NULL);
CREATE TABLE spans (position INTEGER PRIMARY KEY, span_id VARCHAR(36) NOT NULL UNIQUE, trace_id VARCHAR(36) NOT NULL,
  name VARCHAR(80) NOT NULL, state VARCHAR(11) NOT NULL, digest VARCHAR(64) NOT NULL, sequence INTEGER,
  previous VARCHAR(64), hash VARCHAR(64), body TEXT NOT NULL, UNIQUE (trace_id, sequence));
CREATE TABLE deliveries (position INTEGER PRIMARY KEY, span_id VARCHAR(36) NOT NULL, destination VARCHAR(40) NOT NULL,
  attempts INTEGER NOT NULL, last_error VARCHAR(80), UNIQUE (span_id, destination));
CREATE INDEX due ON deliveries (destination, position);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox" / "outbox.db"


@pytest.fixture
def box(path: Path) -> Iterator[Outbox]:
    with closing(Outbox(f"sqlite:///{path}", destinations=["archive"], owner="o")) as opened:
        yield opened


def spoil(path: Path) -> None:
    """What a failing disk does: every page but the first is noise."""
    with sqlite3.connect(path) as raw:
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    raw.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))


def aside(path: Path) -> list[Path]:
    return [found for found in path.parent.glob("outbox.db.corrupt-*") if not found.name.endswith(("-wal", "-shm"))]


def test_a_file_that_is_no_database_is_set_aside_at_the_start(
    path: Path, box: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """It keeps its bytes under a name that tells when; a new one takes spans at once; log and status say so."""
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all" * 400)
    begin(box, CALLS[0])
    put(box, CALLS[0], "user_turn")
    [kept] = aside(path)
    assert kept.read_bytes() == b"this is no database at all" * 400
    assert box.status().corrupt == [kept.name]
    assert len(box.due("archive", 9)) == 1
    assert kept.name in caplog.text


def test_a_file_that_breaks_in_service_is_set_aside(path: Path, box: Outbox) -> None:
    """The transaction that met it was not accepted; the next one is, in a new file; no side file is left behind."""
    begin(box, CALLS[0])
    for number in range(50):
        put(box, CALLS[0], "user_turn", number, note="x" * 2000)
    box.close()
    spoil(path)
    with pytest.raises(OutboxUnavailableError):
        put(box, CALLS[0], "user_turn", 50)
    assert len(aside(path)) == 1
    begin(box, CALLS[1])
    put(box, CALLS[1], "user_turn")
    assert [span.trace_id for span in box.due("archive", 9)] == [CALLS[1]]


def _meet_it(url: str, which: int) -> None:
    logging.disable()
    with closing(Outbox(url, destinations=["archive"], owner=str(which))) as box:
        for _ in range(20):
            try:
                begin(box, CALLS[which])
            except OutboxUnavailableError:
                continue
            break
        put(box, CALLS[which], "user_turn")


@pytest.mark.timing
def test_of_several_processes_one_sets_it_aside(path: Path, box: Outbox) -> None:
    """Who comes second goes on in the new file and does not set that aside too."""
    path.parent.mkdir()
    path.write_bytes(b"noise" * 4000)
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_meet_it, args=(f"sqlite:///{path}", which)) for which in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert len(aside(path)) == 1
    assert {span.trace_id for span in box.due("archive", 9)} == set(CALLS)


def test_who_has_the_old_file_open_follows_to_the_new_one(path: Path, box: Outbox) -> None:
    """A process that did not see the file break writes nothing into the one that was set aside."""
    begin(box, CALLS[0])
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).rename(path.with_name("outbox.db.corrupt-1" + side))
    with closing(Outbox(f"sqlite:///{path}", destinations=["archive"], owner="other")) as other:
        begin(other, CALLS[1])
        begin(box, CALLS[2])
        put(other, CALLS[2], "user_turn")
        assert len(box.due("archive", 9)) == 1


def test_an_error_that_lasts_is_not_waited_out(make_outbox: MakeOutbox, outbox_url: str) -> None:
    """A table that lost a column is no lock that passes: the error says so, and what it refused it does not quote."""
    outbox = make_outbox()
    begin(outbox, CALLS[0])
    with sa.create_engine(outbox_url).begin() as raw:
        raw.execute(sa.text("ALTER TABLE spans RENAME COLUMN digest TO digested"))
    with pytest.raises(OutboxError) as caught:
        put(outbox, CALLS[0], "user_turn", note="Jane Doe")
    assert not isinstance(caught.value, OutboxUnavailableError)
    assert "Jane" not in caught.value.diagnostics()


def test_a_file_of_the_first_version_goes_on(path: Path, box: Outbox) -> None:
    """What waits in it is delivered, its call takes further spans, and it does not count as old."""
    path.parent.mkdir()
    with closing(Outbox(f"sqlite:///{path.with_name('new.db')}", destinations=["archive"], owner="o")) as new:
        begin(new, CALLS[0])
        put(new, CALLS[0], "user_turn", 0)
        [expected] = new.due("archive", 9)
    with sqlite3.connect(path) as raw:
        raw.executescript(FIRST_VERSION)
        raw.execute("ATTACH ? AS new", (str(path.with_name("new.db")),))
        for table in ("calls", "spans", "deliveries"):
            names = ", ".join(row[1] for row in raw.execute(f"PRAGMA main.table_info({table})"))
            raw.execute(f"INSERT INTO main.{table} ({names}) SELECT {names} FROM new.{table}")
    raw.close()
    assert box.due("archive", 9) == [expected]
    put(box, CALLS[0], "user_turn", 1)
    assert [span.fields["index"] for span in box.lease("archive", 9)] == [0, 1]
    assert box.expire(before_ms=1_700_000_000_000, record=lambda _: None) == 0


def test_a_newer_file_is_used_as_it_is(make_outbox: MakeOutbox, outbox_url: str) -> None:
    """A later version only adds columns: an older process beside it goes on."""
    begin(make_outbox(), CALLS[0])
    with sa.create_engine(outbox_url).begin() as raw:
        raw.execute(sa.text("ALTER TABLE spans ADD COLUMN further VARCHAR(9)"))
        raw.execute(sa.text(f"UPDATE outbox_version SET version = {VERSION + 1}"))
    outbox = make_outbox()
    put(outbox, CALLS[0], "user_turn")
    assert len(outbox.due("archive", 9)) == 1


def test_what_is_no_url_is_said_without_it() -> None:
    """Neither a typing error nor a driver that is not there tells the password."""
    for url in ("postgresql+nothing://clinic:hush@/db", "hush", "sqlite://"):
        with pytest.raises(OutboxError) as caught:
            Outbox(url, destinations=["archive"], owner="o")
        assert "hush" not in caught.value.diagnostics()
        assert "MEDAGENT_OUTBOX_URL" in caught.value.hint
