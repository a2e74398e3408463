"""Who has published has it on the log, on either of them."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from streams.errors import BadLogURL
from streams.inbox import Raw
from streams.partitions import partition_of
from streams.publisher import open_publisher
from streams.tail import read_to_end
from tests.streams.contract import PARTITIONS, Case, event


async def everything(case: Case) -> list[Raw]:
    return [record async for record in read_to_end(case.plan.log, case.plan.topic)]


async def test_what_was_published_is_there_with_key_envelope_and_value(case: Case):
    sent = event(case.plan.topic, "e1", key="a-20111124-0001")
    case.publisher.publish([sent])
    (found,) = await everything(case)
    assert (found.key, found.value, found.headers) == (b"a-20111124-0001", sent.value, sent.envelope.to_headers())
    assert (found.partition, found.offset) == (partition_of(b"a-20111124-0001", PARTITIONS), 0)


async def test_both_logs_put_a_key_into_the_same_partition(case: Case):
    keys = [f"key-{number}" for number in range(40)]
    case.publisher.publish([event(case.plan.topic, key, key=key) for key in keys])
    places = {(found.key or b"").decode(): found.partition for found in await everything(case)}
    assert places == {key: partition_of(key.encode(), PARTITIONS) for key in keys}


async def test_an_explicit_partition_and_an_empty_value_arrive_as_given(case: Case):
    case.publisher.publish([replace(event(case.plan.topic, "gone", partition=3), value=None)])
    (found,) = await everything(case)
    assert (found.partition, found.value) == (3, None)


async def test_many_messages_keep_their_order_within_a_partition(case: Case):
    names = [str(number) for number in range(700)]
    case.publisher.publish([event(case.plan.topic, name, partition=1) for name in names])
    ids = [dict(found.headers)["ce_id"].decode() for found in await everything(case)]
    assert ids == names


async def test_a_record_that_is_published_again_is_the_same_to_the_byte(case: Case):
    raw = Raw(case.plan.topic, 2, 99, b"\xffkey", b"\x00no JSON", (("ce_id", b"e1"), ("any", b"\xff")))
    case.publisher.republish(raw)
    (found,) = await everything(case)
    assert found == replace(raw, offset=0)


async def test_threads_may_share_a_publisher(case: Case):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: case.publish(*[f"{n}/{i}" for i in range(20)], partition=0), range(4)))
    ids = [dict(found.headers)["ce_id"].decode() for found in await everything(case)]
    assert len(ids) == 80
    for n in range(4):
        assert [name for name in ids if name.startswith(f"{n}/")] == [f"{n}/{i}" for i in range(20)]


def test_a_log_that_is_none_is_refused_at_once():
    with pytest.raises(BadLogURL):
        open_publisher("log.db")
