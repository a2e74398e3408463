"""Acknowledging in order: Faust commits past an event that was not acknowledged, so nothing is acknowledged early."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Open:
    offset: int
    acknowledge: Callable[[], None]
    done: bool = False


class InOrder:
    """Events of one partition: each is acknowledged when it and all before it are done."""

    def __init__(self) -> None:
        self._open: deque[_Open] = deque()

    def began(self, offset: int, acknowledge: Callable[[], None]) -> Callable[[], None]:
        """Enter an event, in offset order; the answer is called once when it is done."""
        entry = _Open(offset, acknowledge)
        self._open.append(entry)

        def done() -> None:
            entry.done = True
            while self._open and self._open[0].done:
                self._open.popleft().acknowledge()

        return done

    def __len__(self) -> int:
        return len(self._open)
