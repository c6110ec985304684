"""What would leave of one value, and which rule says so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medagent.errors import PolicyError
from medagent.proof import Json
from medagent.redaction.policy import Action, Policy, Rule, steps_of
from medagent.redaction.reading import nearest
from medagent.redaction.trial import treat
from medagent.snake_case import snake_case

_STEP = re.compile(r"[^.\[\]]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What came of a value at a path, `beside` a key that its rule's condition asks for; what not `leaves` is gone.

    Under `only_if_answered` it is explained once more beside a tool's result that names the same value.
    """

    span: str
    path: str
    rule: Rule | None
    beside: str | None
    action: Action
    leaves: bool
    left: Json


def explain(policy: Policy, field: str, value: Json, *, span: str | None = None) -> tuple[Explanation, ...]:
    """How a value is treated, and once more beside what a condition of its rule asks for.

    `field` is a dotted path, or a name that stands in a tool's arguments or result, in any spelling; raises
    `PolicyError` for a span that the policy does not name.
    """
    if span is not None and policy.span_name(span) != span:
        raise PolicyError(f"{policy.name}: no span {span!r}{nearest(span, policy.spans)}")
    field = _STEP.sub(lambda step: snake_case(step[0]) or step[0], field)
    where, path = next(_places(policy, field, span), (span or "tool.unknown", f"arguments.{field}"))
    rule = _rule(policy, where, path)
    fields = _nested(steps_of(path), value)
    asked: list[tuple[str | None, Mapping[str, Json]]] = [(None, fields)]
    if rule is not None and rule.condition is not None:
        if rule.condition.unless_present:
            key = min(rule.condition.unless_present)
            asked.append((key, {**fields, key: "0"}))
        if rule.condition.only_if_answered and "result" not in fields:
            asked.append((_ANSWER, {**fields, **_nested(("result", steps_of(path)[-1]), value)}))
    return tuple(_explained(policy, where, path, beside_it, beside) for beside, beside_it in asked)


_ANSWER = "a result that names it"


def known_rosters(policy: Policy) -> dict[str, set[str]]:
    """Who is on the rosters of a policy's examples: the clinic's own are not at hand where a policy is read."""
    rosters: dict[str, set[str]] = {}
    for example in policy.examples:
        for roster, names in example.rosters.items():
            rosters.setdefault(roster, set()).update(names)
    return rosters


def _places(policy: Policy, field: str, span: str | None) -> Iterator[tuple[str, str]]:
    """Where a rule of this name stands; in a tool's arguments first, since most of what a caller says stands there."""
    names = [span] if span is not None else [name for name in policy.spans if not name.endswith("*")]
    for prefix in ("", "arguments.", "result.") if span is not None else ("arguments.", "result.", ""):
        for name in names:
            if _rule(policy, name, f"{prefix}{field}") is not None:
                yield name, f"{prefix}{field}"


def _rule(policy: Policy, span: str, path: str) -> Rule | None:
    return policy.rule_for(span, tuple(0 if step == "[]" else step for step in steps_of(path)))


def _explained(policy: Policy, span: str, path: str, fields: Mapping[str, Json], beside: str | None) -> Explanation:
    treated = treat(policy, span, fields, rosters=known_rosters(policy))
    taken = next((finding.action for finding in treated.findings if finding.path == path), Action.DROP)
    left: Json = treated.fields
    stays = True
    for step in steps_of(path):
        if isinstance(left, Mapping) and step in left:
            left = left[step]
        elif isinstance(left, list) and left:
            left = left[0]
        else:
            left, stays = None, False
            break
    rule = _rule(policy, span, path)
    return Explanation(span=span, path=path, rule=rule, beside=beside, action=taken, leaves=stays, left=left)


def _nested(steps: Sequence[str], value: Json) -> dict[str, Json]:
    for step in reversed(steps[1:]):
        value = [value] if step == "[]" else {step: value}
    return {steps[0]: value}
