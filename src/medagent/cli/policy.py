"""`medagent policy`: what may leave, for the one who answers for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from medagent.cli.agent_tools import tools_of
from medagent.cli.output import console, print_json
from medagent.redaction import Policy, find_policy, load_policy
from medagent.redaction.policy import Review
from medagent.redaction.review import Objection, digest_of, objections, review_line, with_review
from medagent.settings import load_settings
from medagent.tools import TOOLS

app = typer.Typer(help="Read, check and change the policy: what may leave.", no_args_is_help=True)

PolicyPath = Annotated[
    str | None, typer.Option("--policy", help="A policy's file, or a packaged one's name; else the one in force.")
]
AgentModule = Annotated[str | None, typer.Option("--agent", help="A Python module: its tools instead of ours.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, one object a line.")]


@app.command()
def lint(policy: PolicyPath = None, agent: AgentModule = None, as_json: AsJson = False) -> None:
    """Fail where a tool has a field that no rule names, or rules that nobody has reviewed as they are."""
    loaded, tools = _load(policy), _tools(agent)
    found = list(objections(loaded, tools))
    if as_json:
        print_json(
            {"span": o.span, "problem": o.problem.value, "says": o.says, "fields": list(o.fields)} for o in found
        )
    else:
        _show_lint(loaded, tools, {span: [o for o in found if o.span == span] for span in tools})
    if found:
        raise typer.Exit(1)


def _show_lint(loaded: Policy, tools: dict[str, tuple[str, ...]], found: dict[str, list[Objection]]) -> None:
    out = console()
    out.print(f"policy {loaded.name} {loaded.version} {loaded.digest[:8]}", style="bold")
    for span, paths in tools.items():
        if not found[span]:
            review = loaded.reviews[span]
            fields = f"  {len(paths)} fields, reviewed {review.on.isoformat()} by {review.by}"
            out.print(Text.assemble(("  ok  ", "green"), span, (fields, "bright_black")))
        for objection in found[span]:
            names = f": {', '.join(objection.fields)}" if objection.fields else ""
            out.print(Text.assemble(("  no  ", "red"), f"{span}  {objection.says}{names}"))


@app.command()
def review(
    tools: Annotated[list[str] | None, typer.Argument(help="Tools by name; all where none is given.")] = None,
    by: Annotated[str, typer.Option(help="Who has read these rules.")] = "",
    write: Annotated[bool, typer.Option(help="Write it into the policy's file.")] = False,
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
        text = path.read_text("utf-8")
        for span, one in made.items():
            text = with_review(text, span, one, file=path.name)
        path.write_text(text, "utf-8")
    for span, one in made.items():
        console().print(f"{span}:\n  {review_line(one)}", soft_wrap=True, markup=False)


def _path(policy: str | None) -> Path:
    return find_policy(policy) if policy is not None else load_settings().policy_path or find_policy()


def _load(policy: str | None) -> Policy:
    return load_policy(_path(policy))


def _tools(agent: str | None) -> dict[str, tuple[str, ...]]:
    return tools_of(agent) if agent is not None else {f"tool.{tool.name}": tool.field_paths for tool in TOOLS}
