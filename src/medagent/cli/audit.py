"""`medagent audit`: the proof that a compliance officer runs, reads, signs and hands on."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from medagent.attestation.report import Report
from medagent.audit.agent_subject import bound_agent, check_no_agent, read_subject
from medagent.audit.extra import check_extra
from medagent.audit.protocol import WEEK5, find_protocol, load_protocol
from medagent.cli import audit_render, audit_review, audit_signing
from medagent.cli.output import console, print_json
from medagent.runtime.kill_switch import officers
from medagent.settings import load_settings

if TYPE_CHECKING:
    from medagent.audit.run import Told

app = typer.Typer(help="The week-5 audit: run it, review it, sign it, verify it.", no_args_is_help=True)

app.command()(audit_review.review)
app.command()(audit_review.merge)
app.command()(audit_signing.adjudicate)
app.command()(audit_signing.sign)
app.command()(audit_signing.verify)
app.command()(audit_render.render)
app.add_typer(audit_signing.key, name="key")

_MARKS = {True: Text("passed", style="green"), False: Text("FAILED", style="bold red")}


@app.callback()
def _group() -> None:
    """Run audits, and do what people do with their reports."""


@app.command()
def run(
    protocol: Annotated[
        str, typer.Argument(help="What is played, planted, measured and asked for: week5, agent, or a YAML file.")
    ] = WEEK5,
    *,
    pace: Annotated[
        float | None, typer.Option(min=1, max=50, help="Over 1 it is a rehearsal: so many times as fast as life.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Plants and draws the same again; a new one by default.")
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Audit an agent of your own: module:factory or path/to/file.py:factory.")
    ] = None,
    tool_host: Annotated[
        list[str] | None,
        typer.Option(help="A host that the agent's tools call; refused like any other, and no finding. Repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Where the report goes; a new directory by default.")] = None,
    example: Annotated[
        bool, typer.Option("--example", help="Mark the report as an example on every page; it is never a GO.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The verdict as one JSON object.")] = False,
) -> None:
    """Play the calls, read every byte that left, and write the report that people review and sign.

    With --agent your agent is played instead of the packaged receptionist, by calls that are made from its tools: they
    run, with planted arguments and without your environment's variables, and the report is bound to its files.

    Exit code 0 where the machine's part is clean: GO, which signatures must still complete, or CLEAN for a rehearsal.
    """
    loaded, sha256 = load_protocol(find_protocol(protocol))
    check_extra()
    from medagent.audit.run import Order, run_audit  # noqa: PLC0415  # a call's machinery; to verify needs none of it

    settings, subject = load_settings(), None
    if agent is None:
        check_no_agent(settings)
    else:
        subject = read_subject(agent, settings)
        settings = bound_agent(subject, settings)
    order = Order(
        protocol=loaded,
        agent=subject,
        tool_hosts=tuple(host.casefold() for host in tool_host or ()),
        protocol_sha256=sha256,
        pace=pace or loaded.pace,
        seed=secrets.randbits(31) if seed is None else seed,
        example=example,
        out=(out or Path(f"audit-{datetime.now(UTC):%Y%m%d-%H%M%S}")).absolute(),
    )
    if not order.rehearsal and sha256 not in officers(settings).protocol_digests:
        console(stderr=True).print(
            f"protocol {loaded.name}: its digest is not pinned in protocols.yaml beside the officers: no GO can follow",
            style="yellow",
        )
    order.out.mkdir(parents=True, exist_ok=True)
    with _progress() as told:
        audited = run_audit(settings, order, told)
    report = audited.report
    if as_json:
        about = {"verdict": report.verdict, "causes": list(report.causes), "seed": order.seed}
        print_json([{**about, "report": str(audited.directory), "earliest_launch": report.earliest_launch}])
    else:
        _summary(report, audited.directory)
    if report.verdict not in ("GO", "CLEAN"):
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Told]:
    """One line a call while it goes on."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"), TimeElapsedColumn())
    shown = console(stderr=True)
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def told(about: Mapping[str, Any]) -> None:
            match about["kind"]:
                case "stage":
                    progress.console.print(about["stage"], style="bright_black")
                    for name in about.get("calls", ()):
                        tasks[name] = progress.add_task(name, total=None, said="", visible=name.startswith("long"))
                case "turn" if about["call"] in tasks:
                    said = f"{about['turn']} of {about['turns']}"
                    task = tasks[about["call"]]
                    progress.update(task, completed=about["turn"], total=about["turns"], said=said, visible=True)
                case "ended" if about["call"] in tasks:
                    progress.update(tasks[about["call"]], said=about["ended"], visible=False)

        yield told


def _summary(report: Report, directory: Path) -> None:
    out = console()
    table = Table(box=None, pad_edge=False)
    for name in ("", "criterion", "measured", "limit"):
        table.add_column(name, overflow="fold")
    for one in report.criteria:
        table.add_row(
            _MARKS[one.passed] if one.judged else Text("not judged", style="yellow"), one.name, one.measured, one.limit
        )
    out.print(table)
    clean = report.verdict in ("GO", "CLEAN")
    out.print(f"\n{report.verdict}", style="bold green" if clean else "bold red")
    for cause in report.causes:
        out.print(f"  {cause}")
    if report.verdict == "GO":
        out.print(
            "The machine's part. It is no GO until the people whom the protocol names have signed.", style="yellow"
        )
    if report.earliest_launch is not None:
        out.print(f"Earliest launch: {report.earliest_launch}, after a new audit.")
    if report.run.rehearsal:
        timed = "" if report.latency.judged else " no latency was judged, and"
        out.print(f"A rehearsal at pace {report.run.pace:g}:{timed} nothing may be launched by it.")
    out.print(f"The model's behaviour was scripted. Seed {report.run.seed}; the report is in {directory}.")
