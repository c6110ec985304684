"""How a policy looks at 100 columns."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from medagent.proof import Json
from medagent.redaction import REDACTED, Action, Policy, Rule
from medagent.redaction.comparison import RuleChange, ValueChange
from medagent.redaction.explanation import Explanation
from medagent.redaction.policy import ClockMode, leaves
from medagent.redaction.review import Objection
from medagent.redaction.safe_harbor import Row, all_rules
from medagent.redaction.trial import Outcome

if TYPE_CHECKING:
    from medagent.agent.agent_schema import AgentSchema, Unseen
    from medagent.agent.first_policy import Guess

_LOCATED = re.compile(
    r"(?P<file>[^:]*):(?P<line>[0-9]+): (?:(?P<rule>[a-z][A-Za-z0-9_.*\[\] ]*): )?(?P<says>.*)", re.DOTALL
)
_QUIET = "bright_black"
_STYLES: Mapping[Action, str] = {
    Action.REDACT: "yellow",
    Action.TRUNCATE: "yellow",
    Action.KEEP: "green",
    Action.DROP: "red",
    Action.PSEUDONYM: "magenta",
    Action.BUCKET: "cyan",
}


def headline(policy: Policy) -> Text:
    """Which policy this is."""
    about = f"  sha256 {policy.digest[:12]} · clock {policy.clock.value} · {len(policy.examples)} examples"
    asked = f" · {', '.join(policy.recognisers)}" if policy.recognisers else ""
    return Text.assemble((f"{policy.name} {policy.version}", "bold"), (about + asked, _QUIET))


def verdict(passed: bool, *told: str | tuple[str, str] | Text) -> RenderableType:
    """A line with ok or no before it; what does not fit stands below its beginning."""
    mark = Text("ok", style="green") if passed else Text("no", style="red")
    return _hanging(mark, Text.assemble(*told), width=2)


def located(problem: str) -> dict[str, Json]:
    """One error of a policy's file for a script; `rule` is null where it concerns the whole file."""
    found = _LOCATED.fullmatch(problem)
    if found is None:
        return {"problem": "invalid", "file": None, "line": None, "rule": None, "says": problem}
    told: dict[str, Json] = {"file": found["file"], "line": int(found["line"]), "rule": found["rule"]}
    return {"problem": "invalid", **told, "says": found["says"]}


def against(found: Iterable[Objection]) -> Iterator[RenderableType]:
    """What speaks against the rules of tools."""
    for objection in found:
        names = f": {', '.join(objection.fields)}" if objection.fields else ""
        yield verdict(False, objection.span, (f"  {objection.says}{names}", _QUIET))


def lint(policy: Policy, tools: Mapping[str, Sequence[str]], found: Sequence[Objection]) -> Iterator[RenderableType]:
    """Each tool with what speaks against its rules, or who reviewed them."""
    yield headline(policy)
    for span, paths in tools.items():
        here = [objection for objection in found if objection.span == span]
        yield from against(here)
        if not here:
            review = policy.reviews[span]
            about = f"  {len(paths)} fields, reviewed {review.on.isoformat()} by {review.by}"
            yield verdict(True, span, (about, _QUIET))
    yield from against(objection for objection in found if objection.span not in tools)


def guess(span: str, one: Guess) -> dict[str, Json]:
    """One guessed rule for a script."""
    return {
        "span": span,
        "path": one.path,
        "declared": list(one.declared),
        "type": one.kind,
        "action": one.action.value,
        "category": one.category.value,
        "why": one.why,
    }


def unseen(one: Unseen) -> dict[str, Json]:
    """One part of an agent that was not seen, for a script."""
    return {"unseen": one.where, "span": one.span, "path": one.path, "why": one.reason}


