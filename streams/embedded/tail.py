"""Following a topic of the embedded log."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from streams.embedded.store import Record, Store
from streams.inbox import Raw

_LIMIT = 500
_POLL_SECONDS = 0.005


async def follow_embedded(
    path: Path,
    topic: str,
    from_start: bool,  # noqa: FBT001
    caught_up: asyncio.Event,
) -> AsyncIterator[Raw]:
    """Records of all partitions; no transaction stays open between them."""
    store = Store(path)
    try:
        count = store.partitions(topic) or 0
        ends = [store.end(topic, partition) for partition in range(count)]
        positions = [0] * count if from_start else list(ends)
        changed = -1
        while True:
            for partition in range(count):
                for record in store.read(topic, partition, positions[partition], _LIMIT):
                    positions[partition] = record.offset + 1
                    yield _raw(record)
            if all(position >= end for position, end in zip(positions, ends, strict=True)):
                caught_up.set()
                while (now := store.changed()) == changed:  # noqa: ASYNC110
                    await asyncio.sleep(_POLL_SECONDS)
                changed = now
            await asyncio.sleep(0)
    finally:
        store.close()


async def read_embedded(path: Path, topic: str) -> AsyncIterator[Raw]:
    """Everything that is there now, partition by partition."""
    store = Store(path)
    try:
        for partition in range(store.partitions(topic) or 0):
            position, end = 0, store.end(topic, partition)
            while records := store.read(topic, partition, position, _LIMIT):
                for record in records:
                    position = record.offset + 1
                    if record.offset < end:
                        yield _raw(record)
    finally:
        store.close()


def _raw(record: Record) -> Raw:
    return Raw(record.topic, record.partition, record.offset, record.key, record.value, record.headers)
