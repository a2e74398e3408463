"""Ranges whose progress is kept: claimed ahead, and after a death only those are in doubt who were being written to."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from agents.dispatch.ahead import Ahead
from agents.dispatch.batch import batch_of
from agents.dispatch.entries import Entries, write_entries
from agents.dispatch.gate import Gate
from agents.dispatch.lane import Dispatch, Lane
from agents.dispatch.leases import Leases
from agents.dispatch.records import Finished, Turned, all_alike
from agents.dispatch.selected import Selected
from notifiers.ports import Letter, Outcome, Outcomes, Progress, State
from notifiers.smpp.window import Window
from registry import leases, ledger, outbox
from registry.database import Database
from registry.journal import Journals
from registry.ledger import Fate, Range
from schemas.words import Channel
from streams.errors import Busy
from tests.agents.test_lane import APPEAL, MEMBERS_OF_BATCH, NO_COPY, NOW, Forgetful, Phonebox, Watched, _fill, delivery
from tests.agents.test_lane import fates as fates_of

WRITTEN, ANSWERED, REFUSED = 40, 30, 2  # of the first range: positions 0-39 left, 0-27 were accepted, 28 and 29 refused
SENT = ANSWERED - REFUSED
IN_DOUBT = WRITTEN - ANSWERED


MINE = "dispatch-bulk/0"


class Stuck(Phonebox):
    """Writes some messages, hears some answers, and then stands still until it is woken."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps_progress = True
        self.standing = asyncio.Event()
        self.woken = asyncio.Event()

    async def send(
        self,
        letter: Letter,
        addresses: Sequence[str],
        may_send: Callable[[], bool],
        *,
        progress: Progress | None = None,
        **_: object,
    ) -> Outcomes:
        if self.woken.is_set():
            return await super().send(letter, addresses, may_send)
        assert progress is not None, "its progress should be kept"
        progress.note(range(WRITTEN), State.UNCERTAIN)
        self.told.update(addresses[:WRITTEN])
        progress.note(range(SENT), State.SENT, [f"g{address}" for address in addresses[:SENT]])
        progress.note(range(SENT, ANSWERED), State.REFUSED)
        self.standing.set()
        await self.woken.wait()
        late = [Outcome(State.SENT, "late")] * IN_DOUBT
        sent = [Outcome(State.SENT, f"g{address}") for address in addresses[:SENT]]
        refused = [Outcome(State.REFUSED, status=0x0B)] * REFUSED
        held = [Outcome(State.HELD)] * (len(addresses) - WRITTEN)
        return Outcomes.of([*sent, *refused, *late, *held])


class Keeping(Phonebox):
    """Keeps progress, and says how long its ranges were."""

    def __init__(self) -> None:
        super().__init__()
        self.keeps_progress = True
        self.lengths: list[int] = []

    async def send(self, letter: Letter, addresses: Sequence[str], *args: object, **kwargs: object) -> Outcomes:
        self.lengths.append(len(addresses))
        return await super().send(letter, addresses, *args, **kwargs)  # type: ignore[arg-type]


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Forgetful]:
    servers = request.param == "postgresql"
    url = request.getfixturevalue("postgres_url") if servers else f"sqlite:///{tmp_path}/muster.db"
    with Forgetful(url) as opened:
        _fill(opened)
        yield opened


