"""Time and chance, as arguments; and the pauses that are made of both."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

MOST_DOUBLINGS = 30


class Timer(Protocol):
    """Something that will happen, unless it is cancelled."""

    def cancel(self) -> None: ...


def call_later(seconds: float, call: Callable[[], object]) -> Timer:
    """The running loop's own timer."""
    return asyncio.get_running_loop().call_later(seconds, call)


@dataclass(frozen=True, slots=True)
class Timing:
    """Real time by default: sockets and back-off never follow an appeal's hastened clock."""

    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random
    call_later: Callable[[float, Callable[[], object]], Timer] = call_later


class Backoff:
    """Pauses that double up to a ceiling, spread over their upper half so that not all come back at once."""

    def __init__(self, first: float, longest: float, chance: Callable[[], float]) -> None:
        self._first = first
        self._longest = longest
        self._chance = chance
        self._troubles = 0

    def next(self) -> float:
        """How long to wait after one more trouble."""
        pause = self.after(self._troubles)
        self._troubles += 1
        return pause

    def after(self, troubles: int) -> float:
        """How long to wait after so many earlier troubles."""
        longest = min(self._longest, self._first * 2.0 ** min(troubles, MOST_DOUBLINGS))
        return longest * (0.5 + self._chance() / 2)

    def reset(self) -> None:
        self._troubles = 0
