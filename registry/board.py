"""The read model that the live board shows: counts per appeal, and what happened lately."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache

from sqlalchemy import Column, Connection, Index, Insert, Row, String, Table, Text, bindparam, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from registry.columns import Moment, Number
from registry.metadata import METADATA

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


_COUNTS = select(BOARD.c.counts).where(BOARD.c.appeal_id == bindparam("asked"))


def counts(connection: Connection, appeal_id: str) -> dict[str, object]:
    found = connection.execute(_COUNTS, {"asked": appeal_id}).scalar()
    return json.loads(found) if found else {}


def put_counts(connection: Connection, appeal_id: str, values: Mapping[str, object], at: datetime) -> None:
    row = {"appeal_id": appeal_id, "counts": json.dumps(values, sort_keys=True), "updated_at": at}
    connection.execute(_put_counts(connection.dialect.name), row)


@cache
def _put_counts(dialect_name: str) -> Insert:
    statement = (sqlite if dialect_name == "sqlite" else postgresql).insert(BOARD)
    newest = {name: statement.excluded[name] for name in ("counts", "updated_at")}
    putting: Insert = statement.on_conflict_do_update(index_elements=[BOARD.c.appeal_id], set_=newest)
    return putting


def happened(connection: Connection, appeal_id: str, at: datetime, what: str, details: Mapping[str, object]) -> None:
    connection.execute(
        insert(HAPPENED).values(
            appeal_id=appeal_id, happened_at=at, what=what, details=json.dumps(details, sort_keys=True)
        )
    )


def latest(connection: Connection, appeal_id: str, limit: int) -> Sequence[Row[tuple[object, ...]]]:
    """What happened lately, the newest first."""
    return connection.execute(
        select(HAPPENED).where(HAPPENED.c.appeal_id == appeal_id).order_by(HAPPENED.c.number.desc()).limit(limit)
    ).all()
