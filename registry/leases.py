"""Leases: who may claim on a dispatch partition, under which epoch, until when.

Time is the database's own: PostgreSQL's clock, or on SQLite the machine's CLOCK_BOOTTIME together with its boot id,
which nobody can step.  The owner compares its own CLOCK_BOOTTIME with the end of the lease before every write to a
gateway.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Float,
    Insert,
    Select,
    String,
    Table,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from registry.lists import among_named, listed
from registry.metadata import METADATA
from registry.upserts import keeping

LEASES = Table(
    "leases",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("until", Float, nullable=False),
    Column("boot", String(64), nullable=False),
)


@dataclass(frozen=True, slots=True)
class Lease:
    """`until` is this machine's CLOCK_BOOTTIME in seconds, counted from before the database was asked."""

    name: str
    owner: str
    epoch: int
    until: float


def boottime() -> float:
    """Seconds since the machine started, sleep included: no clock step reaches it."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


_THIS = LEASES.c.name == bindparam("asked")
_CLOCK = text("select extract(epoch from clock_timestamp())")
_LOCK = select(LEASES).where(_THIS).with_for_update()
_TAKE = update(LEASES).where(_THIS).values({name: bindparam(name) for name in ("owner", "epoch", "until", "boot")})


@cache
def _vacancy(dialect_name: str) -> Insert:
    return keeping(LEASES, dialect_name)


def acquire(connection: Connection, name: str, owner: str, *, seconds: float) -> Lease | None:
    """Take the lease, or renew it; none while somebody else holds it.  A new owner gets a higher epoch."""
    asked = boottime()
    now, boot = _now(connection)
    row = connection.execute(_LOCK, {"asked": name}).first()
    if row is None:  # only a row that is there can be locked
        vacant = {"name": name, "owner": "", "epoch": 0, "until": 0.0, "boot": boot}
        connection.execute(_vacancy(connection.dialect.name), vacant)
        row = connection.execute(_LOCK, {"asked": name}).one()
    mine = row.owner == owner
    if not mine and row.boot == boot and row.until > now:
        return None
    epoch = row.epoch if mine else row.epoch + 1
    taken = {"asked": name, "owner": owner, "epoch": epoch, "until": now + seconds, "boot": boot}
    connection.execute(_TAKE, taken)
    return Lease(name, owner, epoch, asked + seconds)


@cache
def _renewal(dialect_name: str) -> ReturningUpdate[Any]:
    # An update of what is no key lets claims of this owner go on; the lock that `acquire` takes would hold them up.
    now: ColumnElement[Any] = bindparam("now", type_=Float)
    if dialect_name == "postgresql":
        now = func.extract("epoch", func.clock_timestamp())
    return (
        update(LEASES)
        .where(among_named(dialect_name, LEASES.c.name, "names"), LEASES.c.owner == bindparam("by"))
        .values(until=now + bindparam("seconds", type_=Float))
        .returning(LEASES.c.name, LEASES.c.epoch)
    )


def renew(connection: Connection, names: Sequence[str], owner: str, *, seconds: float) -> dict[str, Lease]:
    """Those of these leases that are still this owner's, for so many seconds more."""
    asked = boottime()
    values = {"names": listed(connection, names), "by": owner, "seconds": seconds}
    if connection.dialect.name == "sqlite":
        values["now"] = asked
    rows = connection.execute(_renewal(connection.dialect.name), values)
    return {row.name: Lease(row.name, owner, row.epoch, asked + seconds) for row in rows}


@cache
def _held_of(dialect_name: str) -> Select[tuple[str, str, int]]:
    # The lock keeps a successor from taking over between this look and the commit: it would not see the claim.
    return (
        select(LEASES.c.name, LEASES.c.owner, LEASES.c.epoch)
        .where(among_named(dialect_name, LEASES.c.name, "names"))
        .order_by(LEASES.c.name)
        .with_for_update(read=True, key_share=True)
    )


def held(connection: Connection, wanted: Collection[Lease]) -> set[Lease]:
    """Those of these leases that are the current epoch; asked in the transaction of every claim, they stay so until that
    commits.
    """  # noqa: D205
    names = sorted({lease.name for lease in wanted})
    rows = connection.execute(_held_of(connection.dialect.name), {"names": listed(connection, names)})
    current = {row.name: (row.owner, row.epoch) for row in rows}
    return {lease for lease in wanted if current.get(lease.name) == (lease.owner, lease.epoch)}


def end_all(connection: Connection) -> None:
    """Whoever held a lease is known to be dead, so nobody need wait for its end.  The next owner gets a higher epoch."""
    connection.execute(update(LEASES).values(until=0.0))


def release(connection: Connection, lease: Lease) -> None:
    """Give it up at once, so that a successor need not wait."""
    connection.execute(
        update(LEASES).where(LEASES.c.name == lease.name, LEASES.c.epoch == lease.epoch).values(until=0.0)
    )


def _now(connection: Connection) -> tuple[float, str]:
    if connection.dialect.name == "sqlite":
        return boottime(), boot_id()
    now = connection.execute(_CLOCK).scalar_one()
    return float(now), "database"
