"""How a worker keeps its leases: in time, together, and no longer than it needs them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from agents.dispatch.leases import Leases
from registry.database import Database
from registry.leases import LEASES
from registry.tables import METADATA
from registry.writers import Work
from streams.errors import Busy


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(f"sqlite:///{tmp_path}/muster.db") as opened:
        with opened.transaction() as connection:
            METADATA.create_all(connection)
        yield opened


class Turns:
    """A sleep that lasts until the test says so."""

    def __init__(self) -> None:
        self._go = asyncio.Semaphore(0)
        self._slept = asyncio.Semaphore(0)

    async def sleep(self, _: float) -> None:
        self._slept.release()
        await self._go.acquire()

    async def next(self) -> None:
        """Let whoever sleeps wake, do its work, and sleep again."""
        await self._slept.acquire()
        self._go.release()
        await self._slept.acquire()
        self._slept.release()


def holders(database: Database) -> dict[str, bool]:
    """Which leases somebody has."""
    with database.snapshot() as connection:
        return {row.name: row.until > 0 for row in connection.execute(select(LEASES))}


async def test_all_leases_are_renewed_in_one_transaction(database: Database, monkeypatch: pytest.MonkeyPatch):
    turns, writes = Turns(), []
    leases = Leases(database, "one", seconds=30, sleep=turns.sleep)
    for name in ("a", "b", "c"):
        await leases.hold(name)
    write = database.write

    async def counted(work: Work) -> object:
        writes.append(1)
        return await write(work)

    monkeypatch.setattr(database, "write", counted)
    renewing = asyncio.create_task(leases.run())
    await turns.next()
    assert writes == [1]
    renewing.cancel()


async def test_a_lease_that_somebody_else_has_taken_is_lost(database: Database):
    turns = Turns()
    one, two = Leases(database, "one", seconds=30, sleep=turns.sleep), Leases(database, "two", seconds=30)
    with one.used("a"), one.used("b"):
        for name in ("a", "b"):
            await one.hold(name)
        with database.transaction() as connection:
            connection.execute(update(LEASES).where(LEASES.c.name == "a").values(until=0.0))
        await two.hold("a")
        renewing = asyncio.create_task(one.run())
        await turns.next()
        assert (one.valid("a"), one.valid("b")) == (False, True)
        renewing.cancel()


async def test_a_lease_that_nobody_uses_is_given_up_and_one_in_use_is_kept(database: Database):
    turns = Turns()
    leases = Leases(database, "one", seconds=30, sleep=turns.sleep)
    renewing = asyncio.create_task(leases.run())
    with leases.used("busy"), leases.used("idle"):
        await leases.hold("busy")
        await leases.hold("idle")
    with leases.used("busy"):
        await turns.next()
        assert holders(database) == {"busy": True, "idle": True}, (
            "what is used now and then is not taken anew each time"
        )
        await turns.next()
        assert holders(database) == {"busy": True, "idle": False}
        assert leases.valid("busy")
        assert not leases.valid("idle")
    renewing.cancel()


async def test_who_waits_for_another_workers_lease_is_told_to_look_again(database: Database):
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    await Leases(database, "one", seconds=30).hold("a")
    with pytest.raises(Busy):
        await Leases(database, "two", seconds=2, now=lambda: now[0], sleep=sleep).hold("a")
    assert now[0] >= 102


async def test_all_who_wait_for_the_same_lease_give_up_together(database: Database):
    now = [100.0]

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    await Leases(database, "one", seconds=30).hold("a")
    waiting = Leases(database, "two", seconds=2, now=lambda: now[0], sleep=sleep)
    refused = await asyncio.gather(*(waiting.hold("a") for _ in range(32)), return_exceptions=True)
    assert {type(answer) for answer in refused} == {Busy}
    assert now[0] < 103
