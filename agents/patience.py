"""A database that is away makes a reaction wait, not fail; and whoever must not give up asks again."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from itertools import count
from typing import ParamSpec, TypeVar

import structlog

from registry.errors import DatabaseUnreachable
from streams.errors import Busy

LOG = structlog.get_logger("muster.database")
_PAUSE_SECONDS = 0.2
_TELL_EVERY = 25
P = ParamSpec("P")
T = TypeVar("T")


def patient(reaction: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    """The reaction, saying `Busy` when the database cannot be reached, so that the same event is tried again."""

    @wraps(reaction)
    async def tried(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await reaction(*args, **kwargs)
        except DatabaseUnreachable as exc:
            raise Busy(f"the database cannot be reached: {exc}") from exc

    return tried


async def persist(
    ask: Callable[[], Awaitable[T]], what: str, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> T:
    """What `ask` answers, asked again for as long as the database cannot be reached; `what` waits is told now and then."""
    for attempt in count():
        try:
            return await ask()
        except DatabaseUnreachable as exc:
            if attempt % _TELL_EVERY == 0:
                LOG.warning("waiting for the database", what=what, reason=str(exc))
            await sleep(_PAUSE_SECONDS)
    raise AssertionError("unreachable")
