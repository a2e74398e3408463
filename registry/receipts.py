"""Delivery receipts: stored raw before the gateway is answered, joined to their members in bulk later."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, Connection, Index, Integer, LargeBinary, String, Table, bindparam, delete, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from registry.columns import Moment, Number
from registry.metadata import METADATA
from registry.turns import take_turn

RAW = Table(
    "receipts",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("received_at", Moment, nullable=False),
    Column("gateway_id", String(65), nullable=False),
    Column("state", String(16), nullable=False),
    Column("error", String(16), nullable=False),
    Column("address", String(254), nullable=False),
    Column("reference", String(120), nullable=False),
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


@dataclass(frozen=True, slots=True)
class RawReceipt:
    gateway_id: str
    state: str
    error: str
    address: str
    reference: str
    received_at: datetime
    number: int = 0


def store(connection: Connection, receipts: Sequence[RawReceipt]) -> None:
    if not receipts:
        return
    # Numbers must appear in their order: who has read up to one would never see a smaller one that commits later.
    take_turn(connection, "receipts")
    connection.execute(
        insert(RAW),
        [
            {
                "received_at": item.received_at,
                "gateway_id": item.gateway_id,
                "state": item.state,
                "error": item.error,
                "address": item.address,
                "reference": item.reference,
            }
            for item in receipts
        ],
    )


def after(connection: Connection, number: int, limit: int) -> list[RawReceipt]:
    """Raw receipts in the order of arrival."""
    rows = connection.execute(select(RAW).where(RAW.c.number > number).order_by(RAW.c.number).limit(limit))
    return [
        RawReceipt(row.gateway_id, row.state, row.error, row.address, row.reference, row.received_at, row.number)
        for row in rows
    ]


def forget(connection: Connection, numbers: Iterable[int]) -> None:
    """These are joined."""
    gone = [{"gone": number} for number in numbers]
    if gone:
        connection.execute(delete(RAW).where(RAW.c.number == bindparam("gone")), gone)


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
