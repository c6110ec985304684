from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path

import pytest

from command import Done, run
from medagent.errors import PolicyError
from medagent.redaction import Policy, find_policy, load_policy
from medagent.redaction.loading import parse_policy
from medagent.redaction.policy import Review
from medagent.redaction.review import Problem, digest_of, objections, unnamed, with_review
from medagent.tools import TOOLS

pytestmark = pytest.mark.timing
POLICIES = Path(__file__).parents[2] / "policies"
SHIPPED = sorted(path for path in POLICIES.glob("*.yaml") if "\nspans:\n" in path.read_text("utf-8"))
OURS = {f"tool.{tool.name}": tool.field_paths for tool in TOOLS}
SMALL = """\
name: small
version: 0.1.0
fields:
  phone: {action: REDACT, category: phone, safe_harbor: D}
spans:
  tool.call_back:
    arguments: fields
    result.ok: {action: KEEP, category: machine, shape: boolean, why: Yes or no.}
"""
PATHS = ("arguments.phone", "result.ok")


def small(text: str = SMALL) -> Policy:
    return parse_policy(text, file="small.yaml")


def reviewed(text: str = SMALL, *, paths: tuple[str, ...] = PATHS) -> str:
    digest = digest_of(small(text), "tool.call_back", paths)
    return with_review(
        text, "tool.call_back", Review(by='Ines: "R"', on=date(2026, 5, 4), digest=digest), file="small.yaml"
    )


def problems(text: str, paths: tuple[str, ...] = PATHS) -> list[Problem]:
    return [objection.problem for objection in objections(small(text), {"tool.call_back": paths})]


def medagent(*arguments: str, cwd: Path) -> Done:
    return run(*arguments, environment=os.environ, directory=cwd)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.stem))
def test_no_field_of_a_tool_is_unnamed_or_unreviewed(path: Path) -> None:
    """Every policy of ours names every field of every tool of ours, and somebody has read exactly these rules."""
    assert [f"{o.span}: {o.says} {o.fields}" for o in objections(load_policy(path), OURS)] == []


def test_our_own_reviews_claim_no_more_than_they_are() -> None:
    """No review of this repository reads as an officer's."""
    assert len(SHIPPED) >= 1
    for path in SHIPPED:
        assert {review.by for review in load_policy(path).reviews.values()} == {"maintainers, no compliance review"}


def test_a_review_holds_for_what_was_read() -> None:
    """A tool without a review does not pass, with one it does, and it reads back as it was written."""
    assert problems(SMALL) == [Problem.UNREVIEWED]
    assert problems(reviewed()) == []
    assert problems(reviewed(reviewed())) == []
    assert small(reviewed()).reviews["tool.call_back"].by == 'Ines: "R"'
    assert problems(reviewed(reviewed(paths=("result.ok",)))) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{action: REDACT", "{action: DROP"),
        ("category: phone", "category: name"),
        ("safe_harbor: D", "safe_harbor: R"),
        ("shape: boolean", "shape: {number: {min: 0, max: 1}}"),
        ("spans:", "  email: {action: DROP, category: email}\nspans:"),
        ("    result.ok", "    result.no: {action: DROP, category: machine}\n    result.ok"),
    ],
)
def test_a_change_after_the_review_is_seen(old: str, new: str) -> None:
    """A rule that is added or decides otherwise needs a new review."""
    assert problems(reviewed().replace(old, new, 1)) == [Problem.CHANGED]


def test_what_changes_no_decision_needs_no_review() -> None:
    """A reason in other words, a comment and another tool's rules leave the review as it is."""
    other = reviewed().replace("Yes or no.", "Says yes or no.").replace("spans:", "# a remark\nspans:\n  user_turn: {}")
    assert problems(other) == []


