"""The switch in any order of trips, offs, lifts, lost stores and new processes, against a model of it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from medagent.errors import SwitchError
from medagent.telemetry.switch import Switch
from switches import GO, with_stores


class SwitchMachine(RuleBasedStateMachine):
    """One host in dev. `kept` are the stores that hold a trip which is not lifted there."""

    def __init__(self) -> None:
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="switch-"))
        self.switch: Switch = with_stores(self.home)
        self.kept: set[str] = set()
        self.in_process = False
        self.manual_off = False
        self.on_by_reason = False
        self.recorded = False

    @rule()
    def trip(self) -> None:
        self.switch.trip("a leak at the filter")
        if not self.in_process:
            self.kept, self.in_process = {"switch.json", "ledger", "outbox"}, True
            self.manual_off = self.on_by_reason = self.recorded = False

    @rule()
    def off(self) -> None:
        self.switch.turn_off(reason="drill", by="duty")
        self.manual_off, self.on_by_reason, self.recorded = True, False, False
        if self.in_process:
            self.kept.add("switch.json")

    @rule(override=st.booleans())
    def on(self, override: bool) -> None:
        is_tripped = bool(self.kept) or self.in_process
        try:
            self.switch.turn_on_without_audit(reason="ticket OPS-1", by="duty", override=override)
        except SwitchError:
            assert is_tripped
            assert not override
        else:
            assert override or not is_tripped
            self.kept, self.in_process, self.manual_off = set(), False, False
            self.on_by_reason = self.recorded = True

    @rule()
    def audit(self) -> None:
        self.switch.turn_on(report=GO, by="officer")
        self.kept, self.in_process, self.manual_off = set(), False, False
        self.on_by_reason, self.recorded = False, False

    @rule(name=st.sampled_from(["switch.json", "ledger", "outbox"]))
    def lose(self, name: str) -> None:
        place = self.home / name
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        self.kept.discard(name)
        if name == "switch.json":
            self.manual_off = self.on_by_reason = False
        if name == "ledger":
            self.recorded = False

    @rule()
    def new_process(self) -> None:
        self.switch = with_stores(self.home)
        self.in_process = False

    @invariant()
    def state_is_that_of_the_model(self) -> None:
        is_unconfirmed = self.on_by_reason and not self.recorded
        expected = not (self.kept or self.in_process or self.manual_off or is_unconfirmed)
        for switch in (self.switch, with_stores(self.home)):
            state = switch.state()
            in_process = self.in_process and switch is self.switch
            if switch is not self.switch:
                expected = not (self.kept or self.manual_off or is_unconfirmed)
            assert state.on is expected, state
            assert (state.source == "trip") is bool(self.kept or in_process), state

    def teardown(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self.home)


def test_switch_in_any_order_is_as_its_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """No order of changes, losses and processes turns a trip that one store still has into an on."""
    monkeypatch.setattr("medagent.telemetry.switch._LOOK_EVERY_S", 0)
    monkeypatch.setattr("medagent.telemetry.switch._OUTBOX_EVERY_S", 0)
    run_state_machine_as_test(SwitchMachine, settings=settings(max_examples=25, stateful_step_count=15, deadline=None))
