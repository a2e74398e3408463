"""One owner at a time; whoever lost a lease claims nothing, however sure it was."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Connection, text, update

from registry import leases
from registry.database import Database
from registry.leases import LEASES, Lease, acquire, boottime, held, release, renew
from tests.registry.tables.waiting import wait_for_a_blocked_session

NAME = "dispatch-bulk/3"


def _take(connection: Connection, owner: str, seconds: float = 60) -> Lease | None:
    return acquire(connection, NAME, owner, seconds=seconds)


def _end(connection: Connection) -> None:
    """The lease runs out."""
    connection.execute(update(LEASES).values(until=0.5))


def test_the_first_owner_gets_the_first_epoch(connection: Connection):
    before = boottime()
    lease = _take(connection, "one")
    assert lease is not None
    assert (lease.owner, lease.epoch) == ("one", 1)
    # It must end here before it ends in the database: it counts from before the question.
    assert before + 60 <= lease.until <= boottime() + 60


def test_nobody_else_gets_it_while_it_lasts(connection: Connection):
    first = _take(connection, "one")
    assert first is not None
    assert _take(connection, "two") is None
    assert held(connection, [first])


def test_an_owner_renews_within_its_epoch(connection: Connection):
    first = _take(connection, "one", seconds=1)
    again = _take(connection, "one")
    assert first is not None
    assert again is not None
    assert again.epoch == first.epoch
    assert again.until > first.until + 50
    assert held(connection, [first])


def test_an_owner_renews_what_is_still_its_own_by_one_statement(connection: Connection):
    first, other = _take(connection, "one", seconds=1), acquire(connection, "other", "one", seconds=1)
    assert first is not None
    assert other is not None
    _end(connection)
    assert acquire(connection, "other", "two", seconds=60)
    before = boottime()
    renewed = renew(connection, [NAME, "other", "never taken"], "one", seconds=60)
    assert set(renewed) == {NAME}, "the lease that somebody else has taken meanwhile is lost"
    assert renewed[NAME].epoch == first.epoch
    assert before + 60 <= renewed[NAME].until <= boottime() + 60
    assert _take(connection, "two") is None, "it lasts again"
    assert held(connection, [renewed[NAME]])


def test_a_renewal_does_not_wait_for_claims_nor_they_for_it(database: Database):
    with database.transaction() as connection:
        lease = _take(connection, "one")
    assert lease is not None
    if database.is_sqlite:
        return  # writers take turns there anyway
    with database.transaction() as renewing, database.transaction() as claiming:
        claiming.execute(text("set local lock_timeout = '5s'"))
        renewing.execute(text("set local lock_timeout = '5s'"))
        assert held(claiming, [lease])
        assert renew(renewing, [NAME], "one", seconds=60)
        assert held(claiming, [lease])


def test_a_successor_gets_a_higher_epoch_and_the_sleeper_held_nothing(connection: Connection):
    sleeper = _take(connection, "one")
    assert sleeper is not None
    _end(connection)
    assert held(connection, [sleeper]), "until somebody takes over, nobody is harmed"
    successor = _take(connection, "two")
    assert successor is not None
    assert successor.epoch == sleeper.epoch + 1
    assert not held(connection, [sleeper])
    assert held(connection, [successor])
    assert _take(connection, "one") is None


def test_whoever_comes_back_after_another_has_a_new_epoch(connection: Connection):
    first = _take(connection, "one")
    assert first is not None
    _end(connection)
    _take(connection, "two")
    _end(connection)
    back = _take(connection, "one")
    assert back is not None
    assert back.epoch == 3
    assert not held(connection, [first]), "the same name is not the same epoch"


def test_a_released_lease_is_free_at_once(connection: Connection):
    first = _take(connection, "one")
    assert first is not None
    release(connection, first)
    assert _take(connection, "two") is not None


def test_where_every_owner_is_dead_nobody_waits(connection: Connection):
    dead = _take(connection, "one")
    assert dead is not None
    leases.end_all(connection)
    successor = _take(connection, "two")
    assert successor is not None
    assert successor.epoch == dead.epoch + 1
    assert held(connection, [dead, successor]) == {successor}


def test_a_sleeper_releases_nothing_of_its_successors(connection: Connection):
    sleeper = _take(connection, "one")
    assert sleeper is not None
    _end(connection)
    _take(connection, "two")
    release(connection, sleeper)
    assert _take(connection, "three") is None


def test_leases_of_other_partitions_are_left_alone(connection: Connection):
    one = _take(connection, "one")
    other = acquire(connection, "dispatch-bulk/4", "two", seconds=60)
    assert one is not None
    assert other is not None
    assert held(connection, [one])
    assert held(connection, [other])


def test_a_lease_from_before_a_restart_of_the_machine_has_ended(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
):
    with sqlite_database.transaction() as connection:
        assert _take(connection, "one", seconds=1e9) is not None
    monkeypatch.setattr(leases, "boot_id", lambda: "another")
    with sqlite_database.transaction() as connection:
        successor = _take(connection, "two")
    assert successor is not None
    assert successor.epoch == 2


def test_many_who_want_it_at_once_are_given_one_owner(database: Database):
    start = threading.Barrier(8)

    def want(owner: str) -> Lease | None:
        start.wait(10)
        with database.transaction() as connection:
            return _take(connection, owner)

    with ThreadPoolExecutor(8) as pool:
        found = [lease for lease in pool.map(want, [f"worker-{n}" for n in range(8)]) if lease is not None]
    assert [lease.epoch for lease in found] == [1]


@pytest.mark.postgres
def test_a_successor_waits_for_a_claim_that_is_being_written(postgres_database: Database):
    """Otherwise it would look for open claims before this one can be seen, and send the same members again."""
    with postgres_database.transaction() as connection:
        first = _take(connection, "one")
    assert first is not None
    with postgres_database.transaction() as connection:
        _end(connection)
    taken = threading.Event()

    def take_over() -> None:
        with postgres_database.transaction() as connection:
            _take(connection, "two")
        taken.set()

    with ThreadPoolExecutor(1) as pool:
        with postgres_database.transaction() as claiming:
            assert held(claiming, [first])
            pool.submit(take_over)
            wait_for_a_blocked_session(postgres_database)
            assert not taken.is_set()
        assert taken.wait(10)
    with postgres_database.transaction() as connection:
        assert not held(connection, [first])
