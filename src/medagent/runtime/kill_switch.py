"""The host's kill switch, and the audit reports that allow telemetry."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from medagent.errors import SwitchError
from medagent.proof import Json
from medagent.settings import Settings, make_home
from medagent.telemetry.gates import ExportGate, Gate
from medagent.telemetry.hosts import HostStatus, SharedSwitch
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
from medagent.runtime.host import check_ledger_heads, host_id, ledger, ledger_path, machine_keys

CONFIRM_S = 2.0
"""For so long an off or on waits for the other hosts to apply it."""
_ASK_EVERY_S = 0.1


def switch(settings: Settings, *, reads_outbox: bool = True) -> Switch:
    """Return the host's kill switch, whose every change goes into the ledger.

    The ledger keeps its trips too, and so does the outbox unless `reads_outbox` is unset: a job opens no database.
    """

    def record(change: Mapping[str, Json]) -> None:
        ledger(settings, opens_outbox=reads_outbox).append("switch_changed", change)

    shared = shared_switch(settings) if reads_outbox else None
    return Switch(
        make_home(settings.home),
        forced=settings.telemetry,
        env=settings.env,
        record=record,
        audited=functools.partial(audited, settings),
        ledger=LedgerTrips(ledger_path(settings)),
        outbox=_outbox_trips(settings) if reads_outbox and shared is None else None,
        shared=shared,
        go_days=settings.go_days,
        code=installed.installed_code(settings) if settings.env == "prod" else None,
    )


def _outbox_trips(settings: Settings) -> TripStore:
    from medagent.telemetry.outbox.trips import OutboxTrips  # noqa: PLC0415  # a job opens no database

    return OutboxTrips(settings.outbox_location)


def shared_switch(settings: Settings) -> SharedSwitch | None:
    """Return the switch of all hosts that share an outbox in PostgreSQL; None where the outbox is a file."""
    url = settings.outbox_location
    if isinstance(url, Path) or not url.startswith("postgresql"):
        return None
    from medagent.telemetry.outbox.shared_switch import OutboxSwitch  # noqa: PLC0415  # a job opens no database

    return OutboxSwitch(url, host=host_id(settings), name=platform.node())


def unconfirmed(settings: Settings, *, within_s: float = CONFIRM_S) -> list[tuple[HostStatus, str]]:
    """Return the other hosts that have not applied the latest change of the switch, each with why.

    Waits up to `within_s` for those whose export service runs. Raises `MedagentError` where the database is not there.
    """
    shared = shared_switch(settings)
    if shared is None:
        return []
    try:
        position = shared.read().position
        deadline = time.monotonic() + within_s
        while True:
            others = [one for one in shared.hosts() if one.host != shared.host]
            against = [(one, why) for one in others if (why := one.against(position)) is not None]
            is_answer_due = any(one.is_serving and one.applied < position for one, _ in against)
            if not is_answer_due or time.monotonic() >= deadline:
                return against
            time.sleep(_ASK_EVERY_S)
    finally:
        shared.close()


def hosts(settings: Settings) -> list[HostStatus]:
    """Return what is known of the hosts that share an outbox in PostgreSQL; nothing where the outbox is a file."""
    shared = shared_switch(settings)
    if shared is None:
        return []
    try:
        return list(shared.hosts())
    finally:
        shared.close()


def export_gate(settings: Settings) -> Gate:
    """What every request of these settings passes, its switch made at the first; for who has no switch at hand."""
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


def audited(settings: Settings, report_sha256: str, *, installed: InstalledResult | None = None) -> datetime:
    """When the audit of a filed report began, if it allows telemetry here; raises `MedagentError` otherwise.

    Its signatures, what it is bound to, and that the ledger knows of no later trip, all verified anew. In prod that
    includes the signed result of the check of what is installed; `installed` is one that was made just now.
    """
    from medagent.attestation.allowance import allowed, filed  # noqa: PLC0415  # a start without a report needs none of it
    from medagent.attestation.bundle import Bundle  # noqa: PLC0415  # the same

    listed = officers(settings)
    check_ledger_heads(settings)
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
