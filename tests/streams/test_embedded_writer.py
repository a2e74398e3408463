"""One thread commits whatever has queued up; who waits is told when his record is durable, or why it is not."""

import asyncio
from pathlib import Path

import pytest

from streams.embedded.store import Append, Store
from streams.embedded.writer import GroupWriter
from streams.errors import LogUnreachable


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "log.db")
    store.declare("t", 1, retention_ms=None, compacted=False)
    yield store
    store.close()


@pytest.fixture
def writer(store: Store):
    writer = GroupWriter(store.path)
    yield writer
    writer.close()


def record(number: int, topic: str = "t") -> Append:
    return Append(topic, b"k", str(number).encode(), [])


def test_records_lie_in_the_order_in_which_they_were_handed_over(store: Store, writer: GroupWriter):
    placed = [writer.submit(record(number)) for number in range(3000)]
    assert [future.result(timeout=30) for future in placed] == [("t", 0, number) for number in range(3000)]
    assert [int(found.value or b"") for found in store.read("t", 0, 0, 4000)] == list(range(3000))


async def test_whoever_waits_is_told_once_the_record_is_there_for_others(store: Store, writer: GroupWriter):
    where = await asyncio.gather(*(writer.append(record(number)) for number in range(10)))
    assert sorted(offset for _, _, offset in where) == list(range(10))
    assert store.end("t", 0) == 10


def test_closing_writes_what_was_handed_over(store: Store):
    writer = GroupWriter(store.path)
    placed = [writer.submit(record(number)) for number in range(500)]
    writer.close()
    assert all(future.done() for future in placed)
    assert store.end("t", 0) == 500


def test_a_failure_is_told_to_those_who_wait_and_the_next_are_written(store: Store, writer: GroupWriter):
    with pytest.raises(LogUnreachable, match="no topic nowhere"):
        writer.submit(record(0, "nowhere")).result(timeout=30)
    assert writer.submit(record(1)).result(timeout=30) == ("t", 0, 0)
