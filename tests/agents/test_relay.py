"""What waits in the outbox is published in order and forgotten, as soon as somebody has put it there."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from agents.relay import Relay
from registry import outbox
from registry.database import Database
from registry.locks import FileLock, one_at_a_time
from registry.tables import METADATA
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from streams.errors import LogUnreachable


class Waiting(Database):
    """Knows what waits in it."""

    def put(self, *names: str) -> None:
        with self.transaction() as connection:
            outbox.put(connection, [_message(name) for name in names])

    def waiting(self) -> int:
        with self.snapshot() as connection:
            return connection.execute(select(func.count()).select_from(outbox.OUTBOX)).scalar_one()


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


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Waiting]:
    with Waiting(f"sqlite:///{tmp_path}/muster.db") as opened:
        with opened.transaction() as connection:
            METADATA.create_all(connection)
        yield opened


@asynccontextmanager
async def relaying(database: Database, log: Log) -> AsyncIterator[Relay]:
    @contextmanager
    def alone() -> Iterator[FileLock | None]:
        with one_at_a_time(database, "relay") as lock:
            yield lock

    async def no_time(_seconds: float) -> None:
        await asyncio.sleep(0)

    relay = Relay(database, log, alone, idle=0.001, sleep=no_time)
    database.after_notice = relay.nudge
    running = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(condition, *args: object) -> None:
    async with asyncio.timeout(10):
        while not condition(*args):  # noqa: ASYNC110
            await asyncio.sleep(0.001)


async def test_what_a_transaction_puts_is_published_at_once_and_deleted(database: Waiting):
    log = Log()
    database.put("1", "2")
    async with relaying(database, log):
        await until(lambda: log.names == ["1", "2"])
        await database.write(lambda connection: outbox.put(connection, [_message("3")]))
        await until(lambda: log.names == ["1", "2", "3"])
        await until(lambda: not database.waiting())


async def test_only_a_transaction_that_puts_something_wakes_it(database: Waiting):
    woken = []
    database.after_notice = lambda: woken.append(1)
    await database.write(lambda connection: outbox.waiting(connection, 1))
    assert woken == []
    await database.write(lambda connection: outbox.put(connection, [_message("1")]))
    assert woken == [1]


async def test_what_the_log_did_not_take_is_published_when_it_is_back(database: Waiting):
    log = Log()
    log.away = 3
    async with relaying(database, log):
        database.put("1")
        await until(lambda: log.names == ["1"])
        await until(lambda: not database.waiting())
