"""Appends from coroutines: one thread commits whatever has queued up, so that many records share one fsync."""

import asyncio
import queue
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from streams.embedded.store import Append, Store

Placed = tuple[str, int, int]
_AT_ONCE = 2000


class GroupWriter:
    """Owns a connection of its own; closed with `close`, which finishes what was handed over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: queue.SimpleQueue[tuple[Append, Future[Placed]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="log-write", daemon=True)
        self._thread.start()

    def submit(self, record: Append) -> Future[Placed]:
        """Topic, partition and offset of the record, once it is durable."""
        future: Future[Placed] = Future()
        self._queue.put((record, future))
        return future

    async def append(self, record: Append) -> Placed:
        return await asyncio.wrap_future(self.submit(record))

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        store = Store(self._path)
        try:
            while (first := self._queue.get()) is not None:
                group = [first]
                last = False
                while len(group) < _AT_ONCE and not self._queue.empty():
                    following = self._queue.get()
                    if following is None:
                        last = True
                        break
                    group.append(following)
                self._commit(store, group)
                if last:
                    return
        finally:
            store.close()

    @staticmethod
    def _commit(store: Store, group: Sequence[tuple[Append, Future[Placed]]]) -> None:
        try:
            placed = store.append([record for record, _ in group])
        except Exception as exc:  # noqa: BLE001 - handed to everybody who waits for this commit
            for _, future in group:
                future.set_exception(exc)
            return
        for (_, future), where in zip(group, placed, strict=True):
            future.set_result(where)
