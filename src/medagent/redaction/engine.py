"""Walks a raw record under a policy; whatever goes wrong on the way, the value stays here and is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from medagent.errors import PolicyError
from medagent.proof import Json, PseudonymKey
from medagent.redaction import actions
from medagent.redaction.identifier_names import holds_counts, identifier_category, is_a_person
from medagent.redaction.policy import (
    REDACTED,
    WITHHELD,
    Action,
    Category,
    Condition,
    Leaf,
    ListNode,
    Node,
    ObjectNode,
    Policy,
    Rule,
    TextMode,
)
from medagent.redaction.raw import holds_key, placed_members, plain_key, scalars
from medagent.redaction.recognisers import Recogniser
from medagent.redaction.records import Counts, Finding, Record, Redacted
from medagent.redaction.shapes import Moment, Setting, is_closed, is_sayable
from medagent.redaction.text import Identifier, KnownValues, Scrubbed, scrub
from medagent.snake_case import snake_case

_LONGEST_LIST = 100
_DIGITS_THAT_TELL = 4
_LARGEST_NUMBER = 1e40
_MOST_MEANINGS = 4096
_LONGEST_NAME = 5
"""Words of a text under `patient` or `caller` that is a name and not a sentence about one."""
_WITH_FORMS = frozenset({Category.NAME, Category.EMAIL, Category.DATE_OF_BIRTH, Category.ADDRESS})
"""Categories whose values are known again in forms of their own; all others by their digits."""
_UNNAMED = "<unnamed>"
_SPAN_NAME = "<span>"
_RESULT, _OUTCOME, _OK = "result", "outcome", "ok"


class _Gone:
    """Stands for "no value": None is one."""


_GONE: Final = _Gone()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Meaning:
    """What is learned under a name: by the policy's rule, and by the floor whatever the policy says."""

    rule: Rule | None
    category: Category | None
    is_person: bool
    """A text here is the name of a person, an object holds fields of many kinds."""
    is_count: bool


