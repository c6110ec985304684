"""What an audit finds of an agent: each part alone is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from attestation.audits import with_agent
from audit.reports import go
from medagent.agent.agent_schema import FieldKind, ToolField, ToolSchema, Unseen
from medagent.attestation.report import AgentAudit, AgentField
from medagent.audit.agent_findings import agent_audit, wrong_fields, wrong_tools
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.planted import plant
from medagent.audit.planted_results import ToolRuns
from medagent.audit.their_agent import AgentDone
from medagent.redaction import Policy, load_policy
from medagent.redaction.loading import find_policy

PLANTED = plant(seed=3, calls=1)
LETTERS = "ABCDEFGHIJKLMNOPQR"
ROOT = Path(__file__).parent.parent.parent
FIELDS = (
    ToolField(declared=("arguments", "rx-number"), kind=FieldKind.TEXT),
    ToolField(declared=("result", "ordered"), kind=FieldKind.BOOLEAN),
    ToolField(declared=("result", "note"), kind=FieldKind.TEXT),
)
TOOL = ToolSchema(name="orderRefill", fields=FIELDS)


def subject(**changes: Any) -> AgentSubject:
    about: dict[str, Any] = {"tools": (TOOL,), "unseen": ()} | changes
    return AgentSubject(text="desk:factory", factory="desk:factory", directory=ROOT, file=Path(__file__), **about)


def done(**changes: Any) -> AgentDone:
    held = {one.path: dict.fromkeys(LETTERS, 2) for one in FIELDS}
    about: dict[str, Any] = {"runs": ToolRuns(entered={"orderRefill": 4}), "fields": {"tool.order_refill": held}}
    return AgentDone(**(about | {"unbound": (), "refused": ()} | changes))


def record(called: int = 4, *offered: str) -> dict[str, Any]:
    response = {"kind": "tool", "tool": "orderRefill", "scenario": "long-00-agent"}
    return {"responses": [response] * called, "offered": {"long-00-agent": ["orderRefill", *offered]}, "called": {}}


def audited(*, policy: Policy | None = None, seen: Any = None, told: Any = None, **changes: Any) -> AgentAudit:
    return agent_audit(
        subject(**changes),
        [seen or done()],
        told or record(),
        policy=policy or load_policy(ROOT / "examples" / "refill-line.yaml"),
        planted=PLANTED,
        entry=Path(__file__),
    )


def test_agent_whose_every_part_was_seen_has_nothing_against_it() -> None:
    """Its tools and fields are told by the agent's names and the policy's paths, each with what becomes of it."""
    found = audited()
    assert list(wrong_tools(found)) == list(wrong_fields(found)) == []
    [tool] = found.tools
    assert (tool.name, tool.span, tool.offered, tool.called, tool.ran) == ("orderRefill", "tool.order_refill", 1, 4, 4)
    assert [(one.path, one.action) for one in tool.fields] == [
        ("arguments.rx_number", "REDACT"),
        ("result.ordered", "KEEP"),
        ("result.note", "TRUNCATE"),
    ]
    assert Path(__file__).name in {one.name for one in found.files}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        pytest.param({"told": record(0)}, "orderRefill: not called", id="not-called"),
        pytest.param({"told": {"responses": [], "offered": {}}}, "orderRefill: not offered to the model", id="offered"),
        pytest.param({"seen": done(runs=ToolRuns())}, "orderRefill: called 4 times and not run", id="not-run"),
        pytest.param({"told": record(4, "peek")}, "peek: offered to the model and not declared", id="hidden"),
        pytest.param(
            {"seen": done(runs=ToolRuns(entered={"orderRefill": 4, "peek": 1}))},
            "peek: offered to the model and not declared",
            id="run-hidden",
        ),
        pytest.param(
            {"unseen": (Unseen(where="Desk", reason="a toolset"),)}, "not covered: Desk: a toolset", id="unseen"
        ),
    ],
)
def test_tool_that_was_not_covered_is_named(changes: dict[str, Any], says: str) -> None:
    """By the agent's own name."""
    assert list(wrong_tools(audited(**changes))) == [says]


