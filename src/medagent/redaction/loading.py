"""A policy from its file and from what it extends; every example is run before it may be used.

All that is wrong with a policy is collected and raised as one `PolicyError`, whose `problems` `policy lint` lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from importlib import resources
from pathlib import Path
from typing import TypeVar

from medagent.errors import OutcomeError, PolicyError
from medagent.outcomes import ToolOutcome
from medagent.proof import digest
from medagent.redaction import reading
from medagent.redaction.floor import breaches
from medagent.redaction.lists import CODE_LISTS
from medagent.redaction.policy import (
    Action,
    Category,
    ClockMode,
    Example,
    ObjectNode,
    PathConflictError,
    Policy,
    PolicyFile,
    Queued,
    Review,
    Rule,
    compile_span,
    leaves,
    steps_of,
)
from medagent.redaction.recognisers import RECOGNISERS
from medagent.redaction.rules import Lists, rule
from medagent.redaction.shapes import ROSTERS, Boolean, Moment, OneOf, Setting
from medagent.redaction.trial import run
from medagent.redaction.yaml_tree import Located, read_yaml, read_yaml_file

T = TypeVar("T")

POLICY_KEYS = (
    *("name", "version", "extends", "clock", "queued_when_off", "recognisers", "lists", "outcomes", "fields"),
    *("spans", "examples"),
)
INHERITED = ("clock", "queued_when_off", "recognisers", "lists", "outcomes", "fields", "spans", "examples")
EXAMPLE_KEYS = ("name", "span", "fields", "expect", "rosters", "lists")
GIVEN = "given"
"""Declares a list whose members the application gives when it starts."""
REVIEW_KEYS = ("by", "on", "digest")
OUTCOME_KEYS = ("outcome", "changes")
TOOL = re.compile(r"[a-z][a-z0-9_]*")
REVIEWED = "reviewed"
OBJECT = "fields"
POLICY_NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")
VERSION = re.compile(r"\d+\.\d+\.\d+", re.ASCII)
FIELD = re.compile(r"[a-z][a-z0-9_]*")
PATH = re.compile(r"[a-z][a-z0-9_]*(\[\])*(\.[a-z][a-z0-9_]*(\[\])*)*")
SPAN = re.compile(r"[a-z][a-z0-9_]*(\.([a-z][a-z0-9_]*|\*))?")
_MERGED = ("extends", "lists", "outcomes", "fields", "spans", "examples")
_CALL_OUTCOMES = (("voice_session", ("outcome",)), ("session.end", ("outcome",)))
_TOOL_NAMES = (("session.end", ("tools", "[]", "name")),)
"""Where the outcome of a call, and the names of its tools, leave."""
_TOOL = re.compile(r"tool\.[a-z][a-z0-9_]*")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEEPEST = 8
SYNTHETIC_CALLERS = "synthetic_callers"
"""Field that marks a call with synthetic callers; the loader adds its rule to each policy."""
_SYNTHETIC_SPANS = frozenset({"voice_session", "policy.guardrail"})
_SYNTHETIC_RULE = Rule(
    name=SYNTHETIC_CALLERS,
    source="every policy",
    action=Action.KEEP,
    category=Category.MACHINE,
    why="The settings declare that no caller is a real person.",
    shape=Boolean(),
)
_LONGEST_CHAIN = 4


def find_policy(name: str = "clinic") -> Path:
    """The file of a packaged policy's name, or of a path; raises `PolicyError` where there is none."""
    packaged = _packaged(name)
    found = packaged if POLICY_NAME.fullmatch(name) and packaged.is_file() else Path(name)
    if not found.is_file():
        raise PolicyError(f"{name}: no such policy", hint="name a file, or a packaged policy such as clinic")
    return found


def load_policy(path: Path | None = None) -> Policy:
    """Return a policy, by default the packaged one, its own examples run.

    Args:
        path: the policy's file.

    Raises:
        PolicyError: the policy is invalid, or an example fails; names file, line and rule, and carries all problems.
    """
    return _proven(read_policy(find_policy() if path is None else path))


def parse_policy(text: str, *, file: str) -> Policy:
    """The policy that a YAML text holds, its own examples run; raises `PolicyError`."""
    return _proven(parse_unproven(text, file=file))


