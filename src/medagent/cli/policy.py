"""`medagent policy`: what may leave, for the one who answers for it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import RenderableType

from medagent.cli import policy_view as view
from medagent.cli.agent_tools import tools_of
from medagent.cli.output import console, print_json
from medagent.errors import PolicyError
from medagent.file_access import read_file, write_file
from medagent.proof import Json
from medagent.redaction import Policy, find_policy, load_policy
from medagent.redaction.comparison import rule_changes, value_changes
from medagent.redaction.explanation import explain as explained
from medagent.redaction.loading import failing_examples, read_policy
from medagent.redaction.policy import Review
from medagent.redaction.review import digest_of, objections, review_line, with_review
from medagent.redaction.safe_harbor import all_rules, matrix
from medagent.redaction.schema import json_schema
from medagent.redaction.trial import run
from medagent.settings import load_settings

app = typer.Typer(help="Read, check and change the policy: what may leave.", no_args_is_help=True)

PolicyPath = Annotated[
    str | None, typer.Option("--policy", help="A policy's file, or a packaged one's name; else the one in force.")
]
AgentModule = Annotated[str | None, typer.Option("--agent", help="A Python module: its tools instead of ours.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def lint(policy: PolicyPath = None, agent: AgentModule = None, as_json: AsJson = False) -> None:
    """List all that is wrong: errors of the file, failing examples, fields without a rule, rules without a review."""
    path, tools = _path(policy), _tools(agent)
    try:
        loaded = read_policy(path)
    except PolicyError as error:
        invalid, found = error.problems, []
    else:
        invalid, found = tuple(failing_examples(loaded)), list(objections(loaded, tools))
    if as_json:
        print_json(view.located(problem) for problem in invalid)
        print_json(
            {"span": o.span, "problem": o.problem.value, "says": o.says, "fields": list(o.fields)} for o in found
        )
    else:
        for problem in invalid:
            console().print(problem, soft_wrap=True, markup=False, highlight=False)
        _print(view.against(found) if invalid else view.lint(loaded, tools, found))
    if invalid or found:
        raise typer.Exit(1)


@app.command()
def show(policy: PolicyPath = None, as_json: AsJson = False) -> None:
    """Show every rule, and what is done about each of Safe Harbor's eighteen identifiers."""
    loaded = load_policy(_path(policy))
    if not as_json:
        _print(view.show(loaded, matrix(loaded), release_delay_days=load_settings().release_delay_days))
        return
    rules = {name: {**rule.document(), "why": rule.why, "source": rule.source} for name, rule in all_rules(loaded)}
    print_json([{**_named(loaded), "rules": rules, "safe_harbor": [row.document() for row in matrix(loaded)]}])


