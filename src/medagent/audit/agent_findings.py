"""What an audit found of an agent of the clinic's own, tool by tool and field by field: pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medagent.agent.agent_schema import ITEM, ToolSchema
from medagent.attestation.agent_files import agent_entry
from medagent.attestation.bound import file_digests
from medagent.attestation.report import AgentAudit, AgentField, AgentFile, AgentTool
from medagent.audit.agent_calls import LETTERS
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.casting import texts_of
from medagent.audit.forms import IN_IDS
from medagent.audit.planted import Planted
from medagent.audit.their_agent import AgentDone
from medagent.redaction import Action, Policy, Rule
from medagent.redaction.policy import steps_of
from medagent.redaction.review import Problem, objections
from medagent.redaction.shapes import Moment

_SHOWN = 5
_LONGEST_NUMBER = 15
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}", re.ASCII)


def agent_audit(
    subject: AgentSubject,
    done: Sequence[AgentDone],
    record: Mapping[str, Any],
    *,
    policy: Policy,
    planted: Sequence[Planted],
    entry: Path,
    tool_hosts: Sequence[str] = (),
) -> AgentAudit:
    """Put together the report's part on the agent.

    Args:
        subject: The agent and the tools that it declares.
        done: What each audited process saw of it.
        record: The simulator's own account: tools that were offered and called.
        policy: The policy in force.
        planted: Values of all calls.
        entry: The file to which the report is bound.
        tool_hosts: Hosts that its tools were expected to call.
    """
    called = Counter(one["tool"] for one in record["responses"] if one["kind"] == "tool")
    called.update(name for names in record.get("called", {}).values() for name in names)
    offered = Counter(name for names in record.get("offered", {}).values() for name in names)
    ran, raised = Counter[str](), Counter[str]()
    held: dict[tuple[str, str], Counter[str]] = {}
    for one in done:
        ran.update(one.runs.entered)
        raised.update(one.runs.raised)
        for span, paths in one.fields.items():
            for path, letters in paths.items():
                held.setdefault((span, path), Counter()).update(letters)
    texts = sorted({text for one in planted for text in texts_of(one)} - _parts_in_ids(planted))
    tools = []
    for tool in subject.declared():
        names = {one.name for one in subject.tools if one.span == tool.span}
        tools.append(
            AgentTool(
                name=tool.name,
                span=tool.span,
                declared=True,
                offered=sum(offered[name] for name in names),
                called=sum(called[name] for name in names),
                ran=sum(ran[name] for name in names),
                raised=sum(raised[name] for name in names),
                fields=tuple(_fields(tool, held, policy, texts)),
            )
        )
    declared = {one.name for one in subject.tools}
    for name in sorted({*offered, *ran} - declared):
        tools.append(
            AgentTool(
                name=name if _NAME.fullmatch(name) else "a tool of another name",
                span="tool.unnamed",
                declared=False,
                offered=offered[name],
                called=called[name],
                ran=ran[name],
                raised=raised[name],
                fields=(),
            )
        )
    schema = subject.schema_
    against = [*objections(policy, schema.paths()), *schema.objections(policy)]
    not_seen = {(one.span, one.fields) for one in against if one.problem is Problem.UNSEEN}
    unseen: list[str] = []
    withheld: list[str] = []
    for part in subject.unseen:
        place = (part.span or part.where, (part.path,) if part.path else ())
        says = f"{part.where}: {part.path + ': ' if part.path else ''}{part.reason}"
        (unseen if place in not_seen else withheld).append(says)
    return AgentAudit(
        factory=subject.text,
        entry=agent_entry(entry),
        files=tuple(AgentFile(name=name, sha256=sha256) for name, sha256 in file_digests(entry).items()),
        unbound=tuple(sorted({name for one in done for name in one.unbound})),
        tools=tuple(tools),
        unseen=tuple(unseen),
        withheld=tuple(withheld),
        objections=tuple(
            f"{one.span}: {one.says}" + (f": {', '.join(one.fields)}" if one.fields else "") for one in against
        ),
        tool_hosts=tuple(host for host in tool_hosts if any(host in one.refused for one in done)),
    )


def _parts_in_ids(planted: Sequence[Planted]) -> set[str]:
    """Ids that hold a part of a name: only what knows the name can stop one, and the drills show that it does."""
    return {text for one in planted for text in one.forms.get(IN_IDS, ())}


def _fields(
    tool: ToolSchema,
    held: Mapping[tuple[str, str], Mapping[str, int]],
    policy: Policy,
    texts: Sequence[str],
) -> Iterator[AgentField]:
    for each in {one.path: one for one in tool.fields}.values():
        letters = held.get((tool.span, each.path), {})
        steps = tuple(0 if step == ITEM else step for step in steps_of(each.path))
        rule = policy.rule_for(policy.span_name(tool.span), steps)
        keeps, tried = _kept(rule, texts)
        yield AgentField(
            path=each.path,
            kind=each.kind.value,
            letters=tuple(sorted(letters)),
            held=sum(letters.values()),
            action=None if rule is None else rule.action.value,
            category=None if rule is None else rule.category.value,
            keeps=keeps,
            tried=tried,
        )


def _kept(rule: Rule | None, texts: Collection[str]) -> tuple[int, int]:
    """How many planted texts, and numbers in them, have the shape that a rule keeps; of so many.

    A date or time has the shape of any other: one that is kept is found among what left.
    """
    if rule is None or rule.action is not Action.KEEP or isinstance(rule.shape, Moment):
        return 0, 0
    digits = {re.sub(r"\D", "", text) for text in texts}
    values: list[object] = [*texts, *(int(one) for one in digits if one.isascii() and 6 <= len(one) <= _LONGEST_NUMBER)]
    if rule.shape is None:
        return len(values), len(values)
    return sum(rule.shape.fits(value, {}) for value in values), len(values)


# ---- what is wrong --------------------------------------------------------------------------------------------------


def wrong_tools(audit: AgentAudit) -> Iterator[str]:
    """Yield what speaks against the audit of a tool: it was not seen, declared, called or run."""
    for tool in audit.tools:
        if not tool.declared:
            yield f"{tool.name}: offered to the model and not declared"
        elif not tool.offered:
            yield f"{tool.name}: not offered to the model"
        elif not tool.called:
            yield f"{tool.name}: not called"
        elif not tool.ran:
            yield f"{tool.name}: called {tool.called} times and not run"
    if not any(tool.declared for tool in audit.tools):
        yield "no tool was found"
    yield from (f"not covered: {one}" for one in audit.unseen)


def wrong_fields(audit: AgentAudit) -> Iterator[str]:
    """Yield each field that did not hold every kind of identifier, or that the policy keeps with one in it."""
    for tool in audit.tools:
        for one in tool.fields:
            if one.keeps:
                yield f"{tool.name} {one.path}: keeps {one.keeps} of {one.tried} planted texts by its shape"
            if len(one.letters) < LETTERS:
                yield f"{tool.name} {one.path}: held {len(one.letters)} of {LETTERS} kinds"


def shown(names: Sequence[str]) -> str:
    """Return the first few of them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return "; ".join(names[:_SHOWN]) + more
