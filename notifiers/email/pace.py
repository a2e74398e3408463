"""How fast letters may leave: pauses after trouble, a token bucket, and the window of what is not yet recorded."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from notifiers.email.settings import EmailSettings
from notifiers.shares import Shares

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


class Brake:
    """A pause that all connections share: doubled by each trouble up to a ceiling, released by the first success."""

    def __init__(self, settings: EmailSettings, *, clock: Clock, sleep: Sleep, chance: random.Random) -> None:
        self._first = settings.pause_seconds
        self._most = settings.longest_pause_seconds
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._troubles = 0
        self._until = 0.0

    def pause_after(self, troubles: int) -> float:
        """Seconds of pause after so many troubles in a row, spread so that not all come back at once."""
        longest = min(self._most, self._first * 2.0 ** min(troubles - 1, 30))
        return longest * (0.5 + self._chance.random() / 2)

    def trouble(self) -> None:
        """Count it, unless the pause for an earlier one still lasts: several connections fail together."""
        if self._clock() >= self._until:
            self._troubles += 1
            self._until = self._clock() + self.pause_after(self._troubles)

    def release(self) -> None:
        self._troubles = 0

    async def passed(self) -> None:
        """Wait until no pause lasts."""
        while (left := self._until - self._clock()) > 0:
            await self._sleep(left)


class TokenBucket:
    """So many letters a second, with a burst of a tenth of a second at most.  Without a rate it never waits."""

    def __init__(self, rate: float | None, *, clock: Clock, sleep: Sleep) -> None:
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._burst = max(1.0, (rate or 0.0) / 10)
        self._tokens = self._burst
        self._filled = clock()

    async def take(self) -> None:
        """Wait for a token, in the order of asking."""
        if self._rate is None:
            return
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled) * self._rate)
        self._filled = now
        self._tokens -= 1
        if self._tokens < 0:
            await self._sleep(-self._tokens / self._rate)

    def give_back(self) -> None:
        """The token was not needed."""
        self._tokens += 1


class LetterWindow:
    """Room for letters claimed and not yet durably recorded; a tenth stays free for the urgent lane."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._reserve = places // 10
        self._freed = asyncio.Event()
        self._shares = Shares(self._freed.set)

    @property
    def limit(self) -> int:
        return self._places

    @property
    def pace(self) -> float:
        return float("inf")

    async def take(self, wanted: int, *, urgent: bool = False) -> int:
        """Wait for room, then take between 1 and `wanted` places."""
        while (free := self._shares.free(self._places, self._reserve, urgent=urgent)) <= 0:
            self._freed.clear()
            await self._freed.wait()
        taken = min(wanted, free)
        self._shares.take(taken, urgent=urgent)
        return taken

    def give_back(self, places: int, *, urgent: bool = False, recorded: asyncio.Future[Any] | None = None) -> None:
        """See `ports.Window`.  Raises ValueError for more than were taken: a bug of the caller's."""
        self._shares.give_back(places, urgent=urgent, recorded=recorded)
