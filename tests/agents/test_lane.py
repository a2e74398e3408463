"""A batch is claimed, sent and recorded once, whatever happens to the answers of the database and however often it comes."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from sqlalchemy import Connection, insert, select

from agents.dispatch.entries import Entries
from agents.dispatch.gate import Gate
from agents.dispatch.lane import Dispatch, Lane
from agents.dispatch.leases import Leases
from agents.dispatch.selected import Selected
from notifiers.ports import Letter, Outcome, Outcomes, Progress, Silent, State, nobody
from notifiers.smpp.window import Window
from registry import ledger, selections
from registry.appeals import APPEALS
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.ledger import Fate
from registry.ledger_copy import LedgerCopy
from registry.members import MEMBERS
from registry.tables import METADATA
from registry.writers import Work
from schemas.base import Command
from schemas.dispatch import Draft, SendBatch
from schemas.envelope import Envelope
from schemas.words import Channel, Language, MessageKind, Policy, Purpose
from streams.errors import Busy
from streams.inbox import Delivery
from tests.registry.audience.people import Person

NOW = datetime(2011, 11, 24, 12, 0, tzinfo=UTC)
APPEAL = "a-20111124-0001"
MEMBERS_OF_BATCH = 100
NO_COPY = LedgerCopy(None, "one")


class Forgetful(Database):
    """Commits, and then sometimes the answer gets lost on the way."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.lost: set[int] = set()  # which writes, from 0, get no answer
        self.writes = count()

    async def write(self, work: Work) -> object:
        result = await super().write(work)
        if next(self.writes) in self.lost:
            raise DatabaseUnreachable("server closed the connection unexpectedly")
        return result


class Phonebox:
    """Stands in for every gateway; remembers how often each number was told."""

    def __init__(self) -> None:
        self.told: Counter[str] = Counter()
        self.window = Window(64)  # so that a batch takes several claims
        self.keeps_progress = False
        self.most = 10**9  # messages of one letter, as if the lease ended behind them

    async def send(
        self,
        letter: Letter,
        addresses: Sequence[str],
        may_send: Callable[[], bool],
        *,
        urgent: bool = False,
        members: Sequence[int] = (),
        silent: Silent = nobody,
        progress: Progress | None = None,
    ) -> Outcomes:
        await asyncio.sleep(0)
        if not may_send():
            return Outcomes.of([Outcome(State.HELD)] * len(addresses))
        now, later = addresses[: self.most], addresses[self.most :]
        self.told.update(now)
        held = [Outcome(State.HELD)] * len(later)
        return Outcomes.of([Outcome(State.SENT, f"g{address}") for address in now] + held)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Forgetful]:
    with Forgetful(f"sqlite:///{tmp_path}/muster.db") as opened:
        _fill(opened)
        yield opened


def _fill(database: Database) -> None:
    with database.transaction() as connection:
        METADATA.create_all(connection)
        connection.execute(insert(MEMBERS), [Person().row(n, 1) for n in range(1, MEMBERS_OF_BATCH + 1)])
        _open_appeal(connection)


def _open_appeal(connection: Connection) -> None:
    connection.execute(
        insert(APPEALS).values(
            appeal_id=APPEAL, request_id="r-1", slot=1, drill=True, launched_at=NOW, launched_by="officer",
            deadline=NOW + timedelta(hours=4), spec="{}", status="open",
        )
    )  # fmt: skip
    selections.fix(
        connection, appeal_id=APPEAL, wave=1, shard=0, members=np.arange(1, MEMBERS_OF_BATCH + 1, dtype=np.int64)
    )


def delivery() -> Delivery:
    command: Command = SendBatch(
        given_by="decider", drill=True, appeal_id=APPEAL, wave=1, shard=0, batch=0, batch_size=256,
        policy=Policy.RATHER_MISS, purpose=Purpose.BLOOD,
        draft=Draft(
            kind=MessageKind.MASS, channel=Channel.SMS, texts={Language.CHINESE: "急"}, slot=1,
            not_after=NOW + timedelta(hours=4),
        ),
    )  # fmt: skip
    envelope = Envelope(id="e-1", source="/test", type=command.type, subject=APPEAL, time=NOW)
    return Delivery(command, envelope, "dispatch-bulk", 0, 0)


def dispatch(database: Database, phonebox: Phonebox, leases: Leases) -> Dispatch:
    gate = Gate()
    gate.heard_all.set()
    return Dispatch(
        database,
        {Channel.SMS: phonebox},
        gate,
        leases,
        Selected(database, NO_COPY),
        lambda: uuid4().hex,
        Entries(database, lambda: NOW, NO_COPY),
    )


