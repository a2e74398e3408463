"""The ledger of sends: claims and records, a few compact rows per batch and none per member.

A batch is a slice of a selection, or a list of members with an id of its own; either way its content is fixed by its
id, so a range of positions says which members it means.  Outcomes are one byte per member (`Fate`).
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from functools import cache
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Insert,
    Integer,
    LargeBinary,
    Select,
    String,
    Table,
    Text,
    delete,
    insert,
    select,
)
from sqlalchemy.sql.dml import ReturningInsert

from registry.columns import Moment, Number
from registry.lists import among, among_named, listed
from registry.metadata import METADATA
from registry.turns import take_turn
from registry.upserts import inserting, keeping

CLAIMS = Table(
    "claims",
    METADATA,
    Column("batch_id", String(120), primary_key=True),
    Column("first", Integer, primary_key=True),
    Column("last", Integer, nullable=False),  # one past the last position
    Column("appeal_id", String(48), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("owner", String(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("token", String(64), nullable=False),
    Column("claimed_at", Moment, nullable=False),
)

RECORDS = Table(
    "records",
    METADATA,
    Column("number", Number, primary_key=True, autoincrement=True),
    Column("batch_id", String(120), nullable=False),
    Column("first", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    Column("appeal_id", String(48), nullable=False),
    Column("wave", Integer, nullable=False),
    Column("fates", LargeBinary, nullable=False),  # one byte a member
    Column("gateway_ids", Text, nullable=False),  # one line a member, empty where there is none
    Column("recorded_at", Moment, nullable=False),
    Index(None, "batch_id", "first", unique=True),
    Index(None, "appeal_id"),
    sqlite_autoincrement=True,
)

SHARED_NUMBERS = Table(
    "shared_numbers_asked",
    METADATA,
    Column("appeal_id", String(48), primary_key=True),
    Column("wave", Integer, primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("member_id", BigInteger, nullable=False),  # for whom; the one who may be asked again after `unclaim`
)


class Fate(IntEnum):
    """What became of one invited member; stored as one byte."""

    SENT = 1
    REFUSED = 2
    UNCERTAIN = 3
    WITHDRAWN = 4  # held back by a stop
    OPTED_OUT = 5
    NO_ADDRESS = 6  # lost between selection and sending
    SHARED = 7  # the number was asked for another member who has it too
    SPARED = 8  # not asked a second time after all: known meanwhile


@dataclass(frozen=True, slots=True)
class Range:
    """Positions `first` to `last` (one past) of a batch."""

    batch_id: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a range."""

    range: Range
    appeal_id: str
    wave: int
    fates: bytes
    gateway_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Orphan:
    """A claim that has no record: its owner died, or is still sending."""

    range: Range
    owner: str
    epoch: int
    token: str


