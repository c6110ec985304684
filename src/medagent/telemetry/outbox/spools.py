"""Bytes of the spool files of this host that are stored in the outbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.telemetry.outbox.schema import spools


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSpool:
    """Bytes of a spool file that are stored, and whether the end of its call is among them."""

    stored_bytes: int
    is_ended: bool


def note(connection: sa.Connection, name: str, offset: int, *, is_ended: bool) -> None:
    """Note that a file is stored up to an offset."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"stored_bytes": offset, "is_ended": is_ended}
    insert = dialect.insert(spools).values(name=name, **values)
    connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=values))


def find(connection: sa.Connection, names: Collection[str]) -> dict[str, StoredSpool]:
    """Return what is stored of files, by name; a file that was never read is not among them."""
    query = sa.select(spools).where(spools.c.name.in_(names))
    return {
        row.name: StoredSpool(stored_bytes=row.stored_bytes, is_ended=bool(row.is_ended))
        for row in connection.execute(query)
    }


def forget(connection: sa.Connection, names: Collection[str]) -> None:
    """Forget files that were deleted."""
    connection.execute(sa.delete(spools).where(spools.c.name.in_(names)))
