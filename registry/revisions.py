"""The registry's one counter: whoever changes members takes it first and keeps it until the commit.

So revisions become visible in the order in which they were given: a reader that has seen revision 7 never meets a new
6.  Ids come from the same row, so that an id is known, with its shard, before the member is written.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, CheckConstraint, Column, Connection, Integer, Table, select, text, update

from registry.metadata import METADATA
from registry.upserts import keeping

REVISIONS = Table(
    "revisions",
    METADATA,
    Column("one", Integer, CheckConstraint("one = 1", name="one"), primary_key=True, autoincrement=False),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    Column("next_id", Integer, nullable=False, server_default=text("1")),
)

_LATEST = select(REVISIONS.c.revision)
LATEST = str(_LATEST)  # for `Database.peek`


@dataclass(frozen=True, slots=True)
class Turn:
    """The revision that all changes of one transaction carry, and the first of the ids that were asked for."""

    revision: int
    first_id: int


def hold(connection: Connection) -> None:
    """Keep other writers of members waiting until the caller's transaction ends; gives no revision yet."""
    _make(connection)
    connection.execute(select(REVISIONS.c.one).with_for_update())


def _make(connection: Connection) -> None:
    connection.execute(keeping(REVISIONS, connection.dialect.name).values(one=1))


def take(connection: Connection, *, ids: int = 0) -> Turn:
    """The next revision, and so many new ids; other writers of members wait until the caller's transaction ends."""
    _make(connection)
    statement = (
        update(REVISIONS)
        .values(revision=REVISIONS.c.revision + 1, next_id=REVISIONS.c.next_id + ids)
        .returning(REVISIONS.c.revision, REVISIONS.c.next_id)
    )
    row = connection.execute(statement).one()
    return Turn(revision=row.revision, first_id=row.next_id - ids)


def latest(connection: Connection) -> int:
    """The revision up to which everything is visible; 0 before the first member."""
    return connection.execute(_LATEST).scalar() or 0
