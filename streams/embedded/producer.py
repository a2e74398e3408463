"""How a Faust app writes to the embedded log."""

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import timedelta
from typing import Any

from faust.transport.producer import Producer as BaseProducer
from faust.types import TP
from faust.types.tuples import RecordMetadata

from streams.embedded.store import Append, Store
from streams.embedded.writer import GroupWriter
from streams.topics import milliseconds


class Declares:
    """Makes topics: what consumer and producer have in common."""

    transport: Any

    async def create_topic(
        self,
        topic: str,
        partitions: int,
        replication: int,  # noqa: ARG002 - there is one copy
        *,
        retention: float | None = None,
        compacting: bool | None = None,
        **_: Any,  # noqa: ANN401 - Faust passes options for Kafka
    ) -> None:
        kept = None if retention is None else timedelta(seconds=float(retention))
        store = Store(self.transport.path)
        try:
            store.declare(topic, partitions, retention_ms=milliseconds(kept), compacted=bool(compacting))
        finally:
            store.close()


class Producer(Declares, BaseProducer):  # type: ignore[misc]
    """Appends to the file; a send is done when it is durable."""

    def __post_init__(self) -> None:
        self._writer: GroupWriter | None = None
        self._soon: list[asyncio.Future[RecordMetadata]] = []

    async def on_start(self) -> None:
        self._writer = GroupWriter(self.transport.path)
        await super().on_start()

    async def on_stop(self) -> None:
        await super().on_stop()
        if self._writer is not None:
            await asyncio.to_thread(self._writer.close)
            self._writer = None

    async def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,  # noqa: ARG002 - the log stamps records itself
        headers: Any,  # noqa: ANN401 - a mapping or pairs
        *,
        transactional_id: str | None = None,  # noqa: ARG002 - there are no transactions here
    ) -> Awaitable[RecordMetadata]:
        assert self._writer is not None
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        return asyncio.ensure_future(self._sent(Append(topic, key, value, pairs, partition)))

    async def _sent(self, record: Append) -> RecordMetadata:
        assert self._writer is not None
        topic, partition, offset = await self._writer.append(record)
        return RecordMetadata(topic=topic, partition=partition, topic_partition=TP(topic, partition), offset=offset)

    async def send_and_wait(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,  # noqa: ANN401
        *,
        transactional_id: str | None = None,
    ) -> RecordMetadata:
        return await (
            await self.send(topic, key, value, partition, timestamp, headers, transactional_id=transactional_id)
        )

    def send_soon(self, promise: asyncio.Future[RecordMetadata]) -> None:
        self._soon.append(promise)
        super().send_soon(promise)

    async def flush(self) -> None:
        """Return once all that was to be sent soon is durable.  Raises, then and ever after, if any of it failed.

        Faust asks before each commit: what an event changed in a table is sent soon, and a crash after the commit would
        lose it for good.
        """
        await asyncio.gather(*self._soon)
        self._soon = [promise for promise in self._soon if not _arrived(promise)]

    def key_partition(self, topic: str, key: bytes) -> TP:
        store = Store(self.transport.path)
        try:
            return TP(topic, store.place(topic, key))
        finally:
            store.close()

    def supports_headers(self) -> bool:
        return True


def _arrived(promise: asyncio.Future[RecordMetadata]) -> bool:
    return promise.done() and not promise.cancelled() and promise.exception() is None
