"""A switch for tests that are not about what lifts it: an audit that began just now allows everything here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ledgers import KEY
from medagent.telemetry.ledger import Ledger, LedgerTrips
from medagent.telemetry.outbox.trips import OutboxTrips
from medagent.telemetry.switch import Switch

GO = "90" * 32
"""The digest of a report that allows telemetry."""


def audited(report: str) -> datetime:
    """When the audit of `GO` began: this moment."""
    assert report == GO
    return datetime.now(UTC)


def with_stores(home: Path, *, env: Literal["dev", "prod"] = "dev", outbox_url: str | None = None) -> Switch:
    """A switch as the composition makes it: its file, a real ledger, a real outbox."""
    path = home / "ledger" / "ledger.jsonl"
    return Switch(
        home,
        forced=None,
        env=env,
        audited=audited,
        record=lambda change: Ledger(path, KEY).append("switch_changed", change),
        ledger=LedgerTrips(path),
        outbox=OutboxTrips(outbox_url or f"sqlite:///{home / 'outbox' / 'outbox.db'}"),
    )