def test_a_new_field_of_the_tool_is_seen() -> None:
    """A field that the tool has got since needs a rule and a review."""
    found = list(objections(small(reviewed()), {"tool.call_back": (*PATHS, "result.slots[].who", "arguments")}))
    assert [o.problem for o in found] == [Problem.UNNAMED, Problem.CHANGED]
    assert found[0].fields == ("result.slots[].who", "arguments")
    assert unnamed(small(), "tool.call_back", PATHS) == ()


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("reviewed: {by: I, on: 2026-05-04}", "tool.call_back.reviewed: 'digest' is missing"),
        ("reviewed: {by: I, on: 2026-02-30, digest: %s}", "reviewed.on: no day of the calendar"),
        ("reviewed: {by: I, on: today, digest: %s}", "reviewed.on: not of the form"),
        ("reviewed: {by: '', on: 2026-05-04, digest: %s}", "reviewed.by: not a text"),
        ("reviewed: {by: I, on: 2026-05-04, digest: abc}", "reviewed.digest: not of the form"),
        ("reviewed: {by: I, at: 2026-05-04, digest: %s}", "unknown key 'at'"),
        ("reviewed: yes", "not a mapping"),
    ],
)
def test_a_review_that_is_none(line: str, says: str) -> None:
    """A review without name, day or digest is an error with its line."""
    text = SMALL.replace("    arguments", f"    {line.replace('%s', 'a' * 64)}\n    arguments")
    with pytest.raises(PolicyError, match=r"^small\.yaml:7: spans\.tool\.call_back") as caught:
        small(text)
    assert says in str(caught.value)


def test_only_a_tool_is_reviewed() -> None:
    """A family of tools, or a span that is none, has no review."""
    for span in ("tool.*", "user_turn"):
        text = reviewed().replace("tool.call_back:", f"{'user_turn' if span == 'user_turn' else 'tool.*'}:")
        with pytest.raises(PolicyError, match="only the rules of one tool are reviewed"):
            small(text)


def test_lint_and_review_by_command(tmp_path: Path) -> None:
    """`policy lint` exits 1 until `policy review --write` has signed the rules, and again once they change."""
    path = tmp_path / "mine.yaml"
    path.write_text("".join(line for line in find_policy().read_text().splitlines(True) if "reviewed:" not in line))
    on_mine = ("--policy", str(path))
    before = medagent("policy", "lint", *on_mine, "--json", cwd=tmp_path)
    assert before.code == 1
    assert {json.loads(line)["problem"] for line in before.out.splitlines()} == {"unreviewed"}
    assert medagent("policy", "review", *on_mine, "--write", cwd=tmp_path).code == 2
    assert medagent("policy", "review", "nobody", "--by", "I", *on_mine, cwd=tmp_path).code == 2
    written = medagent("policy", "review", "--by", "Officer of a test", "--write", *on_mine, cwd=tmp_path)
    assert written.code == 0, written.err
    after = medagent("policy", "lint", *on_mine, cwd=tmp_path)
    assert (after.code, after.err) == (0, "")
    assert "Officer of a test" in after.out
    path.write_text(path.read_text().replace("LC-[A-HJ", "LX-[A-HJ"))
    changed = medagent("policy", "lint", *on_mine, cwd=tmp_path)
    assert (changed.code, changed.err, "examples" in changed.out) == (1, "", True)


AGENT = '''
from typing import TypedDict

from livekit.agents import Agent, RunContext, function_tool
from pydantic import BaseModel

from medagent.tools.book_appointment import BOOK_APPOINTMENT

class Who(BaseModel):
    patient_name: str
    nickname: str | None = None

class Answer(TypedDict):
    phone: str
    room: str

@function_tool
async def call_back(context: RunContext, who: Who, phone: str, hobbies: list[str]) -> Answer:
    """Call back."""

class Desk(Agent):
    @function_tool
    async def transfer(self, context: RunContext, extension: str) -> str:
        """Transfer."""

raw = function_tool(raw_schema={
    "name": "raw_tool", "description": "", "parameters": {"type": "object", "properties": {"mrn": {"type": "string"}}}
})(lambda raw_arguments: None)
'''


