"""Whose a call is, when its owner was last heard of, and what the ledger is still to be told of calls that ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from medagent.proof import Json, canonical
from medagent.telemetry.outbox.schema import calls, marks, owners

_NOW_S = sa.cast(sa.extract("epoch", sa.func.now()), sa.BigInteger)
"""The database's own clock, in whole seconds: the one that all hosts share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenCall:
    """A call whose chain has no end yet: whose it is, and how long its owner has been silent, in seconds."""

    trace_id: str
    owner: str
    silent_s: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What the ledger is still to be told of a call that ended: by whom, and what."""

    trace_id: str
    owner: str
    content: Mapping[str, Json]
    silent_s: int | None


def beat(connection: sa.Connection, *, owner: str) -> None:
    """Say that an owner is alive."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    insert = dialect.insert(owners).values(owner=owner, seen_s=_NOW_S)
    connection.execute(insert.on_conflict_do_update(index_elements=["owner"], set_={"seen_s": _NOW_S}))


def is_open(connection: sa.Connection, trace_id: str) -> bool:
    """Return whether a call has begun and not ended."""
    query = sa.select(calls.c.trace_id).where(calls.c.trace_id == trace_id, calls.c.state == "open")
    return connection.execute(query).first() is not None


def open_calls(connection: sa.Connection, *, but_of: str) -> list[OpenCall]:
    """The calls that have not ended, but those of one owner."""
    query = _with_silence(calls, calls.c.trace_id).where(calls.c.state == "open", calls.c.owner != but_of)
    return [OpenCall(trace_id=r.trace_id, owner=r.owner, silent_s=r.silent_s) for r in connection.execute(query)]


def take_over(connection: sa.Connection, trace_id: str, *, owner: str, heir: str) -> bool:
    """Make an open call somebody else's; False where it is not this owner's any more."""
    theirs = (calls.c.trace_id == trace_id) & (calls.c.owner == owner) & (calls.c.state == "open")
    return connection.execute(sa.update(calls).where(theirs).values(owner=heir)).rowcount == 1


def claim(connection: sa.Connection, trace_id: str, *, heir: str) -> None:
    """Make an open call somebody's, whoever had it."""
    is_open = (calls.c.trace_id == trace_id) & (calls.c.state == "open") & (calls.c.owner != heir)
    connection.execute(sa.update(calls).where(is_open).values(owner=heir))


def mark(connection: sa.Connection, trace_id: str, content: Mapping[str, Json], *, owner: str) -> None:
    """Remember what the ledger is to be told of a call."""
    row = {"trace_id": trace_id, "owner": owner, "content": canonical(content).decode()}
    connection.execute(sa.insert(marks).values(**row))


def find_marks(connection: sa.Connection, trace_id: str | None) -> list[Mark]:
    """What the ledger is still to be told, of one call or of all."""
    query = _with_silence(marks, marks.c.trace_id, marks.c.content)
    if trace_id is not None:
        query = query.where(marks.c.trace_id == trace_id)
    return [
        Mark(trace_id=r.trace_id, owner=r.owner, content=json.loads(r.content), silent_s=r.silent_s)
        for r in connection.execute(query)
    ]


def unmark(connection: sa.Connection, trace_id: str) -> None:
    """The ledger has been told."""
    connection.execute(sa.delete(marks).where(marks.c.trace_id == trace_id))


def _with_silence(table: sa.Table, *columns: sa.Column[Any]) -> sa.Select[Any]:
    """The rows of a table with their owner and how long it has been silent."""
    joined = sa.outerjoin(table, owners, table.c.owner == owners.c.owner)
    silent = (_NOW_S - owners.c.seen_s).label("silent_s")
    return sa.select(*columns, table.c.owner, silent).select_from(joined)
