"""Checks of the installed code: at command, once a day, and their entries in the ledger."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from medagent.settings import Settings

if TYPE_CHECKING:
    from medagent.attestation.installed_check import InstalledResult, OnProgress
    from medagent.attestation.installed_watch import InstalledWatch
    from medagent.attestation.report import InstalledDistribution

from medagent.runtime import installed
from medagent.runtime.host import ledger, machine_keys
from medagent.runtime.kill_switch import audits, officers, switch

_log = logging.getLogger(__name__)


def check_installed(
    settings: Settings, *, audited: Sequence[InstalledDistribution] | None, on_progress: OnProgress = lambda _: None
) -> InstalledResult:
    """Check all that is installed, sign the result, and record it against what was audited, if there is that.

    Raises `AttestationError` where there is no result; one with findings is returned.
    """
    result = installed.installed_code(settings).check(on_progress=on_progress)
    _record_installed(settings, result, audited)
    return result


def installed_watch(settings: Settings, *, since: datetime | None) -> InstalledWatch:
    """Return a thread that checks once a day, in prod while a report is in force.

    A result from before `since` is due too.
    """
    from medagent.attestation.allowance import filed  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.attestation.installed_watch import InstalledWatch  # noqa: PLC0415  # the same

    stop = switch(settings)

    def recorded(result: InstalledResult) -> None:
        audited: Sequence[InstalledDistribution] | None = None
        if (report := stop.report()) is not None:
            found = filed(
                report, audits=audits(settings), officers=officers(settings), machine_keys=machine_keys(settings)
            )
            audited = found.report.system.installed
        _record_installed(settings, result, audited)

    return InstalledWatch(
        installed.installed_code(settings),
        since=since,
        is_wanted=lambda: settings.env == "prod" and stop.report() is not None,
        on_checked=recorded,
    )


def job_watch(settings: Settings) -> InstalledWatch | None:
    """Return the daily check of a job; a result from before its worker's start is due."""
    if settings.env != "prod":
        return None
    from medagent.attestation.installed_watch import parent_started  # noqa: PLC0415  # only prod needs it

    return installed_watch(settings, since=parent_started())


def _record_installed(
    settings: Settings, result: InstalledResult, audited: Sequence[InstalledDistribution] | None
) -> None:
    """Log what differs, and record the check in the ledger with the names of the distributions."""
    from medagent.attestation.binding import installed_differences  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.telemetry.ledger import installed_content  # noqa: PLC0415  # the same

    is_other = audited is not None and tuple(audited) != result.distributions
    differences = installed_differences(result.distributions, audited or ()) if is_other else ()
    said = [*result.findings, *differences]
    for one in said:
        _log.error("installed code: %s", one)
    ledger(settings).append("installed_checked", installed_content(result.sha256, said))