def first_policy(
    path: Path, guessed: Mapping[str, Sequence[Guess]], schema: AgentSchema, *, agent: str
) -> Iterator[RenderableType]:
    """Each field with its guess and the reason, what was not seen, and what to do next."""
    rules = [one for several in guessed.values() for one in several]
    counts = ", ".join(f"{count} {action}" for action, count in Counter(one.action.value for one in rules).items())
    yield Text.assemble((f"{path}", "bold"), (f"  {len(guessed)} tools, {len(rules)} fields: {counts}", _QUIET))
    for span, several in guessed.items():
        table = _table(span, "type", "guess", "why")
        for one in several:
            table.add_row(f"  {one.path}", one.kind, _action(one.action), one.why)
        yield Text("")
        yield table if several else Text.assemble(span, ("  no fields", _QUIET))
    others = [one for one in schema.unseen if one.path is None]
    if others or schema.same_names:
        yield Text("")
    yield from (verdict(False, one.where, (f"  not seen: {one.reason}", _QUIET)) for one in others)
    for same in schema.same_names:
        spelled = " and ".join(map(repr, same.spellings))
        yield verdict(False, same.span, (f"  {spelled} have one name: rename one of them", _QUIET))
    yield Text("")
    yield Text("Nobody has read these rules. Read and change them, then:", style=_QUIET)
    yield Text(f"  medagent policy lint --policy {path} --agent {agent}", no_wrap=True, overflow="ignore")
    yield Text(
        f'  medagent policy review --policy {path} --agent {agent} --by "NAME" --write', no_wrap=True, overflow="ignore"
    )


def show(policy: Policy, rows: Iterable[Row], *, release_delay_days: int = 0) -> Iterator[RenderableType]:
    """The rules by name, what each span adds to them, and the eighteen identifiers."""
    yield headline(policy)
    if policy.clock is ClockMode.SHIFTED and release_delay_days == 0:
        said = "A destination can see the day of a call by the time of arrival: MEDAGENT_RELEASE_DELAY_DAYS is 0."
        yield Text(said, style="yellow")
    if len(policy.files) > 1:
        chain = _table("file", "policy", "sha256")
        for one in policy.files:
            chain.add_row(one.file, f"{one.name} {one.version}", one.digest[:12])
        yield from _section("Files: each extends the one below it, whose digest its own holds", chain)
        yield Text("")
    by_name = _table("field", "action", "category", "", "how")
    for field, rule in policy.fields.items():
        by_name.add_row(field, _action(rule.action), rule.category.value, rule.safe_harbor or "", _how(rule))
    yield from _section("Rules by name: they hold in every object that a span declares", by_name)
    spans = _table("span", "kept", "other rules", "reviewed by")
    own = dict(all_rules(policy))
    for span, tree in policy.spans.items():
        here = [(leaf.path, leaf.rule) for leaf in leaves(tree) if f"{span}: {leaf.path}" in own]
        other = [_pair(path, rule) for path, rule in here if rule.action is not Action.KEEP]
        kept = Counter(rule.action for _, rule in here)[Action.KEEP]
        review = policy.reviews.get(span)
        spans.add_row(span, str(kept), Text(", ").join(other), review.by if review else "")
    yield from _section("Rules by path, for one span", spans)
    safe_harbor = _table("", "identifier", "carried by", "tried by example")
    for row in rows:
        carried = Text(", ").join(_pair(field, rule) for field, rule in row.rules.items())
        tried = [Text(name, style="green" if passed else "red") for name, passed in row.examples.items()]
        safe_harbor.add_row(row.letter, row.identifier, carried, Text(", ").join(tried))
    texts = Text(", ").join(_pair(field, rule) for field, rule in own.items() if rule.free_text)
    safe_harbor.add_row("", "free text: may hold any but P, Q", texts, Text("scrubbed before it is sent"))
    yield from _section("HIPAA Safe Harbor, 45 CFR 164.514(b)(2): the eighteen identifiers", safe_harbor)
    yield Text("Whatever no rule names is dropped and counted, whichever identifier it is.", style=_QUIET)