def parse_unproven(text: str, *, file: str) -> Policy:
    """The policy that a YAML text holds, its examples not run, never to redact by; raises `PolicyError`."""
    problems = reading.Problems()
    tree = read_yaml(text, file, note=problems.note)
    return _policy(*_resolved(tree, problems, path=None, chain=()), problems)


def read_policy(path: Path) -> Policy:
    """A policy whose examples were not run: to run them one by one, never to redact; raises `PolicyError`."""
    problems = reading.Problems()
    tree = read_yaml_file(path, note=problems.note)
    return _policy(*_resolved(tree, problems, path=path, chain=(path.resolve(),)), problems)


def failing_examples(policy: Policy) -> Iterator[str]:
    """Yield what is wrong with each example that does not come out as it expects."""
    for example in policy.examples:
        if not run(example, policy).passed:
            where = f"{example.source}: examples: {reading.quoted(example.name)}"
            yield f"{where} does not come out as expected, expected what the rules make of it"


def _proven(policy: Policy) -> Policy:
    if failing := list(failing_examples(policy)):
        hint = "`medagent policy test` shows what came out; change the rule, or what the example expects of it"
        raise PolicyError(failing[0], hint=hint, problems=failing)
    return policy


# ---- files -----------------------------------------------------------------------------------------------------------


def _packaged(name: str) -> Path:
    return Path(str(resources.files("medagent.policies") / f"{name}.yaml"))


def _resolved(
    tree: Located, problems: reading.Problems, *, path: Path | None, chain: tuple[Path, ...]
) -> tuple[Located, tuple[PolicyFile, ...]]:
    """A policy with all that it extends; its own rules come first. What is wrong with a key is collected."""
    keys = reading.mapping(tree, "the policy", POLICY_KEYS, problems)
    if "extends" not in keys:
        return replace(tree, value=keys), (_policy_file(tree, keys, tree, path),)
    base_path = _extended(keys["extends"], beside=None if path is None else path.parent)
    if base_path.resolve() in chain:
        raise reading.error(keys["extends"], "extends", "the policy extends itself, expected another file")
    if len(chain) > _LONGEST_CHAIN:
        raise reading.error(
            keys["extends"], "extends", f"the chain is too long, expected at most {_LONGEST_CHAIN} files"
        )
    base, files = _resolved(
        read_yaml_file(base_path, note=problems.note),
        problems,
        path=base_path,
        chain=(*chain, base_path.resolve()),
    )
    inherited = reading.mapping(base, "the policy", POLICY_KEYS)
    merged = {key: value for key, value in inherited.items() if key in INHERITED}
    merged |= {key: value for key, value in keys.items() if key not in _MERGED}
    for key, depth in (("outcomes", 1), ("fields", 1), ("spans", 2)):
        if key in keys:
            base_of_key = merged.get(key)
            if key == "spans":
                base_of_key = _without_parts(base_of_key, keys[key])
            merged[key] = _laid_over(base_of_key, keys[key], depth)
    if "lists" in keys:
        merged["lists"] = _with_members(merged.get("lists"), keys["lists"])
    if "examples" in keys:
        merged["examples"] = _with_examples(merged.get("examples"), keys["examples"])
    # The base's digest stands for all of its content, what is told anew here included.
    bound = {**merged, "extends": replace(keys["extends"], value=files[0].digest)}
    own = _policy_file(tree, keys, replace(tree, value=bound), path)
    return replace(tree, value=merged), (own, *files)


def _policy_file(tree: Located, keys: Mapping[str, Located], content: Located, path: Path | None) -> PolicyFile:
    name, version = (keys[key].value if key in keys else "" for key in ("name", "version"))
    return PolicyFile(name=str(name), version=str(version), file=tree.file, digest=digest(content.plain()), path=path)


