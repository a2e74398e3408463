"""Many writes share a commit, in their order, and none suffers for another's bug."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from agents.gather import Gather
from registry.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path}/muster.db") as opened:
        yield opened


class Groups:
    """What was written together."""

    def __init__(self) -> None:
        self.written: list[list[int]] = []

    def __call__(self, _connection: Connection, items: Sequence[int]) -> list[int]:
        if 13 in items:
            raise ValueError("unlucky")
        self.written.append(list(items))
        return [item * 10 for item in items]


async def test_what_is_put_in_one_go_is_written_together_and_no_more_than_the_limit(database: Database):
    groups = Groups()
    gather = Gather(database, groups, limit=3)
    assert await asyncio.gather(*(gather.add(item) for item in range(5))) == [0, 10, 20, 30, 40]
    assert groups.written == [[0, 1, 2], [3, 4]]


async def test_together_they_weigh_no_more_than_the_limit(database: Database):
    groups = Groups()
    gather = Gather(database, groups, limit=10, weigh=lambda item: item)
    assert await asyncio.gather(*(gather.add(item) for item in (4, 6, 1, 12, 2))) == [40, 60, 10, 120, 20]
    assert groups.written == [[4, 6], [1], [12], [2]], "what is heavier goes alone"


async def test_who_goes_on_when_something_is_put_belongs_to_the_same_commit(database: Database):
    """A place of the window changes hands: the record that frees it and the next claim are one transaction."""
    groups = Groups()
    gather = Gather(database, groups)
    free = asyncio.Event()

    async def next_in_line() -> int:
        await free.wait()
        return await gather.add(2)

    waiting = asyncio.create_task(next_in_line())
    await asyncio.sleep(0)
    recorded = gather.put(1)
    free.set()
    assert (await recorded, await waiting) == (10, 20)
    assert groups.written == [[1, 2]]


async def test_only_what_makes_a_commit_fail_fails(database: Database):
    groups = Groups()
    gather = Gather(database, groups)
    answers = await asyncio.gather(*(gather.add(item) for item in (12, 13, 14)), return_exceptions=True)
    assert [str(answer) for answer in answers] == ["120", "unlucky", "140"]
    assert groups.written == [[12], [14]]
