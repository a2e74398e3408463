"""Which events of a reaction begin: so many at a time, and of each partition one at any rate.

When a worker dies, its partitions come to others, whose places may be taken for minutes: a batch is under way as long as the
gateway needs for it.  What comes with such a partition must not wait for that, so its first event needs no place.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from streams.acks import InOrder

MOST_WAITING: Final = 256  # events that are looked past for those of another partition


class Turns:
    """Of one reaction; a partition is known by the order in which its events are acknowledged."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._under_way: Counter[InOrder] = Counter()
        self._waiting: deque[tuple[InOrder, Callable[[], object]]] = deque()
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, partition: InOrder, begin: Callable[[], object]) -> None:
        """Call `begin` when it is this event's turn, those of its partition in the order in which they came.

        Returns when more may come.
        """
        self._waiting.append((partition, begin))
        self._serve()
        await self._room.wait()

    def end(self, partition: InOrder) -> None:
        """An event of this partition that had begun is over."""
        self._free += 1
        self._under_way[partition] -= 1
        if not self._under_way[partition]:
            del self._under_way[partition]
        self._serve()

    def drop(self, partition: InOrder) -> None:
        """Those that wait begin no more: they come again, here or elsewhere."""
        self._waiting = deque(each for each in self._waiting if each[0] is not partition)
        self._serve()

    def clear(self) -> None:
        """Nothing that waits begins any more."""
        self._waiting.clear()

    def _serve(self) -> None:
        for each in list(self._waiting):
            if each[0] not in self._under_way:
                self._waiting.remove(each)
                self._begin(*each)
        while self._waiting and self._free > 0:
            self._begin(*self._waiting.popleft())
        if len(self._waiting) < MOST_WAITING:
            self._room.set()
        else:
            self._room.clear()

    def _begin(self, partition: InOrder, begin: Callable[[], object]) -> None:
        self._free -= 1
        self._under_way[partition] += 1
        begin()