def _extended(tree: Located, *, beside: Path | None) -> Path:
    """The file that `extends` names: a path from the policy's own directory, else a name beside it or packaged."""
    told = reading.text(tree, "extends")
    if POLICY_NAME.fullmatch(told):
        own = None if beside is None else beside / f"{told}.yaml"
        path = own if own is not None and own.is_file() else _packaged(told)
    elif told.endswith((".yaml", ".yml")) and not told.startswith(("/", "~")) and told.isprintable():
        if beside is None:
            raise reading.error(tree, "extends", "a path beside a text that is no file, expected a packaged policy")
        path = beside / told
    else:
        raise reading.error(
            tree, "extends", "not a policy's name or file, expected a packaged name or a path such as ./base.yaml"
        )
    if not path.is_file():
        shown = reading.quoted(told)
        raise reading.error(tree, "extends", f"no policy {shown} lies beside this one or is packaged, expected a file")
    return path


def _laid_over(base: Located | None, own: Located, depth: int) -> Located:
    """The entries of both mappings, down to a depth, own ones instead of those of the base."""
    if depth == 0 or base is None or not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    laid = {key: _laid_over(base.value.get(key), value, depth - 1) for key, value in own.value.items()}
    return replace(own, value={**base.value, **laid})


def _without_parts(base: Located | None, own: Located) -> Located | None:
    """The base's spans without the parts of what a span's own rules redact or drop as a whole."""
    if base is None or not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return base
    spans = dict(base.value)
    for span, item in own.value.items():
        inherited = spans.get(span)
        if inherited is not None and isinstance(inherited.value, dict) and isinstance(item.value, dict):
            whole = tuple(f"{path}{sign}" for path, made in item.value.items() if _is_whole(made) for sign in ".[")
            left = {path: made for path, made in inherited.value.items() if not path.startswith(whole)}
            spans[span] = replace(inherited, value=left)
    return replace(base, value=spans)


def _is_whole(tree: Located) -> bool:
    action = tree.value.get("action") if isinstance(tree.value, dict) else None
    return action is not None and action.value in (Action.DROP.value, Action.REDACT.value)


def _with_members(base: Located | None, own: Located) -> Located:
    """The lists of both policies, each with the members of both."""
    if base is None or not isinstance(base.value, dict) or not isinstance(own.value, dict):
        return own
    lists = dict(base.value)
    for name, item in own.value.items():
        before = lists.get(name)
        if before is None or not isinstance(before.value, list):
            lists[name] = item
        elif isinstance(item.value, list):
            lists[name] = replace(item, value=[*before.value, *item.value])
    return replace(own, value=lists)


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


def _policy(tree: Located, files: tuple[PolicyFile, ...], problems: reading.Problems) -> Policy:
    """Compile a policy; raises `PolicyError` with everything that is wrong with it."""
    top = reading.mapping(tree, "the policy", POLICY_KEYS)
    for key in ("name", "version", "fields", "spans"):
        problems.attempt(reading.required, tree, top, "the policy", key)
    name, version = (
        problems.attempt(reading.matching, top[key], key, form) if key in top else None
        for key, form in (("name", POLICY_NAME), ("version", VERSION))
    )
    lists = _lists(top.get("lists"), problems)
    by_name = _fields(top.get("fields"), lists, problems)
    outcomes = _outcomes(top.get("outcomes"), problems)
    words = {each.outcome for each in outcomes.values()}
    trees = _spans(top.get("spans"), by_name, lists, words, problems)
    _no_setting_is_said(trees, problems)
    reviews = _reviews(top.get("spans"), problems)
    clock = problems.attempt(reading.member, top["clock"], "clock", ClockMode) if "clock" in top else ClockMode.EXACT
    if clock is ClockMode.SHIFTED:
        _no_time_is_kept(
            [*by_name.values(), *(leaf.rule for each in trees.values() for leaf in leaves(each))], problems
        )
    queued = Queued.HOLD
    if "queued_when_off" in top:
        queued = problems.attempt(reading.member, top["queued_when_off"], "queued_when_off", Queued) or queued
    examples, recognisers = _each(top, "examples", problems, _example), _each(top, "recognisers", problems, _recogniser)
    for breach in breaches(trees):
        problems.note(breach)
    if problems or name is None or version is None or clock is None:
        raise problems.error()
    return Policy(
        name=name,
        version=version,
        fields=by_name,
        spans=trees,
        examples=examples,
        digest=files[0].digest,
        reviews=reviews,
        clock=clock,
        queued_when_off=queued,
        recognisers=recognisers,
        files=files,
        outcomes=outcomes,
    )


