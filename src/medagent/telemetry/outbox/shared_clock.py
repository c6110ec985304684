"""The clock by which leases, pauses and queued deliveries are dated: one for all hosts that share an outbox."""

from __future__ import annotations

import time

import sqlalchemy as sa

_MEASURED_FOR_S = 10.0
_SAME_MS = 1000
"""Clocks that differ by less count as one: hosts whose time is synchronised differ by milliseconds."""
_KEY = "medagent_clock_ahead"
_NOW_MS = sa.cast(sa.extract("epoch", sa.func.clock_timestamp()) * 1000, sa.BigInteger)


def now_ms(connection: sa.Connection) -> int:
    """Return the time in milliseconds since the Unix epoch; it may jump.

    It is this host's clock, corrected by the server's in PostgreSQL where the two differ by a second or more: a host
    with a wrong clock would take the leases of others for ended, and send their spans once more.
    """
    local = time.time_ns() // 1_000_000
    return local if connection.dialect.name != "postgresql" else local - _ahead_ms(connection)


def _ahead_ms(connection: sa.Connection) -> int:
    """Return by how much this host's clock is ahead of the server's, measured every 10 s for each connection."""
    measured: tuple[float, int] | None = connection.info.get(_KEY)
    if measured is None or time.monotonic() - measured[0] >= _MEASURED_FOR_S:
        asked = time.time_ns()
        server = int(connection.execute(sa.select(_NOW_MS)).scalar_one())
        ahead = (asked + time.time_ns()) // 2_000_000 - server
        measured = connection.info[_KEY] = (time.monotonic(), ahead if abs(ahead) >= _SAME_MS else 0)
    return measured[1]
