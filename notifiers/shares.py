"""Who has the places of a window: two lanes, each of which writes claims and records in an order of its own.

A place is given back when the record that frees it stands in its lane's queue.  The same lane may take it at once, for the
next claim stands behind that record; the other lane's claim might commit before it, so there the place counts as taken until
the record has committed.  Thus, whichever queue is ahead, no more is claimed and not recorded than there are places.
"""


class Shares:
    """Counts; whoever owns the window says how many places there are."""

    def __init__(self) -> None:
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

    def give_back(self, places: int, *, urgent: bool) -> None:
        """Raises ValueError when more are given back than were taken: a bug of the caller's."""
        if places > self._taken[urgent]:
            raise ValueError("more places given back than taken")
        self._taken[urgent] -= places
        self._passing[urgent] += places

    def recorded(self, places: int, *, urgent: bool) -> None:
        """Raises ValueError when more are recorded than were given back: a bug of the caller's."""
        if places > self._passing[urgent]:
            raise ValueError("more places recorded than given back")
        self._passing[urgent] -= places