class Sleeper:
    """The clock of a process that is stopped: when it wakes, much time has passed."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> float:
        return leases.boottime() + self.slept

    async def sleep(self, seconds: float) -> None:
        self.slept += seconds


def lane(
    database: Database, phonebox: Phonebox, folder: Path | None, owner: str, sleeper: Sleeper | None = None
) -> Lane:
    sleeper = sleeper or Sleeper()
    gate = Gate()
    gate.heard_all.set()
    journals = Journals(folder, owner=owner, boot=lambda: "boot")
    tokens = (f"{owner}/{number}" for number in range(1000))
    shared = Dispatch(
        database,
        {Channel.SMS: phonebox},
        gate,
        Leases(database, owner, now=sleeper.now, sleep=sleeper.sleep),
        Selected(database, NO_COPY),
        lambda: next(tokens),
        Entries(database, lambda: NOW, NO_COPY, journals=journals),
    )
    return Lane("bulk", shared, urgent=False)


@asynccontextmanager
async def standing_still(
    database: Database, folder: Path | None, *, seconds: float = 10.0
) -> AsyncIterator[tuple[Stuck, asyncio.Task[None]]]:
    """A worker that is stopped for so long in the middle of a batch; its lease has ended."""
    phonebox, sleeper = Stuck(), Sleeper()
    sending = asyncio.create_task(lane(database, phonebox, folder, "one", sleeper)(delivery()))
    await phonebox.standing.wait()
    await sleeper.sleep(seconds)
    with database.transaction() as connection:
        leases.end_all(connection)
    try:
        yield phonebox, sending
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def take_over(database: Database, folder: Path | None) -> Phonebox:
    phonebox = Keeping()
    await lane(database, phonebox, folder, "two")(delivery())
    return phonebox


def records(database: Database) -> list[ledger.Record]:
    with database.snapshot() as connection:
        (batch_id,) = set(connection.execute(select(ledger.CLAIMS.c.batch_id)).scalars())
        return ledger.records_of(connection, batch_id)


async def test_a_range_is_as_long_as_the_batch_and_not_as_the_window(tmp_path: Path):
    phonebox = Keeping()
    phonebox.window = Window(20)
    with Watched(f"sqlite:///{tmp_path}/muster.db") as database:
        _fill(database)
        await lane(database, phonebox, tmp_path / "journals", "one")(delivery())
        assert database.open == [0, MEMBERS_OF_BATCH, 0]
    assert phonebox.lengths == [MEMBERS_OF_BATCH]


async def test_a_slow_gateway_gets_shorter_ranges(tmp_path: Path, database: Forgetful):
    phonebox = Keeping()
    phonebox.window = Window(8)
    await lane(database, phonebox, tmp_path / "journals", "one")(delivery())
    assert phonebox.lengths == [40, 40, 20]


async def test_who_takes_over_from_a_dead_worker_asks_all_who_were_not_written_to(tmp_path: Path, database: Forgetful):
    async with standing_still(database, tmp_path / "journals") as (dead, _):
        successor = await take_over(database, tmp_path / "journals")
        assert len(successor.told) == MEMBERS_OF_BATCH - WRITTEN
        assert not successor.told & dead.told
        assert fates_of(database) == {
            Fate.SENT: SENT + MEMBERS_OF_BATCH - WRITTEN,
            Fate.REFUSED: REFUSED,
            Fate.UNCERTAIN: IN_DOUBT,
        }
        assert [(record.range.first, record.range.last) for record in records(database)] == [
            (0, WRITTEN),
            (WRITTEN, MEMBERS_OF_BATCH),
        ]
        assert records(database)[0].gateway_ids[0].startswith("g+86179")  # so that its receipt finds it


async def test_who_is_in_doubt_is_named_before_there_is_room_for_the_others(tmp_path: Path, database: Forgetful):
    """At a slow gateway there may be none for minutes."""
    async with standing_still(database, tmp_path / "journals"):
        phonebox = Phonebox()
        full = await phonebox.window.take(1000)
        sending = asyncio.create_task(lane(database, phonebox, tmp_path / "journals", "two")(delivery()))
        async with asyncio.timeout(10):
            while fates_of(database).get(Fate.UNCERTAIN) != IN_DOUBT:  # noqa: ASYNC110 - the database sets no event
                await asyncio.sleep(0.01)
        assert not phonebox.told
        phonebox.window.give_back(full)
        await sending
        assert len(phonebox.told) == MEMBERS_OF_BATCH - WRITTEN


@pytest.mark.parametrize("shared", [False, True])
async def test_without_its_journal_everybody_in_the_claim_is_in_doubt(
    tmp_path: Path, database: Forgetful, shared: bool
):
    async with standing_still(database, tmp_path / "journals"):
        successor = await take_over(database, tmp_path / "elsewhere" if shared else None)
        assert not successor.told
        assert fates_of(database) == {Fate.UNCERTAIN: MEMBERS_OF_BATCH}


async def test_a_stopped_worker_that_wakes_adds_what_it_knows_and_disturbs_nothing(tmp_path: Path, database: Forgetful):
    async with standing_still(database, tmp_path / "journals") as (stopped, sending):
        successor = await take_over(database, tmp_path / "journals")
        stopped.woken.set()
        with pytest.raises(Busy):  # so that its event is not done twice
            await sending
        assert len(stopped.told) + len(successor.told) == MEMBERS_OF_BATCH
        assert fates_of(database) == {Fate.SENT: MEMBERS_OF_BATCH - REFUSED, Fate.REFUSED: REFUSED}
        known = [name for record in records(database) for name in record.gateway_ids]
        assert known.count("late") == IN_DOUBT


async def test_a_stopped_worker_that_wakes_before_its_successor_has_opened_the_batch_goes_on(
    tmp_path: Path, database: Forgetful
):
    """Nobody came in between: the lease is its own again, and who was held back is sent to under the same claim."""
    async with standing_still(database, tmp_path / "journals", seconds=0.0) as (stopped, sending):
        stopped.woken.set()
        await sending
        assert len(stopped.told) == MEMBERS_OF_BATCH
        assert set(stopped.told.values()) == {1}
        assert fates_of(database) == {Fate.SENT: MEMBERS_OF_BATCH - REFUSED, Fate.REFUSED: REFUSED}


async def test_a_worker_that_starts_again_finds_its_own_journal(tmp_path: Path, database: Forgetful):
    """The same owner: what it was cancelled in the middle of is no longer its own work."""
    phonebox = Stuck()
    bulk = lane(database, phonebox, tmp_path / "journals", "one")
    sending = asyncio.create_task(bulk(delivery()))
    await phonebox.standing.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    phonebox.woken.set()
    await bulk(delivery())
    assert set(phonebox.told.values()) == {1}
    assert len(phonebox.told) == MEMBERS_OF_BATCH
    assert fates_of(database)[Fate.UNCERTAIN] == IN_DOUBT


async def test_journals_are_used_again(tmp_path: Path, database: Forgetful):
    phonebox = Keeping()
    phonebox.window = Window(8)
    await lane(database, phonebox, tmp_path / "journals", "one")(delivery())
    with os.scandir(tmp_path / "journals" / "boot") as found:
        assert len(list(found)) == 2  # of three ranges: the second is claimed while the first one's record is written


@pytest.mark.parametrize("token", ["", "unknown"])
def test_of_a_lost_lease_nothing_is_recorded_that_is_not_claimed(database: Forgetful, token: str):
    """A worker that withdraws what it never claimed, while another sends it."""
    batch = batch_of(delivery().message, "dispatch-bulk/0")
    with database.transaction() as connection:
        mine = leases.acquire(connection, batch.lease, "one", seconds=30)
        assert mine is not None
        leases.end_all(connection)
        assert leases.acquire(connection, batch.lease, "two", seconds=30)
        record = all_alike(batch, Range(batch.id, 0, MEMBERS_OF_BATCH), Fate.WITHDRAWN)
        item = Finished(batch, record, mine, token, MEMBERS_OF_BATCH, final=True, whole=True)
        assert write_entries(connection, [item], NOW) == [Turned.LEASE_LOST]
        assert ledger.fates(connection, APPEAL) == {}
        assert outbox.waiting(connection, 10) == []


async def test_room_ahead_goes_round_in_the_order_of_asking():
    ahead = Ahead(Window(10))
    # Nothing is known of the gateway yet: half a second of ten in a tenth.
    assert await ahead.take(1000, lease=MINE) == 50
    assert await ahead.take(50, lease=MINE) == 50  # this one is ready when the first has left
    assert await asyncio.wait_for(ahead.take(30, lease=MINE), 1) == 30  # on its way to the disk meanwhile
    fourth, fifth = asyncio.create_task(ahead.take(30, lease=MINE)), asyncio.create_task(ahead.take(5, lease=MINE))
    await asyncio.sleep(0)
    assert not fourth.done()
    ahead.give_back(20)
    assert await fourth == 30
    assert not fifth.done()
    ahead.give_back(60)
    assert await fifth == 5


async def test_a_batch_of_few_waits_no_longer_than_one_of_many():
    """A wave has some small batches among its large ones; whoever stands behind one would wait with it."""
    ahead = Ahead(Window(10))
    for wanted in (50, 50):
        await ahead.take(wanted, lease=MINE)
    assert await asyncio.wait_for(ahead.take(1, lease=MINE), 1) == 1


async def test_whoever_gives_up_waiting_takes_no_room():
    ahead = Ahead(Window(10))
    await ahead.take(50, lease=MINE)
    await ahead.take(50, lease=MINE)
    await ahead.take(50, lease=MINE)
    waiting = asyncio.create_task(ahead.take(30, lease=MINE))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    ahead.give_back(150)
    assert await asyncio.wait_for(ahead.take(60, lease=MINE), 1) == 50


async def test_a_claim_is_as_long_as_what_the_gateway_takes_in_half_a_second():
    quick, slow = Window(200), Window(200)
    for at in range(200):
        quick.answered(40, written_at=at, arrived_at=at + 0.002, now=at + 0.002)
        slow.answered(1, written_at=at, arrived_at=at + 0.08, now=at + 0.08)
    assert await Ahead(quick).take(10_000, lease=MINE) == 8192
    assert await Ahead(slow).take(10_000, lease=MINE) == pytest.approx(slow.limit / 0.08 / 2, rel=0.1)
    known = Window(200, rate=30)
    known.answered(1, written_at=0, arrived_at=0.001, now=0.001)  # what waits for a token is in no round trip
    assert await Ahead(known).take(10_000, lease=MINE) == 15


async def test_batches_of_partitions_that_have_gone_wait_for_no_room():
    ahead = Ahead(Window(10))
    for _ in range(3):
        await ahead.take(50, lease=MINE)
    gone, stays = (asyncio.create_task(ahead.take(30, lease=lease)) for lease in ("dispatch-bulk/1", MINE))
    await asyncio.sleep(0)
    ahead.keep({MINE})
    with pytest.raises(Busy, match="dispatch-bulk/1"):
        await gone
    assert not stays.done()
    ahead.give_back(150)
    assert await asyncio.wait_for(stays, 1) == 30
