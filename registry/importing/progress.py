"""How far the import of a file has come, written in the same transaction as the members of each chunk."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Column, Connection, Integer, String, Table, select, update

from registry.columns import Moment
from registry.errors import Refused
from registry.metadata import METADATA
from registry.upserts import inserting

IMPORTS = Table(
    "imports",
    METADATA,
    Column("digest", String(64), primary_key=True, comment="SHA-256 of the file"),
    Column("size", BigInteger, primary_key=True),
    Column("started_at", Moment, nullable=False),
    Column("offset", BigInteger, nullable=False, comment="where the next record begins"),
    Column("line", Integer, nullable=False, comment="the physical line of that record"),
    Column("rows", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("updated", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("rejected", Integer, nullable=False),
    Column("rejects_size", BigInteger, nullable=False, comment="bytes of the rejects file that belong to these rows"),
    Column("finished_at", Moment),
)


@dataclass(frozen=True, slots=True)
class Progress:
    """Everything before `offset` is in the database; `line` is the physical line there."""

    offset: int
    line: int
    rows: int = 0
    added: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejects_size: int = 0


_COUNTERS = tuple(Progress.__dataclass_fields__)


def begin(connection: Connection, *, digest: str, size: int, start: Progress, at: datetime) -> Progress:
    """Where to go on: after the last chunk of a run that was cut off, else at the start."""
    row = connection.execute(select(IMPORTS).where(IMPORTS.c.digest == digest, IMPORTS.c.size == size)).one_or_none()
    if row is not None and row.finished_at is None:
        return Progress(**{name: getattr(row, name) for name in _COUNTERS})
    values = {name: getattr(start, name) for name in _COUNTERS}
    fresh = {**values, "started_at": at, "finished_at": None}
    connection.execute(
        inserting(IMPORTS, connection.dialect.name)
        .values(digest=digest, size=size, **fresh)
        .on_conflict_do_update(index_elements=["digest", "size"], set_=fresh)
    )
    return start


def advance(
    connection: Connection, *, digest: str, size: int, before: Progress, after: Progress, finished_at: datetime | None
) -> None:
    """Write down the next stand.  Raises `Refused` if another import of the same file has gone on meanwhile."""
    done = connection.execute(
        update(IMPORTS)
        .where(
            IMPORTS.c.digest == digest,
            IMPORTS.c.size == size,
            IMPORTS.c.offset == before.offset,
            IMPORTS.c.finished_at.is_(None),
        )
        .values(**{name: getattr(after, name) for name in _COUNTERS}, finished_at=finished_at)
    )
    if done.rowcount != 1:
        raise Refused("another import of the same file is running: let it finish, or stop it, then import again")
