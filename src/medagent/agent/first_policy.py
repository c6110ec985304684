"""First policy for somebody's agent: each field of each tool with a guess, and the reason for it.

The guess fails closed. A boolean and a member of a closed list are kept, everything else is redacted or dropped,
whatever the base policy does with a field of the same name. A person reads it, changes it and signs it: no review is
written here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import yaml

from medagent.agent.agent_schema import ITEM, OUTPUT, RESULT, AgentSchema, FieldKind, ToolField, Unseen
from medagent.agent.tool_fields import DEEPEST
from medagent.proof import Json, JsonObject
from medagent.redaction import REDACTED, WITHHELD, Action, Category
from medagent.redaction.identifier_names import identifier_category, is_a_person
from medagent.redaction.loading import find_policy, load_policy, parse_unproven
from medagent.redaction.policy import Example, Leaf, ListNode, Node, ObjectNode, Policy, leaves, steps_of
from medagent.redaction.shapes import ROSTERS
from medagent.redaction.trial import run
from medagent.snake_case import UNNAMED
from medagent.telemetry.door.admission import identifier_shape

VERSION = "0.1.0"
_LETTERS: Mapping[Category, str] = {
    Category.NAME: "A",
    Category.ADDRESS: "B",
    Category.DATE_OF_BIRTH: "C",
    Category.PHONE: "D",
    Category.EMAIL: "F",
    Category.MRN: "H",
    Category.IDENTIFIER: "R",
}
"""Safe Harbor's letter of each category that names a person."""
_UNSEEN = "unseen"
_HIDING = (Action.REDACT, Action.DROP)
_MOST_CHOICES = 50
_LONGEST_CHOICE = 40
_DIGITS = re.compile(r"\d{4}")
_WIDTH = 120
_SAMPLES: Mapping[FieldKind, Json] = {
    FieldKind.TEXT: "Jane Doe, 503 555 0147",
    FieldKind.NUMBER: 41,
    FieldKind.BOOLEAN: True,
    FieldKind.TIME: "2026-12-01T09:00:00",
    FieldKind.MIXED: "Jane Doe",
}
_OF_KIND: Mapping[FieldKind, tuple[Category, str]] = {
    FieldKind.TEXT: (Category.HEALTH_TEXT, "A text may hold all that was said."),
    FieldKind.NUMBER: (Category.MEASUREMENT, "A number may be an age or an account."),
    FieldKind.TIME: (Category.APPOINTMENT, "A date or time of somebody."),
    FieldKind.MIXED: (Category.HEALTH_TEXT, "It has values of several types."),
    FieldKind.CHOICE: (Category.HEALTH_TEXT, "Its choices are too many or too long to be kept unread."),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """The guessed rule of one path, and why; `choices` are kept, `sample` is an invented value of the field."""

    steps: tuple[str, ...]
    declared: tuple[str, ...]
    kind: str
    action: Action
    category: Category
    why: str
    choices: tuple[str, ...] = ()
    safe_harbor: str | None = None
    sample: Json = None

    @property
    def path(self) -> str:
        """Path in the policy."""
        return ".".join(self.steps).replace(f".{ITEM}", ITEM)


def guesses(schema: AgentSchema, base: Policy) -> dict[str, tuple[Guess, ...]]:
    """Return the guessed rules of each tool, by span; a tool whose span has no name has none.

    Args:
        schema: the agent's tools.
        base: the policy that is extended.
    """
    unseen: dict[str, list[Unseen]] = {}
    for one in schema.unseen:
        if one.span is not None and one.path is not None:
            unseen.setdefault(one.span, []).append(one)
    twins: dict[str, set[str]] = {}
    for same in schema.same_names:
        if same.path is not None:
            twins.setdefault(same.span, set()).add(same.path)
    found: dict[str, tuple[Guess, ...]] = {}
    for span, tool in schema.by_span().items():
        if span != f"tool.{UNNAMED}":
            opaque = [_dropped(steps_of(one.path or ""), one.reason) for one in unseen.get(span, ())]
            opaque += [_dropped(steps_of(path), "two spellings have this name") for path in sorted(twins.get(span, ()))]
            named = [each for each in tool.fields if each.has_path]
            own = list(_united((), [*opaque, *map(_guess, named)], base.tree(span)))
            found[span] = (*own, *_inherited(span, base, own))
    return found


def policy_text(schema: AgentSchema, *, name: str, extends: str, agent: str) -> str:
    """Return a policy in its own language, with an example for each tool.

    Args:
        schema: the agent's tools.
        name: the policy's name.
        extends: the packaged policy that it extends.
        agent: how the agent was named, for the first line.
    """
    lines = [
        f"# First policy for the tools of {_comment(agent)}: a guess for each field, to be read and changed.",
        "# It fails closed: booleans and closed lists are kept, all else is redacted or dropped.",
        "# Left to do: `medagent policy lint --policy FILE --agent AGENT`. To sign it: `medagent policy review`.",
        f"name: {name}",
        f"version: {VERSION}",
        f"extends: {extends}",
        "",
        "# What a call has come to once a tool did what it was asked, for each tool that changes something:",
        "# outcomes:",
        "#   order_refill: {outcome: ordered, changes: true}",
        "",
    ]
    base = load_policy(find_policy(extends))
    rules = guesses(schema, base)
    if not rules:
        return "\n".join([*lines, "spans: {}", ""])
    lines.append("spans:")
    for span, several in rules.items():
        lines.append(f"  {span}:")
        lines += [line for one in several for line in _rule(one)] or ["    arguments: fields"]
        lines.append("")
    for said in (f"{one.where}: {one.reason}" for one in schema.unseen if one.path is None):
        lines.append(f"  # not seen: {_comment(said)}")
    examples = [_example(span, several) for span, several in rules.items()]
    unproven = parse_unproven("\n".join(lines), file=f"{name}.yaml")
    examples += [_again(one, unproven) for one in base.examples if one.span in rules]
    text = yaml.safe_dump({"examples": examples}, allow_unicode=True, sort_keys=False, width=_WIDTH)
    about = "# These run whenever the file is loaded. With a rule change its example: see `medagent policy test`."
    return "\n".join([*lines, about, text])


def _guess(each: ToolField) -> Guess:
    steps = steps_of(each.path)

    def made(action: Action, category: Category, why: str, *, letter: str | None = None) -> Guess:
        choices = each.choices if action is Action.KEEP else ()
        sample = each.choices[0] if each.choices else _SAMPLES.get(each.kind, "Jane Doe")
        return Guess(
            steps=steps,
            declared=each.declared,
            kind=each.kind.value,
            action=action,
            category=category,
            why=why,
            choices=choices,
            safe_harbor=letter,
            sample=sample,
        )

    person = _category(each.declared) or _category(steps)
    if person is not None:
        why = f"Its name means a person's {person.value.replace('_', ' ')}."
        return made(Action.REDACT, person, why, letter=_LETTERS.get(person))
    if each.kind is FieldKind.BOOLEAN:
        return made(Action.KEEP, Category.MEASUREMENT, "A boolean: true or false.")
    if each.kind is FieldKind.CHOICE and _is_closed(each.choices):
        return made(Action.KEEP, Category.MEASUREMENT, "A closed list of the agent's code.")
    category, why = _OF_KIND[each.kind]
    return made(Action.REDACT, category, why, letter="C" if each.kind is FieldKind.TIME else None)


def _category(steps: Sequence[str]) -> Category | None:
    """Which identifier a field holds by its name and where it stands."""
    *within, name = (step for step in steps if step != ITEM)
    return identifier_category(name, within=within) or (Category.NAME if is_a_person(name) else None)


def _dropped(steps: tuple[str, ...], reason: str, *, declared: tuple[str, ...] = ()) -> Guess:
    """The rule of what has unknown parts; where it lies too deep, of the innermost that a path can name."""
    return Guess(
        steps=steps[:DEEPEST],
        declared=declared or steps[:DEEPEST],
        kind=_UNSEEN,
        action=Action.DROP,
        category=_category(steps) or Category.HEALTH_TEXT,
        why=f"Not seen: {reason}.",
        sample="Jane Doe",
    )


def _inherited(span: str, base: Policy, own: Sequence[Guess]) -> Iterator[Guess]:
    """Rules in place of those that the base has for a tool of its own of the same name, and that send something."""
    taken = {one.steps for one in own}
    for leaf in leaves(base.spans[span]) if span in base.spans else ():
        steps = steps_of(leaf.path)
        is_taken = any(steps[:end] in taken for end in range(1, len(steps) + 1))
        if leaf.rule.name == f"spans.{span}.{leaf.path}" and leaf.rule.action not in _HIDING and not is_taken:
            yield _dropped(steps, f"{base.name} has a tool of this name with this field")


def _united(at: tuple[str, ...], rules: Sequence[Guess], node: Node | None) -> Iterator[Guess]:
    """Rules of which none stands within another; where they are of several kinds, all is dropped.

    An object whose name means an identifier is redacted as a whole: whatever is in it is a part of one. `node` is what
    the base policy declares here: an object there cannot be a list or a single value here.
    """
    here = [one for one in rules if one.steps == at]
    below: dict[str, list[Guess]] = {}
    for one in rules:
        if len(one.steps) > len(at):
            below.setdefault(one.steps[len(at)], []).append(one)
    words = [one for one in here + below.get(OUTPUT, []) if one.kind in (FieldKind.TEXT, FieldKind.MIXED)]
    if len(here) == 1 and not below and (here[0].action in _HIDING or node is None or isinstance(node, Leaf)):
        yield here[0]
    elif unseen := next((one for one in here if one.kind == _UNSEEN), None):
        yield unseen
    elif (category := _category_within(at)) is not None:
        yield _whole(at, category)
    elif at and (here or not _is_alike(node, below)):
        yield _dropped(at, "it has values of several types")
    elif at == (RESULT,) and words and len(words[0].steps) == 2:
        why = "Words of the tool; a text that is JSON may have any fields."
        yield Guess(
            steps=at,
            declared=at,
            kind=FieldKind.TEXT.value,
            action=Action.REDACT,
            category=Category.HEALTH_TEXT,
            why=why,
            sample={OUTPUT: "Jane Doe has two refills left"},
        )
    else:
        for step, inner in below.items():
            yield from _united((*at, step), inner, _below(node, step))


def _is_alike(node: Node | None, below: Mapping[str, object]) -> bool:
    """Whether parts are those of one kind of container, the one that the base declares, if any."""
    is_list = ITEM in below
    if isinstance(node, Leaf) or (is_list and len(below) > 1):
        return False
    return node is None or isinstance(node, ListNode) == is_list


def _below(node: Node | None, step: str) -> Node | None:
    """Return the rules that the base declares one step deeper; a path comes before a name."""
    if isinstance(node, ListNode):
        return node.item if step == ITEM else None
    found = node.children.get(step) if isinstance(node, ObjectNode) else None
    return None if isinstance(found, Leaf) and found.rule.name == f"fields.{step}" else found


def _category_within(steps: Sequence[str]) -> Category | None:
    names = [step for step in steps if step != ITEM]
    return identifier_category(names[-1], within=names[:-1]) if names else None


def _whole(steps: tuple[str, ...], category: Category) -> Guess:
    return Guess(
        steps=steps,
        declared=steps,
        kind="object",
        action=Action.REDACT,
        category=category,
        why=f"Its name means a person's {category.value.replace('_', ' ')}, and all in it.",
        safe_harbor=_LETTERS.get(category),
        sample="Jane Doe",
    )


def _is_closed(choices: Sequence[str]) -> bool:
    """Whether the members of a closed type may be kept without a person's look at them."""
    return len(choices) <= _MOST_CHOICES and all(
        each.strip()
        and each.isprintable()
        and len(each) <= _LONGEST_CHOICE
        and each not in (REDACTED, WITHHELD)
        and not _DIGITS.search(each)
        and identifier_shape(each) is None
        for each in choices
    )


def _rule(one: Guess) -> list[str]:
    """A rule on one line, or on several where it is long."""
    parts = [f"action: {one.action.value}", f"category: {one.category.value}"]
    if one.safe_harbor is not None:
        parts.append(f"safe_harbor: {one.safe_harbor}")
    if one.choices:
        parts.append(f"shape: {{enum: [{', '.join(map(_quoted, one.choices))}]}}")
    elif one.action is Action.KEEP:
        parts.append("shape: boolean")
    parts.append(f"why: {_quoted(one.why)}")
    line = f"    {one.path}: {{{', '.join(parts)}}}"
    return [line] if len(line) <= _WIDTH else [f"    {one.path}:", *(f"      {part}" for part in parts)]


def _example(span: str, rules: Sequence[Guess]) -> dict[str, Json]:
    """A record of a tool in the agent's own spelling, and what of it is sent."""
    given: JsonObject = {}
    expected: JsonObject = {}
    spelled: dict[tuple[str, ...], str] = {}
    for one in rules:
        if one.declared != one.steps:
            for end in range(1, len(one.steps) + 1):
                spelled.setdefault(one.steps[:end], one.declared[end - 1])
    for one in rules:
        declared = [spelled.get(one.steps[:end], one.steps[end - 1]) for end in range(1, len(one.steps) + 1)]
        given = _with(given, declared, one.sample)
        expected = _with(expected, one.steps, _sent(one), is_dropped=one.action is Action.DROP)
    return {
        "name": f"what is sent of {span}",
        "span": span,
        "fields": {**given, "outcome": "ok"},
        "expect": {**expected, "outcome": "ok"},
    }


def _again(example: Example, policy: Policy) -> dict[str, Json]:
    """An example of the base for its own tool of the same name, with what these rules make of it."""
    about: dict[str, Json] = {"name": example.name, "span": example.span, "fields": example.fields}
    lists: dict[str, Json] = {name: list(members) for name, members in example.rosters.items()}
    rosters = {name: members for name, members in lists.items() if name in ROSTERS}
    given = {name: members for name, members in lists.items() if name not in ROSTERS}
    about |= {"expect": run(example, policy).left}
    return about | ({"rosters": rosters} if rosters else {}) | ({"lists": given} if given else {})


def _sent(one: Guess) -> Json:
    return one.sample if one.action is Action.KEEP else REDACTED


def _with(fields: Json, steps: Sequence[str], value: Json, *, is_dropped: bool = False) -> JsonObject:
    """An object with a value at a path; of a value that is dropped only what it stands in."""
    made = _put(fields, steps, value, is_dropped=is_dropped)
    return made if isinstance(made, dict) else {}


def _put(fields: Json, steps: Sequence[str], value: Json, *, is_dropped: bool) -> Json:
    if not steps:
        return value
    step, rest = steps[0], steps[1:]
    if step == ITEM:
        items = list(fields) if isinstance(fields, list) else []
        if is_dropped and not rest:
            return items
        return [_put(items[0] if items else None, rest, value, is_dropped=is_dropped)]
    found = dict(fields) if isinstance(fields, dict) else {}
    if not (is_dropped and not rest):
        found[step] = _put(found.get(step), rest, value, is_dropped=is_dropped)
    return found


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _comment(text: str) -> str:
    """A text on one line of a comment."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
