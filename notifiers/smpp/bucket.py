"""The gateway's rate, as tokens."""

from collections.abc import Callable

BURST_SECONDS = 0.1
URGENT_SHARE = 10


class TokenBucket:
    """So many tokens a second, a tenth of a second's worth at most; a tenth of those is kept for urgent messages."""

    def __init__(self, rate: float | None, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._clock = clock
        self._most = max(1.0, (rate or 0.0) * BURST_SECONDS)
        # With a single token there is nothing to reserve: bulk would never go.
        self._reserve = self._most / URGENT_SHARE if self._most >= URGENT_SHARE else 0.0
        self._tokens = self._most
        self._filled = clock()

    def available(self, wanted: int, *, urgent: bool) -> int:
        """How many of `wanted` may go now."""
        if self._rate is None:
            return wanted
        self._fill(self._rate)
        return max(0, min(wanted, int(self._tokens - (0.0 if urgent else self._reserve))))

    def spend(self, count: int) -> None:
        if self._rate is not None:
            self._tokens -= count

    def delay(self, *, urgent: bool) -> float:
        """Seconds until one more may go."""
        if self._rate is None:
            return 0.0
        self._fill(self._rate)
        missing = 1.0 + (0.0 if urgent else self._reserve) - self._tokens
        return max(0.0, missing / self._rate)

    def _fill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._filled) * rate)
        self._filled = now
