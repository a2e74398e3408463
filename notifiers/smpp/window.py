"""The window: how many messages may be claimed and not yet durably recorded.

Of ranges whose progress is kept only those count that have left and are not answered.

Everything in the window is what a crash can leave uncertain and what still arrives after a stop.  So it should hold no
more than the gateway takes in a tenth of a second: 200 places for a gateway that takes 2,000 messages a second, whatever
its contract allows.  Nobody tells us that speed, but the round trip does: messages beyond it only wait, in a socket or
at the gateway, and the round trip grows by their waiting.  Hence the limit starts low, grows by what was answered while
round trips are short, and shrinks in proportion when they become long, once for each window full of messages.  What a
gateway needs even when nothing waits is no queue: the aim is never below twice the shortest round trip seen.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from notifiers.granting import granted
from notifiers.shares import Shares

AIM_SECONDS: Final = 0.1
FIRST_LIMIT: Final = 64
FIRST_PART: Final = 16  # of a window of thousands: who has such a contract has a gateway that takes hundreds at once
LEAST_LIMIT: Final = 8
URGENT_SHARE: Final = 10
STEEPEST: Final = 0.5
_LATELY: Final = 16  # round trips
FAIR_PART: Final = 2  # one range is claimed or recorded while another is sent

Waiter = tuple[int, "asyncio.Future[int]"]


class Window:
    """`ports.Window`.  Places go round in the order of asking, urgent askers first."""

    def __init__(
        self,
        most: int,
        *,
        rate: float | None = None,
        on_limit: Callable[[int], None] = lambda _: None,
        elsewhere: Callable[[], int] = lambda: 0,
    ) -> None:
        """`elsewhere` says how many places are in use that nobody takes and gives back."""
        self._most = most
        self._elsewhere = elsewhere
        self._rate = rate
        self._on_limit = on_limit
        self._least = min(LEAST_LIMIT, most)
        self._shares = Shares(self.serve)
        self._shortest = float("inf")
        self._usual = 0.0  # round trip, seconds; 0 = not known
        self._limit = self._bounded(max(FIRST_LIMIT, most // FIRST_PART))
        self._shrunk_at = float("-inf")
        self._urgent: deque[Waiter] = deque()
        self._bulk: deque[Waiter] = deque()
        on_limit(self.limit)

    @property
    def limit(self) -> int:
        """Places in all, as adapted."""
        return int(self._limit)

    @property
    def taken(self) -> int:
        return self._shares.taken + self._elsewhere()

    @property
    def pace(self) -> float:
        """Messages a second that the gateway takes of us at most: a window in each round trip, as these have been lately."""
        pace = self._limit / (self._usual or AIM_SECONDS)
        return pace if self._rate is None else min(pace, self._rate)

    @property
    def room(self) -> int:
        """Places for what is not urgent and is neither taken nor given back: a fair part of them while others wait for some."""
        free = self.limit - self._reserve - self.taken - self._shares.passing
        if self._bulk:
            free = min(free, self.limit - self._reserve - self.limit // FAIR_PART - self._elsewhere())
        return max(0, free)

    async def take(self, wanted: int, *, urgent: bool = False) -> int:
        """Wait for room, then take between 1 and `wanted` places; a tenth is kept free for `urgent`.

        Who is not urgent waits for a fair part of the window: each range costs the same, however few are in it.
        """
        if wanted < 1:
            raise ValueError("take at least one place")
        places: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        (self._urgent if urgent else self._bulk).append((wanted, places))
        self.serve()
        return await granted(places, partial(self.give_back, urgent=urgent))

    def give_back(self, places: int, *, urgent: bool = False, recorded: asyncio.Future[Any] | None = None) -> None:
        """See `ports.Window`.  Raises ValueError for more than were taken: a bug of the caller's."""
        self._shares.give_back(places, urgent=urgent, recorded=recorded)

    def answered(self, count: int, *, written_at: float, arrived_at: float, now: float) -> None:
        """The gateway has answered `count` messages, the last of which was written at that moment."""
        round_trip = max(0.0, arrived_at - written_at)
        self._shortest = min(self._shortest, round_trip)
        self._usual += (round_trip - self._usual) / (_LATELY if self._usual else 1)
        if round_trip <= self._aim:
            # These are no longer among the taken where their progress is kept; else they still are, until their record.
            if (self.taken + count) * 2 >= self.limit:
                # A limit that nobody reaches says nothing about the gateway.  The nearer the aim, the smaller the step:
                # what is added now shows in a round trip only when as much again could have been added.
                self._set(self._limit + count * (1 - round_trip / self._aim))
        elif written_at > self._shrunk_at:
            # What was written before the limit shrank still waited in the old queue.
            self._shrink(max(STEEPEST, self._aim / round_trip), now)
        self.serve()

    def throttled(self, *, written_at: float, now: float) -> None:
        """The gateway says that it is too much."""
        if written_at > self._shrunk_at:
            self._shrink(STEEPEST, now)

    @property
    def _aim(self) -> float:
        return max(AIM_SECONDS, 2 * self._shortest) if self._shortest < float("inf") else AIM_SECONDS

    def _shrink(self, factor: float, now: float) -> None:
        self._shrunk_at = now
        self._set(self._limit * factor)

    def _bounded(self, limit: float) -> float:
        most = float(self._most)
        if self._rate is not None:
            # With a known rate the tokens make messages wait before they are written, where no round trip shows it.
            most = min(most, max(self._least, self._rate * self._aim))
        return max(float(self._least), min(most, limit))

    def _set(self, limit: float) -> None:
        before = self.limit
        self._limit = self._bounded(limit)
        if self.limit != before:
            self._on_limit(self.limit)
            self.serve()

    @property
    def _reserve(self) -> int:
        # Below two places there is nothing to reserve: bulk would never go.
        return max(1, self.limit // URGENT_SHARE) if self.limit > 1 else 0

    def serve(self) -> None:
        """Let go who waits, as far as there is room: some may have come about elsewhere."""
        for waiters, urgent in ((self._urgent, True), (self._bulk, False)):
            while waiters and (free := self._free(urgent=urgent)) > 0:
                wanted, waiter = waiters[0]
                if not urgent and free < min(wanted, self.limit // FAIR_PART) and not waiter.done():
                    break
                waiters.popleft()
                if not waiter.done():
                    places = min(wanted, free)
                    self._shares.take(places, urgent=urgent)
                    waiter.set_result(places)

    def _free(self, *, urgent: bool) -> int:
        return self._shares.free(self.limit, self._reserve, urgent=urgent, elsewhere=self._elsewhere())