def lane(database: Database, phonebox: Phonebox) -> Lane:
    return Lane("bulk", dispatch(database, phonebox, Leases(database, "one")), urgent=False)


async def react(bulk: Lane) -> None:
    """As a worker would: busy is tried again."""
    for _ in range(20):
        try:
            return await bulk(delivery())
        except Busy:
            continue
    raise AssertionError("busy for ever")


def told_once(phonebox: Phonebox) -> bool:
    return len(phonebox.told) == MEMBERS_OF_BATCH and set(phonebox.told.values()) == {1}


def fates(database: Database) -> dict[Fate, int]:
    with database.snapshot() as connection:
        return ledger.fates(connection, APPEAL)


@pytest.mark.parametrize("lost", range(4))  # lease, claim, record and claim, record
async def test_a_commit_that_got_no_answer_neither_ends_the_worker_nor_sends_anything_twice(
    database: Forgetful, lost: int
):
    phonebox = Phonebox()
    database.lost = {lost}
    await react(lane(database, phonebox))
    assert next(database.writes) > lost, "there was no such write"
    assert told_once(phonebox)
    assert fates(database) == {Fate.SENT: MEMBERS_OF_BATCH}


async def test_who_is_held_back_while_the_lease_ends_is_sent_to_under_the_same_claim(database: Database):
    phonebox = Phonebox()
    phonebox.most = 20
    await react(lane(database, phonebox))
    assert told_once(phonebox)
    assert fates(database) == {Fate.SENT: MEMBERS_OF_BATCH}


def test_states_and_fates_are_the_same_numbers():
    same = {
        State.SENT: Fate.SENT,
        State.REFUSED: Fate.REFUSED,
        State.UNCERTAIN: Fate.UNCERTAIN,
        State.HELD: Fate.WITHDRAWN,
    }
    assert {state: Fate(state.value) for state in State} == same


async def test_a_batch_that_comes_again_while_it_is_being_sent_is_sent_once(database: Forgetful):
    phonebox = Phonebox()
    bulk = lane(database, phonebox)
    await asyncio.gather(react(bulk), react(bulk), react(bulk))
    assert told_once(phonebox)
    assert fates(database) == {Fate.SENT: MEMBERS_OF_BATCH}


async def test_a_place_that_somebody_else_has_claimed_meanwhile_is_looked_at_again(database: Forgetful):
    """Two lanes of one owner stand for two runs that know nothing of each other."""
    phonebox = Phonebox()
    await asyncio.gather(react(lane(database, phonebox)), react(lane(database, phonebox)))
    assert told_once(phonebox)
    assert sum(fates(database).values()) == MEMBERS_OF_BATCH


async def test_a_worker_that_ends_claims_nothing_more_and_records_what_it_has_claimed(database: Forgetful):
    class Slow(Phonebox):
        async def send(self, *args: object, **kwargs: object) -> Outcomes:
            began.set()
            await answering.wait()
            return await super().send(*args, **kwargs)

    began, answering, phonebox = asyncio.Event(), asyncio.Event(), Slow()
    bulk = lane(database, phonebox)
    sending = asyncio.create_task(bulk(delivery()))
    await began.wait()
    bulk._shared.gate.closed = True
    finishing = asyncio.create_task(bulk.finish())
    await asyncio.sleep(0)
    assert not finishing.done()
    answering.set()
    await finishing
    with pytest.raises(Busy):
        await sending
    assert fates(database) == {Fate.SENT: len(phonebox.told)}
    assert 0 < len(phonebox.told) < MEMBERS_OF_BATCH


class Watched(Forgetful):
    """Counts after every commit the members who are claimed and not recorded."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.open: list[int] = []

    async def write(self, work: Work) -> object:
        result = await super().write(work)
        with self.snapshot() as connection:
            claimed = {(c.batch_id, c.first): c.last - c.first for c in connection.execute(select(ledger.CLAIMS))}
            recorded = {(r.batch_id, r.first) for r in connection.execute(select(ledger.RECORDS))}
        self.open.append(sum(size for place, size in claimed.items() if place not in recorded))
        return result


async def test_places_change_hands_with_the_record_and_no_commit_holds_more_than_the_window(tmp_path: Path):
    phonebox = Phonebox()
    phonebox.window = Window(20)
    with Watched(f"sqlite:///{tmp_path}/muster.db") as database:
        _fill(database)
        await react(lane(database, phonebox))
        # Six ranges of at most 18, for two places are kept for what is urgent.
        assert database.open == [0, 18, 18, 18, 18, 18, 10, 0]
    assert told_once(phonebox)
