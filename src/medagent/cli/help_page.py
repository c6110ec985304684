"""The help page of the top level, in the form of Typer's; Typer's own loads Rich's Markdown, twice the whole start."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import typer

_WIDEST = 100
_NARROWEST = 40


def print_help(context: Any, commands: Sequence[tuple[str, str]]) -> None:
    """Print usage, options and commands; colours only where the output is a terminal.

    Args:
        context: Typer's context of the group.
        commands: Name and help line of each command.
    """
    width = max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))
    group = context.command
    options = [
        (", ".join(sorted(one.opts, key=len, reverse=True)), one.help or "")
        for one in group.get_params(context)
        if not getattr(one, "hidden", False)
    ]
    typer.echo()
    typer.echo(
        f" {typer.style('Usage:', fg='yellow')} {typer.style(group.get_usage(context)[len('Usage: ') :], bold=True)}"
    )
    typer.echo()
    typer.echo(textwrap.fill(group.help or "", width - 1, initial_indent=" ", subsequent_indent=" "))
    typer.echo()
    for title, rows in (("Options", options), ("Commands", commands)):
        for line in _panel(title, rows, width):
            typer.echo(line)


def _panel(title: str, rows: Sequence[tuple[str, str]], width: int) -> Iterator[str]:
    names = max((len(name) for name, _ in rows), default=0)
    room = max(10, width - names - 6)
    edge = typer.style("│", dim=True)
    yield typer.style(f"╭─ {title} {'─' * (width - len(title) - 5)}╮", dim=True)
    for name, help_line in rows:
        lines = textwrap.wrap(help_line, room) or [""]
        for number, line in enumerate(lines):
            shown = typer.style(f"{name if number == 0 else '':<{names}}", fg="cyan", bold=True)
            yield f"{edge} {shown}  {line:<{room}} {edge}"
    yield typer.style(f"╰{'─' * (width - 2)}╯", dim=True)
