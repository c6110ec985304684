"""The ledger says who switched, when and why; what it refuses to hold never keeps an off from holding."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from ledgers import KEY, TRUSTED
from medagent.errors import SwitchError
from medagent.telemetry.ledger import Ledger, entries, verify
from medagent.telemetry.switch import WITHHELD_REASON, Switch
from switches import GO, audited

OFF = {"state": "off", "source": "command", "reason": "drill", "by": "duty", "report": None}
E_MAIL = "jane.doe@mail.example"


def a_switch(home: Path) -> Switch:
    ledger = Ledger(home / "ledger" / "ledger.jsonl", KEY)
    return Switch(
        home, forced=None, env="dev", audited=audited, record=lambda change: ledger.append("switch_changed", change)
    )


def recorded(home: Path) -> list[dict[str, Any]]:
    path = home / "ledger" / "ledger.jsonl"
    verify(path, TRUSTED)
    return [dict(entry.content) for entry in entries(path) if entry.kind == "switch_changed"]


def break_the_ledger(home: Path) -> None:
    (home / "ledger").mkdir(parents=True)
    (home / "ledger" / "ledger.jsonl").mkdir()


def test_every_change_is_recorded(tmp_path: Path) -> None:
    """Who, what and why, in order, in a ledger that verifies; a second trip of the same hour is the first."""
    switch = a_switch(tmp_path)
    switch.turn_off(reason="drill", by="duty")
    switch.turn_on(report=GO, by="officer")
    switch.trip("a leak at the door")
    switch.trip("another leak at the door")
    assert recorded(tmp_path) == [
        OFF,
        {**OFF, "state": "on", "reason": "a signed audit report allows it", "by": "officer", "report": GO},
        {**OFF, "source": "trip", "reason": "a leak at the door", "by": "medagent"},
    ]


def test_an_off_is_never_refused_for_its_words(tmp_path: Path) -> None:
    """A reason that looks like a person's data is withheld everywhere, and telemetry is off."""
    switch = a_switch(tmp_path)
    switch.turn_off(reason=f"asked for by {E_MAIL}", by="duty")
    assert (switch.state().on, switch.state().reason) == (False, WITHHELD_REASON)
    switch = a_switch(tmp_path)
    switch.trip(f"a leak of {E_MAIL}")
    assert (switch.state().source, switch.state().reason) == ("trip", WITHHELD_REASON)
    assert [change["reason"] for change in recorded(tmp_path)] == [WITHHELD_REASON] * 2
    for path in (tmp_path / "switch.json", tmp_path / "ledger" / "ledger.jsonl"):
        assert E_MAIL not in path.read_text()


def test_off_holds_without_the_ledger_and_on_does_not(tmp_path: Path) -> None:
    """A ledger that cannot be written is said; telemetry is off on the whole host and stays so."""
    break_the_ledger(tmp_path)
    with pytest.raises(SwitchError, match="telemetry is off on this host, but"):
        a_switch(tmp_path).turn_off(reason="drill", by="duty")
    assert not a_switch(tmp_path).is_on()
    with pytest.raises(SwitchError, match="telemetry stays off"):
        a_switch(tmp_path).turn_on(report=GO, by="duty")
    assert not a_switch(tmp_path).is_on()


def test_a_trip_holds_without_the_ledger(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """In its process and on the host, and the log says that nobody recorded it."""
    break_the_ledger(tmp_path)
    switch = a_switch(tmp_path)
    switch.trip("a leak at the door")
    assert not switch.is_on()
    assert not a_switch(tmp_path).is_on()
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    assert "could not be written" in caplog.text


def test_a_trip_of_a_broken_disk_is_recorded(tmp_path: Path) -> None:
    """Where the switch's own file cannot be written, the ledger still says that it tripped."""
    (tmp_path / "switch.json").mkdir()
    switch = a_switch(tmp_path)
    switch.trip("a leak at the door")
    assert not switch.is_on()
    assert [change["source"] for change in recorded(tmp_path)] == ["trip"]
