"""A policy from its file and from what it extends; every example is run before it may be used."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path

from medagent.errors import PolicyError
from medagent.proof import digest
from medagent.redaction import reading
from medagent.redaction.policy import (
    ClockMode,
    Example,
    ObjectNode,
    PathConflictError,
    Policy,
    Queued,
    Review,
    Rule,
    compile_span,
    leaves,
    steps_of,
)
from medagent.redaction.recognisers import RECOGNISERS
from medagent.redaction.rules import rule
from medagent.redaction.shapes import ROSTERS, Moment
from medagent.redaction.trial import run
from medagent.redaction.yaml_tree import Located, read_yaml

POLICY_KEYS = ("name", "version", "extends", "clock", "queued_when_off", "recognisers", "fields", "spans", "examples")
INHERITED = ("clock", "queued_when_off", "recognisers", "fields", "spans", "examples")
EXAMPLE_KEYS = ("name", "span", "fields", "expect", "rosters")
REVIEW_KEYS = ("by", "on", "digest")
REVIEWED = "reviewed"
OBJECT = "fields"
POLICY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
FIELD = re.compile(r"[a-z][a-z0-9_]*")
PATH = re.compile(r"[a-z][a-z0-9_]*(\[\])*(\.[a-z][a-z0-9_]*(\[\])*)*")
SPAN = re.compile(r"[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|\*))?")
_TOOL = re.compile(r"tool\.[a-z][a-z0-9_]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEEPEST = 8
_LONGEST_LINE = 4


def find_policy(name: str = "clinic") -> Path:
    """The file of a packaged policy's name, or of a path; raises `PolicyError` where there is none."""
    packaged = _packaged(name)
    found = packaged if POLICY_NAME.fullmatch(name) and packaged.is_file() else Path(name)
    if not found.is_file():
        raise PolicyError(f"{name}: no such policy", hint="name a file, or a packaged policy such as clinic")
    return found


def load_policy(path: Path | None = None) -> Policy:
    """Load a policy, by default the packaged one; raises `PolicyError` naming file, line and rule."""
    policy = read_policy(find_policy() if path is None else path)
    return _proven(policy)


def parse_policy(text: str, *, file: str) -> Policy:
    """The policy that a YAML text holds, its own examples run; raises `PolicyError`."""
    return _proven(_policy(_resolved(read_yaml(text, file), beside=None, line=())))


def read_policy(path: Path) -> Policy:
    """A policy whose examples were not run: to run them one by one, never to redact; raises `PolicyError`."""
    return _policy(_resolved(_read(path), beside=path.parent, line=(path.resolve(),)))


def _proven(policy: Policy) -> Policy:
    for example in policy.examples:
        if not run(example, policy).passed:
            raise PolicyError(
                f"{example.source}: examples: {example.name!r} does not come out as expected",
                hint="`medagent policy test` shows what came out; change the rule, or what the example expects of it",
            )
    return policy


# ---- files -----------------------------------------------------------------------------------------------------------


def _packaged(name: str) -> Path:
    return Path(str(resources.files("medagent.policies") / f"{name}.yaml"))


def _read(path: Path) -> Located:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    return read_yaml(text, path.name)


def _resolved(tree: Located, *, beside: Path | None, line: tuple[Path, ...]) -> Located:
    """A policy with all that it extends, which lies beside it or is packaged; its own rules come first."""
    keys = reading.mapping(tree, "the policy", POLICY_KEYS)
    if "extends" not in keys:
        return tree
    name = reading.matching(keys["extends"], "extends", POLICY_NAME)
    path = beside / f"{name}.yaml" if beside is not None else _packaged(name)
    path = path if path.is_file() else _packaged(name)
    if not path.is_file():
        raise reading.error(keys["extends"], "extends", f"no policy {name!r} lies beside this one or is packaged")
    if path.resolve() in line or len(line) > _LONGEST_LINE:
        raise reading.error(keys["extends"], "extends", "a policy cannot extend itself, nor over more than four files")
    base = _resolved(_read(path), beside=path.parent, line=(*line, path.resolve()))
    inherited = reading.mapping(base, "the policy", POLICY_KEYS)
    merged = {key: value for key, value in inherited.items() if key in INHERITED}
    merged |= {key: value for key, value in keys.items() if key not in ("extends", "fields", "spans", "examples")}
    for key, depth in (("fields", 1), ("spans", 2)):
        if key in keys:
            merged[key] = _laid_over(merged.get(key), keys[key], depth)
    if "examples" in keys:
        merged["examples"] = _with_examples(merged.get("examples"), keys["examples"])
    return replace(tree, value=merged)


def _laid_over(base: Located | None, own: Located, depth: int) -> Located:
    """The entries of both mappings, down to a depth, own ones instead of those of the base."""
    if depth == 0 or base is None or not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    laid = {key: _laid_over(base.value.get(key), value, depth - 1) for key, value in own.value.items()}
    return replace(own, value={**base.value, **laid})


