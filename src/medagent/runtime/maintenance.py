"""Commands on what a host has stored: purge, prune, investigate, and what waits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from medagent.os_account import OsAccount
from medagent.proof import Json
from medagent.settings import Settings
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import RemoteDeletion
from medagent.telemetry.ledger import entries
from medagent.telemetry.outbox import Lacking, OutboxStatus

if TYPE_CHECKING:
    from medagent.telemetry.incident import Investigation

from medagent.runtime.destinations import langfuse_url
from medagent.runtime.exports import archive, exporters, keeper, outbox
from medagent.runtime.host import ledger, ledger_path, policy, spool_path
from medagent.runtime.identity import identity
from medagent.runtime.service_lock import ServiceLocks
from medagent.telemetry.spool.directory import SpoolDirectory


def purge(settings: Settings, *, by: str, reason: str) -> int:
    """Delete all that is queued on this host; returns how many calls lost some."""
    box = outbox(settings, exporters(settings))
    try:
        return keeper(settings, box, archive(settings)).purge(by=by, reason=reason)
    finally:
        box.close()


def prune(settings: Settings, *, account: OsAccount, is_clock_right: bool = False) -> int:
    """Delete expired spans of the archive; returns how many.

    With `is_clock_right` the ledger records first that a person confirmed the clock. Raises `ClockError` where it may
    have jumped ahead.
    """
    if is_clock_right:
        ledger(settings).append("clock_confirmed", account.content())
    box = outbox(settings, ())
    try:
        return keeper(settings, box, archive(settings)).prune(by=account.name)
    finally:
        box.close()


@contextmanager
def investigation(settings: Settings, *, by: str) -> Iterator[Investigation]:
    """Open what this host knows of sent calls, with the ways to delete them; `by` is the person, for the ledger."""
    from medagent.telemetry import incident  # noqa: PLC0415  # no call needs it
    from medagent.telemetry.exporters.langfuse_deletion import LangfuseDeletion  # noqa: PLC0415  # the same
    from medagent.telemetry.exporters.langsmith_deletion import LangSmithDeletion  # noqa: PLC0415  # the same

    destinations = exporters(settings)
    names = {one.name for one in destinations}
    box, store = outbox(settings, destinations), next(one for one in destinations if isinstance(one, Archive))
    ways: dict[str, RemoteDeletion] = {}
    if "langsmith" in names and settings.langsmith_api_key is not None:
        ways["langsmith"] = LangSmithDeletion(
            api_key=settings.langsmith_api_key.get_secret_value(),
            endpoint=settings.langsmith_endpoint,
            project=settings.langsmith_project,
            workspace_id=settings.langsmith_workspace_id,
            ca_pem=settings.ca_pem(),
        )
    if "langfuse" in names and settings.langfuse_secret_key is not None:
        ways["langfuse"] = LangfuseDeletion(
            public_key=settings.langfuse_public_key or "",
            secret_key=settings.langfuse_secret_key.get_secret_value(),
            base_url=langfuse_url(settings),
            ca_pem=settings.ca_pem(),
        )

    def recorded() -> Iterator[tuple[str, Mapping[str, Json]]]:
        yield from ((entry.kind, entry.content) for entry in entries(ledger_path(settings)))

    def record(kind: str, content: Mapping[str, Json]) -> None:
        ledger(settings).append(kind, content)

    try:
        yield incident.Investigation(
            outbox=box,
            store=store,
            policy=policy(settings),
            configured=[
                incident.DestinationFacts(name=one.name, region=one.region, retention_days=one.retention_days)
                for one in destinations
            ],
            guardrails=recorded,
            deletion=incident.Deletion(
                outbox=box, ways=ways, deletable=frozenset({"langsmith", "langfuse"}), record=record, by=by
            ),
            keeper=keeper(settings, box, store),
        )
    finally:
        box.close()
        for one in destinations:
            one.close()


def waiting(settings: Settings) -> OutboxStatus:
    """Return what waits in the outbox for which destination."""
    box = outbox(settings, exporters(settings))
    try:
        return box.status()
    finally:
        box.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """Spans that jobs have stored and that are not sealed yet.

    Attributes:
        files: Spool files, one a call.
        living: How many of them are of processes that live.
        bytes: Size of all of them.
        service: State of the export service: `running`, `missing`, or `other` where one of other code, policy or
            settings runs, which does not read them.
    """

    files: int
    living: int
    bytes: int
    service: Literal["running", "missing", "other"]


def spooled(settings: Settings) -> SpoolStatus:
    """Return what waits in the spool, and whether an export service is there to read it."""
    directory, locks = SpoolDirectory(spool_path(settings)), ServiceLocks(spool_path(settings))
    files = directory.files()
    service: Literal["running", "missing", "other"] = "missing"
    if locks.is_active():
        service = "running" if locks.is_active_of(identity(settings)) else "other"
    living = sum(file.is_alive() for file in files)
    return SpoolStatus(files=len(files), living=living, bytes=directory.size(), service=service)


def undelivered(settings: Settings, trace_id: str) -> list[Lacking]:
    """Return what of a call each destination has not had; an outbox that is not there is not made for it."""
    box = outbox(settings, ())
    try:
        return [] if box.is_missing() else box.lacking(trace_id)
    finally:
        box.close()
