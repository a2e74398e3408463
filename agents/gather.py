"""Many small writes in one transaction: whoever adds waits for the commit that its item is part of."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from itertools import accumulate, takewhile
from typing import Generic, TypeVar

from sqlalchemy import Connection

from agents.patience import persist
from registry.database import Database

T = TypeVar("T")
R = TypeVar("R")
Turn = Callable[[], AbstractAsyncContextManager[None]]


class Gather(Generic[T, R]):
    """Writes all that has queued up while the last commit was under way, in order, when it is its `turn`.

    One item goes at least, and no more than weigh `limit` together: each weighs 1 unless `weigh` says otherwise.

    While the database is away the same items are tried again: nobody overtakes them, and nobody who waits is told.
    A group that fails is written one by one, so that only the item that made it fail does.
    """

    def __init__(
        self,
        database: Database,
        write: Callable[[Connection, Sequence[T]], Sequence[R]],
        *,
        limit: int = 512,
        weigh: Callable[[T], int] = lambda _: 1,
        turn: Turn = nullcontext,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._write = write
        self._limit = limit
        self._weigh = weigh
        self._turn = turn
        self._sleep = sleep
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def add(self, item: T) -> R:
        """What `write` returned in this item's place, once it is durable.  Raises what the transaction raised."""
        return await self.put(item)

    def put(self, item: T) -> asyncio.Future[R]:
        """The same without waiting: the item stands in the queue when this returns."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run())
        return done

    async def _run(self) -> None:
        await asyncio.sleep(0)  # who goes on by what woke this item's owner belongs to the same commit
        while self._waiting:
            async with self._turn():
                count = self._fitting()
                group, self._waiting = self._waiting[:count], self._waiting[count:]
                await self._settle(group)

    def _fitting(self) -> int:
        """How many of those that wait go together."""
        weights = accumulate(self._weigh(item) for item, _ in self._waiting)
        return max(1, sum(1 for _ in takewhile(lambda weight: weight <= self._limit, weights)))

    async def _settle(self, group: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
        except Exception as exc:  # noqa: BLE001 - handed to whoever waits for this commit
            if len(group) > 1:
                for one in group:  # one item's bug is not its neighbours'
                    await self._settle([one])
            elif not group[0][1].cancelled():
                group[0][1].set_exception(exc)
        else:
            for (_, done), result in zip(group, results, strict=True):
                if not done.cancelled():
                    done.set_result(result)

    async def _commit(self, items: Sequence[T]) -> Sequence[R]:
        def write() -> Awaitable[Sequence[R]]:
            return self._database.write(lambda connection: self._write(connection, items))

        return await persist(write, "writing", sleep=self._sleep)
