"""One rule from its YAML: an action, its category, and only the keys that have a meaning with them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from medagent.redaction import reading
from medagent.redaction.policy import REDACTED, Action, Bucket, Category, Condition, Rule, TextMode
from medagent.redaction.raw import plain_key
from medagent.redaction.shapes import PLAIN, ROSTERS, Member, Moment, Number, OneOf, Pattern, Shape
from medagent.redaction.yaml_tree import Located

RULE_KEYS = ("action", "category", "safe_harbor", "why", "shape", "max", "text", "bucket", "unless_present", "then")
ONLY_WITH = {
    "shape": (Action.KEEP, Action.PSEUDONYM),
    "unless_present": (Action.KEEP,),
    "then": (Action.KEEP,),
    "max": (Action.TRUNCATE,),
    "text": (Action.TRUNCATE,),
    "bucket": (Action.BUCKET, Action.KEEP),
}
LETTERS = "ABCDEFGHIJKLMNOPQR"
FALLBACKS = (Action.REDACT, Action.DROP, Action.BUCKET)
LONGEST_TEXT = 50
SHORTEST_TEXT = len(REDACTED) + 2
SHAPE_KEYS = ("pattern", "number", "moment", "enum", "roster")
NUMBER_KEYS = ("min", "max", "integer")
MOMENT_KEYS = ("days_before", "days_after", "or_date")
MOST_DAYS = 36_525
_LARGEST = 2**53


def rule(tree: Located, where: str) -> Rule:
    """The rule that stands at `where`; raises `PolicyError`."""
    keys = reading.mapping(tree, where, RULE_KEYS)
    action = reading.member(reading.required(tree, keys, where, "action"), f"{where}.action", Action)
    category = reading.member(reading.required(tree, keys, where, "category"), f"{where}.category", Category)
    for key, meant_for in ONLY_WITH.items():
        if key in keys and action not in meant_for:
            raise reading.error(keys[key], where, f"{key!r} has no meaning with {action.value}")
    letter, why, text = keys.get("safe_harbor"), keys.get("why"), keys.get("text")
    if action is Action.KEEP and why is None:
        raise reading.error(tree, where, "KEEP needs 'why': one sentence for the officer")
    condition = _condition(keys, tree, where) if {"unless_present", "then"} & keys.keys() else None
    needs_bucket = action is Action.BUCKET or (condition is not None and condition.then is Action.BUCKET)
    if "bucket" in keys and not needs_bucket:
        raise reading.error(keys["bucket"], where, "'bucket' has no meaning without BUCKET")
    needed = {"shape": action is Action.KEEP, "max": action is Action.TRUNCATE, "bucket": needs_bucket}
    for key in (key for key, is_needed in needed.items() if is_needed):
        reading.required(tree, keys, where, key)
    mode = TextMode.VOCABULARY if text is None else reading.member(text, f"{where}.text", TextMode)
    return Rule(
        name=where,
        source=f"{tree.file}:{tree.line}",
        action=action,
        category=category,
        safe_harbor=None
        if letter is None or letter.value is None
        else reading.word(letter, f"{where}.safe_harbor", LETTERS),
        why=None if why is None else reading.text(why, f"{where}.why"),
        shape=_shape(keys["shape"], f"{where}.shape") if "shape" in keys else None,
        max=_limit(keys["max"], where) if "max" in keys else None,
        text=mode if action is Action.TRUNCATE else None,
        bucket=reading.member(keys["bucket"], f"{where}.bucket", Bucket) if "bucket" in keys else None,
        condition=condition,
    )


def _condition(keys: Mapping[str, Located], tree: Located, where: str) -> Condition:
    present = reading.strings(reading.required(tree, keys, where, "unless_present"), f"{where}.unless_present")
    then = Action(reading.word(reading.required(tree, keys, where, "then"), f"{where}.then", FALLBACKS))
    plain = frozenset(map(plain_key, present))
    if "" in plain:
        raise reading.error(keys["unless_present"], where, "'unless_present' names a key without letters")
    return Condition(unless_present=plain, then=then)


def _shape(tree: Located, where: str) -> Shape:
    if not isinstance(tree.value, dict):
        return PLAIN[reading.word(tree, where, PLAIN, meant=SHAPE_KEYS)]
    keys = reading.mapping(tree, where, SHAPE_KEYS)
    if len(keys) != 1:
        raise reading.error(tree, where, "a shape is one thing")
    ((kind, value),) = keys.items()
    match kind:
        case "pattern":
            return _pattern(value, where)
        case "number":
            return _number(value, where)
        case "moment":
            return _moment(value, where)
        case "enum":
            return OneOf(values=frozenset(reading.strings(value, where)))
        case _:
            return Member(roster=reading.word(value, where, ROSTERS))


def _pattern(tree: Located, where: str) -> Pattern:
    try:
        regex = re.compile(reading.text(tree, where), re.ASCII)
    except re.error as error:
        raise reading.error(tree, where, f"not a regular expression: {error.msg}") from None
    if regex.fullmatch("") or regex.fullmatch(REDACTED):
        raise reading.error(tree, where, "the pattern matches what is no value")
    return Pattern(regex=regex)


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