class Redactor:
    """A policy with what it needs to be carried out; a missing key or roster redacts, a missing recogniser is an error.

    Raises `PolicyError` where the policy asks for a recogniser that is not given.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        keys: PseudonymKey | None = None,
        rosters: Mapping[str, Collection[str]] | None = None,
        recognisers: Iterable[Recogniser] = (),
    ) -> None:
        self.policy = policy
        self._keys = keys
        self.rosters: Mapping[str, frozenset[str]] = {name: frozenset(names) for name, names in (rosters or {}).items()}
        """The closed lists that the application gave."""
        self._recognisers = tuple(recognisers)
        missing = set(policy.recognisers) - {recogniser.name for recogniser in self._recognisers}
        if missing:
            raise PolicyError(f"{policy.name}: recognisers: {', '.join(sorted(missing))} not given to the redactor")
        self._learned = {plain_key(name): rule for name, rule in policy.fields.items() if rule.identifies}
        self._meanings: dict[tuple[str, tuple[str, ...]], _Meaning] = {}
        self._decisions: dict[tuple[str, str | None, Action], Finding] = {}

    def with_rosters(self, rosters: Mapping[str, Collection[str]] | None) -> Redactor:
        """Return a redactor that has further closed lists of the application; these come before its own."""
        if not rosters:
            return self
        lists = {**self.rosters, **rosters}
        return Redactor(self.policy, keys=self._keys, rosters=lists, recognisers=self._recognisers)

    def redact(
        self, record: Record, known: KnownValues, *, at_us: int | None = None, withhold_text: bool = False
    ) -> Redacted:
        """Return what may leave of a record: pure, and raises nothing, whatever the raw values are.

        `at_us` is when it was said, in microseconds since the Unix epoch (UTC); without it a date is judged by its form
        alone. `withhold_text` puts `<WITHHELD>` for every free text, while the call may still tell what is in it.
        """
        walk = _Walk(self, record, known, at_us, withhold_text)
        name = self.policy.span_name(record.name)
        root = self.policy.tree(name)
        fields: dict[str, Json] = {}
        findings = [] if name == record.name else [self.decision(_SPAN_NAME, None, Action.DROP)]
        for key, node, value, has_twin in _members(root, record.fields):
            if node is None:
                findings.append(self.decision(_UNNAMED, None, Action.DROP))
                continue
            walk.findings = []
            try:
                treated = walk.refuse(node) if has_twin else walk.node(node, value)
            except Exception:  # noqa: BLE001  # the one place that catches all: a value that breaks us stays here
                walk.findings = []
                treated = walk.refuse(node)
            findings += walk.findings
            if not isinstance(treated, _Gone):
                fields[key] = treated
        return Redacted(name=name, fields=fields, counts=Counts.of(findings), findings=tuple(findings))

    def waits_for_end(self, record: Record) -> bool:
        """Whether a string must be judged when all is known: a free text, or a pattern that words of a caller may fit.

        True where the record cannot be read.
        """
        try:
            declared = _leaves(self.policy.tree(record.name), record.fields)
            return any(_waits(leaf.rule) and isinstance(value, str) for leaf, value in declared)
        except Exception:  # noqa: BLE001  # a container that breaks us: the span waits for the call's end
            return True

    def identifiers(self, record: Record) -> list[Identifier]:
        """Every raw value that identifies by its rule, or by its name at any depth whatever its rule says."""
        found: dict[Identifier, None] = {}
        floor: dict[Identifier, None] = {}
        try:
            for leaf, value in _leaves(self.policy.tree(record.name), record.fields):
                if leaf.rule.identifies:
                    found |= {Identifier(category=leaf.rule.category, value=v): None for v in scalars(value)}
            for key, within, value in placed_members(record.fields):
                if key is None and not within:
                    continue
                place = (key, within) if key is not None else (within[-1], within[:-1])
                meaning = self._meanings.get(place) or self._meaning(*place)
                if key is not None and meaning.rule is not None:
                    category = meaning.rule.category
                    found |= {Identifier(category=category, value=v): None for v in scalars(value)}
                if (meaning.category is not None or meaning.is_person) and (least := _least(meaning, value)):
                    floor[least] = None
            values = {each.value for each in found}
            found |= {least: None for least in floor if least.category in _WITH_FORMS or least.value not in values}
        except Exception:  # noqa: BLE001  # what was learned so far is learned
            return list(found | floor)
        return list(found)

    def _meaning(self, name: str, around: tuple[str, ...]) -> _Meaning:
        """Return what a name means in its place.

        Remembered for names that the policy declares and no others: a model can make a name of a value.
        """
        category = identifier_category(name, within=around)
        meaning = _Meaning(
            rule=self._learned.get(plain_key(name)),
            category=category,
            is_person=category is None and is_a_person(name),
            is_count=holds_counts(around),
        )
        if len(self._meanings) < _MOST_MEANINGS and self.policy.names.issuperset((name, *around)):
            self._meanings[name, around] = meaning
        return meaning

    def answers(self, record: Record) -> list[Identifier]:
        """Every value in a tool's result that its arguments may name as well (`only_if_answered`).

        Only a result whose outcome is ok is an answer: one that refuses may repeat what the model wrote.
        """
        try:
            if not _is_agreed(record.fields):
                return []
            declared = _leaves(self.policy.tree(record.name), record.fields, several=False)
            return [
                Identifier(category=leaf.rule.category, value=str.__str__(value))
                for leaf, value in declared
                if _is_result(leaf) and isinstance(value, str) and _asks_answer(leaf.rule)
            ]
        except Exception:  # noqa: BLE001  # what cannot be read answers nothing
            return []

    def decision(self, path: str, leaf: Leaf | None, action: Action) -> Finding:
        """The finding for a declared path; there are as many as the policy has rules, so they are made once."""
        key = (path, leaf.rule.name if leaf else None, action)
        if key not in self._decisions:
            category, rule = (leaf.rule.category, leaf.rule.name) if leaf else (None, None)
            self._decisions[key] = Finding(path=path, category=category, rule=rule, action=action)
        return self._decisions[key]

    def scrub(self, text: str, known: KnownValues, mode: TextMode) -> Scrubbed:
        """A free text without what its layers, known values and the policy's recognisers find."""
        return scrub(text, known, mode=mode, recognisers=self._recognisers)

    def treat(self, leaf: Leaf, action: Action, value: object, text: str | None, at_us: int | None) -> Json:
        """One value under one action, `text` being what is left of it where it is a free text."""
        return actions.apply(action, leaf.rule, value, text=text, rosters=self.rosters, keys=self._keys, at_us=at_us)


