"""Reads a policy and believes none of it: every word is checked, every example is run, before it may be used."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path

from medagent.errors import PolicyError
from medagent.proof import Json, canonical, digest
from medagent.redaction.engine import Redactor
from medagent.redaction.policy import (
    REDACTED,
    Action,
    Bucket,
    Category,
    Condition,
    Example,
    ObjectNode,
    PathConflictError,
    Policy,
    Review,
    Rule,
    compile_span,
    steps_of,
)
from medagent.redaction.raw import plain_key
from medagent.redaction.shapes import PLAIN, ROSTERS, Member, Number, OneOf, Pattern, Shape
from medagent.redaction.text.known import KnownValues
from medagent.redaction.yaml_tree import Located, read_yaml

_POLICY_KEYS = ("name", "version", "fields", "spans", "examples")
_EXAMPLE_KEYS = ("name", "span", "fields", "expect", "rosters")
_RULE_KEYS = ("action", "category", "safe_harbor", "why", "shape", "max", "bucket", "unless_present", "then")
_ONLY_WITH = {
    "shape": (Action.KEEP,),
    "unless_present": (Action.KEEP,),
    "then": (Action.KEEP,),
    "max": (Action.TRUNCATE,),
    "bucket": (Action.BUCKET, Action.KEEP),
}
_REVIEWED = "reviewed"
_REVIEW_KEYS = ("by", "on", "digest")
_SHAPE_KEYS = ("pattern", "number", "enum", "roster")
_NUMBER_KEYS = ("min", "max", "integer")
_FALLBACKS = (Action.REDACT, Action.DROP, Action.BUCKET)
_OBJECT = "fields"
_LONGEST_TEXT = 50
_DEEPEST = 8
_LARGEST = 2**53
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_FILE = re.compile(r"[a-z][a-z0-9_-]*")
_PATH = re.compile(r"[a-z][a-z0-9_]*(\[\])*(\.[a-z][a-z0-9_]*(\[\])*)*")
_SPAN = re.compile(r"[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|\*))?")
_TOOL = re.compile(r"tool\.[a-z][a-z0-9_]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


def find_policy(name: str = "clinic") -> Path:
    """The file of a packaged policy's name, or of a path; raises `PolicyError` where there is none."""
    packaged = Path(str(resources.files("medagent.policies") / f"{name}.yaml"))
    found = packaged if _FILE.fullmatch(name) and packaged.is_file() else Path(name)
    if not found.is_file():
        raise PolicyError(f"{name}: no such policy", hint="name a file, or a packaged policy such as clinic")
    return found


def load_policy(path: Path | None = None) -> Policy:
    """Load a policy, by default the packaged one; raises `PolicyError` naming file, line and rule."""
    source = find_policy() if path is None else path
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{source.name}: cannot be read ({type(error).__name__})") from None
    return parse_policy(text, file=source.name)


def parse_policy(text: str, *, file: str) -> Policy:
    """The policy that a YAML text holds, its own examples run; raises `PolicyError`."""
    tree = read_yaml(text, file)
    try:
        policy = _Loader(file).policy(tree)
    except ValueError:
        raise PolicyError(f"{file}:{tree.line}: the policy: a value in it is none that JSON can hold") from None
    for example in policy.examples:
        _run(example, policy, file)
    return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class _ExampleRecord:
    name: str
    fields: Mapping[str, object]


def _run(example: Example, policy: Policy, file: str) -> None:
    record = _ExampleRecord(name=example.span, fields=example.fields)
    redactor = Redactor(policy, rosters=example.rosters)
    known = KnownValues()
    known.learn(redactor.identifiers(record))
    if canonical(redactor.redact(record, known).fields) != canonical(example.expect):
        raise PolicyError(
            f"{file}:{example.line}: examples: {example.name!r} does not come out as expected",
            hint="change the rule, or what the example expects of it",
        )