def _with_examples(base: Located | None, own: Located) -> Located:
    """Own examples first, and those of the base whose names are not told anew."""
    first = reading.items(own, "examples")
    told = {_name_of(item) for item in first}
    return replace(
        own, value=[*first, *(item for item in reading.items(base, "examples") if _name_of(item) not in told)]
    )


def _name_of(example: Located) -> str:
    return reading.text(reading.mapping(example, "examples", EXAMPLE_KEYS).get("name", example), "examples.name")


# ---- what it says ----------------------------------------------------------------------------------------------------


def _policy(tree: Located) -> Policy:
    top = reading.mapping(tree, "the policy", POLICY_KEYS)
    name, version, fields, spans = (
        reading.required(tree, top, "the policy", key) for key in ("name", "version", "fields", "spans")
    )
    by_name = {field: rule(item, f"fields.{field}") for field, item in reading.named(fields, "fields", FIELD)}
    trees = _spans(spans, by_name)
    try:
        content = digest(tree.plain())
    except ValueError:
        raise reading.error(tree, "the policy", "a value in it is none that JSON can hold") from None
    clock = reading.member(top["clock"], "clock", ClockMode) if "clock" in top else ClockMode.EXACT
    if clock is ClockMode.SHIFTED:
        _no_time_is_kept([*by_name.values(), *(leaf.rule for each in trees.values() for leaf in leaves(each))])
    return Policy(
        name=reading.matching(name, "name", POLICY_NAME),
        version=reading.matching(version, "version", VERSION),
        fields=by_name,
        spans=trees,
        examples=tuple(_example(item) for item in reading.items(top.get("examples"), "examples")),
        digest=content,
        reviews=_reviews(spans),
        clock=clock,
        queued_when_off=reading.member(top["queued_when_off"], "queued_when_off", Queued)
        if "queued_when_off" in top
        else Queued.HOLD,
        recognisers=tuple(
            reading.word(item, "recognisers", RECOGNISERS)
            for item in reading.items(top.get("recognisers"), "recognisers")
        ),
    )


def _no_time_is_kept(rules: Iterable[Rule]) -> None:
    """A call whose times are shifted must not tell its day in a field."""
    for each in rules:
        if isinstance(each.shape, Moment):
            raise PolicyError(f"{each.source}: {each.name}: a kept time tells what 'clock: shifted' hides; BUCKET it")


def _spans(tree: Located, fields: Mapping[str, Rule]) -> dict[str, ObjectNode]:
    declared: dict[str, dict[tuple[str, ...], Rule | None]] = {}
    at: dict[str, Located] = {}
    for span, item in reading.named(tree, "spans", SPAN):
        at[span] = item
        declared[span] = {}
        for path, value in reading.named(item, f"spans.{span}", PATH):
            where = f"spans.{span}.{path}"
            if path == REVIEWED:
                continue
            steps = steps_of(path)
            if len(steps) > _DEEPEST:
                raise reading.error(value, where, f"a path has at most {_DEEPEST} steps")
            declared[span][steps] = None if value.value == OBJECT else rule(value, where)
    trees: dict[str, ObjectNode] = {}
    for span, paths in declared.items():
        family = declared.get(f"{span.partition('.')[0]}.*", {})
        try:
            trees[span] = compile_span({**family, **paths}, fields)
        except PathConflictError as conflict:
            problem = f"{str(conflict)!r} is declared as two kinds of thing"
            raise reading.error(at[span], f"spans.{span}", problem) from None
    return trees


def _reviews(tree: Located) -> dict[str, Review]:
    reviews: dict[str, Review] = {}
    for span, item in reading.named(tree, "spans", SPAN):
        told = item.value.get(REVIEWED) if isinstance(item.value, dict) else None
        if told is None:
            continue
        where = f"spans.{span}.{REVIEWED}"
        if not _TOOL.fullmatch(span):
            raise reading.error(told, where, "only the rules of one tool are reviewed")
        keys = reading.mapping(told, where, REVIEW_KEYS)
        by, on, seen = (reading.required(told, keys, where, key) for key in REVIEW_KEYS)
        try:
            day = date.fromisoformat(reading.matching(on, f"{where}.on", _DAY))
        except ValueError:
            raise reading.error(on, f"{where}.on", "no day of the calendar") from None
        reviews[span] = Review(
            by=reading.text(by, f"{where}.by"), on=day, digest=reading.matching(seen, f"{where}.digest", _SHA256)
        )
    return reviews


def _example(tree: Located) -> Example:
    keys = reading.mapping(tree, "examples", EXAMPLE_KEYS)
    name = reading.text(reading.required(tree, keys, "examples", "name"), "examples.name")
    where = f"examples: {name!r}"
    span, fields, expect = (reading.required(tree, keys, where, key) for key in ("span", "fields", "expect"))
    return Example(
        name=name,
        source=f"{tree.file}:{tree.line}",
        span=reading.text(span, where),
        fields=reading.plain_object(fields, where),
        expect=reading.plain_object(expect, where),
        rosters={
            reading.word(replace(item, value=roster), where, ROSTERS): reading.strings(item, where)
            for roster, item in reading.named(keys.get("rosters"), where, FIELD)
        },
    )
