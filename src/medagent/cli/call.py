"""`medagent call`: a simulated patient phones the clinic; watch it, then see what left."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import SecretStr
from rich.console import Console

from medagent.cli.output import console, print_json, tree
from medagent.cli.timeline import Timeline
from medagent.clinic import Clinic, seed_demo
from medagent.clinic.demo import CLINIC_NAME
from medagent.compose import Telemetry, archive
from medagent.errors import SettingsError
from medagent.settings import Settings, load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.door.logs import guard_logging
from medagent.telemetry.span import SafeSpan

if TYPE_CHECKING:
    from medagent.agent.bridge import Bridge

_DELIVERY_S = 10.0


def call(
    scenario: Annotated[str, typer.Argument(help="A packaged scenario or a YAML file.")] = "book",
    pace: Annotated[float, typer.Option(min=0.5, max=50, help="How many times as fast as life.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per span, a line each.")] = False,
) -> None:
    """Play a simulated call, end to end, and show its trace as it left the process.

    The patient is invented, the model is scripted; the agent, the clinic, the redaction and the delivery are real.
    Exit code 1 where the call did not come out as its scenario expects.
    """
    settings = load_settings()
    if settings.env == "prod":
        raise SettingsError(
            "a simulated caller has no place in a real clinic", hint="unset MEDAGENT_ENV to play calls in dev"
        )
    script = load_scenario(scenario)
    logging.basicConfig(level=logging.ERROR, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    guard_logging()
    timeline = Timeline(console(), script, pace=pace, quiet=as_json)
    with timeline:
        played = asyncio.run(_play(scenario, script, settings, pace=pace, timeline=timeline))
    if as_json:
        print_json(span.document() for span in played.spans)
    else:
        _report(timeline.out, script, played, pace=pace)
    if played.problems:
        for problem in played.problems:
            console(stderr=True).print(problem, style="red")
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What came of a call: its spans as the archive has them, who still lacks some, what is not as it should be."""

    spans: Sequence[SafeSpan]
    lacking: Sequence[str]
    problems: Sequence[str]


async def _play(name: str, script: Scenario, settings: Settings, *, pace: float, timeline: Timeline) -> Played:
    from medagent.agent.caller import Caller  # noqa: PLC0415  # livekit costs seconds; `--help` need not pay them
    from medagent.simulator.play import play  # noqa: PLC0415  # as above

    clinic = Clinic.open(settings.clinic_url)
    seed_demo(clinic)
    telemetry = Telemetry(settings, rosters=clinic.rosters()).start()
    bridges: list[Bridge] = []

    def watch(session: Any) -> Bridge:
        number = script.person.get("phone")
        line = Caller(room=f"clinic_{number}_{secrets.token_hex(4)}", participant=f"sip_{number}", number=number)
        bridges.append(telemetry.watch(session, caller=line))
        bridges[0].on_tool = timeline.tool
        return bridges[0]

    try:
        with SimulatorProcess([name], pace=pace, environment=settings.child_environment()) as simulator:
            model = {"azure_endpoint": simulator.endpoint, "azure_api_key": SecretStr("simulator")}
            timeline.rings()
            ended = await play(
                script,
                settings=settings.model_copy(update=model),
                clinic=clinic,
                clinic_name=CLINIC_NAME,
                now=lambda: datetime.now(UTC),
                watch=watch,
                pace=pace,
                on_event=timeline.event,
            )
        lacking = await asyncio.to_thread(telemetry.flush, _DELIVERY_S)
        if not telemetry.switch.is_on():
            return Played(spans=(), lacking=lacking, problems=())
        spans = archive(settings).spans(bridges[0].trace_id)
        return Played(spans=spans, lacking=lacking, problems=_problems(script, spans, ended))
    finally:
        await asyncio.to_thread(telemetry.close)
        clinic.close()


def _problems(script: Scenario, spans: Sequence[SafeSpan], ended: str) -> list[str]:
    """What is not as the scenario expects, or not as every call must be."""
    verify_chain(spans)
    session = next((span.fields for span in spans if span.name == "voice_session"), {})
    found = [] if ended == "done" else [f"the caller's script did not come to its end: {ended}"]
    if session.get("outcome") != script.expects.outcome:
        found.append(f"the outcome is {session.get('outcome')}, the scenario expects {script.expects.outcome}")
    if session.get("complete") is not True:
        found.append(f"the trace is incomplete: {session.get('missing')}")
    if leaks := _found(script, spans):
        found.append(f"found in what left: {', '.join(leaks)}")
    return found


def _found(script: Scenario, spans: Sequence[SafeSpan]) -> list[str]:
    """Which of the caller's identifiers stand in what left, as they are or as digits alone. No proof: a look."""
    left = json.dumps([span.document() for span in spans], ensure_ascii=False).casefold()
    names = []
    for field, value in script.person.items():
        digits = re.sub(r"\D", "", value)
        if value.casefold() in left or (len(digits) >= 8 and digits in left):
            names.append(field)
    return names


def _report(out: Console, script: Scenario, played: Played, *, pace: float) -> None:
    out.print()
    if not played.spans:
        out.print("Telemetry is off: the call went on, and nothing of it was stored or sent.", style="red")
        return
    out.rule("what left the process", align="left", style="bright_black")
    out.print(tree(played.spans))
    if pace != 1:
        out.print(
            f"Played {pace:g} times as fast as life: times are the clock's, latencies mean nothing.", style="yellow"
        )
    size = sum(len(json.dumps(span.document())) for span in played.spans)
    lost = _found(script, played.spans)
    out.print()
    found = (
        f"Found in it: {', '.join(lost)}." if lost else f"None of the caller's {len(script.person)} identifiers in it."
    )
    out.print(
        f"{len(played.spans)} spans, {size / 1000:.1f} kB, sealed in one chain that holds. {found}",
        style="red" if lost else "green",
    )
    for name in played.lacking:
        out.print(f"{name} has not had all of it yet; it stays in the outbox.", style="yellow")
    out.print(f"medagent trace show {played.spans[0].trace_id[:8]} --json   # every attribute", style="bright_black")
