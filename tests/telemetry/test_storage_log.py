"""A full disk is one line a minute, and no word of it says that telemetry is off."""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from command import medagent
from medagent.errors import ExportError, OutboxUnavailableError
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry import storage_log as module
from medagent.telemetry.storage_log import StorageLog


def test_storage_log_passes_one_line_a_minute(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever fails first speaks for all; the next line tells how many there were."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    made, log = StorageLog(), logging.getLogger("medagent.test")
    for _ in range(240):
        made.error(log, "telemetry waits", OutboxUnavailableError("the outbox cannot be used"))
        made.error(log, "shipping to archive", ExportError("not written"))
        now[0] += 0.5
    assert len(caplog.messages) == 2
    assert "239 lines" in caplog.messages[1]


@pytest.mark.timing
def test_full_disk_is_one_line_of_a_whole_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Outbox and archive refuse every write at once, as on a full disk: worker, shippers and recovery share a line."""
    settings = load_settings(MEDAGENT_HOME=tmp_path)
    telemetry = Telemetry(settings).start()
    try:
        telemetry.flush(60)
        caplog.clear()
        with (
            closing(sqlite3.connect(tmp_path / "outbox" / "outbox.db", isolation_level=None)) as one,
            closing(sqlite3.connect(tmp_path / "archive" / "archive.db", isolation_level=None)) as two,
        ):
            for database in (one, two):
                database.execute("PRAGMA journal_mode")
                database.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                telemetry.hello()
            while not caplog.messages:
                time.sleep(0.05)
            assert telemetry.pipeline.flush(60)  # the spool takes what the outbox cannot
            time.sleep(6)  # SQLite itself waits for 5 s
            assert telemetry.switch.is_on()
        assert len(caplog.messages) == 1, caplog.messages
        assert "is off" not in caplog.text.lower()
        assert not telemetry.flush(120)
    finally:
        telemetry.close(30)


@pytest.mark.timing
def test_status_names_the_switch_where_the_outbox_cannot_be_read(tmp_path: Path) -> None:
    """What cannot be counted is null, and telemetry is on."""
    (tmp_path / "outbox" / "outbox.db").mkdir(parents=True)
    done = medagent("telemetry", "status", home=tmp_path)
    assert done.code == 0
    assert "telemetry is on" in done.out
    assert "telemetry is off" not in done.out + done.err
