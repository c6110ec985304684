"""A GO ends: after its days, with an officer's key, with an unknown clock; and a message is sent before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from attestation.audits import HOST, KEYS, LIST, NOW, SECRET, Audit, audit, bound_to, pin
from ledgers import KEY
from medagent.alerts.rules import load_alerts
from medagent.alerts.state import AlertState
from medagent.alerts.watch import Watch
from medagent.attestation.officers import Officers
from medagent.errors import AttestationError, SettingsError, SwitchError
from medagent.proof import SigningKey
from medagent.runtime.host import ledger_path
from medagent.runtime.kill_switch import audited, audits, switch
from medagent.settings import Settings, load_settings
from medagent.telemetry import switch as switch_module
from medagent.telemetry.ledger import LedgerTrips
from medagent.telemetry.ledger.entry import Entry
from medagent.telemetry.switch import Switch

On = Callable[..., tuple[Settings, Audit]]


@pytest.fixture
def turned_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> On:
    """A prod host on which a GO switched telemetry on; the audit began so long ago."""
    for name, value in (SECRET | {"MEDAGENT_ENV": "prod"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDAGENT_OFFICERS", str(pin(tmp_path / "officers")))

    def made(began: datetime) -> tuple[Settings, Audit]:
        settings = load_settings()
        here = bound_to(settings)

        def for_prod(report: Any) -> Any:
            return here(report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})}))

        whole = audit(for_prod, key=HOST, began=began).complete()
        whole.written(audits(settings) / whole.bundle.report_sha256)
        switch(settings).turn_on(report=whole.bundle.report_sha256, by="officer")
        return settings, whole

    return made


def test_a_go_ends_after_its_days(turned_on: On, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the day before it is on; with fewer days it is off for every start, `on` and running process."""
    settings, whole = turned_on(NOW - timedelta(days=29))
    running = switch(settings)
    assert running.state().on
    for days in ("30", "365"):
        monkeypatch.setenv("MEDAGENT_GO_DAYS", days)
        assert switch(load_settings()).state().on
    monkeypatch.setenv("MEDAGENT_GO_DAYS", "29")
    fewer = load_settings()
    state = switch(fewer).state()
    assert (state.on, state.source) == (False, "audit_missing")
    assert "the GO ended on" in str(state.reason)
    with pytest.raises(AttestationError, match="the GO ended on"):
        audited(fewer, whole.bundle.report_sha256)
    with pytest.raises(SwitchError, match="the GO ended on"):
        switch(fewer).turn_on(report=whole.bundle.report_sha256, by="officer")


def test_a_go_that_ends_while_a_process_runs_turns_it_off(turned_on: On) -> None:
    """Nothing is verified anew for it: the end is known since the first look."""
    settings, _ = turned_on(NOW - timedelta(days=200))
    running = switch(settings)
    assert running.state().on
    running._go_days = 200
    running._audited = None
    running._looked_at = float("-inf")
    assert "the GO ended on" in str(running.state().reason)


@pytest.mark.parametrize("days", ["0", "366", "-1", "x"])
def test_a_go_lasts_a_year_at_most(days: str) -> None:
    """Another number is an error that names the setting."""
    with pytest.raises(SettingsError, match="MEDAGENT_GO_DAYS"):
        load_settings(MEDAGENT_GO_DAYS=days)


@pytest.mark.parametrize("name", list(KEYS)[:3])
def test_an_officer_who_is_removed_ends_every_go_of_theirs(name: str, turned_on: On, tmp_path: Path) -> None:
    """Reviewer or sign-off: at the next start, and within an hour in a process that runs."""
    settings, _ = turned_on(NOW - timedelta(days=1))
    running = switch(settings)
    assert running.state().on
    for file in (tmp_path / "officers").glob("*.json"):
        file.unlink()
    pin(tmp_path / "officers", Officers(all=tuple(one for one in LIST.all if one.name != name)))
    assert "nobody on the pinned list" in str(switch(settings).state().reason)
    running._looked_at = float("-inf")
    assert running.state().on
    assert running._verified is not None
    running._verified = (*running._verified[:2], running._verified[2] - switch_module._VERIFIED_FOR_S - 1)
    running._looked_at = float("-inf")
    assert not running.state().on


