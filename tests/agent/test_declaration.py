"""The arguments of `trace_call` that tell of the agent: what is not usable is logged, and the call goes on."""

from __future__ import annotations

from typing import Any

import pytest

from medagent.agent.declaration import Declaration, declare
from medagent.outcomes import ToolOutcome
from medagent.settings import load_settings


def test_arguments_come_before_settings() -> None:
    """Name and version are the user's; without either there is none, and none is invented."""
    named = load_settings(MEDAGENT_AGENT_NAME="front-desk", MEDAGENT_AGENT_VERSION="1.4.0")
    assert declare(named) == Declaration(agent_name="front-desk", agent_version="1.4.0")
    assert declare(named, agent_name="night-desk", agent_version="v2.0.0-rc.1") == Declaration(
        agent_name="night-desk", agent_version="v2.0.0-rc.1"
    )
    assert declare(load_settings()) == Declaration()


def test_outcomes_and_rosters_are_read() -> None:
    """They are copied: the host may change its own afterwards."""
    declared = declare(load_settings(), outcomes={"order": "ordered"}, rosters={"doctors": ["Dr. Amara Okafor"]})
    assert declared.outcomes == {"order": ToolOutcome(outcome="ordered", changes=True)}
    assert declared.rosters == {"doctors": frozenset({"Dr. Amara Okafor"})}


@pytest.mark.parametrize(
    "given",
    [
        {"agent_name": "415 555 0137"},
        {"agent_name": 3},
        {"agent_version": "Jane Doe"},
        {"outcomes": {"order": "failed"}},
        {"outcomes": ["order"]},
        {"rosters": {"doctors": "Dr. Amara Okafor"}},
        {"rosters": {"doctors": [3]}},
        {"rosters": ["Dr. Amara Okafor"]},
    ],
    ids=str,
)
def test_an_argument_that_is_not_usable_is_logged_without_its_value(
    given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as not given."""
    assert declare(load_settings(), **given) == Declaration()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert next(iter(given)) in caplog.text
    assert not any(word in caplog.text for word in ("Jane", "0137", "Okafor"))