class _Walk:
    """One pass over one record: collects the decisions, and looks at most once for what a condition asks."""

    def __init__(
        self, redactor: Redactor, record: Record, known: KnownValues, at_us: int | None, withhold_text: bool
    ) -> None:
        self.findings: list[Finding] = []
        self._redactor = redactor
        self._record = record
        self._known = known
        self._at_us = at_us
        self._withhold_text = withhold_text
        self._standing: dict[frozenset[str], bool] = {}
        self._own_answers: frozenset[tuple[Category, str]] | None = None

    def node(self, node: Node, value: object) -> Json | _Gone:
        """Return what is left of a value; a value that has not the declared kind of container is refused."""
        match node:
            case Leaf():
                return self._leaf(node, value)
            case ObjectNode() if isinstance(value, Mapping):
                return self._object(node, value)
            case ListNode() if isinstance(value, (list, tuple)):
                return self._list(node, value)
            case _:
                return None if value is None else self.refuse(node)

    def refuse(self, node: Node) -> Json | _Gone:
        """Redact a leaf, drop a container."""
        if isinstance(node, Leaf) and node.rule.action is not Action.DROP:
            self._note(node.path, node, Action.REDACT)
            return REDACTED
        self._note(node.path, node if isinstance(node, Leaf) else None, Action.DROP)
        return _GONE

    def _object(self, node: ObjectNode, value: Mapping[object, object]) -> Json:
        left: dict[str, Json] = {}
        for key, child, item, has_twin in _members(node, value):
            if child is None:
                self._note(f"{node.path}.{_UNNAMED}", None, Action.DROP)
                continue
            treated = self.refuse(child) if has_twin else self.node(child, item)
            if not isinstance(treated, _Gone):
                left[key] = treated
        return left

    def _list(self, node: ListNode, value: list[object] | tuple[object, ...]) -> Json:
        for _ in value[_LONGEST_LIST:]:
            self._note(f"{node.path}[]", None, Action.DROP)
        treated = [self.node(node.item, item) for item in value[:_LONGEST_LIST]]
        return [item for item in treated if not isinstance(item, _Gone)]

    def _leaf(self, leaf: Leaf, value: object) -> Json | _Gone:
        rule = leaf.rule
        action = rule.action
        if rule.condition is not None and self._applies(leaf, rule.condition, value):
            action = rule.condition.then
        if action is Action.DROP:
            self._note(leaf.path, leaf, action)
            return _GONE
        if value is None:
            return None
        if self._withhold_text and isinstance(value, str) and _waits(rule):
            self._note(leaf.path, leaf, action)
            return WITHHELD
        if isinstance(value, str):
            value = str.__str__(value)
        if action is Action.KEEP and (self._is_the_callers(rule, value) or self._is_far(rule, value)):
            action = Action.REDACT
        text: str | None = None
        if action is Action.TRUNCATE and isinstance(value, str):
            text = self._text(leaf, value)
        treated = self._redactor.treat(leaf, action, value, text, self._at_us)
        self._note(leaf.path, leaf, Action.REDACT if treated == REDACTED else action)
        return treated

    def _is_the_callers(self, rule: Rule, value: object) -> bool:
        """Return whether a kept value is, or has a part of, what the call knows: on a doubt it does not leave.

        What a person could have said must hold no part; a member of a list is compared whole, a date as a whole date,
        a setting as a whole value; years, counts and measures are not compared digit by digit. Admission looks again
        with code of its own.
        """
        known, shape = self._known, rule.shape
        if isinstance(value, str):
            if isinstance(shape, Moment):
                return known.parts.have_day(value)
            if is_closed(shape):
                return known.parts.are_whole(value)
            if isinstance(shape, Setting):
                return known.is_in(value, parts=False)
            return is_sayable(shape) and known.is_in(value, parts=True)
        return type(value) in (int, float) and isinstance(value, (int, float)) and known.parts.have_number(value)

    def _is_far(self, rule: Rule, value: object) -> bool:
        """Return whether a kept date lies farther from the call than its rule lets it."""
        if self._at_us is None or not isinstance(rule.shape, Moment) or not isinstance(value, str):
            return False
        return rule.shape.fits(value, {}) and not rule.shape.is_near(value, self._at_us)

    def _text(self, leaf: Leaf, value: str) -> str:
        """Return what is left of a free text; each thing that was found in it is counted by its own category."""
        if value in (REDACTED, WITHHELD):
            return value
        scrubbed = self._redactor.scrub(value, self._known, leaf.rule.text or TextMode.VOCABULARY)
        withheld = scrubbed.withheld
        for found in scrubbed.findings:
            self.findings.append(
                Finding(
                    path=leaf.path,
                    category=found.category,
                    rule=leaf.rule.name,
                    action=Action.REDACT,
                    withheld=withheld,
                )
            )
            withheld = ()
        return scrubbed.text

    def _applies(self, leaf: Leaf, condition: Condition, value: object) -> bool:
        if condition.only_if_answered and not self._is_answered(leaf, value):
            return True
        return bool(condition.unless_present) and self._stands(condition)

    def _is_answered(self, leaf: Leaf, value: object) -> bool:
        """Return whether a value is a result's own that is ok, or such a result of this call or record has named it."""
        if value is None or (_is_result(leaf) and _is_agreed(self._record.fields)):
            return True
        if not isinstance(value, str):
            return False
        if self._own_answers is None:
            self._own_answers = frozenset((one.category, one.value) for one in self._redactor.answers(self._record))
        key = (leaf.rule.category, str.__str__(value))
        return key in self._own_answers or self._known.is_answered(*key)

    def _stands(self, condition: Condition) -> bool:
        keys = condition.unless_present
        if keys not in self._standing:
            self._standing[keys] = True
            self._standing[keys] = holds_key(self._record.fields, keys)
        return self._standing[keys]

    def _note(self, path: str, leaf: Leaf | None, action: Action) -> None:
        self.findings.append(self._redactor.decision(path, leaf, action))


