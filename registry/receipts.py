"""Delivery receipts: stored raw before the gateway is answered, joined to their members in bulk later."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from registry.columns import Moment, Number
from registry.metadata import METADATA
from registry.turns import take_turn

# A row holds the receipts that one read of the gateway's link brought: they come by the hundred thousand.
RAW = Table(
    "receipts",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("received_at", Moment, nullable=False),
    Column("receipts", Text, nullable=False),  # JSON: a list of lists in the order of `RawReceipt`
    sqlite_autoincrement=True,
)

DELIVERIES = Table(
    "deliveries",
    METADATA,
    Column("batch_id", String(120), primary_key=True),
    Column("appeal_id", String(48), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("states", LargeBinary, nullable=False),  # one byte a member, 0 = no receipt yet
    Index(None, "appeal_id"),
)


class RawReceipt(NamedTuple):
    """One receipt as the gateway worded it."""

    gateway_id: str
    state: str
    error: str
    address: str
    reference: str


@dataclass(frozen=True, slots=True)
class Bundle:
    """Receipts that came together and are not joined yet."""

    number: int
    receipts: list[RawReceipt]


def store(connection: Connection, bundles: Sequence[Sequence[RawReceipt]], at: datetime) -> None:
    """Keep these until they are joined."""
    if bundles:
        # Numbers must appear in their order: who has read up to one would never see a smaller one that commits later.
        take_turn(connection, "receipts")
        connection.execute(
            insert(RAW), [{"received_at": at, "receipts": json.dumps(bundle, ensure_ascii=False)} for bundle in bundles]
        )


def after(connection: Connection, number: int, limit: int, since: datetime) -> list[Bundle]:
    """Bundles in the order of arrival: at most `limit` with higher numbers that came at that moment or later."""
    rows = connection.execute(
        select(RAW.c.number, RAW.c.receipts)
        .where(RAW.c.number > number, RAW.c.received_at >= since)
        .order_by(RAW.c.number)
        .limit(limit)
    )
    return [Bundle(row.number, [RawReceipt(*fields) for fields in json.loads(row.receipts)]) for row in rows]


def keep_only(connection: Connection, left: Mapping[int, Sequence[RawReceipt]]) -> None:
    """Of these bundles only so much still waits; a bundle of which nothing is left goes."""
    gone = [{"gone": number} for number, receipts in left.items() if not receipts]
    rest = [
        {"kept": number, "receipts": json.dumps(receipts, ensure_ascii=False)}
        for number, receipts in left.items()
        if receipts
    ]
    if gone:
        connection.execute(delete(RAW).where(RAW.c.number == bindparam("gone")), gone)
    if rest:
        statement = update(RAW).where(RAW.c.number == bindparam("kept")).values(receipts=bindparam("receipts"))
        connection.execute(statement, rest)


def states(connection: Connection, batch_ids: Iterable[str]) -> dict[str, bytes]:
    rows = connection.execute(
        select(DELIVERIES.c.batch_id, DELIVERIES.c.states).where(DELIVERIES.c.batch_id.in_(list(batch_ids)))
    )
    return {row.batch_id: bytes(row.states) for row in rows}


def put_states(connection: Connection, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
    """(batch, appeal, wave, states): the newest state of every member of these batches."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(DELIVERIES)
    statement = statement.on_conflict_do_update(
        index_elements=[DELIVERIES.c.batch_id], set_={"states": statement.excluded.states}
    )
    if rows:
        connection.execute(
            statement,
            [{"batch_id": b, "appeal_id": a, "wave": w, "states": s} for b, a, w, s in rows],
        )
