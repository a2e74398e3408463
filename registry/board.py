"""The read model that the live board shows: counts per appeal, and what happened lately."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Column, Connection, Index, Row, Select, String, Table, Text, bindparam, insert, select

from registry.columns import Moment, Number
from registry.lists import among_named, listed
from registry.metadata import METADATA
from registry.upserts import replacing

BOARD = Table(
    "board",
    METADATA,
    Column("appeal_id", String(48), primary_key=True),
    Column("counts", Text, nullable=False),
    Column("updated_at", Moment, nullable=False),
)

HAPPENED = Table(
    "board_events",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("appeal_id", String(48), nullable=False),
    Column("happened_at", Moment, nullable=False),
    Column("what", String(48), nullable=False),
    Column("details", Text, nullable=False),
    Index(None, "appeal_id", "number"),
    sqlite_autoincrement=True,
)

# What was counted of each batch: a worker that was thought dead may report one a second time, and know more.
REPORTED = Table(
    "board_batches",
    METADATA,
    Column("batch_id", String(120), primary_key=True),
    Column("counts", Text, nullable=False),
)


_HAPPEN = insert(HAPPENED)
_COUNTS = select(BOARD.c.counts).where(BOARD.c.appeal_id == bindparam("asked"))


def counts(connection: Connection, appeal_id: str) -> dict[str, object]:
    found = connection.execute(_COUNTS, {"asked": appeal_id}).scalar()
    return json.loads(found) if found else {}


def put_counts(connection: Connection, appeal_id: str, values: Mapping[str, object], at: datetime) -> None:
    row = {"appeal_id": appeal_id, "counts": json.dumps(values, sort_keys=True), "updated_at": at}
    connection.execute(replacing(BOARD, connection.dialect.name, "counts", "updated_at"), row)


def report(connection: Connection, batches: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Keep the counts of these batches; what was kept of them before, of those that were."""
    dialect_name = connection.dialect.name
    rows = connection.execute(_reported(dialect_name), {"batch_ids": listed(connection, list(batches))})
    before = {row.batch_id: json.loads(row.counts) for row in rows}
    if batches:
        values = [{"batch_id": name, "counts": json.dumps(batches[name])} for name in sorted(batches)]
        connection.execute(replacing(REPORTED, dialect_name, "counts"), values)
    return before


@cache
def _reported(dialect_name: str) -> Select[tuple[str, str]]:
    return select(REPORTED.c.batch_id, REPORTED.c.counts).where(
        among_named(dialect_name, REPORTED.c.batch_id, "batch_ids")
    )


Line = tuple[datetime, str, Mapping[str, object]]


def happened(connection: Connection, appeal_id: str, lines: Sequence[Line]) -> None:
    """Add these lines, in this order: when, what, and its details."""
    if lines:
        rows = [
            {"appeal_id": appeal_id, "happened_at": at, "what": what, "details": json.dumps(details, sort_keys=True)}
            for at, what, details in lines
        ]
        connection.execute(_HAPPEN, rows)


def latest(connection: Connection, appeal_id: str, limit: int) -> Sequence[Row[tuple[object, ...]]]:
    """What happened lately, the newest first."""
    return connection.execute(
        select(HAPPENED).where(HAPPENED.c.appeal_id == appeal_id).order_by(HAPPENED.c.number.desc()).limit(limit)
    ).all()
