"""The embedded log commits an event only when what it changed in a table is durable."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faust
import pytest

from streams.app import create_app
from streams.embedded.store import Store
from streams.embedded.writer import GroupWriter
from streams.inbox import Delivery
from streams.publisher import open_publisher
from streams.reactions import attach
from streams.setup import create_topics
from streams.topics import Topic
from streams.worker import run
from tests.streams.contract import event


class Counting:
    """A worker in this process that counts one event in a table."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.db"
        log = f"sqlite:///{self.path}"
        create_topics(log, [Topic("counted", "any", partitions=1)])
        publisher = open_publisher(log)
        publisher.publish([event("counted", "one")])
        publisher.close()
        self.app: faust.App = create_app("counting", log, datadir=folder / "faust", partitions=1)
        self.table: Any = self.app.Table("counts", default=int, partitions=1)
        self.counted = asyncio.Event()
        attach(self.app, "counted", name="count", reaction=self.count, dead_letters=None)  # type: ignore[arg-type]

    async def count(self, delivery: Delivery) -> None:
        self.table[delivery.envelope.id] += 1
        self.counted.set()

    def committed(self) -> int | None:
        store = Store(self.path)
        try:
            return store.committed("counting", "counted", 0)
        finally:
            store.close()


@pytest.fixture
def writing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is not set, the worker's writes to the log do not get through."""
    open_gate = threading.Event()
    commit = GroupWriter._commit

    def slowly(store: Store, group: Sequence[Any]) -> None:
        open_gate.wait(timeout=30)
        commit(store, group)

    monkeypatch.setattr(GroupWriter, "_commit", staticmethod(slowly))
    return open_gate


async def test_an_event_is_not_committed_before_what_it_changed_in_a_table(tmp_path: Path, writing: threading.Event):
    counting = Counting(tmp_path)
    working = asyncio.create_task(run([counting.app], [], ready=lambda: None))
    try:
        await asyncio.wait_for(counting.counted.wait(), 30)
        commit = asyncio.create_task(counting.app.consumer.commit())
        await asyncio.wait([commit], timeout=0.5)
        assert counting.committed() is None
        writing.set()
        await asyncio.wait_for(commit, 30)
        assert counting.committed() == 1
    finally:
        writing.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
