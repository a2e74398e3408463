"""People who wait for an answer go first: while they are served, mass messages begin no new transaction, though not for long.

Where processors are short, a claim of thousands takes from whoever has just answered what little he needs.  Messages that are
claimed already leave meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

T = TypeVar("T")
_LONGEST = 0.04  # seconds; with three claims ahead of their turn a gateway hardly notices


class Precedence:
    """Of one worker."""

    def __init__(self, *, longest: float = _LONGEST) -> None:
        self._longest = longest
        self._people = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @asynccontextmanager
    async def first(self) -> AsyncIterator[None]:
        """The turn of people: at once, also beside others."""
        self._people += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._people -= 1
            if not self._people:
                self._idle.set()

    def served(self, serve: Callable[[T], Awaitable[None]]) -> Callable[[T], Awaitable[None]]:
        """The same, each time in the turn of people."""

        async def first(whom: T) -> None:
            async with self.first():
                await serve(whom)

        return first

    @asynccontextmanager
    async def after(self) -> AsyncIterator[None]:
        """The turn of who can wait: when nobody is being served, at the latest after `longest` seconds."""
        if self._people:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._longest):
                    await self._idle.wait()
        yield