@app.command()
def explain(
    field: Annotated[str, typer.Argument(help="A field's name, or its path in the span.")],
    value: Annotated[str, typer.Argument(help="An invented value; a number or true/false is read as one.")],
    span: Annotated[
        str | None, typer.Option(help="The span it stands in; else the first that names the field.")
    ] = None,
    policy: PolicyPath = None,
    as_json: AsJson = False,
) -> None:
    """Say what would leave of a value, by which rule, and why."""
    answers = explained(load_policy(_path(policy)), field, _scalar(value), span=span)
    if not as_json:
        _print(view.explanation(answers))
        return
    print_json(
        {
            "span": one.span,
            "path": one.path,
            "beside": one.beside,
            "action": one.action.value,
            "leaves": one.leaves,
            "left": one.left,
            "rule": None if one.rule is None else one.rule.name,
            "source": None if one.rule is None else one.rule.source,
            "why": None if one.rule is None else one.rule.why,
        }
        for one in answers
    )


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="A policy's file or a packaged one's name.")],
    after: Annotated[str, typer.Argument(help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Compare two policies: their rules, and what would leave of invented records under each."""
    old, new = load_policy(find_policy(before)), load_policy(find_policy(after))
    rules, values = list(rule_changes(old, new)), list(value_changes(old, new))
    if not as_json:
        _print(view.difference(old, new, rules, values))
        return
    print_json({"rule": rule.where, "before": rule.before, "after": rule.after} for rule in rules)
    print_json({"record": v.record, "path": v.path, "before": v.before, "after": v.after} for v in values)


@app.command("test")
def run_examples(policy: PolicyPath = None, as_json: AsJson = False) -> None:
    """Run the examples that a policy carries; exit code 1 where one fails, as the policy would not load then."""
    read = read_policy(_path(policy))
    outcomes = [run(example, read) for example in read.examples]
    if as_json:
        print_json(
            {"example": o.example.name, "passed": o.passed, "source": o.example.source, "left": o.left}
            for o in outcomes
        )
    else:
        _print(view.trial(read, outcomes))
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def review(
    tools: Annotated[list[str] | None, typer.Argument(help="Tools by name; all where none is given.")] = None,
    by: Annotated[str, typer.Option(help="Who has read these rules.")] = "",
    write: Annotated[bool, typer.Option("--write", help="Write it into the policy's file.")] = False,
    policy: PolicyPath = None,
    agent: AgentModule = None,
) -> None:
    """Print, or write, the review of a tool's rules as they are now."""
    path, known = _path(policy), _tools(agent)
    loaded = load_policy(path)
    spans = [f"tool.{name.removeprefix('tool.')}" for name in tools or ()] or list(known)
    for span in spans:
        if span not in known:
            raise typer.BadParameter(f"no tool has the span {span}; there are {', '.join(known)}")
    if not by.strip():
        raise typer.BadParameter("--by is missing: a review has a name under it")
    today = datetime.now(UTC).date()
    made = {span: Review(by=by, on=today, digest=digest_of(loaded, span, known[span])) for span in spans}
    if write:
        _write(path, made)
    for span, one in made.items():
        console().print(f"{span}:\n  {review_line(one)}", soft_wrap=True, markup=False)


@app.command()
def schema() -> None:
    """Print the language as JSON Schema, for an editor."""
    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def _write(path: Path, made: Mapping[str, Review]) -> None:
    """Put reviews into a policy's file; where it would not load with them it is left as it was."""
    try:
        text = before = read_file(path).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    for span, one in made.items():
        text = with_review(text, span, one, file=path.name)
    _rewrite(path, text)
    try:
        held = load_policy(path).reviews
    except PolicyError:
        _rewrite(path, before)
        raise
    if any(held.get(span) != one for span, one in made.items()):
        _rewrite(path, before)
        raise PolicyError(f"{path.name}: a review did not hold", hint="write the lines that `policy review` prints")


def _rewrite(path: Path, text: str) -> None:
    try:
        write_file(path, text.encode())
    except OSError as error:
        hint = "name the file itself, not a symbolic link"
        raise PolicyError(f"{path.name}: cannot be written ({type(error).__name__})", hint=hint) from None


def _print(parts: Iterable[RenderableType]) -> None:
    out = console()
    for part in parts:
        out.print(part)


def _path(policy: str | None) -> Path:
    return find_policy(policy) if policy is not None else load_settings().policy_path or find_policy()


def _tools(agent: str | None) -> dict[str, tuple[str, ...]]:
    if agent is not None:
        return tools_of(agent)
    from medagent.tools import TOOLS  # noqa: PLC0415  # a database's client, which reading a policy need not load

    return {f"tool.{tool.name}": tool.field_paths for tool in TOOLS}


def _named(policy: Policy) -> dict[str, Json]:
    return {
        "name": policy.name,
        "version": policy.version,
        "sha256": policy.digest,
        "clock": policy.clock.value,
        "queued_when_off": policy.queued_when_off.value,
        "recognisers": list(policy.recognisers),
        "files": [
            {"file": one.file, "name": one.name, "version": one.version, "sha256": one.digest} for one in policy.files
        ],
        "reviews": {
            span: {"by": review.by, "on": review.on.isoformat(), "digest": review.digest}
            for span, review in policy.reviews.items()
        },
    }


def _scalar(value: str) -> Json:
    try:
        read = json.loads(value)
    except ValueError:
        return value
    return read if isinstance(read, (int, float, bool)) else value
