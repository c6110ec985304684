"""What the audit's self-test rests on; the sabotages themselves are played by `make audit-selftest`."""

from __future__ import annotations

import pytest
from tests.audit.selftest.playing import Played, wrong
from tests.audit.selftest.sabotage import Sabotage, is_process
from tests.audit.selftest.sabotages import load


@pytest.mark.parametrize("one", load().values(), ids=lambda one: one.name)
def test_no_sabotage_reaches_the_auditor(one: Sabotage) -> None:
    """Its process is another, whatever else stands on the auditor's command line."""
    auditor = ("python", "-c", "from medagent.cli import main; main()", "audit", "run", "protocol.yaml", "--out", "off")
    assert not is_process(one.process, auditor)


def test_there_are_more_than_twenty_five_and_each_breaks_something() -> None:
    """Every one alters a module or the policy, and names the cause that it expects."""
    assert len(load()) >= 25
    assert all(one.causes and (one.alterations or one.policy) for one in load().values())


def test_another_cause_and_an_unaltered_system_are_no_proof() -> None:
    """What fails for another reason, what passes, and what broke nothing are all wrong."""
    sabotage = load()["alert_muted"]

    def played(verdict: str, *causes: str, trouble: str = "") -> Played:
        return Played(sabotage=sabotage, verdict=verdict, causes=causes, seconds=1.0, trouble=trouble)

    silent = "alerts: silent: error_rate (limit: 3 alerts)"
    assert wrong([played("NOT CLEAN", silent)]) == []
    mistaken = [
        played("NOT CLEAN", "leaks: 1 found"),
        played("CLEAN"),
        played("NOT CLEAN", silent, trouble="nothing was altered"),
    ]
    assert wrong(mistaken) == mistaken
