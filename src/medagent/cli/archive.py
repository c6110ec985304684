"""`medagent archive`: what the local archive keeps, and for how long."""

from __future__ import annotations

from typing import Annotated

import typer

from medagent.cli.access import record_access
from medagent.cli.output import console
from medagent.os_account import current_account
from medagent.runtime.maintenance import prune as prune_archive
from medagent.settings import load_settings

app = typer.Typer(help="The local archive: how long it keeps what.", no_args_is_help=True)


@app.callback()
def _archive() -> None:
    """The local archive: how long it keeps what."""


@app.command()
def prune(
    clock_is_right: Annotated[
        bool, typer.Option("--clock-is-right", help="Confirm a clock that seems to have jumped; the ledger keeps it.")
    ] = False,
) -> None:
    """Delete spans older than MEDAGENT_ARCHIVE_DAYS, guardrails after six years; every process does so each hour.

    A deleted span leaves a tombstone, so that its call's chain still verifies, and an entry in the ledger. Nothing is
    deleted while the clock is over 31 days ahead of the ledger.
    """
    settings = load_settings()
    record_access(settings, "archive", "archive_prune")
    count = prune_archive(settings, account=current_account(), is_clock_right=clock_is_right)
    console().print(f"{count} spans deleted; kept are {settings.archive_days} days, guardrails six years")
