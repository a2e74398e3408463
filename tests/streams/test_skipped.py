"""On Kafka no event is skipped, whatever Faust's consumer drops of what it has fetched."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import faust
import pytest
from faust.transport.drivers.aiokafka import IllegalStateError
from faust.types import TP

from streams.app import create_app
from streams.inbox import Delivery
from streams.reactions import attach
from tests.servers.kafka import KafkaBroker
from tests.streams.conftest import new_case
from tests.streams.contract import Case

pytestmark = pytest.mark.kafka
PATIENCE = 60


@dataclass
class Following:
    """A worker in this process, and what it got from partition 0, by the ids of the events."""

    app: faust.App
    case: Case
    got: list[str] = field(default_factory=list)

    @property
    def tp(self) -> TP:
        return TP(self.case.plan.topic, 0)

    async def react(self, delivery: Delivery) -> None:
        self.got.append(delivery.envelope.id)

    async def publish(self, *names: str) -> None:
        await asyncio.to_thread(self.case.publish, *names, partition=0)

    async def until_got(self, *names: str) -> None:
        await until(lambda: len(self.got) >= len(names))
        assert self.got == list(names)

    async def until_committed(self, offset: int) -> None:
        await until(lambda: self.case.committed().get(0) == offset)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(true):  # noqa: ASYNC110 - it happens in the broker or in another thread
            await asyncio.sleep(0.02)


@pytest.fixture
async def following(kafka_server: KafkaBroker, tmp_path: Path) -> AsyncIterator[Following]:
    with new_case(kafka_server.start().url, tmp_path) as case:
        app = create_app(case.plan.app, case.plan.log, datadir=tmp_path, partitions=case.plan.partitions)
        following = Following(app, case)
        attach(app, case.plan.topic, name="write", reaction=following.react, dead_letters=None)
        app.finalize()
        try:
            await app.start()
            await until(lambda: app.consumer.flow_active and following.tp in app.consumer.assignment())
            yield following
        finally:
            await app.stop()


@asynccontextmanager
async def flow_held_up(consumer: Any) -> AsyncIterator[asyncio.Event]:
    """As during a rebalance.  What Faust has asked for just before is dropped when it comes, and then the event is set."""
    asked, dropped = asyncio.Event(), asyncio.Event()
    ask, seek = consumer._getmany, consumer.perform_seek

    async def tell_and_ask(*args: Any, **kwargs: Any) -> Any:
        asked.set()
        return await ask(*args, **kwargs)

    async def seek_and_tell() -> None:
        await seek()
        dropped.set()

    consumer._getmany, consumer.perform_seek = tell_and_ask, seek_and_tell
    await asyncio.wait_for(asked.wait(), PATIENCE)
    await asyncio.sleep(0.1)  # until the other thread waits
    consumer.stop_flow()
    yield dropped
    await asyncio.wait_for(dropped.wait(), PATIENCE)
    consumer.resume_flow()


async def take_away(consumer: Any, tp: TP, count: int) -> None:
    """Fetch so many and drop them."""
    thread = consumer._thread
    fetcher = thread._ensure_consumer()._fetcher
    taken = 0
    while taken < count:
        taken += len((await thread.call_thread(fetcher.fetched_records, {tp}, timeout=PATIENCE))[tp])
    assert taken == count


async def test_what_is_dropped_before_the_first_commit_comes_again(following: Following):
    async with flow_held_up(following.app.consumer):
        await following.publish("1", "2", "3")
    await following.until_got("1", "2", "3")


async def test_what_is_dropped_after_a_commit_comes_again(following: Following):
    await following.publish("1", "2")
    await following.until_committed(2)
    async with flow_held_up(following.app.consumer):
        await following.publish("3", "4")
    await following.until_got("1", "2", "3", "4")


async def lose(following: Following, *names: str) -> None:
    """Publish these, fetch them and drop them."""
    consumer = following.app.consumer
    async with flow_held_up(consumer) as dropped:
        await asyncio.wait_for(dropped.wait(), PATIENCE)  # and Faust has gone back, and asks for nothing more
        await following.publish(*names)
        await take_away(consumer, following.tp, len(names))


@pytest.mark.parametrize("before", [(), ("1", "2")], ids=["nothing-committed", "some-committed"])
async def test_what_was_fetched_and_lost_is_asked_for_again_when_more_comes(
    following: Following, before: tuple[str, ...]
):
    await following.publish(*before)
    if before:
        await following.until_committed(len(before))
    await lose(following, "lost-1", "lost-2")

    await following.publish("later-1", "later-2")

    await following.until_got(*before, "lost-1", "lost-2", "later-1", "later-2")
    await following.until_committed(len(before) + 4)


async def test_what_was_lost_at_the_end_is_asked_for_again_though_nothing_more_comes(following: Following):
    await following.publish("1")
    await following.until_committed(1)
    await lose(following, "lost-1", "lost-2")

    await following.until_got("1", "lost-1", "lost-2")
    await following.until_committed(3)


async def test_what_could_not_be_asked_for_again_is_asked_for_the_next_time(following: Following):
    await following.publish("1")
    await following.until_committed(1)
    await lose(following, "lost")
    consumer = following.app.consumer
    seek, refused = consumer.seek_wait, asyncio.Event()

    async def refuse_once(partitions: dict[TP, int]) -> None:
        consumer.seek_wait = seek
        refused.set()
        raise IllegalStateError("no current assignment")

    consumer.seek_wait = refuse_once
    await following.publish("later-1")
    await asyncio.wait_for(refused.wait(), PATIENCE)
    await following.publish("later-2")

    await following.until_got("1", "lost", "later-1", "later-2")


async def test_a_broken_app_stops_though_the_thread_that_commits_has_ended(following: Following):
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    following.app.consumer._thread.commit = never
    await following.publish("1")
    await following.until_got("1")
    await following.app.crash(RuntimeError("a bug"))
    await asyncio.wait_for(following.app.stop(), PATIENCE)
