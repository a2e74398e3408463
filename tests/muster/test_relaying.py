"""The process that publishes the outbox beside a worker on servers; here on the files of the embedded log."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from prometheus_client import Counter

from agents.relay import PUBLISHED
from muster import beside
from muster.relaying import relaying_beside
from muster.settings import Settings, read_settings
from registry import outbox
from registry.database import Database
from registry.tables import METADATA
from schemas.envelope import Envelope
from schemas.outgoing import Outgoing
from streams.setup import create_topics
from streams.tail import read_to_end
from streams.topics import topics

BOUND = 60


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return read_settings(home=tmp_path)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[beside.Beside]:
    relay = relaying_beside(settings)
    task = asyncio.create_task(relay.run())
    try:
        yield relay
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _message(name: str) -> Outgoing:
    envelope = Envelope(id=name, source="/test", type="test", subject=None, time=datetime(2011, 1, 1, tzinfo=UTC))
    return Outgoing("appeals", "a", envelope, b"{}", None)


async def test_what_this_process_puts_is_published_there_and_counted_here(settings: Settings):
    create_topics(settings.log, topics(settings.shards))
    before = PUBLISHED._value.get()
    with Database(settings.database) as database:
        with database.transaction() as connection:
            METADATA.create_all(connection)
        async with asyncio.timeout(BOUND), running(settings) as relay:
            relay.nudge()  # nobody is there yet to hear it
            await database.write(lambda connection: outbox.put(connection, [_message("1"), _message("2")]))
            relay.nudge()
            while await database.read(partial(outbox.waiting, limit=1)):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)
            while PUBLISHED._value.get() < before + 2:  # noqa: ASYNC110 - another process tells it
                await asyncio.sleep(0.05)
        assert len([raw async for raw in read_to_end(settings.log, "appeals")]) == 2


async def test_every_line_of_its_input_wakes_it_and_the_end_of_it_ends_it(monkeypatch: pytest.MonkeyPatch):
    ours, theirs = os.pipe()
    nudged = asyncio.Event()
    with os.fdopen(ours) as read, os.fdopen(theirs, "wb", buffering=0) as written:
        monkeypatch.setattr("sys.stdin", read)
        listening = asyncio.create_task(beside._listen(nudged))
        for _ in range(2):
            written.write(b"\n")
            await asyncio.wait_for(nudged.wait(), BOUND)
            nudged.clear()
        assert not listening.done()
        written.close()
        await asyncio.wait_for(listening, BOUND)


async def test_a_worker_that_does_not_listen_holds_nothing_up_and_misses_nothing(monkeypatch: pytest.MonkeyPatch):
    counter = Counter("counted", "In this test", registry=None)
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as read, os.fdopen(theirs, "wb", buffering=0) as written:
        os.set_blocking(theirs, False)
        filling = 0
        with suppress(BlockingIOError):
            while True:
                filling += os.write(theirs, b"\n" * 4096)
        monkeypatch.setattr("sys.stdout", written)
        monkeypatch.setattr(beside, "_TELL_EVERY", 0.001)
        telling = asyncio.create_task(beside._tell({"counted": counter}))
        counter.inc(2)
        await asyncio.sleep(0.05)  # it tries, and time goes on
        assert not telling.done()
        while filling:
            filling -= len(read.read(filling))
        line = await asyncio.wait_for(asyncio.to_thread(read.readline), BOUND)
        telling.cancel()
    assert json.loads(line) == {"counted": [[{}, 2.0]]}
