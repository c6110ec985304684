"""A host whose clock differs from the database's: it says so, and exports nothing in prod; the others go on."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from ledgers import KEY
from medagent.errors import EgressOffError
from medagent.telemetry.gates import ExportGate, StoreGate
from medagent.telemetry.ledger import Ledger, LedgerTrips
from medagent.telemetry.outbox.shared_switch import OutboxSwitch
from medagent.telemetry.switch import Switch
from medagent.telemetry.switch_sync import SwitchSync

HOUR_S = 3600.0
GO = "90" * 32


class Host:
    """A host's switch and its side of the shared one, with a clock that is ahead by some seconds."""

    def __init__(self, home: Path, url: str, *, env: Literal["dev", "prod"], ahead_s: float = 0.0) -> None:
        path = home / "ledger" / "ledger.jsonl"
        self.shared = OutboxSwitch(url, host=home.name, name=home.name, clock=lambda: time.time() + ahead_s)
        self.switch = Switch(
            home,
            forced=None,
            env=env,
            audited=lambda _report: datetime.now(UTC) - timedelta(seconds=1),
            record=lambda change: Ledger(path, KEY).append("switch_changed", change),
            ledger=LedgerTrips(path),
            shared=self.shared,
        )
        self.sync = SwitchSync(self.switch, self.shared)

    def close(self) -> None:
        self.switch.close()


@pytest.fixture
def right(tmp_path: Path, postgresql_url: str) -> Iterator[Host]:
    with closing(Host(tmp_path / "right", postgresql_url, env="prod")) as host:
        yield host


@pytest.mark.parametrize("hours", [1, -1])
def test_wrong_clock_holds_exports_in_prod(tmp_path: Path, postgresql_url: str, right: Host, hours: int) -> None:
    """Spans are stored, no request leaves; a host whose clock is right exports."""
    with closing(Host(tmp_path / "wrong", postgresql_url, env="prod", ahead_s=hours * HOUR_S)) as wrong:
        for host in (right, wrong):
            host.switch.turn_on(report=GO, by="officer")
        assert StoreGate(wrong.switch).is_open()
        with pytest.raises(EgressOffError, match=r"36\d\d s (ahead of|behind) the database's"):
            ExportGate(wrong.switch)()
        ExportGate(right.switch)()


def test_wrong_clock_does_not_hold_exports_in_dev(tmp_path: Path, postgresql_url: str) -> None:
    """It is said all the same."""
    with closing(Host(tmp_path / "wrong", postgresql_url, env="dev", ahead_s=HOUR_S)) as wrong:
        ExportGate(wrong.switch)()
        wrong.sync.look()
        [told] = wrong.shared.hosts()
        assert "ahead of the database's" in told.says()
        assert told.has_problem()


def test_wrong_clock_is_logged_once_a_minute_and_seen_by_the_others(
    tmp_path: Path, postgresql_url: str, right: Host, caplog: pytest.LogCaptureFixture
) -> None:
    """Of two hosts the one with the wrong clock has a problem, whichever asks."""
    with closing(Host(tmp_path / "wrong", postgresql_url, env="prod", ahead_s=HOUR_S)) as wrong:
        with caplog.at_level(logging.ERROR, logger="medagent.telemetry.switch_sync"):
            for _ in range(3):
                wrong.sync.look()
                right.sync.look()
        assert len([line for line in caplog.messages if "ahead of the database's" in line]) == 1
        for host in (right, wrong):
            assert {one.host: one.has_problem() for one in host.shared.hosts()} == {"right": False, "wrong": True}


def test_small_difference_is_none(tmp_path: Path, postgresql_url: str) -> None:
    """Half a minute holds nothing back."""
    with closing(Host(tmp_path / "near", postgresql_url, env="prod", ahead_s=-30)) as near:
        near.switch.turn_on(report=GO, by="officer")
        ExportGate(near.switch)()
        near.sync.look()
        assert not near.shared.hosts()[0].has_problem()
