"""When this process last looked at its links.

An answer that we read late, because we were busy ourselves, says nothing about the gateway.  So a beat goes while answers
are outstanding, and an answer counts as having come no later than shortly after the last beat that was on time.
"""

from collections.abc import Callable
from typing import Final

from notifiers.smpp.timing import Timing

BEAT_SECONDS: Final = 0.01


class Pulse:
    """Beats while `needed` says so, once it has been woken."""

    def __init__(self, timing: Timing, needed: Callable[[], bool]) -> None:
        self._timing = timing
        self._needed = needed
        self._beating = False
        self._beat_at = float("-inf")

    def wake(self) -> None:
        if not self._beating:
            self._beat()

    def arrived(self, now: float) -> float:
        """The latest moment at which what is read now can have come."""
        return min(now, self._beat_at + 2 * BEAT_SECONDS) if self._beating else now

    def _beat(self) -> None:
        self._beat_at = self._timing.clock()
        self._beating = self._needed()
        if self._beating:
            self._timing.call_later(BEAT_SECONDS, self._beat)
