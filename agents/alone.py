"""Work that one process at a time does for all, while the others stand by."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Protocol

import structlog

from registry.errors import DatabaseUnreachable

LOG = structlog.get_logger("muster.alone")


class Lock(Protocol):
    """Held by this process, as far as it knows."""

    def ensure(self) -> None:
        """Raises `DatabaseUnreachable` when it has been lost."""


class OneAtATime(Protocol):
    """A lock that all processes on one database share and that dies with its holder; none while somebody else has it.

    Raises `DatabaseUnreachable`.
    """

    def __call__(self) -> AbstractContextManager[Lock | None]: ...


Ensure = Callable[[], Awaitable[None]]


async def alone(
    one_at_a_time: OneAtATime,
    work: Callable[[Ensure], Awaitable[None]],
    *,
    pause: float,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Do `work` whenever nobody else does, for ever; look again after each `pause`.

    When the database goes away, the lock has gone with it: `work` ends by raising `DatabaseUnreachable`, and everybody
    asks for the lock anew.  It may have been back before `work` needed it again: what `work` is given is asked before
    every deed and raises the same.
    """
    while True:
        try:
            with ExitStack() as turn:
                # Asking may take seconds while a server does not answer, and the loop has leases to renew.
                lock = await asyncio.to_thread(turn.enter_context, one_at_a_time())
                if lock is not None:
                    await work(partial(asyncio.to_thread, lock.ensure))
        except DatabaseUnreachable as exc:
            LOG.warning("shared work waits for the database", reason=str(exc))
        await sleep(pause)
