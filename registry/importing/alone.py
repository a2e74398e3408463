"""What an import knows when it has an empty registry for itself: every member, so that nobody need be looked up."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from registry import indexes, revisions
from registry.database import Database
from registry.members import MEMBERS


class Alone:
    """The members that this import has added, as long as nobody else has written any.

    Their cards differ, since of a card twice in a file only one row is stored; their mobiles are remembered here.
    """

    def __init__(self, revision: int) -> None:
        self._revision = revision
        self._mobiles = np.empty(0, np.int64)  # in rising order, and beside them whose they are
        self._owners = np.empty(0, np.int64)

    def holds(self, connection: Connection) -> bool:
        """Whether nobody else has written members; true until the caller's transaction ends if it holds them."""
        return revisions.latest(connection) == self._revision

    def add(self, member_ids: NDArray[np.int64], mobiles: Sequence[str | None], revision: int) -> list[int]:
        """Members who were added under this revision; the ids of all that share a mobile with one of them."""
        self._revision = revision
        numbers = np.fromiter((int(mobile or 0) for mobile in mobiles), np.int64, len(mobiles))
        has_one = numbers != 0
        order = np.argsort(numbers[has_one])
        numbers, owners = numbers[has_one][order], member_ids[has_one][order]
        both = np.concatenate([self._mobiles, numbers])
        order = np.argsort(both, kind="stable")  # two sorted halves: that is only a merge
        self._mobiles, self._owners = both[order], np.concatenate([self._owners, owners])[order]
        first, last = (np.searchsorted(self._mobiles, numbers, side=side) for side in ("left", "right"))
        shared = np.flatnonzero(last - first > 1)
        return sorted({owner for at in shared for owner in self._owners[first[at] : last[at]].tolist()})


@contextmanager
def filling(database: Database) -> Iterator[Alone | None]:
    """For an import: what it knows of an empty registry, whose indexes are put off while entered; else none.

    What breaks off in between leaves them to `indexes.mend`.
    """
    with indexes.in_charge(database) as mine:
        yield _begin(database) if mine else None
        if mine:
            indexes.build_all(database)


def _begin(database: Database) -> Alone | None:
    with database.transaction() as connection:
        revisions.hold(connection)
        if anybody(connection):
            indexes.build(connection)
            return None
        indexes.put_off(connection)
        return Alone(revisions.latest(connection))


def anybody(connection: Connection) -> bool:
    """Whether the registry has, or ever had, a member."""
    return connection.execute(select(MEMBERS.c.id).limit(1)).first() is not None
