"""Who has the places of a window: two lanes, each of which writes claims and records in an order of its own.

A place is given back when the record that frees it stands in its lane's queue.  The same lane may take it at once, for the
next claim stands behind that record; the other lane's claim might commit before it, so there the place counts as taken until
the record has committed.  Thus, whichever queue is ahead, no more is claimed and not recorded than there are places.
"""

import asyncio
from collections.abc import Callable
from typing import Any


class Shares:
    """Counts; whoever owns the window says how many places there are, and is told when some have become `freed`."""

    def __init__(self, freed: Callable[[], None]) -> None:
        self._freed = freed
        # By lane: bulk, urgent.
        self._taken = [0, 0]
        self._passing = [0, 0]

    @property
    def taken(self) -> int:
        return sum(self._taken)

    @property
    def passing(self) -> int:
        """Places that have been given back by a record that has not committed yet."""
        return sum(self._passing)

    def free(self, limit: int, reserve: int, *, urgent: bool, elsewhere: int = 0) -> int:
        """Of `limit` places those that this lane may take, none if negative; `reserve` of them are the urgent lane's, and
        others have taken `elsewhere`.
        """  # noqa: D205
        bulk, own = self._taken
        free = limit - bulk - elsewhere - own
        if not urgent:
            return free - reserve - self._passing[True]
        # The bulk lane is never in the reserve, whatever it has not recorded yet.
        return min(free, max(reserve - own, free - self._passing[False]))

    def take(self, places: int, *, urgent: bool) -> None:
        self._taken[urgent] += places

    def give_back(self, places: int, *, urgent: bool, recorded: asyncio.Future[Any] | None) -> None:
        """See `ports.Window`.  Raises ValueError when more are given back than were taken: a bug of the caller's."""
        if places > self._taken[urgent]:
            raise ValueError("more places given back than taken")
        self._taken[urgent] -= places
        if recorded is not None:
            self._passing[urgent] += places
            recorded.add_done_callback(lambda _: self._passed(places, urgent=urgent))
        self._freed()

    def _passed(self, places: int, *, urgent: bool) -> None:
        self._passing[urgent] -= places
        self._freed()
