"""One rule from its YAML: an action, its category, and only the keys that have a meaning with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TypeAlias, TypeVar

from medagent.redaction import reading
from medagent.redaction.linear_pattern import LinearPattern, PatternError
from medagent.redaction.lists import CODE_LISTS
from medagent.redaction.policy import REDACTED, Action, Bucket, Category, Condition, Rule, TextMode
from medagent.redaction.raw import plain_key
from medagent.redaction.shapes import (
    LONGEST_VALUE,
    PLAIN,
    ROSTERS,
    ListMember,
    Member,
    Moment,
    Number,
    OneOf,
    Pattern,
    Setting,
    Shape,
)
from medagent.redaction.yaml_tree import Located

E = TypeVar("E", bound=Enum)
Lists: TypeAlias = Mapping[str, frozenset[str]]
"""The lists that a policy may name, each with the members that the policy adds."""

RULE_KEYS = (
    *("action", "category", "safe_harbor", "why", "shape", "max", "text", "bucket", "unless_present"),
    *("only_if_answered", "then"),
)
ONLY_WITH = {
    "shape": (Action.KEEP, Action.PSEUDONYM),
    "unless_present": (Action.KEEP,),
    "only_if_answered": (Action.KEEP,),
    "then": (Action.KEEP,),
    "max": (Action.TRUNCATE,),
    "text": (Action.TRUNCATE,),
    "bucket": (Action.BUCKET, Action.KEEP),
}
CONDITIONS = ("unless_present", "only_if_answered")
LETTERS = "ABCDEFGHIJKLMNOPQR"
FALLBACKS = (Action.REDACT, Action.DROP, Action.BUCKET, Action.PSEUDONYM)
LONGEST_TEXT = 50
SHORTEST_TEXT = len(REDACTED) + 2
SHAPE_KEYS = ("pattern", "number", "moment", "enum", "roster", "list", "setting")
PATTERN_KEYS = ("max_length",)
NUMBER_KEYS = ("min", "max", "integer")
MOMENT_KEYS = ("days_before", "days_after", "or_date")
MOST_DAYS = 36_525
_LARGEST = 2**53


_NO_LISTS: Lists = {name: frozenset() for name in CODE_LISTS}


def rule(tree: Located, where: str, lists: Lists = _NO_LISTS) -> Rule:
    """Return the rule that stands at `where`; raises `PolicyError` with all that is wrong with it."""
    problems = reading.Problems()
    keys = reading.mapping(tree, where, RULE_KEYS, problems)
    action = problems.attempt(_member, tree, keys, where, "action", Action)
    category = problems.attempt(_member, tree, keys, where, "category", Category)
    condition = None
    if {*CONDITIONS, "then"} & keys.keys():
        condition = problems.attempt(_condition, keys, tree, where)
    letter, why, text = keys.get("safe_harbor"), keys.get("why"), keys.get("text")
    mode = TextMode.VOCABULARY if text is None else problems.attempt(reading.member, text, f"{where}.text", TextMode)
    read = {
        "safe_harbor": None
        if letter is None or letter.value is None
        else problems.attempt(reading.word, letter, f"{where}.safe_harbor", LETTERS),
        "why": None if why is None else problems.attempt(reading.text, why, f"{where}.why"),
    }
    shape = problems.attempt(_shape, keys["shape"], f"{where}.shape", lists) if "shape" in keys else None
    limit = problems.attempt(_limit, keys["max"], where) if "max" in keys else None
    bucket = problems.attempt(reading.member, keys["bucket"], f"{where}.bucket", Bucket) if "bucket" in keys else None
    if action is not None:
        for problem in _misfits(tree, keys, action, condition):
            problems.add(reading.error(problem[0], where, problem[1]))
    if problems or action is None or category is None:
        raise problems.error()
    return Rule(
        name=where,
        source=f"{tree.file}:{tree.line}",
        action=action,
        category=category,
        safe_harbor=read["safe_harbor"],
        why=read["why"],
        shape=shape,
        max=limit,
        text=mode if action is Action.TRUNCATE else None,
        bucket=bucket,
        condition=condition,
    )


def _member(tree: Located, keys: Mapping[str, Located], where: str, key: str, kind: type[E]) -> E:
    return reading.member(reading.required(tree, keys, where, key), f"{where}.{key}", kind)


def _misfits(
    tree: Located, keys: Mapping[str, Located], action: Action, condition: Condition | None
) -> Iterator[tuple[Located, str]]:
    """What an action lacks, and the keys that have no meaning with it, each with its place."""
    for key, meant_for in ONLY_WITH.items():
        if key in keys and action not in meant_for:
            yield keys[key], f"{key!r} has no meaning with {action.value}, expected {' or '.join(meant_for)}"
    needs_bucket = action is Action.BUCKET or (condition is not None and condition.then is Action.BUCKET)
    if "bucket" in keys and not needs_bucket and action in ONLY_WITH["bucket"]:
        yield keys["bucket"], "'bucket' has no meaning without BUCKET, expected 'then: BUCKET'"
    if action is Action.KEEP and "why" not in keys:
        yield tree, "KEEP needs 'why', expected one sentence for the officer"
    needed = {"shape": action is Action.KEEP, "max": action is Action.TRUNCATE, "bucket": needs_bucket}
    for key, is_needed in needed.items():
        if is_needed and key not in keys:
            yield tree, f"{key!r} is missing, expected it with {action.value}"


def _condition(keys: Mapping[str, Located], tree: Located, where: str) -> Condition:
    if not any(key in keys for key in CONDITIONS):
        reading.required(tree, keys, where, CONDITIONS[0])
    present: list[str] = []
    if "unless_present" in keys:
        present = reading.strings(keys["unless_present"], f"{where}.unless_present")
    answered = keys.get("only_if_answered")
    if answered is not None and answered.value is not True:
        raise reading.error(answered, where, "'only_if_answered' is not true, expected true or no such key")
    then = Action(reading.word(reading.required(tree, keys, where, "then"), f"{where}.then", FALLBACKS))
    plain = frozenset(map(plain_key, present))
    if "" in plain:
        raise reading.error(
            keys["unless_present"], where, "'unless_present' names a key without letters, expected field names"
        )
    return Condition(unless_present=plain, only_if_answered=answered is not None, then=then)


def _shape(tree: Located, where: str, lists: Lists) -> Shape:
    if not isinstance(tree.value, dict):
        return PLAIN[reading.word(tree, where, PLAIN, meant=SHAPE_KEYS)]
    keys = reading.mapping(tree, where, (*SHAPE_KEYS, *PATTERN_KEYS))
    longest = keys.pop("max_length", None)
    if len(keys) != 1 or (longest is not None and not {"pattern", "setting"} & keys.keys()):
        raise reading.error(tree, where, "a shape is one thing, expected one of " + ", ".join(SHAPE_KEYS))
    ((kind, value),) = keys.items()
    match kind:
        case "pattern":
            return _pattern(value, where, longest=longest)
        case "number":
            return _number(value, where)
        case "moment":
            return _moment(value, where)
        case "enum":
            return OneOf(values=frozenset(reading.strings(value, where)))
        case "list":
            name = reading.word(value, where, lists)
            return ListMember(name=name, added=lists[name])
        case "setting":
            pattern = _pattern(value, where, longest=longest)
            return Setting(regex=pattern.regex, max_length=pattern.max_length)
        case _:
            return Member(roster=reading.word(value, where, ROSTERS))


def _pattern(tree: Located, where: str, *, longest: Located | None) -> Pattern:
    try:
        regex = LinearPattern(reading.text(tree, where))
    except PatternError as error:
        raise reading.error(tree, where, str(error)) from None
    if regex.fits("") or regex.fits(REDACTED):
        raise reading.error(tree, where, f"the pattern matches an empty text or {REDACTED}, expected values alone")
    length = LONGEST_VALUE if longest is None else longest.value
    if type(length) is not int or not 1 <= length <= LONGEST_VALUE:
        problem = f"'max_length' is not a whole number, expected 1 to {LONGEST_VALUE}"
        raise reading.error(longest or tree, where, problem)
    return Pattern(regex=regex, max_length=length)


def _number(tree: Located, where: str) -> Number:
    keys = reading.mapping(tree, where, NUMBER_KEYS)
    low, high = (reading.required(tree, keys, where, key).value for key in ("min", "max"))
    integer = keys["integer"].value if "integer" in keys else False
    if type(low) not in (int, float) or type(high) not in (int, float) or type(integer) is not bool:
        raise reading.error(tree, where, "a number has 'min' and 'max', numbers, and 'integer', true or false")
    if not (isinstance(low, (int, float)) and isinstance(high, (int, float)) and -_LARGEST < low <= high < _LARGEST):
        raise reading.error(tree, where, "'min' is not below 'max', or one of them is over 2**53")
    return Number(min=low, max=high, integer=integer)


def _moment(tree: Located, where: str) -> Moment:
    keys = reading.mapping(tree, where, MOMENT_KEYS)
    before, after = (reading.required(tree, keys, where, key).value for key in MOMENT_KEYS[:2])
    or_date = keys["or_date"].value if "or_date" in keys else False
    if type(before) is not int or type(after) is not int or type(or_date) is not bool:
        raise reading.error(
            tree, where, "a moment has 'days_before' and 'days_after', whole numbers, and 'or_date', true or false"
        )
    if not (0 <= before <= MOST_DAYS and 0 <= after <= MOST_DAYS):
        raise reading.error(tree, where, f"'days_before' and 'days_after' are from 0 to {MOST_DAYS}")
    return Moment(or_date=or_date, days_before=before, days_after=after)


def _limit(tree: Located, where: str) -> int:
    if type(tree.value) is not int or not SHORTEST_TEXT <= tree.value <= LONGEST_TEXT:
        raise reading.error(tree, where, f"'max' is a number of code points from {SHORTEST_TEXT} to {LONGEST_TEXT}")
    return tree.value
