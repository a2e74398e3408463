"""What must be told to the log, written in the same transaction as the change it follows from.

A relay publishes the rows in order and deletes them; after a crash some are published again under the same id, and
receivers drop ids that they know (`first_time`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, DateTime, Integer, LargeBinary, String, Table, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from registry.metadata import METADATA

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("topic", String(64), nullable=False),
    Column("key", String(200), nullable=False),
    Column("partition", Integer),
    Column("event_id", String(200), nullable=False),
    Column("source", String(200), nullable=False),
    Column("type", String(100), nullable=False),
    Column("subject", String(200)),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("value", LargeBinary),
    sqlite_autoincrement=True,
)

SEEN = Table(
    "seen",
    METADATA,
    Column("reader", String(64), primary_key=True),
    Column("event_id", String(200), primary_key=True),
    sqlite_with_rowid=False,
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to the log.  `partition` is given only where the key must not decide it."""

    topic: str
    key: str
    event_id: str
    source: str
    type: str
    time: datetime
    value: bytes | None
    subject: str | None = None
    partition: int | None = None


def put(connection: Connection, messages: Sequence[Outgoing]) -> None:
    """Leave these for the relay, in this order, in the caller's transaction."""
    if messages:
        connection.execute(
            insert(OUTBOX),
            [
                {
                    "topic": m.topic,
                    "key": m.key,
                    "partition": m.partition,
                    "event_id": m.event_id,
                    "source": m.source,
                    "type": m.type,
                    "subject": m.subject,
                    "time": m.time,
                    "value": m.value,
                }
                for m in messages
            ],
        )


def waiting(connection: Connection, limit: int) -> list[tuple[int, Outgoing]]:
    """The oldest rows with their positions."""
    rows = connection.execute(select(OUTBOX).order_by(OUTBOX.c.position).limit(limit))
    return [
        (
            row.position,
            Outgoing(
                row.topic, row.key, row.event_id, row.source, row.type, row.time, row.value, row.subject, row.partition
            ),
        )
        for row in rows
    ]


def published(connection: Connection, positions: Sequence[int]) -> None:
    """Forget these rows: the log has them durably."""
    connection.execute(delete(OUTBOX).where(OUTBOX.c.position.in_(positions)))


def first_time(connection: Connection, reader: str, event_id: str) -> bool:
    """True the first time this reader meets this id, False ever after; commits with the caller's transaction."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(SEEN).values(reader=reader, event_id=event_id).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1
