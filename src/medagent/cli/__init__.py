"""The command line: one file per command group, loaded when it is asked for."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from medagent.core_dumps import disable_core_dumps
from medagent.errors import MedagentError

_COMMANDS = {
    "call": "medagent.cli.call:call",
    "worker": "medagent.cli.worker:app",
    "doctor": "medagent.cli.doctor:doctor",
    "simulate": "medagent.cli.simulate:simulate",
    "trace": "medagent.cli.trace:app",
    "policy": "medagent.cli.policy:app",
    "redact": "medagent.cli.redact:redact",
    "telemetry": "medagent.cli.telemetry:app",
    "keys": "medagent.cli.keys:app",
    "ship": "medagent.cli.ship:ship",
    "outbox": "medagent.cli.outbox:app",
    "incident": "medagent.cli.incident:incident",
    "archive": "medagent.cli.archive:app",
    "ledger": "medagent.cli.ledger:app",
    "alerts": "medagent.cli.alerts:app",
    "audit": "medagent.cli.audit:app",
    "gate": "medagent.cli.gate:gate",
}


class _Loaded(TyperGroup):
    """Imports a command's module when it is called by name: redacting a line need not load a call's machinery."""

    def list_commands(self, ctx: Any) -> list[str]:
        """All of them, in the order of a reader."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of a name; None where there is none."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        loaded = getattr(import_module(module), attribute)
        holder = typer.Typer(callback=_all, add_completion=False)
        if isinstance(loaded, typer.Typer):
            holder.add_typer(loaded, name=cmd_name)
        else:
            holder.command(cmd_name)(loaded)
        group: Any = get_command(holder)
        return group.commands[cmd_name]


def _all() -> None:
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
    try:
        app()
    except MedagentError as error:
        sys.stderr.write(f"medagent: {error.diagnostics()}\n")
        sys.exit(2)
