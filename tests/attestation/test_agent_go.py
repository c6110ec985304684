"""A GO for an agent of the clinic's own is of an audit that played it, and saw every part of it."""

from __future__ import annotations

from typing import Any

import pytest

from attestation.audits import with_agent
from audit.reports import go
from medagent.attestation.minimum import AGENT_CRITERIA, unmet_by_agent
from medagent.attestation.report import AgentField, AgentTool, BoundSetting, Report

FIELD = AgentField(path="result.note", kind="text", letters=(), held=0, action=None, category=None)


def bound(report: Report, value: str) -> Report:
    settings = tuple(one for one in report.system.settings if one.name != "MEDAGENT_AGENT")
    settings = (*settings, BoundSetting(name="MEDAGENT_AGENT", value=value))
    return report.model_copy(update={"system": report.system.model_copy(update={"settings": settings})})


def tool(**changes: Any) -> AgentTool:
    [made] = with_agent(go()[0]).agent.tools  # type: ignore[union-attr]  # it has one
    return made.model_copy(update=changes)


def field(**changes: Any) -> tuple[AgentField, ...]:
    return tuple(one.model_copy(update=changes) for one in tool().fields)


def test_agent_that_was_played_whole_meets_it() -> None:
    """And so does the packaged receptionist, which needs none of it."""
    report = go()[0]
    assert list(unmet_by_agent(bound(with_agent(report), "ab" * 32))) == []
    assert list(unmet_by_agent(bound(report, "medagent"))) == []
    assert list(unmet_by_agent(report)) == []


def test_agent_that_was_not_played_does_not() -> None:
    """Neither does one to which the report is not bound."""
    report = go()[0]
    assert list(unmet_by_agent(bound(report, "ab" * 32))) == ["it is bound to an agent that was not played"]
    assert list(unmet_by_agent(bound(with_agent(report), "medagent"))) == [
        "it is not bound to the agent that was played"
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"tools": (tool(called=0),)}, "find was not declared, called and run", id="called"),
        pytest.param({"tools": (tool(ran=0),)}, "find was not declared, called and run", id="run"),
        pytest.param({"tools": (tool(declared=False),)}, "find was not declared, called and run", id="declared"),
        pytest.param({"tools": ()}, "no field of a tool was seen", id="no-tool"),
        pytest.param({"tools": (tool(fields=field(letters=("A",))),)}, "every kind of identifier", id="kinds"),
        pytest.param({"tools": (tool(fields=field(keeps=3, tried=9)),)}, "kept with an identifier", id="kept"),
        pytest.param({"unseen": ("desk: a toolset",)}, "was not seen", id="unseen"),
        pytest.param({"objections": ("tool.find: no rule",)}, "`policy lint` objects", id="lint"),
        pytest.param({"unbound": ("desk.more",)}, "a module of the agent is not bound", id="module"),
        pytest.param({"files": ()}, "a module of the agent is not bound", id="no-file"),
    ],
)
def test_each_part_alone_stands_against_a_go(changes: dict[str, Any], says: str) -> None:
    """Whatever the criteria of the report say."""
    [found] = unmet_by_agent(bound(with_agent(go()[0], **changes), "ab" * 32))
    assert says in found


@pytest.mark.parametrize("name", sorted(AGENT_CRITERIA))
def test_each_criterion_is_needed(name: str) -> None:
    """One that is missing is named."""
    report = bound(with_agent(go()[0]), "ab" * 32)
    report = report.model_copy(update={"criteria": tuple(one for one in report.criteria if one.name != name)})
    assert list(unmet_by_agent(report)) == [f"criterion {name} is missing"]


def test_report_without_an_agent_has_no_word_of_it() -> None:
    """So that a report from before stays what was signed, byte by byte."""
    assert "agent" not in go()[0].model_dump(mode="json")
    assert with_agent(go()[0]).model_dump(mode="json")["agent"]["factory"] == "desk:factory"
