"""What keeps a client from being served at once: the account's rate, the bind's window, a full queue, bad numbers."""

from collections.abc import Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import draw_key, uniform
from rehearsal.smsc import wire
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.submission import Letter

_THROTTLE_BURST = 0.1  # seconds of the agreed rate that may come at once
_PACE_BURST = 0.05  # seconds of reading at once; on a busy machine the next turn may come as late as that


class Bucket:
    """Tokens that come back at a rate, up to a size."""

    def __init__(self, *, rate: float, size: float) -> None:
        self._rate = rate
        self._size = size
        self._tokens = size
        self._at: float | None = None

    def take(self, wanted: int, now: float) -> int:
        """As many whole tokens as there are, at most `wanted`."""
        if self._at is not None:
            self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        taken = min(wanted, int(self._tokens))
        self._tokens -= taken
        return taken


class Pacer:
    """A gateway that reads no faster than it works: says how many messages may be read now, and when to come again."""

    def __init__(self, rate: float) -> None:
        self._bucket = Bucket(rate=rate, size=max(1.0, rate * _PACE_BURST))
        self.wait = max(0.005, 1 / rate)

    def take(self, wanted: int, now: float) -> int:
        return self._bucket.take(wanted, now)


class Brakes:
    """Decides which messages are refused, in the order in which a gateway looks at them."""

    def __init__(self, settings: SimSettings) -> None:
        throttle, queue = settings.throttle, settings.queue
        self._throttle = Bucket(rate=throttle, size=max(1.0, throttle * _THROTTLE_BURST)) if throttle else None
        self._queue = Bucket(rate=settings.queue_drain, size=queue) if queue else None
        self._error_rate = settings.error_rate
        self._error_key = draw_key(settings.seed, "refused number")
        self._silent_rate = settings.silent_rate
        self._silent_key = draw_key(settings.seed, "silent number")
        self._trouble_rate, self._trouble_status = settings.trouble_rate, settings.trouble_status
        self._chance = Random(settings.seed)  # noqa: S311 - no secret
        self._free = not (throttle or queue or settings.error_rate or settings.trouble_rate)

    def judge(
        self, numbers: Sequence[int], letters: Sequence[Letter], *, room: int, now: float, plain: bool
    ) -> list[int] | None:
        """A command_status for each message; None when all are welcome.  `room` is what the bind's window leaves."""
        if plain and self._free and len(numbers) <= room:
            return None
        statuses = [letter.problem for letter in letters]
        if self._error_rate:
            draws = uniform(self._error_key, np.array(numbers, dtype=np.uint64))
            for place in np.nonzero(draws < self._error_rate)[0].tolist():
                statuses[place] = statuses[place] or wire.RINVDSTADR
        if self._trouble_rate:
            for place, known in enumerate(statuses):
                if known == wire.ROK and self._chance.random() < self._trouble_rate:
                    statuses[place] = self._trouble_status
        self._refuse(statuses, beyond=room, status=wire.RTHROTTLED)
        if self._throttle:
            self._refuse(statuses, beyond=self._throttle.take(statuses.count(wire.ROK), now), status=wire.RTHROTTLED)
        if self._queue:
            self._refuse(statuses, beyond=self._queue.take(statuses.count(wire.ROK), now), status=wire.RMSGQFUL)
        return statuses if any(statuses) else None

    def unanswered(self, numbers: Sequence[int]) -> NDArray[np.bool_] | None:
        """Which of these numbers' messages get no response; None when all get one."""
        if not self._silent_rate:
            return None
        draws = uniform(self._silent_key, np.array(numbers, dtype=np.uint64))
        return draws < self._silent_rate

    @staticmethod
    def _refuse(statuses: list[int], *, beyond: int, status: int) -> None:
        for place, known in enumerate(statuses):
            if known == wire.ROK:
                if beyond <= 0:
                    statuses[place] = status
                beyond -= 1
