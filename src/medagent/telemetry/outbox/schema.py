"""The outbox's tables, and how a file of another version comes to have them.

A table only ever gains columns, each with a default: then an older file is brought up to date without touching a row,
and an older program still works on a newer file.
"""

from __future__ import annotations

import time

import sqlalchemy as sa

_Big = sa.BigInteger().with_variant(sa.Integer, "sqlite")
"""SQLite numbers its rows only by a column that it calls INTEGER, which holds as much."""

metadata = sa.MetaData()

calls = sa.Table(
    "calls",
    metadata,
    sa.Column("trace_id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("release", sa.String(10), nullable=False),
    sa.Column("next_sequence", sa.Integer, nullable=False),
    sa.Column("head", sa.String(64), nullable=False),
    sa.Column("opened_ms", _Big, nullable=False, server_default="0"),
    sa.Column("is_crowded_out", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("refused", sa.Integer, nullable=False, server_default="0"),
    sa.Column("latest_us", _Big, nullable=False, server_default="0"),
    sa.Column("is_to_be_buried", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index("call_to_be_buried", "is_to_be_buried"),
)
owners = sa.Table(
    "owners",
    metadata,
    sa.Column("owner", sa.String(80), primary_key=True),
    sa.Column("seen_s", _Big, nullable=False),
)
marks = sa.Table(
    "marks",
    metadata,
    sa.Column("trace_id", sa.String(36), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("content", sa.Text, nullable=False),
)
spans = sa.Table(
    "spans",
    metadata,
    sa.Column("position", _Big, primary_key=True, autoincrement=True),
    sa.Column("span_id", sa.String(36), nullable=False, unique=True),
    sa.Column("trace_id", sa.String(36), nullable=False, index=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("state", sa.String(11), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),
    sa.Column("sequence", sa.Integer),
    sa.Column("previous", sa.String(64)),
    sa.Column("hash", sa.String(64)),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("size", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("trace_id", "sequence"),
    sa.Index("span_size", "size"),
)
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("position", _Big, primary_key=True, autoincrement=True),
    sa.Column("span_id", sa.String(36), nullable=False),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("last_error", sa.String(80)),
    sa.Column("queued_ms", _Big, nullable=False, server_default="0"),
    sa.Column("due_ms", _Big, nullable=False, server_default="0"),
    sa.Column("is_set_aside", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("leased_by", sa.String(80)),
    sa.Column("leased_until_ms", _Big, nullable=False, server_default="0"),
    sa.Column("sent", sa.Integer, nullable=False, server_default="0"),
    sa.Column("first_sent_ms", _Big, nullable=False, server_default="0"),
    sa.Column("last_sent_ms", _Big, nullable=False, server_default="0"),
    sa.UniqueConstraint("span_id", "destination"),
    sa.Index("delivery_due", "destination", "is_set_aside", "position"),
)
destinations = sa.Table(
    "destinations",
    metadata,
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("paused_until_ms", _Big, nullable=False, server_default="0"),
    sa.Column("dropped", sa.Integer, nullable=False, server_default="0"),
    sa.Column("refused_rounds", sa.Integer, nullable=False, server_default="0"),
)
switch_events = sa.Table(
    "switch_events",
    metadata,
    sa.Column("position", _Big, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(8), nullable=False),
    sa.Column("at_us", _Big, nullable=False),
    sa.Column("reason", sa.Text, nullable=False, server_default=""),
    sa.Column("host", sa.String(64), nullable=False, server_default=""),
    sa.Column("made_by", sa.String(64), nullable=False, server_default=""),
    sa.Column("report", sa.String(64)),
    sa.Column("through_us", _Big),
)
"""Trips and lifts; in PostgreSQL also each off and on, for the hosts that share the outbox."""
hosts = sa.Table(
    "hosts",
    metadata,
    sa.Column("host", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(80), nullable=False),
    sa.Column("seen_us", _Big, nullable=False),
    sa.Column("applied", _Big, nullable=False, server_default="0"),
    sa.Column("is_serving", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("clock_ahead_ms", _Big, nullable=False, server_default="0"),
    sa.Column("problem", sa.String(300)),
)
"""The export service of each host that shares the outbox: when it was alive, and what it has applied."""
ledger_heads = sa.Table(
    "ledger_heads",
    metadata,
    sa.Column("host", sa.String(64), primary_key=True),
    sa.Column("sequence", _Big, nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
)
"""The latest head of the ledger of each host that shares this outbox, so that a rolled back ledger is noticed."""
receipts = sa.Table(
    "receipts",
    metadata,
    sa.Column("position", _Big, primary_key=True, autoincrement=True),
    sa.Column("destination", sa.String(40), nullable=False),
    sa.Column("trace_id", sa.String(36), nullable=False, index=True),
    sa.Column("outcome", sa.Integer, nullable=False),
    sa.Column("first_ms", _Big, nullable=False),
    sa.Column("last_ms", _Big, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("spans", sa.Text, nullable=False),
)
"""What was sent of one call in one batch, ids and names alone; kept after the spans themselves are deleted."""
deletion_requests = sa.Table(
    "deletion_requests",
    metadata,
    sa.Column("destination", sa.String(40), primary_key=True),
    sa.Column("trace_id", sa.String(36), primary_key=True),
    sa.Column("status", sa.String(20), nullable=False),
    sa.Column("cause", sa.String(40)),
    sa.Column("requested_ms", _Big, nullable=False),
    sa.Column("checked_ms", _Big, nullable=False, server_default="0"),
    sa.Column("was_shown", sa.Boolean, nullable=False, server_default=sa.false()),
)
metric_streams = sa.Table(
    "metric_streams",
    metadata,
    sa.Column("stream", sa.String(80), primary_key=True),
    sa.Column("instance_id", sa.String(36), nullable=False),
    sa.Column("started_ms", _Big, nullable=False),
    sa.Column("version", _Big, nullable=False),
    sa.Column("sent_version", _Big, nullable=False, server_default="0"),
    sa.Column("sent_ms", _Big, nullable=False, server_default="0"),
    sa.Column("leased_until_ms", _Big, nullable=False, server_default="0"),
)
metric_totals = sa.Table(
    "metric_totals",
    metadata,
    sa.Column("stream", sa.String(80), primary_key=True),
    sa.Column("series", sa.String(1000), primary_key=True),
    sa.Column("bucket", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("count", _Big, nullable=False),
    sa.Column("sum", sa.Double, nullable=False),
)
"""Numbers and closed words of delivered spans, added up; kept after the spans are deleted."""
spools = sa.Table(
    "spools",
    metadata,
    sa.Column("name", sa.String(80), primary_key=True),
    sa.Column("stored_bytes", _Big, nullable=False),
    sa.Column("is_ended", sa.Boolean, nullable=False, server_default=sa.false()),
)
"""How far each spool file is stored here, so that none of its records is stored twice."""
_version = sa.Table("outbox_version", metadata, sa.Column("version", sa.Integer, nullable=False))

VERSION = 9
"""Goes up with every column; a file without one is of version 1."""
_MAKING = 0x6D65_6462
"""The advisory lock under which PostgreSQL's tables are made: two processes may start at once."""


def is_current(connection: sa.Connection) -> bool:
    """Whether every table has all of its columns; a look that changes nothing."""
    if not set(metadata.tables) <= set(sa.inspect(connection).get_table_names()):
        return False
    return (connection.execute(sa.select(sa.func.max(_version.c.version))).scalar() or 0) >= VERSION


def bring_up_to_date(connection: sa.Connection) -> None:
    """Make what is missing, in the transaction at hand; no row is lost."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_MAKING)))
    if is_current(connection):
        return
    metadata.create_all(connection)
    seen = sa.inspect(connection)
    for table in metadata.sorted_tables:
        has = {column["name"] for column in seen.get_columns(table.name)}
        for column in (column for column in table.columns if column.name not in has):
            declared = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {declared}")
        indexed = {index["name"] for index in seen.get_indexes(table.name)}
        for index in (index for index in table.indexes if index.name not in indexed):
            index.create(connection)
    unknown = deliveries.c.queued_ms == 0
    connection.execute(sa.update(deliveries).where(unknown).values(queued_ms=time.time_ns() // 1_000_000))
    connection.execute(sa.delete(_version))
    connection.execute(sa.insert(_version).values(version=VERSION))