def append(path: Path, at: datetime, number: int = 0, key: SigningKey = KEY) -> None:
    """An entry of the ledger as it is written at a time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Entry.make(
        "checkpoint",
        {"by": "duty"},
        sequence=number,
        previous="0" * 64,
        at=at.isoformat(timespec="microseconds"),
        key=key,
    )
    with path.open("ab") as file:
        file.write(made.line() + b"\n")


@pytest.mark.parametrize(("ahead_s", "is_known"), [(-3600, True), (240, True), (360, False), (10**9, False)])
def test_a_clock_earlier_than_the_ledger_is_off_in_prod(ahead_s: int, is_known: bool, turned_on: On) -> None:
    """By more than 5 minutes; and what follows it in the ledger does not make it known again."""
    settings, whole = turned_on(NOW - timedelta(days=1))
    path, now = ledger_path(settings), datetime.now(UTC)
    append(path, now + timedelta(seconds=ahead_s))
    append(path, now)
    state = switch(settings).state()
    assert state.on is is_known
    if not is_known:
        assert state.source == "clock"
        with pytest.raises(SwitchError, match="the clock is more than 5 minutes earlier"):
            switch(settings).turn_on(report=whole.bundle.report_sha256, by="officer")


def test_a_clock_earlier_than_the_ledger_stops_nothing_in_dev(tmp_path: Path) -> None:
    """A developer's machine may be asleep, or travel."""
    path = tmp_path / "ledger" / "ledger.jsonl"
    append(path, datetime.now(UTC) + timedelta(days=400))
    assert Switch(tmp_path, forced=None, env="dev", ledger=LedgerTrips(path)).state().on
    assert not Switch(tmp_path, forced=None, env="prod", ledger=LedgerTrips(path)).state().on


def test_a_time_that_no_ledger_wrote_is_later_than_every_clock(tmp_path: Path) -> None:
    """A line that only begins like an entry keeps the clock unknown."""
    (tmp_path / "l").write_bytes(b'{"at":"9999-99-99' + b"x" * 40 + b"\n")
    newest = LedgerTrips(tmp_path / "l").newest()
    assert newest is not None
    assert newest > datetime.now(UTC)
    (tmp_path / "l").write_bytes(b"")
    assert LedgerTrips(tmp_path / "l").newest() is None


class Sent:
    """A destination that keeps what it is sent."""

    name = "slack"

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, notice: Any) -> None:
        self.texts.append(notice.text())


def test_a_message_is_sent_30_and_7_days_before_a_go_ends(tmp_path: Path) -> None:
    """Once each, whoever looks how often; another report's end is announced anew; a GO that ended is not."""
    ends, sent = datetime.now(UTC) + timedelta(days=31), Sent()
    report = ["ab" * 32]
    watch = Watch(
        load_alerts(None),
        spans=Nothing(),
        state=AlertState(tmp_path),
        senders={"slack": sent},
        switch=Switch(tmp_path, forced=None, env="dev"),
        env="prod",
        go_ends=lambda: (report[0], ends),
    )

    def look(days_before: float) -> int:
        watch.look(now_us=int((ends - timedelta(days=days_before)).timestamp() * 1e6))
        watch.deliver()
        return len(sent.texts)

    assert [look(days) for days in (31, 30, 29, 8, 7, 6, 0.1, -1)] == [0, 1, 1, 1, 2, 2, 2, 2]
    assert "ends in 30 days or less" in sent.texts[0]
    assert "ends in 7 days or less" in sent.texts[1]
    report[0] = "cd" * 32
    assert look(3) == 3


class Nothing:
    """An archive without a call."""

    def spans_between(self, *_: Any) -> list[Any]:
        return []
