"""Work that one process at a time does for all, while the others stand by."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Protocol

import structlog

from registry.errors import DatabaseUnreachable

LOG = structlog.get_logger("muster.alone")


class OneAtATime(Protocol):
    """A lock that all processes on one database share and that dies with its holder.  Raises `DatabaseUnreachable`."""

    def __call__(self) -> AbstractContextManager[bool]: ...


async def alone(
    one_at_a_time: OneAtATime,
    work: Callable[[], Awaitable[None]],
    *,
    pause: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do `work` whenever nobody else does, for ever; look again after each `pause`.

    When the database goes away, the lock has gone with it: `work` ends by raising `DatabaseUnreachable`, and everybody
    asks for the lock anew.
    """
    while True:
        try:
            with ExitStack() as turn:
                # Asking may take seconds while a server does not answer, and the loop has leases to renew.
                if await asyncio.to_thread(turn.enter_context, one_at_a_time()):
                    await work()
        except DatabaseUnreachable as exc:
            LOG.warning("shared work waits for the database", reason=str(exc))
        await sleep(pause)
