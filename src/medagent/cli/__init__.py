"""The command line: one file per command group."""

from __future__ import annotations

import sys

import typer

from medagent.cli import alerts, call, doctor, simulate, telemetry, trace
from medagent.errors import MedagentError

app = typer.Typer(
    help="A clinic's phone agent whose traces carry no patient's data, and the proof of it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables would print what must not be printed
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command("call")(call.call)
app.command("doctor")(doctor.doctor)
app.command("simulate")(simulate.simulate)
app.add_typer(alerts.app, name="alerts")
app.add_typer(trace.app, name="trace")
app.add_typer(telemetry.app, name="telemetry")


def main() -> None:
    """Run the command line; an error of ours is two lines on stderr and exit code 2."""
    try:
        app()
    except MedagentError as error:
        sys.stderr.write(f"medagent: {error.diagnostics()}\n")
        sys.exit(2)
