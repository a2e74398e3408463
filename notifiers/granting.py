"""Waiting for places that somebody grants."""

import asyncio
from collections.abc import Callable


async def granted(places: asyncio.Future[int], give_back: Callable[[int], None]) -> int:
    """The places, once they are granted.  Who is cancelled in the moment in which he gets them gives them back."""
    try:
        return await places
    except asyncio.CancelledError:
        if places.done() and not places.cancelled():
            give_back(places.result())
        raise