class _Loader:
    """Turns located YAML into a policy; `where` names the rule that is read."""

    def __init__(self, file: str) -> None:
        self._file = file

    def policy(self, tree: Located) -> Policy:
        top = self._mapping(tree, "the policy", _POLICY_KEYS)
        name, version = (
            self._required(tree, top, "the policy", "name"),
            self._required(tree, top, "the policy", "version"),
        )
        fields = {
            field: self._rule(item, f"fields.{field}", field)
            for field, item in self._named(self._required(tree, top, "the policy", "fields"), "fields", _NAME)
        }
        return Policy(
            name=self._matching(name, "name", _NAME),
            version=self._matching(version, "version", _VERSION),
            fields=fields,
            spans=self._spans(self._required(tree, top, "the policy", "spans"), fields),
            examples=tuple(self._example(item) for item in self._items(top.get("examples"), "examples")),
            digest=digest(tree.plain()),
            reviews=self._reviews(self._required(tree, top, "the policy", "spans")),
        )

    def _reviews(self, tree: Located) -> dict[str, Review]:
        reviews: dict[str, Review] = {}
        for span, item in self._named(tree, "spans", _SPAN):
            told = item.value.get(_REVIEWED) if isinstance(item.value, dict) else None
            if told is None:
                continue
            where = f"spans.{span}.{_REVIEWED}"
            if not _TOOL.fullmatch(span):
                raise self._error(told, where, "only the rules of one tool are reviewed")
            keys = self._mapping(told, where, _REVIEW_KEYS)
            by, on, seen = (self._required(told, keys, where, key) for key in _REVIEW_KEYS)
            try:
                day = date.fromisoformat(self._matching(on, f"{where}.on", _DAY))
            except ValueError:
                raise self._error(on, f"{where}.on", "no day of the calendar") from None
            reviews[span] = Review(
                by=self._text(by, f"{where}.by"), on=day, digest=self._matching(seen, f"{where}.digest", _SHA256)
            )
        return reviews

    def _spans(self, tree: Located, fields: Mapping[str, Rule]) -> dict[str, ObjectNode]:
        declared: dict[str, dict[tuple[str, ...], Rule | None]] = {}
        lines: dict[str, int] = {}
        for span, item in self._named(tree, "spans", _SPAN):
            lines[span] = item.line
            declared[span] = {}
            for path, value in self._named(item, f"spans.{span}", _PATH):
                where = f"spans.{span}.{path}"
                if path == _REVIEWED:
                    continue
                steps = steps_of(path)
                if len(steps) > _DEEPEST:
                    raise self._error(value, where, f"a path has at most {_DEEPEST} steps")
                declared[span][steps] = None if value.value == _OBJECT else self._rule(value, where, path)
        trees: dict[str, ObjectNode] = {}
        for span, paths in declared.items():
            family = declared.get(f"{span.partition('.')[0]}.*", {})
            try:
                trees[span] = compile_span({**family, **paths}, fields)
            except PathConflictError as conflict:
                problem = f"{str(conflict)!r} is declared as two kinds of thing"
                raise PolicyError(f"{self._file}:{lines[span]}: spans.{span}: {problem}") from None
        return trees

    def _rule(self, tree: Located, where: str, path: str) -> Rule:
        keys = self._mapping(tree, where, _RULE_KEYS)
        action = Action(self._word(self._required(tree, keys, where, "action"), f"{where}.action", Action))
        category = Category(self._word(self._required(tree, keys, where, "category"), f"{where}.category", Category))
        for key, meant_for in _ONLY_WITH.items():
            if key in keys and action not in meant_for:
                raise self._error(keys[key], where, f"{key!r} has no meaning with {action.value}")
        letter = keys.get("safe_harbor")
        why = keys.get("why")
        if action is Action.KEEP and why is None:
            raise self._error(tree, where, "KEEP needs 'why': one sentence for the officer")
        condition = self._condition(keys, tree, where) if {"unless_present", "then"} & keys.keys() else None
        needs_bucket = action is Action.BUCKET or (condition is not None and condition.then is Action.BUCKET)
        if "bucket" in keys and not needs_bucket:
            raise self._error(keys["bucket"], where, "'bucket' has no meaning without BUCKET")
        return Rule(
            name=where,
            action=action,
            category=category,
            safe_harbor=None if letter is None or letter.value is None else self._letter(letter, where),
            why=None if why is None else self._text(why, f"{where}.why"),
            shape=self._shape(self._required(tree, keys, where, "shape"), where) if action is Action.KEEP else None,
            max=self._limit(self._required(tree, keys, where, "max"), where) if action is Action.TRUNCATE else None,
            bucket=self._bucket(self._required(tree, keys, where, "bucket"), where) if needs_bucket else None,
            condition=condition,
        )

    def _condition(self, keys: Mapping[str, Located], tree: Located, where: str) -> Condition:
        present = self._strings(self._required(tree, keys, where, "unless_present"), f"{where}.unless_present")
        then = Action(self._word(self._required(tree, keys, where, "then"), f"{where}.then", _FALLBACKS))
        plain = frozenset(map(plain_key, present))
        if "" in plain:
            raise self._error(keys["unless_present"], where, "'unless_present' names a key without letters")
        return Condition(unless_present=plain, then=then)

    def _shape(self, tree: Located, where: str) -> Shape:
        where = f"{where}.shape"
        if not isinstance(tree.value, dict):
            return PLAIN[self._word(tree, where, (*PLAIN, *_SHAPE_KEYS), plain=PLAIN)]
        keys = self._mapping(tree, where, _SHAPE_KEYS)
        if len(keys) != 1:
            raise self._error(tree, where, "a shape is one thing")
        ((kind, value),) = keys.items()
        match kind:
            case "pattern":
                return self._pattern(value, where)
            case "number":
                return self._number(value, where)
            case "enum":
                return OneOf(values=frozenset(self._strings(value, where)))
            case _:
                return Member(roster=self._word(value, where, ROSTERS))

    def _pattern(self, tree: Located, where: str) -> Pattern:
        try:
            regex = re.compile(self._text(tree, where), re.ASCII)
        except re.error as error:
            raise self._error(tree, where, f"not a regular expression: {error.msg}") from None
        if regex.fullmatch("") or regex.fullmatch(REDACTED):
            raise self._error(tree, where, "the pattern matches what is no value")
        return Pattern(regex=regex)

    def _number(self, tree: Located, where: str) -> Number:
        keys = self._mapping(tree, where, _NUMBER_KEYS)
        low, high = (self._required(tree, keys, where, key).value for key in ("min", "max"))
        integer = keys["integer"].value if "integer" in keys else False
        if type(low) not in (int, float) or type(high) not in (int, float) or type(integer) is not bool:
            raise self._error(tree, where, "a number has 'min' and 'max', numbers, and 'integer', true or false")
        if not (
            isinstance(low, (int, float)) and isinstance(high, (int, float)) and -_LARGEST < low <= high < _LARGEST
        ):
            raise self._error(tree, where, "'min' is not below 'max', or one of them is over 2**53")
        return Number(min=low, max=high, integer=integer)

    def _limit(self, tree: Located, where: str) -> int:
        shortest = len(REDACTED) + 2
        if type(tree.value) is not int or not shortest <= tree.value <= _LONGEST_TEXT:
            raise self._error(tree, where, f"'max' is a number of code points from {shortest} to {_LONGEST_TEXT}")
        return tree.value

    def _bucket(self, tree: Located, where: str) -> Bucket:
        return Bucket(self._word(tree, f"{where}.bucket", (bucket.value for bucket in Bucket)))

    def _letter(self, tree: Located, where: str) -> str:
        return self._word(tree, f"{where}.safe_harbor", "ABCDEFGHIJKLMNOPQR")

    def _example(self, tree: Located) -> Example:
        keys = self._mapping(tree, "examples", _EXAMPLE_KEYS)
        name = self._text(self._required(tree, keys, "examples", "name"), "examples.name")
        where = f"examples: {name!r}"
        rosters = self._named(keys["rosters"], where, _NAME) if "rosters" in keys else ()
        return Example(
            name=name,
            line=tree.line,
            span=self._text(self._required(tree, keys, where, "span"), where),
            fields=self._object(self._required(tree, keys, where, "fields"), where),
            expect=self._object(self._required(tree, keys, where, "expect"), where),
            rosters={self._roster(roster, item, where): self._strings(item, where) for roster, item in rosters},
        )

    def _roster(self, name: str, tree: Located, where: str) -> str:
        return self._word(Located(line=tree.line, value=name), where, ROSTERS)

    def _mapping(self, tree: Located, where: str, valid: Iterable[str]) -> dict[str, Located]:
        if not isinstance(tree.value, dict):
            raise self._error(tree, where, "not a mapping")
        for key, item in tree.value.items():
            if key not in (words := tuple(valid)):
                raise self._error(item, where, f"unknown key {key!r}{_nearest(key, words)}")
        return tree.value

    def _named(self, tree: Located, where: str, form: re.Pattern[str]) -> Iterable[tuple[str, Located]]:
        if not isinstance(tree.value, dict):
            raise self._error(tree, where, "not a mapping")
        for key, item in tree.value.items():
            if not form.fullmatch(key):
                raise self._error(item, where, f"{key!r} is not the form of a name here")
        return tree.value.items()

    def _items(self, tree: Located | None, where: str) -> list[Located]:
        if tree is None:
            return []
        if not isinstance(tree.value, list):
            raise self._error(tree, where, "not a list")
        return tree.value

    def _object(self, tree: Located, where: str) -> dict[str, Json]:
        if not isinstance(tree.value, dict):
            raise self._error(tree, where, "not a mapping")
        return {key: item.plain() for key, item in tree.value.items()}

    def _required(self, tree: Located, keys: Mapping[str, Located], where: str, key: str) -> Located:
        if key not in keys:
            raise self._error(tree, where, f"{key!r} is missing")
        return keys[key]

    def _strings(self, tree: Located, where: str) -> list[str]:
        items = self._items(tree, where)
        if not items:
            raise self._error(tree, where, "the list is empty")
        return [self._text(item, where) for item in items]

    def _text(self, tree: Located, where: str) -> str:
        if not isinstance(tree.value, str) or not tree.value.strip():
            raise self._error(tree, where, "not a text; quote what should be one")
        return tree.value

    def _matching(self, tree: Located, where: str, form: re.Pattern[str]) -> str:
        text = self._text(tree, where)
        if not form.fullmatch(text):
            raise self._error(tree, where, f"not of the form {form.pattern}")
        return text

    def _word(self, tree: Located, where: str, valid: Iterable[str], plain: Iterable[str] | None = None) -> str:
        words = tuple(map(str, valid))
        text = tree.value if isinstance(tree.value, str) else ""
        if text not in (words if plain is None else plain):
            raise self._error(tree, where, f"unknown word {text!r}{_nearest(text, words)}")
        return text

    def _error(self, tree: Located, where: str, problem: str) -> PolicyError:
        return PolicyError(f"{self._file}:{tree.line}: {where}: {problem}")


def _nearest(word: str, valid: Iterable[str]) -> str:
    """The valid word that was probably meant, whatever its case."""
    by_fold = {v.casefold(): v for v in valid}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=0.5)
    return f", did you mean {by_fold[near[0]]!r}?" if near else f"; it may be {', '.join(by_fold.values())}"
