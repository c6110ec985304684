"""The ledger's `access` entries: which account read what is kept here."""

from __future__ import annotations

from typing import Literal

from medagent.cli.output import console
from medagent.errors import MedagentError
from medagent.os_account import current_account
from medagent.runtime.host import ledger
from medagent.settings import Settings


def record_access(
    settings: Settings,
    store: Literal["archive", "ledger", "report"],
    command: str,
    *,
    trace_id: str | None = None,
    report: str | None = None,
) -> None:
    """Append an entry with uid and login; where it cannot be written, say so on stderr.

    Args:
        settings: Where the ledger is. For a report or a ledger none is made: an officer reads them on any machine.
        store: What was read.
        command: Which command read it, in lower case with `_`.
        trace_id: The call, where it was one.
        report: The digest of the report's statement, where it was one.
    """
    if store != "archive" and not (settings.home / "ledger" / "ledger.jsonl").exists():
        return
    about = {"store": store, "command": command, "trace_id": trace_id, "report": report}
    try:
        ledger(settings).append("access", {**about, **current_account().content()})
    except MedagentError as error:
        console(stderr=True).print(f"the ledger does not record this access: {error}", style="yellow", soft_wrap=True)
