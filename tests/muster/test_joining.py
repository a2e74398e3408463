"""The process that joins receipts does its work, tells what it counted, and never outlives its worker."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import Counter

from agents.receipts import JOINED
from muster import joining
from muster.joining import JoiningBroken, join_beside
from muster.settings import Settings, read_settings
from registry import ledger, receipts
from registry.database import Database
from registry.ledger import Fate, Range, Record
from registry.receipts import RawReceipts
from registry.tables import METADATA

BATCH = "a-20111124-0001/1/0/0"
BOUND = 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(home=tmp_path)


@asynccontextmanager
async def joined_beside(settings: Settings) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(join_beside(settings))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def children() -> set[int]:
    listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    return set(map(int, listed.split()))


async def until(good: object) -> None:
    async with asyncio.timeout(BOUND):
        while not good():  # type: ignore[operator]  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.05)


async def test_receipts_are_joined_and_counted_and_nothing_is_left_running(settings: Settings):
    record = Record(Range(BATCH, 0, 2), "a-20111124-0001", 1, bytes([Fate.SENT] * 2), ("g-1", "g-2"))
    before, running = JOINED.labels(outcome="matched")._value.get(), children()
    with Database(settings.database) as database:
        with database.transaction() as connection:
            METADATA.create_all(connection)
            ledger.record(connection, [record], datetime.now(UTC))
            told = RawReceipts("DELIVRD", "000", "mass/a-20111124-0001/1", ["g-2"], ["+8617900000002"])
            receipts.store(connection, [[told]], datetime.now(UTC))
        async with joined_beside(settings):
            await until(lambda: JOINED.labels(outcome="matched")._value.get() == before + 1)
            states = await database.read(partial(receipts.states, batch_ids=[BATCH]))
            assert states == {BATCH: b"\0\1"}
            assert len(children() - running) == 1
    assert children() <= running


async def test_killed_it_begins_again(settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(joining, "_AGAIN_AFTER", 0.01)
    with Database(settings.database) as database, database.transaction() as connection:
        METADATA.create_all(connection)
    running = children()
    async with joined_beside(settings) as task:
        await until(lambda: children() - running)
        (first,) = children() - running
        os.kill(first, signal.SIGKILL)
        await until(lambda: children() - running - {first})
        assert not task.done()


async def test_a_bug_in_it_is_loud(settings: Settings):
    broken = settings.model_copy(update={"log_level": "no such level"})
    async with joined_beside(broken) as task:
        with pytest.raises(JoiningBroken, match="exit code 1"):
            await asyncio.wait_for(task, BOUND)


async def test_a_worker_that_does_not_listen_holds_nothing_up_and_misses_nothing(monkeypatch: pytest.MonkeyPatch):
    counter = Counter("counted", "In this test", ["outcome"], registry=None)
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as read, os.fdopen(theirs, "wb", buffering=0) as written:
        os.set_blocking(theirs, False)
        filling = 0
        with suppress(BlockingIOError):
            while True:
                filling += os.write(theirs, b"\n" * 4096)
        monkeypatch.setattr("sys.stdout", written)
        monkeypatch.setattr(joining, "_TELL_EVERY", 0.001)
        monkeypatch.setattr(joining, "_COUNTED", {"joined": counter})
        telling = asyncio.create_task(joining._tell())
        counter.labels(outcome="matched").inc(2)
        await asyncio.sleep(0.05)  # it tries, and time goes on
        assert not telling.done()
        while filling:
            filling -= len(read.read(filling))
        line = await asyncio.wait_for(asyncio.to_thread(read.readline), BOUND)
        telling.cancel()
    assert json.loads(line) == {"joined": {"matched": 2.0}}
