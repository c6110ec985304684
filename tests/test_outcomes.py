"""Outcomes come from the tools: declared by ours, by a policy, or by the host's argument; telemetry knows no tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from medagent.errors import OutcomeError, PolicyError
from medagent.outcomes import INFORMED, ToolOutcome, outcomes_of, read_outcomes
from medagent.redaction.loading import find_policy, load_policy, read_policy
from medagent.tools import TOOLS
from strategies import started
from tape import Tape

SOURCE = Path(__file__).parents[1] / "src" / "medagent"
FRAMEWORK = ("telemetry", "redaction", "alerts", "attestation", "presidio", "proof")
FILES = ("agent/bridge.py", "agent/conversation.py", "agent/raw.py", "agent/watching.py", "agent/declaration.py")
FILES = (*FILES, "agent/tool_tasks.py", "agent/tool_values.py", "outcomes.py", "pricing.py", "settings.py")
FILES = (*FILES, "tracing.py", *(f"runtime/{path.name}" for path in (SOURCE / "runtime").glob("*.py")))
STRANGERS = """
name: refills
version: 1.0.0
extends: clinic
outcomes:
  order_refill: {outcome: ordered, changes: true}
  find_shop: {outcome: informed, changes: false}
spans:
  tool.order_refill:
    result.shelf: {action: DROP, category: machine}
"""


def test_the_framework_names_no_tool_of_the_clinic() -> None:
    """Neither in code nor in what is shipped with it: a stranger's tools are as good as ours."""
    names = "|".join(re.escape(tool.name) for tool in TOOLS) + "|record_consent|transfer_call"
    files = [
        path for room in FRAMEWORK for path in sorted((SOURCE / room).rglob("*")) if path.suffix in (".py", ".yaml")
    ]
    for path in (*files, *(SOURCE / file for file in FILES)):
        assert not re.findall(rf"\b({names})\b", path.read_text("utf-8")), path


def test_each_of_our_tools_declares_its_outcome() -> None:
    """The outcome of a call, and whether anything is changed."""
    assert {name: (one.outcome, one.changes) for name, one in outcomes_of(TOOLS).items()} == {
        "check_availability": ("informed", False),
        "book_appointment": ("booked", True),
        "cancel_appointment": ("cancelled", True),
        "reschedule_appointment": ("rescheduled", True),
        "get_opening_hours": ("informed", False),
        "get_medical_guidelines": ("informed", False),
    }


@pytest.mark.parametrize(
    "written",
    ["ordered", ("ordered", True), {"outcome": "ordered"}, {"outcome": "ordered", "changes": True}],
    ids=str,
)
def test_a_host_declares_an_outcome_in_any_of_the_forms(written: object) -> None:
    """The outcome alone is enough: what is not `informed` has changed something."""
    expected = ToolOutcome(outcome="ordered", changes=True)
    assert read_outcomes({"order_refill": written}) == {"order_refill": expected}
    assert read_outcomes({"order_refill": expected, "tell": "informed"}) == {"order_refill": expected, "tell": INFORMED}


@pytest.mark.parametrize(
    "given",
    [{"a": "failed"}, {"a": "Jane Doe"}, {"a": 3}, {"a": {"result": "x"}}, {"a": ("x", 1)}, {"": "x"}, {3: "x"}],
    ids=str,
)
def test_an_outcome_that_no_tool_can_have_is_an_error(given: Any) -> None:
    """Refused are outcomes of the call itself and values that are not words; the message quotes nothing."""
    with pytest.raises(OutcomeError) as error:
        read_outcomes(given)
    assert "Jane" not in str(error.value)


@pytest.mark.parametrize(
    ("tools", "outcome", "failures"),
    [
        ([("order_refill", "ok")], "ordered", 0),
        ([("find_shop", "ok")], "informed", 0),
        ([("order_refill", "failed"), ("order_refill", "ok")], "ordered", 1),
        ([("order_refill", "ok"), ("order_refill", "failed")], "failed", 1),
        ([("order_refill", "ok"), ("find_shop", "timeout")], "ordered", 1),
        ([("find_shop", "ok"), ("find_shop", "failed")], "failed", 1),
        ([("find_shop", "failed"), ("find_shop", "ok")], "informed", 1),
    ],
)
def test_a_call_to_a_stranger_s_tools_has_their_outcome(
    tools: list[tuple[str, str]], outcome: str, failures: int
) -> None:
    """The last attempt at a change decides; without a change the last run does, and each failure is counted."""
    declared = read_outcomes({"order_refill": "ordered", "find_shop": "informed"})
    tape = Tape(outcomes=declared).answers("r1", 0, 100, 200)
    for number, (tool, said) in enumerate(tools):
        tape.uses(f"t{number}", tool, f'{{"outcome": "{said}"}}', 500 + number)
    totals = tape.ends(900)
    assert (totals["outcome"], totals["tool_failures"]) == (outcome, failures)


def test_an_outcome_is_of_a_tool_in_every_spelling() -> None:
    """The host may write the name as its code, its policy or its model does; two spellings are one tool."""
    for declared, called in (("orderRefill", "order_refill"), ("order_refill", "Order-Refill"), ("oRdEr", "oRdEr")):
        tape = Tape(outcomes=read_outcomes({declared: "ordered"})).uses("t", called, "{}", 100)
        assert tape.ends(900)["outcome"] == "ordered"
    with pytest.raises(OutcomeError, match="one tool"):
        read_outcomes({"orderRefill": "ordered", "order_refill": "informed"})


def test_a_host_s_word_comes_before_the_process_s() -> None:
    """The same tool may be another's in this call."""
    tape = Tape(outcomes=read_outcomes({"book_appointment": "ordered"})).uses("t", "book_appointment", "{}", 100)
    assert tape.ends(900)["outcome"] == "ordered"


def test_a_policy_declares_outcomes_and_lets_them_out(tmp_path: Path) -> None:
    """The word and the tool's name may leave by the declaration alone; what is not declared may not."""
    path = tmp_path / "refills.yaml"
    path.write_text(STRANGERS)
    policy = load_policy(path)
    assert policy.outcomes == read_outcomes({"order_refill": "ordered", "find_shop": "informed"})
    for span in ("voice_session", "session.end"):
        rule = policy.rule_for(span, ("outcome",))
        assert rule is not None
        assert rule.shape is not None
        assert [rule.shape.fits(word, {}) for word in ("ordered", "booked", "sold")] == [True, True, False]
    name = policy.rule_for("session.end", ("tools", 0, "name"))
    assert name is not None
    assert name.shape is not None
    assert [name.shape.fits(word, {}) for word in ("order_refill", "jane_doe")] == [True, False]
    assert load_policy(find_policy()).digest != policy.digest


@pytest.mark.parametrize(
    "declared",
    ["{outcome: failed, changes: true}", "{outcome: Jane Doe, changes: true}", "{outcome: ordered}", "ordered"],
)
def test_a_policy_s_outcome_that_is_not_usable_is_a_problem(tmp_path: Path, declared: str) -> None:
    """File and line are named."""
    path = tmp_path / "refills.yaml"
    path.write_text(STRANGERS.replace("{outcome: ordered, changes: true}", declared))
    with pytest.raises(PolicyError, match=r"refills.yaml:6: outcomes.order_refill"):
        read_policy(path)


def test_a_call_that_declares_nothing_has_no_outcome_of_a_tool() -> None:
    """A tool without a declaration tells, and changes nothing."""
    assert started().outcomes is None
    assert Tape().uses("t", "order_refill", '{"outcome": "ok"}', 100).ends(900)["outcome"] == "informed"
