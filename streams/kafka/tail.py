"""Following a topic of Kafka with kafka-python, outside any group; the blocking client stays in a thread."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.errors import LogUnreachable
from streams.inbox import Raw

_POLL_MS = 50
_PAUSE_SECONDS = 0.5


async def follow_kafka(
    servers: Sequence[str],
    topic: str,
    from_start: bool,  # noqa: FBT001
    caught_up: asyncio.Event,
) -> AsyncIterator[Raw]:
    """Records of all partitions.  A broker that is away is waited for; positions are kept here, so nothing is skipped."""
    positions: dict[int, int] = {}
    ends: dict[int, int] = {}
    while True:
        try:
            consumer, ends = await asyncio.to_thread(_open, servers, topic, positions, ends, from_start)
        except KafkaError:
            await asyncio.sleep(_PAUSE_SECONDS)
            continue
        try:
            while True:
                if all(positions.get(partition, 0) >= end for partition, end in ends.items()):
                    caught_up.set()
                for records in (await asyncio.to_thread(consumer.poll, timeout_ms=_POLL_MS)).values():
                    for record in records:
                        positions[record.partition] = record.offset + 1
                        yield _raw(record)
        except KafkaError:
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            await asyncio.to_thread(consumer.close)


def _open(
    servers: Sequence[str],
    topic: str,
    positions: dict[int, int],
    ends: dict[int, int],
    from_start: bool,  # noqa: FBT001
) -> tuple[KafkaConsumer, dict[int, int]]:
    consumer = KafkaConsumer(
        bootstrap_servers=list(servers), enable_auto_commit=False, auto_offset_reset="earliest", fetch_max_wait_ms=20
    )
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or {0})]
        consumer.assign(partitions)
        if not ends:
            ends = {tp.partition: end for tp, end in consumer.end_offsets(partitions).items()}
            starts = consumer.beginning_offsets(partitions)
            positions |= {tp.partition: starts[tp] if from_start else ends[tp.partition] for tp in partitions}
        for tp in partitions:
            consumer.seek(tp, positions.get(tp.partition, 0))
    except KafkaError:
        consumer.close()
        raise
    return consumer, ends


async def read_kafka(servers: Sequence[str], topic: str) -> AsyncIterator[Raw]:
    """Everything that is there now.  Raises `LogUnreachable`."""
    for raw in await asyncio.to_thread(_read_all, servers, topic):
        yield raw


def _read_all(servers: Sequence[str], topic: str) -> list[Raw]:
    found: list[Raw] = []
    try:
        positions: dict[int, int] = {}
        consumer, ends = _open(servers, topic, positions, {}, True)  # noqa: FBT003
        try:
            while any(positions.get(partition, 0) < end for partition, end in ends.items()):
                for records in consumer.poll(timeout_ms=_POLL_MS).values():
                    for record in records:
                        positions[record.partition] = record.offset + 1
                        found.append(_raw(record))
        finally:
            consumer.close()
    except KafkaError as exc:
        raise LogUnreachable(f"no broker answers at {', '.join(servers)}") from exc
    return found


def _raw(record: Any) -> Raw:  # noqa: ANN401 - kafka-python's ConsumerRecord
    return Raw(record.topic, record.partition, record.offset, record.key, record.value, tuple(record.headers))
