"""What is to happen at which moment of appeal time."""

import heapq
from collections.abc import Callable
from itertools import count


class Agenda:
    """Acts in order of their moments; acts due at one moment happen in the order in which they were noted."""

    def __init__(self) -> None:
        self._acts: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._acts)

    def note(self, due: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._acts, (due, next(self._order), act))

    def run_due(self, now: float) -> None:
        """Do everything whose moment has come."""
        while self._acts and self._acts[0][0] <= now:
            heapq.heappop(self._acts)[2]()