def _least(meaning: _Meaning, value: object) -> Identifier | None:
    """What a text or number under an identifier's name teaches; an object's own fields are looked at by themselves."""
    if type(value) is int or type(value) is float:
        if meaning.is_count or not abs(value) <= _LARGEST_NUMBER:  # nor is nan
            return None
        text = str(value)
    elif isinstance(value, str):
        text = str.__str__(value)
    else:
        return None
    if text in (REDACTED, WITHHELD) or not _tells(text):
        return None
    if meaning.is_person and len(text.split()) > _LONGEST_NAME:
        return None
    category = meaning.category
    if category is None or category is Category.NAME:
        category = Category.NAME if any(map(str.isalpha, text)) else Category.IDENTIFIER
    return Identifier(category=category, value=text)


def _tells(text: str) -> bool:
    """Return whether a value could be an identifier: it has a letter, or as many digits as tell of somebody."""
    return any(map(str.isalpha, text)) or sum(map(str.isdigit, text)) >= _DIGITS_THAT_TELL


def _waits(rule: Rule) -> bool:
    """Return whether words of a caller may be in what leaves of a value."""
    return rule.free_text or (rule.action is Action.KEEP and is_sayable(rule.shape))


def _asks_answer(rule: Rule) -> bool:
    return rule.condition is not None and rule.condition.only_if_answered


def _is_result(leaf: Leaf) -> bool:
    return leaf.path == _RESULT or leaf.path.startswith((f"{_RESULT}.", f"{_RESULT}["))


def _members(node: ObjectNode, values: Mapping[Any, object]) -> list[tuple[str, Node | None, object, bool]]:
    """Each value of an object: the declared name of its key, where that is declared, and whether another has the name.

    A key has the declared name in any spelling; one that no rule names has no node. Only a declared name is sent: a key
    that is a value, as a patient's name is one, has none.
    """
    children = node.children
    found: list[tuple[str, Node | None, object, bool]] = []
    is_foreign = False
    for key, value in tuple(values.items()):
        child = children.get(key) if type(key) is str else None
        name = key if child is not None else ""
        if child is None and type(key) is str and (spelled := snake_case(key)) in children:
            name, child, is_foreign = str(spelled), children[str(spelled)], True
        found.append((name, child, value, False))
    if is_foreign:
        count = Counter(name for name, child, _, _ in found if child is not None)
        return [(name, child, value, count[name] > 1) for name, child, value, _ in found]
    return found


def _is_agreed(fields: Mapping[str, object]) -> bool:
    """Return whether a tool did what it was asked; a result that does not say so did."""
    if _OUTCOME in fields:
        stated = [fields[_OUTCOME]]
    else:
        result = fields.get(_RESULT)
        items = result.items() if isinstance(result, Mapping) else ()
        stated = [value for key, value in items if type(key) is str and snake_case(key) == _OUTCOME]
    return all(isinstance(outcome, str) and outcome == _OK for outcome in stated)


def _leaves(node: Node, value: object, *, several: bool = True) -> Iterator[tuple[Leaf, object]]:
    """Every declared leaf that a raw value fills; without `several` no value whose name another one has too."""
    match node:
        case Leaf():
            yield node, value
        case ObjectNode() if isinstance(value, Mapping):
            for _, child, item, has_twin in _members(node, value):
                if child is not None and (several or not has_twin):
                    yield from _leaves(child, item, several=several)
        case ListNode() if isinstance(value, (list, tuple)):
            for item in value:
                yield from _leaves(node.item, item, several=several)
        case _:
            return
