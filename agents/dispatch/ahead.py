"""Room for members who are claimed before their turn, so that the next range is ready when the one before has left.

Only ranges whose progress is kept may be claimed ahead: whoever comes after a worker that died finds in its journals who of
them has not been written to (see `registry.journal`).
"""

import asyncio
from collections import deque
from collections.abc import Collection

from notifiers.granting import granted
from notifiers.ports import Window
from schemas.base import LARGEST_BATCH
from streams.errors import Busy

# In one claim: what a gateway takes in half a second, so that the board moves while a slow one is at work; and no more than
# the largest batch, for when the machine itself dies nobody knows how far a claim has come.
_SECONDS = 0.5
_READY = 2  # claims beside the one whose messages leave: one is ready, one on its way to the disk


class Ahead:
    """Of one channel.  As `Window`, for members instead of messages; who asks first gets first."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._taken = 0
        self._waiting: deque[tuple[int, str, asyncio.Future[int]]] = deque()

    async def take(self, wanted: int, *, lease: str) -> int:
        """Wait for room, then take between 1 and `wanted` places.  Raises `Busy` when it is in vain: see `keep`."""
        places: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, lease, places))
        self._serve()
        return await granted(places, self.give_back)

    def give_back(self, places: int) -> None:
        """The record of their claim stands in the queue of entries."""
        self._taken -= places
        self._serve()

    def keep(self, leases: Collection[str]) -> None:
        """Whoever waits under another lease gives up: what it is about comes to whoever has that partition now."""
        for _, lease, waiter in self._waiting:
            if lease not in leases and not waiter.done():
                waiter.set_exception(Busy(f"{lease}: another worker may follow this partition now"))

    def _serve(self) -> None:
        """What is sent counts until its record stands in the queue; less than a window of it is as good as gone."""
        window = self._window
        longest = round(min(LARGEST_BATCH, max(window.limit, window.pace * _SECONDS)))
        while self._waiting and self._taken <= window.limit + longest * _READY:
            wanted, _, waiter = self._waiting.popleft()
            if not waiter.done():
                places = min(wanted, longest)
                self._taken += places
                waiter.set_result(places)
