"""`medagent call`: a simulated caller phones the clinic, or somebody's own agent; watch it, then see what left."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from medagent.cli.output import console, print_failure, print_json, print_switch, tree
from medagent.cli.own_agent import OwnAgent, own_agent
from medagent.cli.timeline import Timeline
from medagent.errors import SettingsError
from medagent.percentiles import percentile
from medagent.proof import Json
from medagent.redaction import Policy
from medagent.rehearsal import Rehearsed, found, stage
from medagent.runtime.host import policy
from medagent.runtime.kill_switch import switch_message
from medagent.runtime.maintenance import waiting
from medagent.settings import Settings, load_settings
from medagent.simulator.scenario import Scenario, check_for_agent, check_for_clinic, list_scenarios, load_scenario
from medagent.telemetry.door.logs import guard_logging
from medagent.telemetry.failures import Failure

_DELIVERY_S = 10.0
_T = TypeVar("_T")


def call(  # noqa: PLR0917  # typer reads options from the signature
    scenario: Annotated[list[str] | None, typer.Argument(help="Packaged scenarios or YAML files.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Play every packaged scenario.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the packaged scenarios.")] = False,
    pace: Annotated[float, typer.Option(min=0.5, max=50, help="How many times as fast as life.")] = 1.0,
    parallel: Annotated[int, typer.Option(min=1, max=20, help="How many calls at once.")] = 1,
    azure: Annotated[
        bool, typer.Option("--azure", help="Talk to the model that AZURE_OPENAI_* name; the caller only hums.")
    ] = False,
    agent: Annotated[
        str | None,
        typer.Option(help="Play your own agent: module:factory or path/to/file.py:factory. Its tools really run."),
    ] = None,
    allow_host: Annotated[
        list[str] | None, typer.Option(help="With --agent: a host that it may connect to; repeatable.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="With --agent: send the spans to your destinations, not only the archive.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line: per span of one call, or per call of several.")
    ] = False,
) -> None:
    """Play simulated calls, end to end, and show what left the process.

    The callers are invented and the model is scripted; the agent, its tools, the redaction and the delivery are real.
    Exit code 1 where a call did not come out as its scenario expects, by its trace and by the clinic's own database; of
    your own agent also where it connects to a host that is not allowed, or uses none of the simulated models.
    """
    if listed:
        _list(as_json)
        return
    settings = load_settings()
    if settings.env == "prod":
        raise SettingsError(
            "a simulated caller has no place in a real clinic", hint="unset MEDAGENT_ENV to play calls in dev"
        )
    level = logging.CRITICAL if agent is None else logging.ERROR  # what somebody's agent does wrong is to be seen
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("medagent").setLevel(logging.WARNING)  # a scenario's faults make libraries complain
    guard_logging(in_clear=settings.logs_in_clear)
    names = list(list_scenarios()) if every else scenario or ["book"]
    with ExitStack() as stack:
        own = None
        if agent is not None:
            if every or not scenario or azure:
                raise SettingsError(
                    "--agent: a scenario is missing, or --all or --azure is given, expected scenario files",
                    hint="medagent call my-scenario.yaml --agent module:factory",
                )
            out = console(stderr=as_json)
            own = stack.enter_context(own_agent(agent, settings, allow_host or [], send=send, out=out))
            settings = own.settings
        elif allow_host or send:
            raise SettingsError(
                "--allow-host and --send: no agent, expected --agent", hint="add --agent module:factory"
            )
        for name in names:
            (check_for_agent if own else check_for_clinic)(load_scenario(name))
        if len(names) == 1:
            problems = _one(names[0], settings, own, pace=pace, azure=azure, as_json=as_json)
        else:
            problems = _many(names, settings, own, pace=pace, azure=azure, parallel=parallel, as_json=as_json)
    problems += [] if own is None else own.problems()
    if problems:
        for problem in problems:
            console(stderr=True).print(Text(problem, style="red"), soft_wrap=True)
        raise typer.Exit(1)


def _list(as_json: bool) -> None:
    scripts = [load_scenario(name) for name in list_scenarios()]
    if as_json:
        print_json({"name": s.name, "description": s.description, "outcome": s.expects.outcome} for s in scripts)
        return
    table = Table("scenario", "outcome", "what happens", box=None, pad_edge=False)
    for script in scripts:
        table.add_row(Text(script.name, style="bold"), script.expects.outcome or "any", script.description)
    console().print(table)


# ---- one call, watched ------------------------------------------------------------------------------------------


def _one(name: str, settings: Settings, own: OwnAgent | None, *, pace: float, azure: bool, as_json: bool) -> list[str]:
    script = load_scenario(name)
    timeline = Timeline(console(), script, pace=pace, quiet=as_json, is_clinic=own is None)

    async def play() -> tuple[Rehearsed, Sequence[str]]:
        async with stage(settings, [name], pace=pace, azure=azure, factory=own.factory if own else None) as line:
            timeline.rings()
            played = await line.play(script, on_event=timeline.event, before=watch)
            lacking = await asyncio.to_thread(line.telemetry.flush, _DELIVERY_S)
            return played, lacking

    traces: list[str] = []

    def watch(_session: object, bridge: Any) -> None:
        bridge.on_tool = timeline.tool
        traces.append(bridge.trace_id)

    try:
        with timeline:
            played, lacking = _run(play())
    except KeyboardInterrupt:
        for trace_id in traces:
            said = f"Interrupted; what there is of the call is sealed: medagent trace show {trace_id[:8]}"
            console(stderr=as_json).print(said, style="yellow")
        raise
    if as_json:
        print_json(span.document() for span in played.spans)
    else:
        stays = own is not None and not own.sends
        _report(timeline.out, played, lacking, pace=pace, in_force=policy(settings), stays=stays)
        _notes([played], own)
        print_switch(switch_message(settings), to=timeline.out)
    return list(played.problems)


def _run(calls: Coroutine[Any, Any, _T]) -> _T:
    """Play to the end, or raise `KeyboardInterrupt` after Ctrl-C, whatever else fails while the calls are ended."""

    async def ended() -> _T:
        try:
            return await calls
        finally:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise asyncio.CancelledError

    return asyncio.run(ended())


def _notes(calls: Sequence[Rehearsed], own: OwnAgent | None) -> None:
    notes = [note for played in calls for note in played.notes]
    notes += [] if own is None else own.notes([span for played in calls for span in played.spans])
    for note in dict.fromkeys(notes):
        console().print(Text(note, style="yellow"), soft_wrap=True)


def _report(
    out: Console, played: Rehearsed, lacking: Sequence[str], *, pace: float, in_force: Policy, stays: bool
) -> None:
    out.print()
    if not played.spans:
        out.print("The call went on, and nothing of it was stored or sent.", style="red")
        return
    out.rule("what the archive holds" if stays else "what left the process", align="left", style="bright_black")
    out.print(tree(played.spans))
    if pace != 1:
        out.print(f"Played {pace:g} times as fast as life: its latencies mean nothing.", style="yellow")
    out.print()
    lost = found(played.scenario, played.spans, in_force)
    none = f"None of the caller's {len(played.scenario.person)} identifiers, nor a part of one, is in them."
    size = sum(len(json.dumps(span.document())) for span in played.spans)
    out.print(
        f"{len(played.spans)} spans, {size / 1000:.1f} kB, sealed in one chain that holds. "
        + (f"Found in them: {', '.join(lost)}." if lost else none),
        style="red" if lost else "green",
    )
    errors = waiting(load_settings()).last_errors if lacking else {}
    for name in lacking:
        what = f"{name} has not had all of it yet; it stays in the outbox"
        if name in errors:
            print_failure(out, f"{what}: ", Failure.read(errors[name]).explain(name), style="yellow")
        else:
            out.print(f"{what}.", style="yellow")
    out.print(f"medagent trace show {played.trace_id[:8]} --json   # every attribute", style="bright_black")


# ---- many calls, judged -----------------------------------------------------------------------------------------


def _many(
    names: Sequence[str],
    settings: Settings,
    own: OwnAgent | None,
    *,
    pace: float,
    azure: bool,
    parallel: int,
    as_json: bool,
) -> list[str]:
    scripts = [load_scenario(name) for name in names]
    shown = console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    async def play(progress: Progress) -> list[Rehearsed]:
        gate = asyncio.Semaphore(parallel)
        bar = progress.add_task("calls", total=len(scripts))
        async with stage(settings, names, pace=pace, azure=azure, factory=own.factory if own else None) as line:

            async def one(script: Scenario) -> Rehearsed:
                async with gate:
                    played = await line.play(script)
                    progress.advance(bar)
                    return played

            played = await asyncio.gather(*(one(script) for script in scripts))
            await asyncio.to_thread(line.telemetry.flush, _DELIVERY_S)
            return played

    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        calls = _run(play(progress))
    if as_json:
        print_json(_summary(played) for played in calls)
    else:
        _table(calls, pace)
        _notes(calls, own)
        print_switch(switch_message(settings), to=console())
    return [f"{played.scenario.name}: {problem}" for played in calls for problem in played.problems]


def _summary(played: Rehearsed) -> dict[str, Json]:
    waits = _waits(played)
    return {
        "scenario": played.scenario.name,
        "trace_id": played.trace_id,
        "ok": not played.problems,
        "problems": list(played.problems),
        "outcome": played.end.get("outcome"),
        "reason": played.end.get("reason"),
        "complete": played.end.get("complete"),
        "user_turns": played.end.get("user_turns"),
        "agent_turns": played.end.get("agent_turns"),
        "tool_calls": played.end.get("tool_calls"),
        "cost_usd": played.end.get("cost_usd"),
        "spans": len(played.spans),
        "ttft_ms_p50": round(percentile(waits, 50), 3) if waits else None,
        "ttft_ms_p95": round(percentile(waits, 95), 3) if waits else None,
    }


def _table(calls: Sequence[Rehearsed], pace: float) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("scenario", "outcome", "ended by", "turns", "tools", "TTFT-A", "p95", "spans", "as told"):
        table.add_column(name, no_wrap=True)
    for played in calls:
        waits, end = _waits(played), played.end
        p50, p95 = (f"{percentile(waits, 50):.0f} ms", f"{percentile(waits, 95):.0f} ms") if waits else ("–", "–")
        verdict = Text("yes", style="green") if not played.problems else Text("no", style="red")
        about = (played.scenario.name, str(end.get("outcome", "–")), str(end.get("reason", "–")))
        counts = (f"{end.get('user_turns', '–')}+{end.get('agent_turns', '–')}", str(end.get("tool_calls", "–")))
        table.add_row(*about, *counts, p50, p95, str(len(played.spans)), verdict)
    console().print(table)
    if pace != 1:
        console().print(f"Played {pace:g} times as fast as life: latencies mean nothing.", style="yellow")


def _waits(played: Rehearsed) -> list[float]:
    told = [span.fields.get("ttft_ms") for span in played.spans if span.name == "agent_turn"]
    return [float(value) for value in told if isinstance(value, int | float)]
