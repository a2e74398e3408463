"""Marks in the history of the registry, by which a copy of its members is known to be a copy of this history.

A revision alone does not tell: a database that was restored from a backup gives the same revisions again, to other
changes.  A mark is a name that is given once, and stored with the revision at which it was.  A database that has the
mark has everything that came before it, too.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Column, Connection, Index, String, Table, delete, insert, select

from registry import revisions
from registry.columns import Moment
from registry.metadata import METADATA

_KEPT: Final = 1000  # what cites an older one is read from the database again

MARKS = Table(
    "marks",
    METADATA,
    Column("mark", String(32), primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("at", Moment, nullable=False),
)
Index("ix_marks_revision", MARKS.c.revision)


def mark(connection: Connection, revision: int, *, name: str, at: datetime) -> str:
    """A mark that stands at this revision of the database or behind it: one that is there, or a new one of this name."""
    newest = select(MARKS.c.mark, MARKS.c.revision).order_by(MARKS.c.revision.desc())
    there = connection.execute(newest.limit(1)).one_or_none()
    if there is not None and there.revision >= revision:
        return str(there.mark)
    connection.execute(insert(MARKS).values(mark=name, revision=revisions.latest(connection), at=at))
    old = connection.execute(newest.offset(_KEPT).limit(1)).one_or_none()
    if old is not None:
        connection.execute(delete(MARKS).where(MARKS.c.revision <= old.revision))
    return name


def vouches(connection: Connection, name: str, revision: int) -> bool:
    """Whether this database has this mark, and so all that had been changed up to this revision when it was given."""
    stands_at = connection.execute(select(MARKS.c.revision).where(MARKS.c.mark == name)).scalar()
    return stands_at is not None and stands_at >= revision
