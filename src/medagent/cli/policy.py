"""`medagent policy`: what may leave, for the one who answers for it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from medagent.cli import policy_view as view
from medagent.cli.output import console, print_json
from medagent.errors import AgentModuleError, PolicyError
from medagent.file_access import open_to_write, read_file, write_file
from medagent.proof import Json
from medagent.redaction import Policy, find_policy, load_policy
from medagent.redaction.comparison import rule_changes, value_changes
from medagent.redaction.explanation import explain as explained
from medagent.redaction.loading import POLICY_NAME, failing_examples, parse_policy, read_policy
from medagent.redaction.policy import Review
from medagent.redaction.review import digest_of, objections, review_line, with_review
from medagent.redaction.safe_harbor import all_rules, matrix
from medagent.redaction.schema import json_schema
from medagent.redaction.trial import run
from medagent.settings import load_settings
from medagent.simulator.network_guard import NetworkGuard
from medagent.snake_case import snake_case

if TYPE_CHECKING:
    from medagent.agent.agent_schema import AgentSchema

app = typer.Typer(help="Read, check and change the policy: what may leave.", no_args_is_help=True)

PolicyPath = Annotated[
    str | None, typer.Option("--policy", help="A policy's file, or a packaged one's name; else the one in force.")
]
AgentName = Annotated[
    str | None,
    typer.Option("--agent", help="An agent, module:factory or path/to/file.py: its tools instead of ours."),
]
Connect = Annotated[
    bool,
    typer.Option("--connect", help="Set up toolsets and connect MCP servers: starts programs, reaches hosts."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]


@app.command()
def lint(policy: PolicyPath = None, agent: AgentName = None, connect: Connect = False, as_json: AsJson = False) -> None:
    """List all that is wrong: errors of the file, failing examples, fields without a rule, rules without a review.

    With --agent its module is imported and its factory called; no tool runs and no other host is reached. Whatever of
    it cannot be seen is listed.
    """
    path, schema = _path(policy), _schema(agent, connect=connect)
    tools = _own_tools() if schema is None else schema.paths()
    try:
        loaded = read_policy(path)
    except PolicyError as error:
        invalid, found = error.problems, []
    else:
        invalid, found = tuple(failing_examples(loaded)), list(objections(loaded, tools))
        found += schema.objections(loaded) if schema is not None else ()
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
    agent: AgentName = None,
    *,
    connect: Connect = False,
) -> None:
    """Print, or write, the review of a tool's rules as they are now."""
    path, schema = _path(policy), _schema(agent, connect=connect)
    known = _own_tools() if schema is None else schema.paths()
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
def init(
    agent: Annotated[str, typer.Option("--agent", help="The agent: module:factory or path/to/file.py:factory.")],
    out: Annotated[Path | None, typer.Option("--out", help="The file to write; else the policy is printed.")] = None,
    extends: Annotated[str, typer.Option("--extends", help="The packaged policy that it extends.")] = "clinic",
    connect: Connect = False,
    as_json: AsJson = False,
) -> None:
    """Write a first policy for an agent: a guess for each field, with the reason; a file is never overwritten.

    The guess fails closed: booleans and closed lists are kept, all else is redacted or dropped. Its module is imported
    and its factory called; no tool runs and no other host is reached.
    """
    from medagent.agent.first_policy import guesses, policy_text  # noqa: PLC0415  # livekit costs seconds

    seen = _schema(agent, connect=connect)
    assert seen is not None  # noqa: S101  # an agent was named
    name = _policy_name(agent if out is None else out.stem)
    text = policy_text(seen, name=name, extends=_packaged(extends), agent=agent)
    parse_policy(text, file=f"{name}.yaml")
    guessed = guesses(seen, load_policy(find_policy(extends)))
    if out is not None:
        _create(out, text)
    if as_json:
        print_json(view.guess(span, one) for span, several in guessed.items() for one in several)
        print_json(view.unseen(one) for one in seen.unseen)
    elif out is None:
        sys.stdout.write(text)
    else:
        _print(view.first_policy(out, guessed, seen, agent=f"{agent} --connect" if connect else agent))


def _packaged(name: str) -> str:
    if not POLICY_NAME.fullmatch(name):
        raise PolicyError(f"--extends {name}: not a packaged policy, expected clinic or safe-harbor")
    find_policy(name)
    return name


def _policy_name(text: str) -> str:
    """The name of a policy for a file or module: its last part in small letters."""
    place = text.rpartition(":")[0] or text
    stem = snake_case(Path(place).name.removesuffix(".py").rpartition(".")[2]) or "agent"
    return stem.replace("_", "-")[:30].rstrip("-")


def _create(path: Path, text: str) -> None:
    """Write a new file; one that is there, of any kind, is an error."""
    try:
        descriptor = open_to_write(path, flags=os.O_WRONLY | os.O_EXCL, mode=0o644)
    except FileExistsError:
        raise PolicyError(f"{path}: exists, expected a new file", hint="name another file with --out") from None
    except OSError as error:
        raise PolicyError(f"{path}: cannot be written ({type(error).__name__}), expected a writable place") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


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
    return find_policy(policy if policy is not None else str(load_settings().policy_path or "clinic"))


def _schema(agent: str | None, *, connect: bool) -> AgentSchema | None:
    if agent is None:
        return None
    from medagent.agent.agent_tools import read_agent  # noqa: PLC0415  # livekit costs seconds

    if connect:
        return read_agent(agent, connect=True)
    with NetworkGuard() as guard:
        try:
            return read_agent(agent)
        except AgentModuleError as error:
            if not guard.refused:
                raise
            hint = f"no host is reached while an agent is read ({', '.join(guard.refused)}); --connect allows it"
            raise AgentModuleError(str(error), hint=hint) from error


def _own_tools() -> dict[str, tuple[str, ...]]:
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
