"""The head of a host's ledger as the outbox keeps it: one row for each host."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from medagent.telemetry.ledger.anchors import Head
from medagent.telemetry.outbox.database import Database
from medagent.telemetry.outbox.schema import ledger_heads


class OutboxAnchor:
    """Keeps a head in the outbox's database; an outbox that is not there is not made for it.

    Raises `OutboxUnavailableError` where it cannot be done now, `OutboxError` where no later try would do it.
    """

    name = "outbox"
    replaces = True

    def __init__(self, url: str | Path, *, host: str) -> None:
        """`host` tells apart the ledgers of hosts that share an outbox."""
        self._url = url
        self._host = host

    def keep(self, head: Head) -> None:
        """Replace the head of this host."""
        with self._opened() as database:
            if database.is_missing():
                return
            mine = ledger_heads.c.host == self._host
            with database.writing() as connection:
                connection.execute(sa.delete(ledger_heads).where(mine))
                connection.execute(
                    sa.insert(ledger_heads).values(host=self._host, sequence=head.sequence, hash=head.hash)
                )

    def heads(self) -> list[Head]:
        """Return the head of this host; none where there is no outbox."""
        with self._opened() as database:
            if database.is_missing():
                return []
            with database.reading() as connection:
                rows = connection.execute(
                    sa.select(ledger_heads.c.sequence, ledger_heads.c.hash).where(ledger_heads.c.host == self._host)
                ).all()
            return [Head(sequence=row.sequence, hash=row.hash) for row in rows]

    @contextmanager
    def _opened(self) -> Iterator[Database]:
        """A database that leaves no connection behind: a head is kept once an entry, by whoever writes one."""
        database = Database(self._url, most_connections=1)
        try:
            yield database
        finally:
            database.close()
