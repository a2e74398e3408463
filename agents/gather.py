"""Many small writes in one transaction: whoever adds waits for the commit that its item is part of."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from sqlalchemy import Connection

from registry.database import Database

T = TypeVar("T")


class Gather(Generic[T]):
    """Writes all that has queued up while the last commit was under way."""

    def __init__(
        self, database: Database, write: Callable[[Connection, Sequence[T]], None], *, limit: int = 512
    ) -> None:
        self._database = database
        self._write = write
        self._limit = limit
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def add(self, item: T) -> None:
        """Return once the item is durable.  Raises what the transaction raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._drain is None or self._drain.done():
            self._drain = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
            failure: Exception | None = None
            try:
                await self._commit([item for item, _ in group])
            except Exception as exc:  # noqa: BLE001 - handed to everybody who waits for this commit
                failure = exc
            for _, done in group:
                if done.cancelled():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)

    async def _commit(self, items: Sequence[T]) -> None:
        await self._database.write(lambda connection: self._write(connection, items))
