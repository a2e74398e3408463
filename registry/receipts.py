"""Delivery receipts: stored raw before the gateway is answered, joined to their members in bulk later."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from itertools import compress
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json
from sqlalchemy import (
    Column,
    Connection,
    Delete,
    Index,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    select,
    update,
)

from registry.columns import Moment, Number
from registry.lists import among_named, listed
from registry.metadata import METADATA
from registry.turns import take_turn
from registry.upserts import replacing

# A row holds the receipts that one read of the gateway's link brought: they come by the hundred thousand.  Either they have
# been read, or their octets are kept as they came.
RAW = Table(
    "receipts",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("received_at", Moment, nullable=False),
    Column("receipts", Text, nullable=False),  # JSON: a list of lists in the order of `RawReceipts`; empty while unread
    Column("size", Integer),  # octets of each, while unread
    Column("octets", LargeBinary),
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


class RawReceipts(NamedTuple):
    """Receipts that say the same of several messages: ids and addresses run parallel."""

    state: str
    error: str
    reference: str
    gateway_ids: list[str]
    addresses: list[str]

    def each(self) -> Iterator[RawReceipt]:
        for gateway_id, address in zip(self.gateway_ids, self.addresses, strict=True):
            yield RawReceipt(gateway_id, self.state, self.error, address, self.reference)

    def only(self, kept: Sequence[bool]) -> "RawReceipts":
        """Those that are kept."""
        return self._replace(
            gateway_ids=list(compress(self.gateway_ids, kept)), addresses=list(compress(self.addresses, kept))
        )


class Unread(NamedTuple):
    """Receipts as the gateway worded them: messages of `size` octets, one after the other."""

    size: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """Receipts that came together and are not joined yet: as they were read, or unread."""

    number: int
    receipts: list[RawReceipts]
    unread: Unread | None = None


# Statements that are executed for every read of a link are put together once.
_STORE = insert(RAW)
_AFTER = (
    select(RAW.c.number, RAW.c.receipts, RAW.c.size, RAW.c.octets)
    .where(RAW.c.number > bindparam("after"), RAW.c.received_at >= bindparam("since"))
    .order_by(RAW.c.number)
    .limit(bindparam("limit", type_=Integer))
)
_KEEP = (
    update(RAW).where(RAW.c.number == bindparam("kept")).values(receipts=bindparam("receipts"), size=None, octets=None)
)


@cache
def _drop(dialect_name: str) -> Delete:
    return delete(RAW).where(among_named(dialect_name, RAW.c.number, "gone"))


@cache
def _states(dialect_name: str) -> Select[Any]:
    found = select(DELIVERIES.c.batch_id, DELIVERIES.c.states)
    return found.where(among_named(dialect_name, DELIVERIES.c.batch_id, "batch_ids"))


def store(connection: Connection, bundles: Sequence[Sequence[RawReceipts]], at: datetime) -> None:
    """Keep these until they are joined."""
    _insert(connection, [{"received_at": at, "receipts": to_json(bundle).decode()} for bundle in bundles])


def store_unread(connection: Connection, unread: Sequence[Unread], at: datetime) -> None:
    """Keep these until somebody has read and joined them."""
    rows = [{"received_at": at, "receipts": "", "size": some.size, "octets": some.octets} for some in unread]
    _insert(connection, rows)


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        # Numbers must appear in their order: who has read up to one would never see a smaller one that commits later.
        take_turn(connection, "receipts")
        connection.execute(_STORE, rows)


def after(connection: Connection, number: int, limit: int, since: datetime) -> list[Bundle]:
    """Bundles in the order of arrival: at most `limit` with higher numbers that came at that moment or later."""
    rows = connection.execute(_AFTER, {"after": number, "since": since, "limit": limit})
    return [
        Bundle(row.number, [], Unread(row.size, bytes(row.octets)))
        if row.octets is not None
        else Bundle(row.number, list(map(RawReceipts._make, from_json(row.receipts))))
        for row in rows
    ]


def keep_only(connection: Connection, left: Mapping[int, Sequence[RawReceipts]]) -> None:
    """Of these bundles only so much still waits; a bundle of which nothing is left goes."""
    gone = [number for number, receipts in left.items() if not receipts]
    rest = [{"kept": number, "receipts": to_json(receipts).decode()} for number, receipts in left.items() if receipts]
    if gone:
        connection.execute(_drop(connection.dialect.name), {"gone": listed(connection, gone)})
    if rest:
        connection.execute(_KEEP, rest)


def states(connection: Connection, batch_ids: Iterable[str]) -> dict[str, bytes]:
    asked = {"batch_ids": listed(connection, list(batch_ids))}
    rows = connection.execute(_states(connection.dialect.name), asked)
    return {row.batch_id: bytes(row.states) for row in rows}


def put_states(connection: Connection, rows: Sequence[tuple[str, str, int, bytes]]) -> None:
    """(batch, appeal, wave, states): the newest state of every member of these batches."""
    if rows:
        connection.execute(
            replacing(DELIVERIES, connection.dialect.name, "states"),
            [{"batch_id": b, "appeal_id": a, "wave": w, "states": s} for b, a, w, s in rows],
        )