def _outcomes(tree: Located | None, problems: reading.Problems) -> dict[str, ToolOutcome]:
    """The outcomes of tools; one that a policy declares is one that it lets out."""
    named = problems.attempt(reading.named, tree, "outcomes", TOOL, problems) or ()
    made = {tool: problems.attempt(_outcome, item, f"outcomes.{tool}") for tool, item in named}
    return {tool: each for tool, each in made.items() if each is not None}


def _outcome(tree: Located, where: str) -> ToolOutcome:
    keys = reading.mapping(tree, where, OUTCOME_KEYS)
    word, changes = (reading.required(tree, keys, where, key) for key in OUTCOME_KEYS)
    if type(changes.value) is not bool:
        raise reading.error(changes, f"{where}.changes", "not a boolean, expected true or false")
    try:
        return ToolOutcome(outcome=reading.text(word, f"{where}.outcome"), changes=changes.value)
    except OutcomeError as error:
        raise reading.error(word, f"{where}.outcome", str(error).partition(": ")[2]) from None


def _each(
    top: Mapping[str, Located], key: str, problems: reading.Problems, read: Callable[[Located], T]
) -> tuple[T, ...]:
    """The items of a list, each read by itself; what is wrong with one is collected."""
    items = problems.attempt(reading.items, top.get(key), key) or []
    made = [problems.attempt(read, item) for item in items]
    return tuple(each for each in made if each is not None)


def _recogniser(item: Located) -> str:
    return reading.word(item, "recognisers", RECOGNISERS)


def _fields(tree: Located | None, lists: Lists, problems: reading.Problems) -> dict[str, Rule]:
    named = problems.attempt(reading.named, tree, "fields", FIELD, problems) or ()
    made = {field: problems.attempt(rule, item, f"fields.{field}", lists) for field, item in named}
    return {field: each for field, each in made.items() if each is not None}


def _no_setting_is_said(trees: Mapping[str, ObjectNode], problems: reading.Problems) -> None:
    """Report each value that a model or a tool writes and that is declared as one of the operator's settings."""
    for span, tree in trees.items():
        for leaf in leaves(tree):
            said = span.startswith("tool.") and leaf.path.startswith(("arguments", "result"))
            if said and isinstance(leaf.rule.shape, Setting):
                where = f"{leaf.rule.source}: {leaf.rule.name}"
                problems.note(f"{where}: a model or a tool writes this value, expected a shape other than 'setting'")


def _no_time_is_kept(rules: Iterable[Rule], problems: reading.Problems) -> None:
    """A call whose times are shifted must not tell its day in a field."""
    for each in rules:
        if isinstance(each.shape, Moment):
            said = "a kept time tells what 'clock: shifted' hides, expected BUCKET or DROP"
            problems.note(f"{each.source}: {each.name}: {said}")


def _lists(tree: Located | None, problems: reading.Problems) -> Lists:
    """The lists of code and those that a policy declares, with the members that it adds."""
    lists = {name: frozenset[str]() for name in CODE_LISTS}
    for name, item in problems.attempt(reading.named, tree, "lists", FIELD, problems) or ():
        where = f"lists.{name}"
        if item.value == GIVEN and name in CODE_LISTS:
            problems.add(
                reading.error(item, where, "the application does not give a list of code, expected further members")
            )
        members = [] if item.value == GIVEN else problems.attempt(reading.strings, item, where)
        lists[name] = frozenset(members or ())
    return lists


