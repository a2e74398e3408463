"""Waiting as simulated staff do: for a moment of appeal time, and until the other side is back."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import TypeVar

from rehearsal.desk import DeskBusy

T = TypeVar("T")
_AGAIN_AFTER = 0.5  # seconds of real time


async def until(due: datetime, now: Callable[[], datetime], speed: float) -> None:
    """Return when appeal time has reached `due`."""
    # Asked again after the sleep, because the clock of the appeal is not the clock of the loop.
    while (left := due - now()) > timedelta():  # noqa: ASYNC110 - time is nobody's event
        await asyncio.sleep(left.total_seconds() / speed)


async def insist(ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` answers, however often the other side is busy first."""
    while True:
        try:
            return await ask()
        except DeskBusy:
            await asyncio.sleep(_AGAIN_AFTER)
