"""An acknowledgement leaves before the log brings its order, once all the same."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from agents.dispatch.express import Express
from agents.dispatch.lane import Lane
from agents.dispatch.leases import Leases
from registry import ledger, replies
from registry.database import Database
from registry.replies import Received
from schemas.dispatch import AnswerReply, Draft, SendBatch
from schemas.envelope import Envelope
from schemas.words import Channel, Language, MessageKind
from streams.errors import Busy
from streams.inbox import Delivery
from tests.agents.test_lane import Phonebox, dispatch
from tests.agents.test_lane import delivery as bulk_delivery

NOW = datetime(2011, 11, 24, 12, tzinfo=UTC)


def order(reply_id: str = "m-1") -> AnswerReply:
    draft = Draft(
        kind=MessageKind.ACKNOWLEDGEMENT,
        channel=Channel.SMS,
        texts={Language.CHINESE: "谢谢"},
        slot=1,
        not_after=NOW + timedelta(hours=12),
    )
    return AnswerReply(given_by="replies", reply_id=reply_id, draft=draft)


def delivery(reply_id: str = "m-1", partition: int = 3) -> Delivery:
    message = order(reply_id)
    envelope = Envelope(id=f"{reply_id}/ack", source="/test", type=message.type, subject=reply_id, time=NOW)
    return Delivery(message, envelope, "dispatch-urgent", partition, 0)


class Listed(Lane):
    """Writes down what it is asked to send, and does it as it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.how: Callable[[], Awaitable[None]] = self._at_once

    async def send(self, command: object, lease: str) -> None:
        assert isinstance(command, AnswerReply | SendBatch)
        self.asked.append((getattr(command, "reply_id", "batch"), lease))
        await self.how()

    async def _at_once(self) -> None:
        return


@pytest.fixture
def lane() -> Listed:
    return Listed()


@pytest.fixture
def express(lane: Listed) -> Express:
    express = Express(lane, now=lambda: 0.0)
    express.follow({3, 5})
    return express


async def test_it_is_sent_at_once_and_not_again_when_the_log_brings_it(express: Express, lane: Listed):
    assert express.partition == 3
    express.send(order(), 3)
    await express(delivery())
    assert lane.asked == [("m-1", "dispatch-urgent/3")]
    await express(delivery())  # after a restart of the consumer: the ledger knows
    assert lane.asked == [("m-1", "dispatch-urgent/3")] * 2


async def test_whatever_else_the_log_brings_goes_to_the_lane(express: Express, lane: Listed):
    await express(delivery("m-2", partition=5))
    await express(bulk_delivery())
    assert lane.asked == [("m-2", "dispatch-urgent/5"), ("batch", "dispatch-bulk/0")]


@pytest.mark.parametrize("trouble", [Busy("the lease"), RuntimeError("a bug")])
async def test_what_could_not_be_sent_at_once_is_sent_when_the_log_brings_it(
    express: Express, lane: Listed, trouble: Exception
):
    async def fails() -> None:
        lane.how = lane._at_once
        raise trouble

    lane.how = fails
    express.send(order(), 3)
    await express(delivery())
    assert lane.asked == [("m-1", "dispatch-urgent/3")] * 2


async def test_the_log_is_not_acknowledged_while_it_is_being_sent(express: Express, lane: Listed):
    sent = asyncio.Event()

    async def slowly() -> None:
        await sent.wait()

    lane.how = slowly
    express.send(order(), 3)
    handling = asyncio.create_task(express(delivery()))
    await asyncio.sleep(0.01)
    assert not handling.done()
    sent.set()
    await handling
    assert len(lane.asked) == 1


async def test_a_rebalance_that_ends_the_handling_does_not_end_the_sending(express: Express, lane: Listed):
    sent, ended = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        await sent.wait()
        ended.set()

    lane.how = slowly
    express.send(order(), 3)
    handling = asyncio.create_task(express(delivery()))
    await asyncio.sleep(0.01)
    handling.cancel()
    await asyncio.gather(handling, return_exceptions=True)
    sent.set()
    await asyncio.wait_for(ended.wait(), 10)


async def test_a_partition_that_went_to_somebody_else_is_left_to_them(express: Express, lane: Listed):
    express.follow({5})
    assert express.partition == 5
    express.send(order(), 3)  # chosen before the rebalance, committed after it
    await asyncio.sleep(0)
    assert lane.asked == []
    express.follow(set())
    assert express.partition is None


async def test_no_lease_is_kept_by_it_while_the_log_brings_nothing(lane: Listed):
    now = 100.0
    express = Express(lane, now=lambda: now)
    assert express.partition is None
    express.follow({3})
    express.send(order(), 3)
    now += 6.0  # as when the broker cannot be reached, and gives the partition to another worker
    assert express.partition is None
    await express(delivery())
    assert express.partition == 3
    express.send(order("m-2"), 3)
    now += 6.0
    express.follow({4})  # the log brings that one to whoever has the partition now
    assert express.partition == 4


# --- with a ledger ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def worker(database: Database, name: str, phonebox: Phonebox) -> AsyncIterator[Express]:
    leases = Leases(database, name, seconds=0.5)
    express = Express(Lane("urgent", dispatch(database, phonebox, leases), urgent=True))
    express.follow({3})
    renewing = asyncio.create_task(leases.run())
    try:
        yield express
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)


@pytest.fixture
def stored(database: Database) -> None:
    said = Received("m-1", NOW, Channel.SMS, "+8617900000001", "1", None, None, "1")
    with database.transaction() as connection:
        replies.store(connection, [said])


@pytest.mark.usefixtures("stored")
async def test_a_successor_to_whom_the_log_brings_it_finds_it_done(database: Database):
    phonebox = Phonebox()
    async with worker(database, "one", phonebox) as first:
        first.send(order(), 3)
        async with asyncio.timeout(30):
            while not phonebox.told:  # noqa: ASYNC110 - the gateway sets no event of ours
                await asyncio.sleep(0.01)
            await asyncio.gather(*(sent.done for sent in first._sent.values()))
    async with worker(database, "two", phonebox) as second:
        await _until_free(second)
    assert phonebox.told == {"+8617900000001": 1}
    with database.snapshot() as connection:
        assert not ledger.standing(connection, ["ack/m-1"])["ack/m-1"].orphans


@pytest.mark.usefixtures("stored")
async def test_both_at_once_send_it_once(database: Database):
    phonebox = Phonebox()
    async with worker(database, "one", phonebox) as first, worker(database, "two", phonebox) as second:
        first.send(order(), 3)  # the other has been given the partition, and this one does not know yet
        await asyncio.gather(_until_free(second), *(sent.done for sent in first._sent.values()))
    assert phonebox.told == {"+8617900000001": 1}


async def _until_free(express: Express) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                return await express(delivery())
            except Busy:
                await asyncio.sleep(0.05)
