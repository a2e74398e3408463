"""Following a topic in this process, outside any group, on either log."""

import asyncio
from itertools import count
from unittest.mock import create_autospec

import pytest
from kafka import KafkaConsumer
from kafka.errors import KafkaTimeoutError

from streams.errors import LogUnreachable
from streams.kafka import tail as kafka_tail
from streams.kafka.tail import read_kafka
from streams.tail import Heard, Tail, read_to_end
from tests.streams.contract import Case

PATIENCE_SECONDS = 20


async def hear(tail: Tail, many: int) -> list[Heard]:
    found: list[Heard] = []
    async with asyncio.timeout(PATIENCE_SECONDS):
        messages = tail.messages()
        async for heard in messages:
            found.append(heard)
            if len(found) == many:
                break
        await messages.aclose()
    return found


async def test_a_tail_begins_at_the_start_and_passes_over_what_cannot_be_read(case: Case):
    case.publish("a", partition=1)
    case.publish("bad", partition=1, value=b"no JSON")
    case.publish("b", partition=1)
    heard = await hear(Tail(case.plan.log, case.plan.topic), 2)
    assert [each.envelope.id for each in heard] == ["a", "b"]
    assert [(each.raw.partition, each.raw.offset) for each in heard] == [(1, 0), (1, 2)]


async def test_a_tail_has_caught_up_once_everything_there_at_its_beginning_is_out(case: Case):
    for partition in range(case.plan.partitions):
        case.publish(*[f"{partition}/{number}" for number in range(200)], partition=partition)
    tail = Tail(case.plan.log, case.plan.topic)
    heard = 0
    async with asyncio.timeout(PATIENCE_SECONDS):
        records = tail.raw()
        async for _ in records:
            heard += 1
            assert heard == 800 or not tail.caught_up.is_set()
            if heard == 800:
                break
        going_on = asyncio.ensure_future(anext(records))  # it is told only when more is asked for
        await tail.caught_up.wait()
        going_on.cancel()
        await asyncio.gather(going_on, return_exceptions=True)
        await records.aclose()


async def test_an_empty_topic_is_caught_up_with_at_once(case: Case):
    tail = Tail(case.plan.log, case.plan.topic)
    waiting = asyncio.create_task(hear(tail, 1))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await tail.caught_up.wait()
    case.publish("later")
    assert [each.envelope.id for each in await waiting] == ["later"]


async def test_a_tail_from_now_hears_only_what_comes_later(case: Case):
    case.publish("old", partition=0)
    tail = Tail(case.plan.log, case.plan.topic, from_start=False)
    waiting = asyncio.create_task(hear(tail, 1))
    async with asyncio.timeout(PATIENCE_SECONDS):
        await tail.caught_up.wait()
    case.publish("new", partition=0)
    assert [each.envelope.id for each in await waiting] == ["new"]


async def test_reading_to_the_end_ends_with_what_is_there(case: Case):
    numbers = count()
    for partition in range(case.plan.partitions):
        case.publish(*[str(next(numbers)) for _ in range(300)], partition=partition)
    found = [record async for record in read_to_end(case.plan.log, case.plan.topic)]
    assert len(found) == 1200
    for partition in range(case.plan.partitions):
        assert [record.offset for record in found if record.partition == partition] == list(range(300))


async def test_an_empty_topic_is_read_to_its_end_at_once(case: Case):
    assert [record async for record in read_to_end(case.plan.log, case.plan.topic)] == []


async def test_a_broker_that_goes_while_a_topic_is_looked_up_leaves_no_consumer_behind(monkeypatch: pytest.MonkeyPatch):
    consumer = create_autospec(KafkaConsumer, instance=True)
    consumer.partitions_for_topic.side_effect = KafkaTimeoutError("gone")
    monkeypatch.setattr(kafka_tail, "KafkaConsumer", lambda **_: consumer)
    with pytest.raises(LogUnreachable, match=r"127\.0\.0\.1:9092"):
        await anext(read_kafka(["127.0.0.1:9092"], "muster.events"))
    consumer.close.assert_called_once_with()