# --- claims ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Claim:
    """Who is about to send what: written down before the first byte leaves."""

    range: Range
    appeal_id: str
    wave: int
    owner: str
    epoch: int
    token: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What the ledger knows of a batch: positions that somebody has touched, and claims that have no record."""

    touched: tuple[tuple[int, int], ...] = ()
    orphans: tuple[Orphan, ...] = ()

    def only(self, token: str) -> bool:
        """Nothing but the claim with this token: made before, by a commit that got no answer."""
        return len(self.touched) == 1 and [orphan.token for orphan in self.orphans] == [token]

    def gaps(self, size: int) -> list[tuple[int, int]]:
        """The positions, of so many, that nobody has touched yet."""
        found, reached = [], 0
        for first, last in sorted(self.touched):
            if first > reached:
                found.append((reached, first))
            reached = max(reached, last)
        if reached < size:
            found.append((reached, size))
        return found

    def narrowed(self, orphan: Orphan, spans: Sequence[tuple[int, int]]) -> "Standing":
        """The same when of this claim only these positions have been touched."""
        others = [span for span in self.touched if span != (orphan.range.first, orphan.range.last)]
        return Standing((*others, *spans), self.orphans)


UNTOUCHED = Standing()
# Statements that are executed often are put together once.


@cache
def _claiming(dialect_name: str) -> ReturningInsert[Any]:
    return keeping(CLAIMS, dialect_name).returning(CLAIMS.c.token)


@cache
def _standing_of(dialect_name: str) -> tuple[Select[Any], Select[Any]]:
    records, claims = RECORDS.c, CLAIMS.c
    return (
        select(records.batch_id, records.first, records.last).where(
            among_named(dialect_name, records.batch_id, "batch_ids")
        ),
        select(claims.batch_id, claims.first, claims.last, claims.owner, claims.epoch, claims.token).where(
            among_named(dialect_name, claims.batch_id, "batch_ids")
        ),
    )


def standing(connection: Connection, batch_ids: Sequence[str]) -> dict[str, Standing]:
    """Where these batches stand; a batch that nobody has touched is left out."""
    touched: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
    recorded: set[tuple[str, int]] = set()
    recorded_of, claimed_of = _standing_of(connection.dialect.name)
    asked = {"batch_ids": listed(connection, batch_ids)}
    for batch_id, first, last in connection.execute(recorded_of, asked):
        touched[batch_id].append((first, last))
        recorded.add((batch_id, first))
    orphans: defaultdict[str, list[Orphan]] = defaultdict(list)
    for batch_id, first, last, owner, epoch, token in connection.execute(claimed_of, asked):
        touched[batch_id].append((first, last))
        if (batch_id, first) not in recorded:
            orphans[batch_id].append(Orphan(Range(batch_id, first, last), owner, epoch, token))
    return {batch_id: Standing(tuple(spans), tuple(orphans[batch_id])) for batch_id, spans in touched.items()}


def claim(connection: Connection, claims: Sequence[Claim], at: datetime) -> set[str]:
    """Write these down; the tokens of those that cannot be, because somebody has claimed the same place before.

    Durable with the caller's transaction.  What is written down already under the same token counts as written: after a
    commit that got no answer nobody knows, and the same claim is made again.
    """
    if not claims:
        return set()
    written = set(
        connection.execute(
            _claiming(connection.dialect.name),
            [
                {
                    "batch_id": item.range.batch_id,
                    "first": item.range.first,
                    "last": item.range.last,
                    "appeal_id": item.appeal_id,
                    "wave": item.wave,
                    "owner": item.owner,
                    "epoch": item.epoch,
                    "token": item.token,
                    "claimed_at": at,
                }
                for item in claims
            ],
        ).scalars()
    )
    refused = [item for item in claims if item.token not in written]
    if not refused:
        return set()
    batches = [item.range.batch_id for item in refused]
    known = connection.execute(select(CLAIMS.c.token).where(among(connection, CLAIMS.c.batch_id, batches)))
    return {item.token for item in refused} - set(known.scalars())


def newest_claim(connection: Connection) -> Range | None:
    """What a worker claimed last."""
    newest = select(CLAIMS).where(CLAIMS.c.epoch > 0).order_by(CLAIMS.c.claimed_at.desc()).limit(1)
    row = connection.execute(newest).first()
    return None if row is None else Range(row.batch_id, row.first, row.last)


def unclaim(connection: Connection, span: Range, token: str) -> bool:
    """Take a claim back of which nothing was sent; False when a successor has settled it meanwhile."""
    gone = connection.execute(
        delete(CLAIMS).where(
            CLAIMS.c.batch_id == span.batch_id,
            CLAIMS.c.first == span.first,
            CLAIMS.c.token == token,
            ~select(RECORDS.c.number)
            .where(RECORDS.c.batch_id == span.batch_id, RECORDS.c.first == span.first)
            .exists(),
        )
    )
    return gone.rowcount == 1


def narrow(connection: Connection, orphan: Orphan, spans: Sequence[tuple[int, int]]) -> None:
    """Of this claim only these positions are left; the others may be claimed by whoever holds the lease now."""
    span = orphan.range
    this = (CLAIMS.c.batch_id == span.batch_id, CLAIMS.c.first == span.first, CLAIMS.c.token == orphan.token)
    row = connection.execute(delete(CLAIMS).where(*this).returning(*CLAIMS.c)).first()
    if row is not None and spans:  # else its owner has just taken it back
        connection.execute(insert(CLAIMS), [{**row._asdict(), "first": first, "last": last} for first, last in spans])


def claimed_with(connection: Connection, batch_ids: Sequence[str], tokens: Collection[str]) -> dict[str, list[Range]]:
    """By token the positions that are claimed with it; these batches are looked through."""
    found: defaultdict[str, list[Range]] = defaultdict(list)
    claims = CLAIMS.c
    rows = connection.execute(
        select(claims.token, claims.batch_id, claims.first, claims.last)
        .where(among(connection, claims.batch_id, batch_ids))
        .order_by(claims.first)
    )
    for token, batch_id, first, last in rows:
        if token in tokens:
            found[token].append(Range(batch_id, first, last))
    return found


def ask_shared(connection: Connection, appeal_id: str, wave: int, members: Mapping[str, int]) -> set[str]:
    """Of these shared addresses, those that this wave has not asked for another member; from now on it has for these.

    `members` says for whom each is asked.  The same member counts as not asked yet: its claim was taken back.
    """
    if not members:
        return set()
    connection.execute(
        keeping(SHARED_NUMBERS, connection.dialect.name),
        # In one order for everybody, or two transactions could wait for each other.
        [
            {"appeal_id": appeal_id, "wave": wave, "address": address, "member_id": member}
            for address, member in sorted(members.items())
        ],
    )
    asked = connection.execute(
        select(SHARED_NUMBERS.c.address, SHARED_NUMBERS.c.member_id).where(
            SHARED_NUMBERS.c.appeal_id == appeal_id,
            SHARED_NUMBERS.c.wave == wave,
            SHARED_NUMBERS.c.address.in_(members),
        )
    )
    return {row.address for row in asked if row.member_id == members[row.address]}


# --- records --------------------------------------------------------------------------------------------------------


def record(connection: Connection, records: Sequence[Record], at: datetime) -> None:
    """Write down what became of these ranges.

    A record that comes late, after a successor has called the range uncertain, replaces it: it knows more, and whoever
    follows the records by number sees it again.  One that knows nothing replaces none.
    """
    if not records:
        return
    # Numbers must appear in their order: who has read up to one would never see a smaller one that commits later.
    take_turn(connection, "records")
    replace, keep = _insertions(connection.dialect.name)
    telling = [_record_row(item, at) for item in records if not _knows_nothing(item)]
    silent = [_record_row(item, at) for item in records if _knows_nothing(item)]
    if telling:
        connection.execute(replace, telling)
    if silent:
        connection.execute(keep, silent)


@cache
def _insertions(dialect_name: str) -> tuple[Insert, Insert]:
    """For records that replace what stands in their place, and for those that leave it.  Made once: it takes a while."""
    insertion = inserting(RECORDS, dialect_name)
    replacement = insertion.on_conflict_do_update(
        index_elements=[RECORDS.c.batch_id, RECORDS.c.first],
        set_={name: insertion.excluded[name] for name in ("number", "fates", "gateway_ids", "recorded_at")},
    )
    return replacement, insertion.on_conflict_do_nothing()


def _knows_nothing(item: Record) -> bool:
    return item.fates.count(Fate.UNCERTAIN) == len(item.fates)


def _record_row(item: Record, at: datetime) -> dict[str, object]:
    return {
        "batch_id": item.range.batch_id,
        "first": item.range.first,
        "last": item.range.last,
        "appeal_id": item.appeal_id,
        "wave": item.wave,
        "fates": item.fates,
        "gateway_ids": "\n".join(item.gateway_ids),
        "recorded_at": at,
    }


def records_of(connection: Connection, batch_id: str) -> list[Record]:
    rows = connection.execute(select(RECORDS).where(RECORDS.c.batch_id == batch_id).order_by(RECORDS.c.first))
    return [_record(row) for row in rows]


def records_after(connection: Connection, number: int, limit: int, since: datetime) -> list[tuple[int, Record]]:
    """Records in the order in which they were written, for whoever projects them: at most `limit` with higher numbers,
    written at that moment or later.
    """  # noqa: D205
    rows = connection.execute(
        select(RECORDS)
        .where(RECORDS.c.number > number, RECORDS.c.recorded_at >= since)
        .order_by(RECORDS.c.number)
        .limit(limit)
    )
    return [(row.number, _record(row)) for row in rows]


def sent_after(connection: Connection, appeal_id: str, moment: datetime) -> tuple[int, timedelta]:
    """How many mass messages of this appeal were sent by ranges whose record was written after this moment, and how long
    after it the last of these was: none of them left later, many sooner.
    """  # noqa: D205
    rows = connection.execute(
        select(RECORDS.c.recorded_at, RECORDS.c.fates).where(
            RECORDS.c.appeal_id == appeal_id, RECORDS.c.wave > 0, RECORDS.c.recorded_at > moment
        )
    )
    sent = [(at, count) for at, fates in rows if (count := bytes(fates).count(Fate.SENT))]
    latest = max((at for at, _ in sent), default=moment)
    return sum(count for _, count in sent), latest - moment


def fates(connection: Connection, appeal_id: str, wave: int | None = None) -> dict[Fate, int]:
    """Members of an appeal's mass messages by fate; `wave` narrows it down."""
    statement = select(RECORDS.c.fates).where(RECORDS.c.appeal_id == appeal_id)
    statement = statement.where(RECORDS.c.wave == wave if wave is not None else RECORDS.c.wave > 0)
    counts = np.zeros(256, np.int64)
    for blob in connection.execute(statement).scalars():
        counts += np.bincount(np.frombuffer(blob, np.uint8), minlength=256)
    return {fate: int(counts[fate]) for fate in Fate if counts[fate]}


def _record(row: object) -> Record:
    return Record(
        Range(row.batch_id, row.first, row.last),  # type: ignore[attr-defined]
        row.appeal_id,  # type: ignore[attr-defined]
        row.wave,  # type: ignore[attr-defined]
        bytes(row.fates),  # type: ignore[attr-defined]
        tuple(row.gateway_ids.split("\n")),  # type: ignore[attr-defined]
    )