def test_name_that_is_no_identifier_is_not_quoted() -> None:
    """A model, or a tool that is made for each caller, could put anything there."""
    [said] = wrong_tools(audited(told=record(4, "Jane Doe, 1951")))
    assert "Jane" not in said


def test_part_of_which_the_policy_lets_nothing_out_need_not_be_seen() -> None:
    """It is listed all the same."""
    reason = "its type is not declared"
    parts = [
        Unseen(where="Desk", reason=reason, span="tool.find_prescription", path=path)
        for path in ("result.shelf", "result.found")
    ]
    found = audited(unseen=tuple(parts))
    assert found.withheld == (f"Desk: result.shelf: {reason}",)
    assert found.unseen == (f"Desk: result.found: {reason}",)


def test_field_that_did_not_hold_every_kind_is_named() -> None:
    """With how many it held."""
    held = {one.path: dict.fromkeys("ABC", 1) for one in FIELDS[:2]}
    found = list(wrong_fields(audited(seen=done(fields={"tool.order_refill": held}))))
    assert found == [
        "orderRefill arguments.rx_number: held 3 of 18 kinds",
        "orderRefill result.ordered: held 3 of 18 kinds",
        "orderRefill result.note: held 0 of 18 kinds",
    ]


def test_field_that_the_policy_keeps_with_an_identifier_is_named(tmp_path: Path) -> None:
    """Although the redactor stops what it knows: the shape takes what it does not know."""
    text = (ROOT / "examples" / "refill-line.yaml").read_text()
    old = "result.note: {action: TRUNCATE, category: health_text, max: 50}"
    shape = '{pattern: "[A-Za-z][^<>]{3,200}"}'
    new = f"result.note: {{action: KEEP, category: health_text, shape: {shape}, why: It is read by a pharmacist.}}"
    assert old in text
    file = tmp_path / "policy.yaml"
    file.write_text(text.replace(old, new))
    [said] = wrong_fields(audited(policy=load_policy(file)))
    assert said.startswith("orderRefill result.note: keeps ")
    assert said.endswith("planted texts by its shape")


def test_packaged_policy_keeps_no_planted_text_in_a_field_of_a_tool() -> None:
    """The clinic's own rules are not what the check objects to."""
    from medagent.agent.agent_tools import schema_of_tools
    from medagent.tools import TOOLS

    fields: list[AgentField] = []
    policy = load_policy(find_policy())
    for tool in schema_of_tools(TOOLS).tools:
        found = audited(policy=policy, tools=(tool,), told={"responses": [], "offered": {}})
        fields += [one for each in found.tools for one in each.fields]
    assert [one.path for one in fields if one.keeps] == []
    assert sum(one.tried > 0 for one in fields) > 5


def test_objections_of_the_linter_are_in_the_report() -> None:
    """As `policy lint` says them, with the fields."""
    found = audited(policy=load_policy(find_policy()))
    assert any(
        one.startswith("tool.order_refill: no rule names: ") and "result.note" in one for one in found.objections
    )


def test_hosts_are_named_only_where_they_were_expected() -> None:
    """A refused host may hold a caller's data; those that somebody named do not."""
    seen = done(refused=("api.pharmacy.example", "jane.example"))
    made = agent_audit(
        subject(),
        [seen],
        record(),
        policy=load_policy(find_policy()),
        planted=PLANTED,
        entry=Path(__file__),
        tool_hosts=["api.pharmacy.example", "other.example"],
    )
    assert made.tool_hosts == ("api.pharmacy.example",)


def test_report_of_an_agent_is_shown() -> None:
    """Its tools and fields stand in a section of their own, which no other report has."""
    from medagent.attestation.signed import Signed
    from medagent.audit.render import html

    without = go()[0]
    report = with_agent(without)
    shown = html(report, Signed.nobody(report))
    assert "The agent and its tools" in shown
    assert "desk:factory" in shown
    assert "The agent and its tools" not in html(without, Signed.nobody(without))
