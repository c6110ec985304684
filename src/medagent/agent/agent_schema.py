"""Schema of an agent: its tools, the fields of their arguments and results, and what of it could not be seen.

`read_agent` of `agent_tools.py` makes it; `policy lint`, `policy init` and the audit work with it. No value of a call
is in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medagent.redaction.policy import Action, Policy, steps_of
from medagent.redaction.review import Objection, Problem
from medagent.snake_case import UNNAMED, snake_case

ARGUMENTS, RESULT, OUTPUT, ITEM = "arguments", "result", "output", "[]"
"""First step of a path, name of a result that is not an object, step to a list's items."""


class FieldKind(StrEnum):
    """Type of a field's value, as far as a policy has to know it."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    """One of `ToolField.choices`."""
    TIME = "time"
    """A date, a time or both, in ISO 8601."""
    MIXED = "mixed"
    """Several of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolField:
    """One leaf of a tool's arguments or result.

    `declared` are the names as the agent spells them, from `arguments` or `result` down, `[]` for a list's items; a
    result that is not an object has the name `output`, as in a trace. `choices` are the members of a closed type.
    """

    declared: tuple[str, ...]
    kind: FieldKind = FieldKind.TEXT
    choices: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Path in the policy: `declared` in snake_case, such as `result.slots[].doctor_name`."""
        return path_of(self.declared)

    @property
    def has_path(self) -> bool:
        """Whether each name has a normal form; a field without one is dropped, since no policy can name it."""
        return all(step == ITEM or snake_case(step) is not None for step in self.declared)

    @property
    def name(self) -> str:
        """The innermost name, as the agent spells it."""
        return next(step for step in reversed(self.declared) if step != ITEM)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSchema:
    """One tool: the name under which the model calls it, and every field that its records may fill."""

    name: str
    fields: tuple[ToolField, ...] = ()
    source: str = ""
    """Where it was found, such as `Desk` or `make_tools()`."""

    @property
    def span(self) -> str:
        """Name of the tool's span: `tool.order_refill`; `tool.unnamed` where its own name cannot be one."""
        return f"tool.{snake_case(self.name) or UNNAMED}"

    @property
    def paths(self) -> tuple[str, ...]:
        """Path of each field in the policy, in the order of declaration, each once."""
        return tuple(dict.fromkeys(each.path for each in self.fields))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A part of an agent that could not be seen, and why; with `span` and `path` where it is a part of a tool."""

    where: str
    reason: str
    span: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SameName:
    """Different spellings that have one name: of tools (`path` is None), or of fields within one object."""

    span: str
    path: str | None
    spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSchema:
    """Everything that an agent declares, in the order in which it was found."""

    tools: tuple[ToolSchema, ...]
    unseen: tuple[Unseen, ...] = ()
    same_names: tuple[SameName, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Find the spellings that have one name."""
        object.__setattr__(self, "same_names", tuple(_same_names(self.tools)))

    def by_span(self) -> dict[str, ToolSchema]:
        """Return each tool by its span's name; tools of one name are one, with the fields of all of them."""
        found: dict[str, ToolSchema] = {}
        for tool in self.tools:
            first = found.get(tool.span, tool)
            fields = merged((*found[tool.span].fields, *tool.fields) if tool.span in found else tool.fields)
            found[tool.span] = ToolSchema(name=first.name, fields=fields, source=first.source)
        return found

    def paths(self) -> dict[str, tuple[str, ...]]:
        """Return the paths that each tool's records may fill, by span."""
        return {span: tool.paths for span, tool in self.by_span().items()}

    def session_names(self) -> tuple[str, ...]:
        """Return the names that `session.end` has for these tools in `tools[].name`."""
        return tuple(dict.fromkeys(tool.span.removeprefix("tool.") for tool in self.tools))

    def objections(self, policy: Policy) -> Iterator[Objection]:
        """Yield what speaks against a policy besides fields and reviews.

        These are spellings of one name, names that `session.end` hides, and what could not be seen; a part of a tool
        that the policy redacts or drops as a whole need not be seen.
        """
        for same in self.same_names:
            spelled = " and ".join(map(repr, same.spellings))
            says = f"{spelled} have one name, expected different ones: their values are redacted"
            yield Objection(
                span=same.span, problem=Problem.SAME_NAME, says=says, fields=(same.path,) if same.path else ()
            )
        rule = policy.rule_for("session.end", ("tools", 0, "name"))
        names = [name for name in self.session_names() if name != UNNAMED]
        if hidden := [name for name in names if rule is None or rule.shape is None or not rule.shape.fits(name, {})]:
            says = "the policy does not let out the name of a tool, expected a span of the tool"
            yield Objection(span="session.end", problem=Problem.UNNAMED, says=says, fields=tuple(hidden))
        for one in self.unseen:
            if one.span is not None and one.path is not None and _is_hidden(policy, one.span, one.path):
                continue
            yield Objection(
                span=one.span or one.where,
                problem=Problem.UNSEEN,
                says=one.reason,
                fields=(one.path,) if one.path else (),
            )


def _is_hidden(policy: Policy, span: str, path: str) -> bool:
    """Whether a rule redacts or drops a path, or all that it stands in, whatever the value."""
    steps = [0 if step == ITEM else step for step in steps_of(path)]
    rules = (policy.rule_for(span, tuple(steps[:depth])) for depth in range(1, len(steps) + 1))
    return any(rule is not None and rule.action in (Action.REDACT, Action.DROP) for rule in rules)


def path_of(declared: Sequence[str]) -> str:
    """Return the path that declared names have in a policy; a name that has no normal form is `unnamed`."""
    path = ""
    for step in declared:
        if step == ITEM:
            path += ITEM
        else:
            path += f"{'.' if path else ''}{snake_case(step) or UNNAMED}"
    return path


def merged(fields: Iterable[ToolField]) -> tuple[ToolField, ...]:
    """Return fields by path, each once: of different kinds it is mixed, of two choices it has the members of both."""
    found: dict[str, ToolField] = {}
    for each in fields:
        before = found.setdefault(each.path, each)
        if before is not each:
            kind = each.kind if each.kind is before.kind else FieldKind.MIXED
            choices = tuple(dict.fromkeys((*before.choices, *each.choices))) if kind is FieldKind.CHOICE else ()
            found[each.path] = ToolField(declared=before.declared, kind=kind, choices=choices)
    return tuple(found.values())


def _same_names(tools: Sequence[ToolSchema]) -> Iterator[SameName]:
    names: dict[str, dict[str, None]] = {}
    for tool in tools:
        names.setdefault(tool.span, {})[tool.name] = None
    for span, spellings in names.items():
        if len(spellings) > 1:
            yield SameName(span=span, path=None, spellings=tuple(spellings))
    for tool in tools:
        for path, spelled in _spellings(tool.fields).items():
            if len(spelled) > 1:
                yield SameName(span=tool.span, path=path, spellings=tuple(spelled))


def _spellings(fields: Iterable[ToolField]) -> Mapping[str, dict[str, None]]:
    """Return the last name of each path and of all that it stands in, in each spelling of it."""
    found: dict[str, dict[str, None]] = {}
    for each in fields:
        for end in range(2, len(each.declared) + 1):
            if each.declared[end - 1] != ITEM:
                found.setdefault(path_of(each.declared[:end]), {})[each.declared[end - 1]] = None
    return found
