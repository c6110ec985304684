"""What may leave, as data: rules by field name, rules by path in a span, compiled to one tree per span."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum, StrEnum
from pathlib import Path
from typing import TypeAlias

from medagent.outcomes import ToolOutcome
from medagent.proof import Json, JsonObject
from medagent.redaction.shapes import Shape, describe

REDACTED = "<REDACTED>"
"""What stands where a value was taken away."""
WITHHELD = "<WITHHELD>"
"""What stands for a text that is not judged yet, while its span is provisional."""


class Action(StrEnum):
    """What is done to a value."""

    REDACT = "REDACT"
    TRUNCATE = "TRUNCATE"
    KEEP = "KEEP"
    DROP = "DROP"
    PSEUDONYM = "PSEUDONYM"
    BUCKET = "BUCKET"


class Category(StrEnum):
    """What a value is about; what a call's guardrail counts by."""

    NAME = "name"
    PHONE = "phone"
    EMAIL = "email"
    DATE_OF_BIRTH = "date_of_birth"
    AGE = "age"
    MRN = "mrn"
    ADDRESS = "address"
    HEALTH_TEXT = "health_text"
    ERROR_TEXT = "error_text"
    APPOINTMENT = "appointment"
    STAFF = "staff"
    PLACE = "place"
    CONFIRMATION = "confirmation"
    IDENTIFIER = "identifier"
    MEASUREMENT = "measurement"
    MACHINE = "machine"


_IDENTITY = frozenset(
    {
        Category.NAME,
        Category.PHONE,
        Category.EMAIL,
        Category.DATE_OF_BIRTH,
        Category.MRN,
        Category.ADDRESS,
        Category.IDENTIFIER,
    }
)


class Bucket(Enum):
    """How coarse a value becomes."""

    YEAR = "year"
    AGE = "age"


class TextMode(Enum):
    """Who vouches for what is left of a free text: a list of ordinary words, or detectors alone."""

    VOCABULARY = "vocabulary"
    DETECT = "detect"


class ClockMode(Enum):
    """Whether a call's times leave as they were, or moved by days that only the key knows."""

    EXACT = "exact"
    SHIFTED = "shifted"


