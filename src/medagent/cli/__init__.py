"""The command line: one file per command group, loaded when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from medagent.cli.encoding import never_fail
from medagent.cli.help_page import print_help
from medagent.core_dumps import disable_core_dumps
from medagent.errors import MedagentError

_COMMANDS = {
    "call": ("call:call", "Play simulated calls, end to end, and show what left the process."),
    "worker": ("worker:app", "Answer real calls, which a LiveKit server hands out."),
    "doctor": ("doctor:doctor", "Check the settings: what is wrong, what is missing and what to set."),
    "simulate": (
        "simulate:simulate",
        "Serve simulated models on 127.0.0.1 until Ctrl-C, and print the variables that lead an agent to them.",
    ),
    "trace": ("trace:app", "Read the calls in the local archive."),
    "policy": ("policy:app", "Read, check and change the policy: what may leave."),
    "redact": ("redact:redact", "Scrub text, or redact a span's fields, as a call would."),
    "telemetry": ("telemetry:app", "The kill switch: stop all telemetry on this host, or lift the stop."),
    "keys": ("keys:app", "Rotate the pseudonym key, or replace a destination's secret, while the GO holds."),
    "ship": (
        "ship:ship",
        "Deliver what waits, what a dead process left too; exit code 1 where something still waits or was set aside.",
    ),
    "outbox": ("outbox:app", "What waits to be delivered."),
    "incident": (
        "incident:incident",
        "Show what was sent of calls after a leak, and delete it there; exit code 1 where a deletion is not confirmed.",
    ),
    "archive": ("archive:app", "The local archive: how long it keeps what."),
    "ledger": ("ledger:app", "The six-year record: verify it, read it, take a checkpoint of it."),
    "alerts": ("alerts:app", "The alerts: how they stand, watching them, making them for other tools."),
    "audit": ("audit:app", "The week-5 audit: run it, review it, sign it, verify it."),
    "gate": (
        "gate:gate",
        "Look whether a week's exit criterion is met; exit code 0 or 1, and what was seen goes into the ledger.",
    ),
}
"""Place and help line of each command; the line is that of the command itself, whose module `--help` does not load."""


class _Loaded(TyperGroup):
    """Imports a command's module when it is called by name: redacting a line need not load a call's machinery."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=line) for name, (_, line) in _COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Return the command of the first word, loaded."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, found if name is None else load_command(name), rest

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help page, without loading any command."""
        print_help(ctx, [(name, line) for name, (_, line) in _COMMANDS.items()])


def load_command(name: str) -> Any:
    """Return a command with its module loaded."""
    module, _, attribute = _COMMANDS[name][0].partition(":")
    loaded = getattr(import_module(f"medagent.cli.{module}"), attribute)
    holder = typer.Typer(callback=_all, add_completion=False)
    if isinstance(loaded, typer.Typer):
        holder.add_typer(loaded, name=name)
    else:
        holder.command(name)(loaded)
    group: Any = get_command(holder)
    return group.commands[name]


def _version(is_asked: bool) -> None:
    if is_asked:
        from medagent import __version__  # noqa: PLC0415  # `--help` need not pay for it

        typer.echo(f"medagent {__version__}")
        raise typer.Exit


def _all(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A clinic's phone agent whose telemetry a policy limits field by field, and the audit of what is sent."""


app = typer.Typer(
    cls=_Loaded,
    callback=_all,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a traceback with local variables would print what must not be printed
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def main() -> None:
    """Run the command line; an error of ours is two lines on stderr and exit code 2."""
    disable_core_dumps()
    never_fail()
    try:
        app()
    except MedagentError as error:
        sys.stderr.write(f"medagent: {error.diagnostics()}\n")
        sys.exit(2)
