"""The host's kill switch, and the audit reports that allow telemetry."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medagent.errors import SwitchError
from medagent.proof import Json
from medagent.settings import Settings, make_home
from medagent.telemetry.gates import ExportGate, Gate
from medagent.telemetry.ledger import LedgerTrips, last_trip, votes
from medagent.telemetry.switch import Switch
from medagent.telemetry.switch_message import SwitchMessage, message_of
from medagent.telemetry.trips import TripStore

if TYPE_CHECKING:
    from medagent.attestation.bundle import Bundle
    from medagent.attestation.installed_check import InstalledResult
    from medagent.attestation.officers import Officers

from medagent.runtime import installed
from medagent.runtime.binding import binding, binding_here
from medagent.runtime.host import check_ledger_heads, ledger, ledger_path, machine_keys


def switch(settings: Settings, *, reads_outbox: bool = True) -> Switch:
    """Return the host's kill switch, whose every change goes into the ledger.

    The ledger keeps its trips too, and so does the outbox unless `reads_outbox` is unset: a job opens no database.
    """

    def record(change: Mapping[str, Json]) -> None:
        ledger(settings, opens_outbox=reads_outbox).append("switch_changed", change)

    return Switch(
        make_home(settings.home),
        forced=settings.telemetry,
        env=settings.env,
        record=record,
        audited=functools.partial(audited, settings, opens_outbox=reads_outbox),
        ledger=LedgerTrips(ledger_path(settings)),
        outbox=_outbox_trips(settings) if reads_outbox else None,
        go_days=settings.go_days,
        code=installed.installed_code(settings) if settings.env == "prod" else None,
    )


def _outbox_trips(settings: Settings) -> TripStore:
    from medagent.telemetry.outbox.trips import OutboxTrips  # noqa: PLC0415  # a job opens no database

    return OutboxTrips(settings.outbox_location)


def export_gate(settings: Settings) -> Gate:
    """Return the gate that every request of these settings passes; its switch is made at the first request."""
    made = functools.cache(lambda: ExportGate(switch(settings)))

    def gate() -> None:
        made()()

    return gate


def switch_message(settings: Settings) -> SwitchMessage | None:
    """Return what is to be said of the switch, with the remedy here; None where telemetry is on and exports go on."""
    state = switch(settings).state()
    return None if state.may_export else message_of(state, env=settings.env)


def audits(settings: Settings) -> Path:
    """Return where the reports are kept that allowed telemetry on this host."""
    return make_home(settings.home) / "audits"


def officers(settings: Settings) -> Officers:
    """The pinned list of who may sign: the packaged one, unless the settings name another directory."""
    from medagent.attestation.officers import PINNED, Officers  # noqa: PLC0415  # a start without a report needs none of it

    return Officers.load(settings.officers_path or PINNED)


def audited(
    settings: Settings, report_sha256: str, *, installed: InstalledResult | None = None, opens_outbox: bool = True
) -> datetime:
    """When the audit of a filed report began, if it allows telemetry here; raises `MedagentError` otherwise.

    Its signatures, what it is bound to, and that the ledger knows of no later trip, all verified anew. In prod that
    includes the signed result of the check of what is installed; `installed` is one that was made just now. A job opens
    no database (`opens_outbox`): the export service compares the outbox's head of the ledger.
    """
    from medagent.attestation.allowance import allowed, filed  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.attestation.bundle import Bundle  # noqa: PLC0415  # the same

    listed = officers(settings)
    check_ledger_heads(settings, opens_outbox=opens_outbox)
    check_votes(settings, Bundle.load(audits(settings) / report_sha256)[0])
    verified = filed(report_sha256, audits=audits(settings), officers=listed, machine_keys=machine_keys(settings))
    bound = binding_here(settings) if installed is None else binding(settings, installed=installed.distributions)
    began = allowed(verified, binding=bound, env=settings.env, officers=listed, days=settings.go_days)
    tripped = last_trip(ledger_path(settings))
    if tripped is not None and began <= tripped:
        raise SwitchError("it tripped after this audit began", hint="mend the cause, then audit anew")
    return began


def check_votes(settings: Settings, bundle: Bundle) -> None:
    """Raise `AttestationError` where a bundle lacks a statement that this host's ledger knows."""
    from medagent.attestation.ballots import check_none_missing  # noqa: PLC0415  # a start without a report needs none of it

    check_none_missing(bundle, votes(ledger_path(settings), bundle.report_sha256))


def record_votes(settings: Settings, bundle: Bundle, *, by: str) -> None:
    """Check a verified bundle as `check_votes` does, and record its statements that the ledger does not know yet."""
    from medagent.attestation.ballots import ballots  # noqa: PLC0415  # a start without a report needs none of it

    check_votes(settings, bundle)
    known = {one.statement for one in votes(ledger_path(settings), bundle.report_sha256)}
    record = ledger(settings)
    for content in (one for one in ballots(bundle) if one["statement"] not in known):
        record.append("sign_off", {**content, "by": by})
