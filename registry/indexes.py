"""The indexes of the members: put off while the first import fills an empty registry, and built when it is through.

An index that is built at once over all members costs a fraction of one that grows with every member.  Only speed rests
on them: without them everything is found, by reading all members.  An import that is killed leaves them out; whoever
opens the registry next builds them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy import Connection, Index, inspect, text

from registry.database import Database
from registry.locks import one_at_a_time
from registry.members import MEMBERS

_INDEXES: Final = tuple(sorted(MEMBERS.indexes, key=lambda index: str(index.name)))
_TURN: Final = "members-indexes"


@contextmanager
def in_charge(database: Database) -> Iterator[bool]:
    """Whether this process, and no other, may put the indexes off and build them."""
    with one_at_a_time(database, _TURN) as lock:
        yield lock is not None


def mend(database: Database) -> None:
    """Build the indexes that a killed import has left out; those that a running one has put off are its business."""
    with database.snapshot() as connection:
        whole = not missing(connection)
    if not whole:
        with in_charge(database) as mine:
            if mine:
                build_all(database)


def build_all(database: Database) -> None:
    """Build those that are missing, each in a transaction of its own: whoever wants to write waits for one at most."""
    with database.snapshot() as connection:
        wanted = missing(connection)
    for index in wanted:
        with database.transaction() as connection:
            _build(connection, index)


def build(connection: Connection) -> None:
    """Build those that are missing in the caller's transaction."""
    for index in missing(connection):
        _build(connection, index)


def put_off(connection: Connection) -> None:
    """Do without them until they are built."""
    for index in _INDEXES:
        index.drop(connection, checkfirst=True)


def missing(connection: Connection) -> list[Index]:
    """Those that are not there."""
    found = {index["name"] for index in inspect(connection).get_indexes(MEMBERS.name)}
    return [index for index in _INDEXES if index.name not in found]


def _build(connection: Connection, index: Index) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL maintenance_work_mem = '256MB'"))
    index.create(connection, checkfirst=True)
