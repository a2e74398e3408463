"""A log that cannot be written for a while, because its disk is full, makes the worker wait and not end."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from streams.embedded.store import Store
from streams.errors import LogUnreachable
from streams.worker import run
from tests.streams.test_embedded_tables import Counting


async def test_a_commit_waits_until_the_disk_has_room_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    refused: list[int] = []
    commit = Store.commit

    def full(store: Store, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        if len(refused) < 2:
            refused.append(1)
            raise LogUnreachable("database or disk is full")
        commit(store, group, offsets)

    monkeypatch.setattr(Store, "commit", full)
    monkeypatch.setattr("streams.embedded.transport._PAUSE_SECONDS", 0.01)
    counting = Counting(tmp_path)
    working = asyncio.create_task(run([counting.app], [], ready=lambda: None))
    try:
        await asyncio.wait_for(counting.counted.wait(), 60)
        while counting.committed() != 1 and not working.done():
            await counting.app.consumer.commit()
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
    assert len(refused) == 2
    assert counting.committed() == 1