def _spans(
    tree: Located | None, fields: Mapping[str, Rule], lists: Lists, outcomes: set[str], problems: reading.Problems
) -> dict[str, ObjectNode]:
    declared: dict[str, dict[tuple[str, ...], Rule | None]] = {}
    at: dict[str, Located] = {}
    for span, item in problems.attempt(reading.named, tree, "spans", SPAN, problems) or ():
        at[span] = item
        declared[span] = {}
        for path, value in problems.attempt(reading.named, item, f"spans.{span}", PATH, problems) or ():
            where = f"spans.{span}.{path}"
            if path == REVIEWED:
                continue
            steps = steps_of(path)
            if len(steps) > _DEEPEST:
                problems.add(reading.error(value, where, f"too many steps, expected at most {_DEEPEST} steps"))
            elif value.value == OBJECT:
                declared[span][steps] = None
            elif (made := problems.attempt(rule, value, where, lists)) is not None:
                declared[span][steps] = made
                if span in _SYNTHETIC_SPANS and path == SYNTHETIC_CALLERS and not _says_synthetic(made):
                    problem = (
                        f"{made.action.value} hides that callers are declared synthetic, expected KEEP of a boolean"
                    )
                    problems.add(reading.error(value, where, problem))
    if tree is not None:
        for span in sorted(_SYNTHETIC_SPANS):
            at.setdefault(span, tree)
            declared.setdefault(span, {}).setdefault((SYNTHETIC_CALLERS,), _SYNTHETIC_RULE)
    _let_out(declared, _CALL_OUTCOMES, outcomes)
    _let_out(declared, _TOOL_NAMES, {span.partition(".")[2] for span in declared if _TOOL.fullmatch(span)})
    trees: dict[str, ObjectNode] = {}
    for span, paths in declared.items():
        family = declared.get(f"{span.partition('.')[0]}.*", {})
        try:
            trees[span] = compile_span({**_without_whole(family, paths), **paths}, fields)
        except PathConflictError as conflict:
            problem = f"{str(conflict)!r} is declared as two kinds of thing, expected one"
            problems.add(reading.error(at[span], f"spans.{span}", problem))
    return trees


def _let_out(
    declared: Mapping[str, dict[tuple[str, ...], Rule | None]],
    places: Iterable[tuple[str, tuple[str, ...]]],
    words: Iterable[str],
) -> None:
    """Add words to the enumerations at some places: a policy that declares a tool names it and its outcome."""
    for span, steps in places:
        made = declared.get(span, {}).get(steps)
        if made is not None and isinstance(made.shape, OneOf):
            shape = OneOf(values=made.shape.values | frozenset(words))
            declared[span][steps] = replace(made, shape=shape)


def _without_whole(
    family: Mapping[tuple[str, ...], Rule | None], own: Mapping[tuple[str, ...], Rule | None]
) -> dict[tuple[str, ...], Rule | None]:
    """The family's paths, but for those within an object that the span itself redacts or drops as a whole."""
    whole = {steps for steps, made in own.items() if made is not None and made.action in (Action.DROP, Action.REDACT)}
    return {
        steps: made for steps, made in family.items() if not any(steps[:end] in whole for end in range(1, len(steps)))
    }


def _says_synthetic(made: Rule) -> bool:
    return made.action is Action.KEEP and isinstance(made.shape, Boolean) and made.condition is None


def _reviews(tree: Located | None, problems: reading.Problems) -> dict[str, Review]:
    spans = tree.value if tree is not None and isinstance(tree.value, dict) else {}
    found = {span: item.value.get(REVIEWED) for span, item in spans.items() if isinstance(item.value, dict)}
    made = {span: problems.attempt(_review, span, told) for span, told in found.items() if told is not None}
    return {span: each for span, each in made.items() if each is not None}


def _review(span: str, told: Located) -> Review:
    where = f"spans.{span}.{REVIEWED}"
    if not _TOOL.fullmatch(span):
        raise reading.error(told, where, "only the rules of one tool are reviewed, expected a span tool.<name>")
    keys = reading.mapping(told, where, REVIEW_KEYS)
    by, on, seen = (reading.required(told, keys, where, key) for key in REVIEW_KEYS)
    try:
        day = date.fromisoformat(reading.matching(on, f"{where}.on", _DAY))
    except ValueError:
        raise reading.error(on, f"{where}.on", "no day of the calendar, expected YYYY-MM-DD") from None
    return Review(by=reading.text(by, f"{where}.by"), on=day, digest=reading.matching(seen, f"{where}.digest", _SHA256))


def _example(tree: Located) -> Example:
    keys = reading.mapping(tree, "examples", EXAMPLE_KEYS)
    name = reading.text(reading.required(tree, keys, "examples", "name"), "examples.name")
    where = f"examples: {reading.quoted(name)}"
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
        }
        | {name: reading.strings(item, where) for name, item in reading.named(keys.get("lists"), where, FIELD)},
    )