def test_lint_of_somebodys_agent(tmp_path: Path) -> None:
    """`policy lint --agent` finds every tool of a module, on classes too, and the fields that no rule names."""
    (tmp_path / "their_agent.py").write_text(AGENT)
    done = medagent("policy", "lint", "--agent", "their_agent", "--json", cwd=tmp_path)
    assert done.code == 1, done.err
    found = {(o["span"], o["problem"]): o["fields"] for o in map(json.loads, done.out.splitlines())}
    assert found == {
        ("tool.call_back", "unnamed"): [
            "arguments.who.patient_name",
            "arguments.who.nickname",
            "arguments.hobbies[]",
            "result.room",
        ],
        ("tool.call_back", "unreviewed"): [],
        ("tool.transfer", "unnamed"): ["arguments.extension", "result.output"],
        ("tool.transfer", "unreviewed"): [],
        ("tool.raw_tool", "unreviewed"): [],
        ("tool.raw_tool", "unseen"): ["result"],
        ("session.end", "unnamed"): ["call_back", "transfer", "raw_tool"],
    }


def test_a_first_policy_by_command(tmp_path: Path) -> None:
    """`policy init` writes a policy that lacks reviews alone, tells each guess, and overwrites nothing."""
    (tmp_path / "their_agent.py").write_text(AGENT)
    init = ("policy", "init", "--agent", "their_agent.py")
    done = medagent(*init, "--out", "theirs.yaml", cwd=tmp_path)
    assert done.code == 0, done.err
    assert "arguments.who.patient_name" in done.out
    text = (tmp_path / "theirs.yaml").read_text()
    assert "reviewed:" not in text
    assert text.startswith("# First policy")
    again = medagent(*init, "--out", "theirs.yaml", cwd=tmp_path)
    assert (again.code, "exists" in again.err, (tmp_path / "theirs.yaml").read_text() == text) == (2, True, True)
    theirs = ("--policy", "theirs.yaml", "--agent", "their_agent.py")
    lint = medagent("policy", "lint", *theirs, "--json", cwd=tmp_path)
    assert lint.code == 1
    problems = {(one["span"], one["problem"]) for one in map(json.loads, lint.out.splitlines())}
    assert problems == {
        *((f"tool.{name}", "unreviewed") for name in ("call_back", "transfer", "raw_tool")),
        ("tool.book_appointment", "changed"),
    }
    assert medagent("policy", "review", *theirs, "--by", "Officer of a test", "--write", cwd=tmp_path).code == 0
    assert medagent("policy", "lint", *theirs, cwd=tmp_path).code == 0
    guesses = medagent(*init, "--extends", "safe-harbor", "--json", cwd=tmp_path)
    told = [json.loads(line) for line in guesses.out.splitlines()]
    assert {one["action"] for one in told if "path" in one and "action" in one} <= {"KEEP", "REDACT", "DROP"}
    assert ("tool.transfer", "result") in {(one["span"], one["path"]) for one in told}


def test_reading_an_agent_reaches_no_host(tmp_path: Path) -> None:
    """A factory that looks somebody up is an error that names the host, and says how to allow it."""
    reaching = "import socket\n\ndef factory(ctx):\n    socket.create_connection(('192.0.2.7', 443), timeout=1)\n"
    (tmp_path / "their_agent.py").write_text(AGENT + reaching)
    done = medagent("policy", "lint", "--agent", "their_agent:factory", cwd=tmp_path)
    assert done.code == 2
    assert "192.0.2.7" in done.err
    assert "--connect" in done.err


def test_a_module_without_tools(tmp_path: Path) -> None:
    """A module that cannot be imported, or holds no tool, is an error and not a clean bill."""
    (tmp_path / "empty_agent.py").write_text("x = 1\n")
    for module in ("empty_agent", "not_there"):
        done = medagent("policy", "lint", "--agent", module, cwd=tmp_path)
        assert done.code == 2
        assert module in done.err
