"""`medagent worker`: answer real calls, which a LiveKit server hands out."""

from __future__ import annotations

import asyncio
import functools
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from medagent import __version__
from medagent.cli.output import console, print_switch
from medagent.clinic import Clinic
from medagent.outcomes import outcomes_of
from medagent.pricing import load_prices
from medagent.runtime.alerting import identity_check_alert
from medagent.runtime.identity import identity
from medagent.runtime.installed_watch import installed_watch
from medagent.runtime.kill_switch import switch_message
from medagent.runtime.service_process import ensure_service
from medagent.settings import Settings, load_settings
from medagent.telemetry.door.logs import guard_logging, guard_tracebacks
from medagent.tools import TOOLS
from medagent.tracing import Tracing

if TYPE_CHECKING:
    from livekit.agents import JobContext, JobProcess

LogLevel = Literal["debug", "info", "warning", "error", "critical"]
Level = Annotated[LogLevel, typer.Option("--log-level", help="From which level on log lines are written.")]

app = typer.Typer(no_args_is_help=True, help="Answer real calls, which a LiveKit server hands out.")


@app.command()
def start(
    log_level: Level = "info",
    drain_timeout: Annotated[int, typer.Option(min=1, help="How many seconds calls have to end after SIGTERM.")] = 1800,
) -> None:
    """Take calls until SIGTERM; calls that are open then may end."""
    _serve("start", "--log-level", log_level, "--drain-timeout", str(drain_timeout))


@app.command()
def dev(log_level: Level = "debug") -> None:
    """Take calls on this machine, for a trial; ends at once."""
    _serve("dev", "--log-level", log_level)


@app.command()
def connect(
    room: Annotated[str, typer.Option(help="The room's name.")],
    log_level: Level = "debug",
) -> None:
    """Join one room without waiting to be sent there."""
    _serve("connect", "--room", room, "--log-level", log_level)


def _serve(*words: str) -> None:
    from medagent.agent.clinic_agent import azure_model  # noqa: PLC0415  # livekit costs seconds; `--help` need not pay
    from medagent.agent.limit import check_cost_limit  # noqa: PLC0415  # the same
    from medagent.agent.worker import run_worker  # noqa: PLC0415  # the same

    settings = load_settings()
    _guard(settings)
    settings.legal_basis()
    settings.asks()  # this agent asks with a script
    check_cost_limit(settings, load_prices(settings.pricing_path))
    azure_model(settings)  # what is missing is said here, not in the first call
    print_switch(switch_message(settings), to=console(stderr=True))
    if settings.env == "prod":
        installed_watch(settings, since=datetime.now(UTC)).start()
    ensure_service(settings, identity(settings))
    run_worker(words, settings, entrypoint=entrypoint, prewarm=prewarm)


def _guard(settings: Settings) -> None:
    guard_logging(in_clear=settings.logs_in_clear)
    guard_tracebacks()


@functools.cache
def _line() -> tuple[Settings, Clinic, Tracing]:
    """Return what a job's process answers its call with, made once."""
    settings = load_settings().of_agent("receptionist", __version__)
    _guard(settings)
    clinic = Clinic.open(settings.clinic_url, country=settings.clinic_country)
    clinic.on_guessing(identity_check_alert(settings).reached)
    clinic.places()  # read here, not in a call
    return settings, clinic, Tracing(settings, rosters=clinic.rosters(), outcomes=outcomes_of(TOOLS))


def prewarm(_process: JobProcess) -> None:
    """Load all that a call needs before there is one."""
    _line()


async def entrypoint(context: JobContext) -> None:
    """Answer the job's call; when the job ends, what is left is written and delivered as far as there is time."""
    from medagent.agent.clinic_agent import ClinicAgent, azure_model  # noqa: PLC0415  # livekit costs seconds
    from medagent.agent.limit import CallLimit  # noqa: PLC0415  # the same
    from medagent.agent.worker import answer_job  # noqa: PLC0415  # the same

    settings, clinic, telemetry = _line()

    async def close() -> None:
        await asyncio.to_thread(telemetry.close)

    agent = ClinicAgent(clinic, name=settings.clinic_name, now=lambda: datetime.now(UTC), consent=settings.asks())
    await answer_job(
        context,
        agent,
        model=azure_model(settings),
        watch=agent.seen_by(telemetry.watch),
        limit=CallLimit.of(settings),
        prices=load_prices(settings.pricing_path),
        model_name=settings.model,
        closing=close,
    )
