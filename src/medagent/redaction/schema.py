"""The policy language as JSON Schema, so that an editor completes its words and marks a mistake while it is made."""

from __future__ import annotations

from enum import Enum

from medagent.outcomes import OUTCOME_WORD
from medagent.proof import Json
from medagent.redaction import loading, rules
from medagent.redaction.linear_pattern import LONGEST_PATTERN
from medagent.redaction.policy import Action, Bucket, Category, ClockMode, Queued, TextMode
from medagent.redaction.recognisers import RECOGNISERS
from medagent.redaction.shapes import LONGEST_VALUE, PLAIN, ROSTERS

_TEXT: Json = {"type": "string", "minLength": 1}


def json_schema() -> dict[str, Json]:
    """JSON Schema 2020-12 of a policy; what only a look at the whole can tell is left to the loader."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "medagent policy",
        "description": "What may leave a call. Whatever is not named is dropped and counted.",
        **_object(
            {
                "name": _form(loading.POLICY_NAME.pattern),
                "version": _form(loading.VERSION.pattern),
                "extends": {
                    "anyOf": [_form(loading.POLICY_NAME.pattern), {"type": "string", "pattern": r"^[^/~].*\.ya?ml$"}]
                },
                "clock": _enum(ClockMode),
                "queued_when_off": _enum(Queued),
                "recognisers": {"type": "array", "items": {"enum": list(RECOGNISERS)}},
                "lists": _named(loading.FIELD.pattern, {"anyOf": [{"const": loading.GIVEN}, _texts()]}),
                "outcomes": _named(loading.TOOL.pattern, _ref("outcome")),
                "fields": _named(loading.FIELD.pattern, _ref("rule")),
                "spans": _named(loading.SPAN.pattern, _ref("span")),
                "examples": {"type": "array", "items": _ref("example")},
            },
            required=("name", "version"),
        ),
        "anyOf": [{"required": ["extends"]}, {"required": ["fields", "spans"]}],
        "$defs": {
            "outcome": _object(
                {"outcome": _form(OUTCOME_WORD.pattern), "changes": {"type": "boolean"}}, required=loading.OUTCOME_KEYS
            ),
            "rule": _rule(),
            "shape": _shape(),
            "span": {
                "type": "object",
                "properties": {loading.REVIEWED: _review()},
                "patternProperties": {
                    f"^(?!{loading.REVIEWED}$){loading.PATH.pattern}$": {
                        "anyOf": [{"const": loading.OBJECT}, _ref("rule")]
                    }
                },
                "additionalProperties": False,
            },
            "example": _object(
                {
                    "name": _TEXT,
                    "span": _TEXT,
                    "fields": {"type": "object"},
                    "expect": {"type": "object"},
                    "rosters": _object({roster: _texts() for roster in ROSTERS}),
                    "lists": _named(loading.FIELD.pattern, _texts()),
                },
                required=("name", "span", "fields", "expect"),
            ),
        },
    }


def _rule() -> Json:
    keys: dict[str, Json] = {
        "action": _enum(Action),
        "category": _enum(Category),
        "safe_harbor": {"enum": [*rules.LETTERS]},
        "why": _TEXT,
        "shape": _ref("shape"),
        "max": {"type": "integer", "minimum": rules.SHORTEST_TEXT, "maximum": rules.LONGEST_TEXT},
        "text": _enum(TextMode),
        "bucket": _enum(Bucket),
        "unless_present": _texts(),
        "only_if_answered": {"const": True},
        "then": {"enum": [action.value for action in rules.FALLBACKS]},
    }
    never: Json = False
    only_with: list[Json] = [
        {
            "if": {"properties": {"action": {"const": action.value}}},
            "then": {
                "properties": {key: never for key, meant_for in rules.ONLY_WITH.items() if action not in meant_for}
            },
        }
        for action in Action
    ]
    needs: list[Json] = [
        {
            "if": {"properties": {"action": {"const": action.value}}, "required": ["action"]},
            "then": {"required": list(needed)},
        }
        for action, needed in (
            (Action.KEEP, ("shape", "why")),
            (Action.TRUNCATE, ("max",)),
            (Action.BUCKET, ("bucket",)),
        )
    ]
    together: Json = {key: ["then"] for key in rules.CONDITIONS}
    when: Json = {"anyOf": [{"required": [key]} for key in rules.CONDITIONS]}
    whole = _object(keys, required=("action", "category"))
    conditions: dict[str, Json] = {"dependentRequired": together, "dependentSchemas": {"then": when}}
    return {**whole, "allOf": [*only_with, *needs], **conditions}


def _shape() -> Json:
    number: dict[str, Json] = {"min": {"type": "number"}, "max": {"type": "number"}, "integer": {"type": "boolean"}}
    days: Json = {"type": "integer", "minimum": 0, "maximum": rules.MOST_DAYS}
    moment: dict[str, Json] = {"days_before": days, "days_after": days, "or_date": {"type": "boolean"}}
    kinds: dict[str, Json] = {
        "number": _object(number, required=("min", "max")),
        "moment": _object(moment, required=rules.MOMENT_KEYS[:2]),
        "enum": _texts(),
        "roster": {"enum": list(ROSTERS)},
        "list": _form(loading.FIELD.pattern),
    }
    regex: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_PATTERN}
    length: Json = {"type": "integer", "minimum": 1, "maximum": LONGEST_VALUE}
    regexes = [_object({key: regex, "max_length": length}, required=(key,)) for key in ("pattern", "setting")]
    return {"anyOf": [{"enum": list(PLAIN)}, *regexes, {**_object(kinds), "minProperties": 1, "maxProperties": 1}]}


def _review() -> Json:
    day: Json = {"type": "string", "format": "date"}
    return _object({"by": _TEXT, "on": day, "digest": _form("[0-9a-f]{64}")}, required=loading.REVIEW_KEYS)


def _object(properties: dict[str, Json], *, required: tuple[str, ...] = ()) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _named(form: str, each: Json) -> Json:
    return {"type": "object", "patternProperties": {f"^({form})$": each}, "additionalProperties": False}


def _form(pattern: str) -> Json:
    return {"type": "string", "pattern": f"^({pattern})$"}


def _enum(words: type[Enum]) -> Json:
    return {"enum": [word.value for word in words]}


def _texts() -> Json:
    return {"type": "array", "minItems": 1, "items": _TEXT}


def _ref(name: str) -> Json:
    return {"$ref": f"#/$defs/{name}"}
