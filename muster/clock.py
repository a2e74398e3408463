"""One clock for all processes: appeal time = start + (real time - start) x speed."""

from collections.abc import Callable
from datetime import UTC, datetime


def real_now() -> datetime:
    return datetime.now(UTC)


class AppealClock:
    """The time that waves, reply delays, receipts and deadlines use.  At speed 1 it is the real time."""

    def __init__(self, start: datetime | None, speed: float, real: Callable[[], datetime] = real_now) -> None:
        self._start = start or real()
        self._real = real
        self.speed = speed

    def now(self) -> datetime:
        if self.speed == 1:
            return self._real()
        return self._start + (self._real() - self._start) * self.speed
