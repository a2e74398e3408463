"""The read model that the live board shows: counts per appeal, and what happened lately."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, Connection, Index, Row, String, Table, Text, insert, select
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


def counts(connection: Connection, appeal_id: str) -> dict[str, object]:
    found = connection.execute(select(BOARD.c.counts).where(BOARD.c.appeal_id == appeal_id)).scalar()
    return json.loads(found) if found else {}


def put_counts(connection: Connection, appeal_id: str, values: Mapping[str, object], at: datetime) -> None:
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"counts": json.dumps(values, sort_keys=True), "updated_at": at}
    connection.execute(
        dialect.insert(BOARD)
        .values(appeal_id=appeal_id, **row)
        .on_conflict_do_update(index_elements=[BOARD.c.appeal_id], set_=row)
    )


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