class Queued(Enum):
    """What becomes of spans that wait for a destination while the switch is off: kept until it is on, or deleted."""

    HOLD = "hold"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Another action, taken where one of the keys (normalised) stands anywhere in the same raw record.

    With `only_if_answered` it is taken too for a value that no tool's result in this call has named.
    """

    unless_present: frozenset[str] = frozenset()
    only_if_answered: bool = False
    then: Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """The treatment of one leaf; `name` and `source` (file:line) say where it stands, `max` is in code points."""

    name: str
    source: str = ""
    action: Action
    category: Category
    safe_harbor: str | None = None
    why: str | None = None
    shape: Shape | None = None
    max: int | None = None
    text: TextMode | None = None
    bucket: Bucket | None = None
    condition: Condition | None = None

    @property
    def free_text(self) -> bool:
        """Whether words of a caller may stand here, so that the span waits for the call's end."""
        return self.action is Action.TRUNCATE

    @property
    def may_pseudonymise(self) -> bool:
        """Whether a value may leave as a pseudonym."""
        return Action.PSEUDONYM in (self.action, None if self.condition is None else self.condition.then)

    @property
    def identifies(self) -> bool:
        """Whether the raw value names somebody, so that the call must know it again in a free text."""
        if self.action is Action.DROP:
            return self.category in _IDENTITY
        return self.action in (Action.REDACT, Action.PSEUDONYM)

    def document(self) -> dict[str, Json]:
        """All that decides what leaves, in the policy's own words; not where it stands, nor why."""
        condition = self.condition
        told: dict[str, Json] = {
            "action": self.action.value,
            "category": self.category.value,
            "safe_harbor": self.safe_harbor,
            "shape": None if self.shape is None else describe(self.shape),
            "max": self.max,
            "text": None if self.text is None else self.text.value,
            "bucket": None if self.bucket is None else self.bucket.value,
            "unless_present": sorted(condition.unless_present) if condition and condition.unless_present else None,
            "only_if_answered": True if condition is not None and condition.only_if_answered else None,
            "then": None if condition is None else condition.then.value,
        }
        return {key: value for key, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """Where a scalar is declared; `path` consists of declared names only."""

    path: str
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectNode:
    """Where an object is declared: a key that is not here is dropped."""

    path: str
    children: Mapping[str, Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListNode:
    """Where a list is declared."""

    path: str
    item: Node


Node: TypeAlias = Leaf | ObjectNode | ListNode

_UNKNOWN = "unknown"
_NOTHING = ObjectNode(path="", children={})


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Who read a tool's rules, when, and exactly which: the digest that `review.digest_of` gave that day."""

    by: str
    on: date
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A record that the policy carries with what must come of it."""

    name: str
    source: str
    span: str
    fields: JsonObject
    expect: JsonObject
    rosters: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFile:
    """One file of a policy's chain of `extends`, with the digest of its content and of all that it extends."""

    name: str
    version: str
    file: str
    digest: str
    path: Path | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A validated policy; `digest` is the SHA-256 of its content and of the digest of what it extends, not of comments.

    `files` is the policy's own file, then the one that it extends, and so on.
    """

    name: str
    version: str
    digest: str
    fields: Mapping[str, Rule]
    spans: Mapping[str, ObjectNode]
    examples: tuple[Example, ...] = ()
    reviews: Mapping[str, Review] = field(default_factory=dict)
    clock: ClockMode = ClockMode.EXACT
    queued_when_off: Queued = Queued.HOLD
    recognisers: tuple[str, ...] = ()
    files: tuple[PolicyFile, ...] = ()
    outcomes: Mapping[str, ToolOutcome] = field(default_factory=dict)
    """The outcomes of tools that do not declare them themselves, by the tool's name."""
    names: frozenset[str] = field(init=False, repr=False, compare=False)
    """Every step of a declared path."""
    tool_names: frozenset[str] = field(init=False, repr=False, compare=False)
    """Every tool that has rules of its own."""

    def __post_init__(self) -> None:
        declared = {leaf.path for tree in self.spans.values() for leaf in leaves(tree)}
        object.__setattr__(self, "names", frozenset(step for path in declared for step in steps_of(path)))
        tools = (span.partition(".") for span in self.spans)
        own = frozenset(name for family, _, name in tools if family == "tool" and name not in ("", "*"))
        object.__setattr__(self, "tool_names", own)

    def span_name(self, raw: str) -> str:
        """The name under which a span may leave: its own where the policy names it; a model may make up others."""
        if raw in self.spans and not raw.endswith("*"):
            return raw
        family = raw.partition(".")[0]
        return f"{family}.{_UNKNOWN}" if f"{family}.*" in self.spans else _UNKNOWN

    def tree(self, span_name: str) -> ObjectNode:
        """What a span may hold: its own tree, else its family's (`tool.*`), else nothing."""
        own = self.spans.get(span_name)
        return own if own is not None else self.spans.get(f"{span_name.partition('.')[0]}.*", _NOTHING)

    def rule_for(self, span_name: str, path: tuple[str | int, ...]) -> Rule | None:
        """The rule of one leaf, list positions as integers; None for a container and for what nobody named."""
        node: Node = self.tree(span_name)
        for step in path:
            match node:
                case ObjectNode() if isinstance(step, str) and step in node.children:
                    node = node.children[step]
                case ListNode() if isinstance(step, int):
                    node = node.item
                case _:
                    return None
        return node.rule if isinstance(node, Leaf) else None


def steps_of(path: str) -> tuple[str, ...]:
    """The steps of a dotted path: `slots[].doctor_name` is `slots`, `[]`, `doctor_name`."""
    return tuple(re.findall(r"[^.\[\]]+|\[\]", path))


def leaves(node: Node) -> Iterator[Leaf]:
    """Every leaf that is declared under a node."""
    match node:
        case Leaf():
            yield node
        case ListNode():
            yield from leaves(node.item)
        case ObjectNode():
            for child in node.children.values():
                yield from leaves(child)


class PathConflictError(Exception):
    """Two declarations cannot both hold at this path."""


def compile_span(declared: Mapping[tuple[str, ...], Rule | None], fields: Mapping[str, Rule]) -> ObjectNode:
    """The tree of a span; steps are names or `[]`, None declares an object; raises `PathConflictError`."""
    node = _compile({(): None, **declared}, "", fields)
    if not isinstance(node, ObjectNode):
        raise PathConflictError(node.path)
    return node


def _compile(declared: Mapping[tuple[str, ...], Rule | None], path: str, fields: Mapping[str, Rule]) -> Node:
    rule = declared.get(())
    below: dict[str, dict[tuple[str, ...], Rule | None]] = {}
    for steps, below_rule in declared.items():
        if steps:
            below.setdefault(steps[0], {})[steps[1:]] = below_rule
    if rule is not None:
        if below:
            raise PathConflictError(path)
        return Leaf(path=path, rule=rule)
    if "[]" in below:
        if len(below) > 1 or () in declared:
            raise PathConflictError(path)
        return ListNode(path=path, item=_compile(below["[]"], f"{path}[]", fields))
    children: dict[str, Node] = {name: Leaf(path=_join(path, name), rule=named) for name, named in fields.items()}
    children |= {name: _compile(rest, _join(path, name), fields) for name, rest in below.items()}
    return ObjectNode(path=path, children=children)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
