"""The floor under every policy: what no rule may let out, whatever its author wrote.

A field whose name means an identifier of a person (`identifier_names`) may be kept only as a member of an enum or a
roster, as true or false, or as a number between -999 and 999: such types cannot hold an identifier. Any pattern, time,
uuid, free text or bucket under such a name is too broad, and a condition does not narrow it. The counts of an object
`categories`, `counts` or `totals` may be any number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from medagent.redaction.identifier_names import holds_counts, identifier_category
from medagent.redaction.policy import Action, ObjectNode, Rule, leaves, steps_of
from medagent.redaction.shapes import Boolean, Member, Number, OneOf

_LARGEST_COUNT = 999
_EXPECTED = (
    f"expected REDACT, PSEUDONYM or DROP, or KEEP with an enum, a roster, a boolean or a number up to {_LARGEST_COUNT}"
)


def breaches(spans: Mapping[str, ObjectNode]) -> Iterator[str]:
    """Yield `file:line: rule: what is wrong` for each rule that keeps an identifier, in any span that it applies to."""
    for span, tree in spans.items():
        for leaf in leaves(tree):
            *within, name = (step for step in steps_of(leaf.path) if step != "[]")
            category = identifier_category(name, within=within)
            rule = leaf.rule
            if category is None or not _reveals(rule) or (holds_counts(within) and isinstance(rule.shape, Number)):
                continue
            at = "" if identifier_category(rule.name.rpartition(".")[2].rstrip("[]")) else f" at {span}.{leaf.path}"
            kind = category.value.replace("_", " ")
            what = f"{rule.action.value} reveals a field whose name means a person's {kind}{at}"
            yield f"{rule.source}: {rule.name}: {what}, {_EXPECTED}"


def _reveals(rule: Rule) -> bool:
    match rule.action:
        case Action.REDACT | Action.PSEUDONYM | Action.DROP:
            return False
        case Action.KEEP:
            return not _is_narrow(rule)
        case _:
            return True


def _is_narrow(rule: Rule) -> bool:
    match rule.shape:
        case OneOf() | Member() | Boolean():
            return True
        case Number(min=least, max=most):
            return least >= -_LARGEST_COUNT and most <= _LARGEST_COUNT
        case _:
            return False
