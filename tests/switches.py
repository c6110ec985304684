"""A switch for tests that are not about what lifts it: an audit that began just now allows everything here."""

from __future__ import annotations

from datetime import UTC, datetime

GO = "90" * 32
"""The digest of a report that allows telemetry."""


def audited(report: str) -> datetime:
    """When the audit of `GO` began: this moment."""
    assert report == GO
    return datetime.now(UTC)
