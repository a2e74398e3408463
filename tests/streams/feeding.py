"""A stream as Faust hands it to a reaction, and what comes of its events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

from streams.errors import LogUnreachable
from streams.inbox import Delivery, Raw
from streams.reactions import Feeder, Reaction
from tests.streams.contract import event


class Stream:
    """Events of one partition, numbered from 0, and then it ends, or waits for more as in a worker."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        self._values = values
        self.ends = True
        self.acknowledged: list[int] = []
        self.before: Callable[[int], None] = lambda _: None  # told of each offset before it comes

    def noack(self) -> Self:
        return self

    async def events(self) -> AsyncIterator[Any]:
        for offset, value in enumerate(self._values):
            self.before(offset)
            headers = list(event("t", str(offset)).envelope.to_headers())
            message = SimpleNamespace(topic="t", partition=0, offset=offset, key=b"k", value=value, headers=headers)
            yield SimpleNamespace(message=message, ack=lambda offset=offset: self.acknowledged.append(offset))
        if not self.ends:
            await asyncio.Event().wait()


@dataclass
class Letters:
    """Dead letters that cannot be kept at first."""

    unreachable: int = 0
    kept: list[tuple[int, str]] = field(default_factory=list)

    async def keep(self, raw: Raw, reason: str) -> None:
        if self.unreachable:
            self.unreachable -= 1
            raise LogUnreachable("no broker answers")
        self.kept.append((raw.offset, reason))


@dataclass
class Fed:
    """What a feeder did with a stream."""

    stream: Stream
    letters: Letters
    pauses: list[float] = field(default_factory=list)
    bugs: list[BaseException] = field(default_factory=list)

    def feeder(self, reaction: Reaction, *, concurrency: int = 1) -> Feeder:
        async def broken(bug: BaseException) -> None:
            self.bugs.append(bug)

        async def sleep(seconds: float) -> None:
            self.pauses.append(seconds)

        return Feeder("test", reaction, self.letters, concurrency=concurrency, broken=broken, sleep=sleep)

    @asynccontextmanager
    async def feeding(self, reaction: Reaction, *, concurrency: int = 1) -> AsyncIterator[None]:
        """Feed as in a worker: until the worker is ended."""
        self.stream.ends = False
        running = asyncio.create_task(self.feeder(reaction, concurrency=concurrency).run(self.stream))
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def settle(until: Callable[[], object] = lambda: False) -> None:
    """Let everything go on that can, for a while at most."""
    for _ in range(5000):
        if until():
            return
        await asyncio.sleep(0)


GOOD = event("t", "any").value


def fed(*values: bytes | None, unreachable: int = 0) -> Fed:
    return Fed(Stream(values), Letters(unreachable))


async def nothing(_: Delivery) -> None:
    """A reaction that is always content."""