def explanation(explained: Sequence[Explanation]) -> Iterator[RenderableType]:
    """What leaves, by which rule, and why."""
    first = explained[0]
    yield Text.assemble((f"{first.span}: {first.path}", "bold"))
    if first.rule is None:
        yield _hanging(Text("leaves"), Text("nothing: no rule names this field, so it is dropped and counted"))
        return
    for one in explained:
        beside = f"   beside {one.beside} in the same record" if one.beside else ""
        left = _left(json.dumps(one.left, ensure_ascii=False) if one.leaves else None)
        yield _hanging(Text("leaves"), Text.assemble(left, "   ", _action(one.action), (beside, _QUIET)))
    rule = first.rule
    letter = f" · Safe Harbor {rule.safe_harbor}" if rule.safe_harbor else ""
    yield _hanging(Text("rule"), Text(f"{rule.name}, {rule.source}"))
    yield _hanging(Text("says"), Text.assemble(_action(rule.action), f" · {rule.category.value}{letter}"))
    if how := _how(rule):
        yield _hanging(Text("how"), how)
    if rule.why:
        yield _hanging(Text("why"), Text(rule.why))


def difference(
    before: Policy, after: Policy, rules: Sequence[RuleChange], values: Sequence[ValueChange]
) -> Iterator[RenderableType]:
    """What one policy says otherwise than the other, and what comes of it."""
    yield headline(before)
    yield headline(after)
    if not rules and not values:
        yield Text("They decide alike.", style="green")
        return
    changed = _table("rule", before.name, after.name)
    for change in rules:
        changed.add_row(change.where, _told(change.before, change.differing), _told(change.after, change.differing))
    yield from _section("Rules", changed)
    yield from _section("What would leave otherwise of invented records", _by_record(values, before.name, after.name))


def trial(policy: Policy, outcomes: Sequence[Outcome]) -> Iterator[RenderableType]:
    """Each example; where one fails, what was expected and what came out."""
    yield headline(policy)
    for outcome in outcomes:
        example = outcome.example
        yield verdict(outcome.passed, example.name, (f"  {example.span}, {example.source}", _QUIET))
        if not outcome.passed:
            for about, fields in (("expected", example.expect), ("came", outcome.left)):
                yield _hanging(Text(about), Text(json.dumps(fields, ensure_ascii=False)), width=8)


def _by_record(values: Sequence[ValueChange], before: str, after: str) -> Table:
    table = _table("record, place", f"leaves under {before}", f"under {after}")
    for record in dict.fromkeys(value.record for value in values):
        table.add_row(Text(record, style="bold"))
        for value in values:
            if value.record == record:
                table.add_row(f"  {value.path}", _left(value.before), _left(value.after))
    return table


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style=_QUIET)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _section(title: str, table: Table) -> Iterator[RenderableType]:
    yield Text("")
    yield Text(title, style="bold")
    yield table


def _hanging(mark: Text, told: Text, *, width: int = 6) -> RenderableType:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style=_QUIET, no_wrap=True, min_width=width)
    grid.add_column(overflow="fold")
    grid.add_row(mark, told)
    return Padding(grid, (0, 0, 0, 2))


def _action(action: Action) -> Text:
    return Text(action.value, style=_STYLES[action])


def _pair(field: str, rule: Rule) -> Text:
    return Text.assemble(f"{field} ", _action(rule.action))


def _how(rule: Rule) -> Text:
    told = {key: value for key, value in rule.document().items() if key not in ("action", "category", "safe_harbor")}
    return Text(" · ".join(_said(key, value) for key, value in told.items()))


def _said(key: str, value: Json) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{kind} {_plain(inner)}" for kind, inner in value.items())
    words = {"max": "at most {} code points", "bucket": "{}", "text": "{}", "shape": "{}", "then": "then {}"}
    return words.get(key, f"{key.replace('_', ' ')} {{}}").format(_plain(value))


def _plain(value: Json) -> str:
    match value:
        case Mapping():
            return " ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
        case str():
            return value
        case Sequence():
            return ", ".join(map(_plain, value))
        case _:
            return str(value)


def _told(rule: Mapping[str, Json] | None, keys: Sequence[str]) -> Text:
    if rule is None:
        return Text("no such rule", style=_QUIET)
    parts = [_action(Action(str(rule["action"])))] if "action" in rule else []
    parts += [Text(_said(key, rule[key])) for key in keys if key in rule and key != "action"]
    return Text(" · ").join(parts)


def _left(value: str | None) -> Text:
    if value is None:
        return Text("nothing", style=_QUIET)
    text = Text(value)
    text.highlight_words([REDACTED], style="black on yellow")
    return text
