"""What waits in the outbox is published in order and forgotten, as soon as somebody has put it there."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial

from agents.relay import Relay
from registry import outbox
from registry.database import Database
from registry.locks import one_at_a_time
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from streams.errors import LogUnreachable


def put(database: Database, *names: str) -> None:
    with database.transaction() as connection:
        outbox.put(connection, [_message(name) for name in names])


def waiting(database: Database) -> int:
    with database.snapshot() as connection:
        return len(outbox.waiting(connection, 10))


class Log:
    """What was published; it can be away."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.away = 0

    def publish(self, messages: Sequence[Outgoing]) -> None:
        if self.away:
            self.away -= 1
            raise LogUnreachable("no broker")
        self.names += [message.envelope.id for message in messages]


def _message(name: str) -> Outgoing:
    envelope = Envelope(id=name, source="/test", type="test", subject=None, time=datetime(2011, 1, 1, tzinfo=UTC))
    return Outgoing("appeals", "a", envelope, b"{}", None)


@asynccontextmanager
async def relaying(database: Database, log: Log) -> AsyncIterator[None]:
    async def no_time(_seconds: float) -> None:
        await asyncio.sleep(0)

    relay = Relay(database, log, partial(one_at_a_time, database, "relay"), idle=0.001, sleep=no_time)
    database.after_notice = relay.nudge
    running = asyncio.create_task(relay.run())
    try:
        yield
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_what_a_transaction_puts_is_published_at_once_and_deleted(database: Database):
    log = Log()
    put(database, "1", "2")
    async with relaying(database, log):
        await until(lambda: log.names == ["1", "2"])
        await database.write(lambda connection: outbox.put(connection, [_message("3")]))
        await until(lambda: log.names == ["1", "2", "3"])
        await until(lambda: not waiting(database))


async def test_only_a_transaction_that_puts_something_wakes_it(database: Database):
    woken = []
    database.after_notice = lambda: woken.append(1)
    await database.write(lambda connection: outbox.waiting(connection, 1))
    assert woken == []
    await database.write(lambda connection: outbox.put(connection, [_message("1")]))
    assert woken == [1]


async def test_what_the_log_did_not_take_is_published_when_it_is_back(database: Database):
    log = Log()
    log.away = 3
    async with relaying(database, log):
        put(database, "1")
        await until(lambda: log.names == ["1"])
        await until(lambda: not waiting(database))
