"""What must be told to the log, written in the same transaction as the change it follows from.

A relay publishes the rows in order and deletes them; after a crash some are published again under the same id, and
receivers drop ids that they know (`first_times`).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    bindparam,
    delete,
    insert,
    select,
    true,
)
from sqlalchemy.sql.dml import ReturningInsert

from registry.columns import Moment, Number
from registry.lists import among_named, each_named, listed
from registry.metadata import METADATA
from registry.notices import leave_notice
from registry.upserts import keeping
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("position", Number, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("partition", Integer),
    Column("event_id", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("type", String(100), nullable=False),
    Column("subject", String(200)),
    Column("time", Moment, nullable=False),
    Column("value", LargeBinary),
    sqlite_autoincrement=True,
)

WAITS = f"select exists (select 1 from {OUTBOX.name})"  # noqa: S608 - no value of anybody's in it

SEEN = Table(
    "seen",
    METADATA,
    Column("reader", String(64), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    sqlite_with_rowid=False,
)


# Statements that every event needs are put together once.
_PUT = insert(OUTBOX)
_WAITING = select(OUTBOX).order_by(OUTBOX.c.position).limit(bindparam("limit", type_=Integer))


@cache
def _published(dialect_name: str) -> Delete:
    return delete(OUTBOX).where(among_named(dialect_name, OUTBOX.c.position, "positions"))


@cache
def _see(dialect_name: str) -> ReturningInsert[Any]:
    # PostgreSQL's driver does not count the rows of such an insert; what it returns is what it wrote.
    # Without a condition SQLite takes ON for the beginning of a join.
    asked = select(bindparam("by", type_=String), each_named(dialect_name, "event_ids", String)).where(true())
    return keeping(SEEN, dialect_name).from_select(["reader", "event_id"], asked).returning(SEEN.c.event_id)


def put(connection: Connection, messages: Sequence[Outgoing]) -> None:
    """Leave these for the relay, in this order, in the caller's transaction."""
    if messages:
        connection.execute(_PUT, [_row(message) for message in messages])
        leave_notice(connection)


def _row(message: Outgoing) -> dict[str, object]:
    envelope = message.envelope
    return {
        "topic": message.topic,
        "key": message.key,
        "partition": message.partition,
        "event_id": envelope.id,
        "source": envelope.source,
        "type": envelope.type,
        "subject": envelope.subject,
        "time": envelope.time,
        "value": message.value,
    }


def waiting(connection: Connection, limit: int) -> list[tuple[int, Outgoing]]:
    """The oldest rows with their positions."""
    rows = connection.execute(_WAITING, {"limit": limit})
    return [(row.position, _outgoing(row)) for row in rows]


def waiting_for(connection: Connection, topic: str, key: str) -> list[Outgoing]:
    """What waits to be published under this key, the oldest first."""
    rows = connection.execute(
        select(OUTBOX).where(OUTBOX.c.topic == topic, OUTBOX.c.key == key).order_by(OUTBOX.c.position)
    )
    return [_outgoing(row) for row in rows]


def _outgoing(row: Row[tuple[object, ...]]) -> Outgoing:
    envelope = Envelope(id=row.event_id, source=row.source, type=row.type, subject=row.subject, time=row.time)
    return Outgoing(row.topic, row.key, envelope, row.value, row.partition)


def published(connection: Connection, positions: Sequence[int]) -> None:
    """Forget these rows: the log has them durably."""
    connection.execute(_published(connection.dialect.name), {"positions": listed(connection, positions)})


def first_times(connection: Connection, reader: str, event_ids: Sequence[str]) -> set[str]:
    """Those of these ids that this reader meets for the first time; commits with the caller's transaction."""
    if not event_ids:
        return set()
    # In one order for everybody, or two transactions could wait for each other.
    asked = {"by": reader, "event_ids": listed(connection, sorted(set(event_ids)))}
    return set(connection.execute(_see(connection.dialect.name), asked).scalars())


def are_new(connection: Connection, reader: str, event_ids: Sequence[str]) -> list[bool]:
    """Of each of these ids, in this order, whether this reader meets it for the first time."""
    fresh = first_times(connection, reader, event_ids)
    new = []
    for event_id in event_ids:
        new.append(event_id in fresh)
        fresh.discard(event_id)
    return new
