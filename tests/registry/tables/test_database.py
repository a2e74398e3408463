"""Transactions: durable when they return, alone in their failure, and patient with a database that is away."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest
from sqlalchemy import Connection, event, func, insert, select, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from files import sqlite
from registry import outbox
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.outbox import SEEN
from tests.servers.postgres import PostgresServer

CANARY = "17912345678"


def _write(event_id: str, reader: str = "r") -> Callable[[Connection], str]:
    def work(connection: Connection) -> str:
        connection.execute(insert(SEEN).values(reader=reader, event_id=event_id))
        return event_id

    return work


def _fail(connection: Connection) -> None:
    connection.execute(insert(SEEN).values(reader="r", event_id="left-behind"))
    raise ZeroDivisionError


def _known(connection: Connection) -> set[str]:
    return set(connection.execute(select(SEEN.c.event_id)).scalars())


async def _held_up(database: Database) -> tuple[threading.Event, "asyncio.Future[None]"]:
    """A write that waits for an event, so that what comes after it queues up for one commit."""
    begun, may_end = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def wait(_: Connection) -> None:
        loop.call_soon_threadsafe(begun.set)
        assert may_end.wait(10)

    held = asyncio.ensure_future(database.write(wait))
    await asyncio.wait_for(begun.wait(), 10)
    return may_end, held


async def _queued(database: Database, *works: Callable[[Connection], object]) -> list[object]:
    """Results or errors of these, all of which were waiting when the first of them began."""
    may_end, held = await _held_up(database)
    waiting = [asyncio.ensure_future(database.write(work)) for work in works]
    await asyncio.sleep(0)
    may_end.set()
    await asyncio.wait_for(held, 10)
    return await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 30)


# --- writing --------------------------------------------------------------------------------------------------------


async def test_a_write_returns_what_it_has_made_durable(database: Database):
    assert await database.write(_write("e-1")) == "e-1"
    with Database(database.url) as another:
        assert await another.read(_known) == {"e-1"}


async def test_a_write_that_fails_leaves_nothing(database: Database):
    with pytest.raises(ZeroDivisionError):
        await database.write(_fail)
    assert await database.read(_known) == set()


async def test_a_write_that_fails_takes_nobody_with_it(database: Database):
    results = await _queued(database, _write("e-1"), _fail, _write("e-2"), _write("e-1"), _write("e-3"))
    kinds = [result if isinstance(result, str) else type(result) for result in results]
    assert kinds == ["e-1", ZeroDivisionError, "e-2", IntegrityError, "e-3"] or not database.is_sqlite
    assert sorted(str(kind) for kind in kinds if isinstance(kind, str)) == ["e-1", "e-2", "e-3"]
    assert await database.read(_known) == {"e-1", "e-2", "e-3"}


async def test_a_slip_of_ours_is_loud_and_no_reason_to_wait(database: Database):
    def slip(connection: Connection) -> None:
        connection.execute(text("select * from no_such_table"))

    results = await _queued(database, _write("e-1"), slip, _write("e-2"))
    assert (results[0], results[2]) == ("e-1", "e-2")
    assert isinstance(results[1], Exception)
    assert not isinstance(results[1], DatabaseUnreachable)
    with pytest.raises(Exception, match="no_such_table") as caught, database.transaction() as connection:
        slip(connection)
    assert not isinstance(caught.value, DatabaseUnreachable)


async def test_an_error_does_not_quote_the_values(database: Database):
    await database.write(_write(CANARY))
    with pytest.raises(IntegrityError) as caught:
        await database.write(_write(CANARY))
    # What the driver itself says goes into no log; SQLAlchemy would add the statement's parameters to it.
    assert CANARY not in str(caught.value).replace(str(caught.value.orig), "")
    with pytest.raises(ProgrammingError if not database.is_sqlite else Exception) as slip:
        await database.write(lambda connection: connection.execute(text("select :v from nowhere"), {"v": CANARY}))
    assert CANARY not in str(slip.value)


async def test_who_gives_up_while_waiting_stops_nobody(database: Database):
    may_end, held = await _held_up(database)
    waiting = [asyncio.ensure_future(database.write(_write(f"e-{number}"))) for number in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    held.cancel()
    may_end.set()
    results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 10)
    assert (results[0], results[2]) == ("e-0", "e-2")
    assert await asyncio.wait_for(database.write(_write("after")), 10) == "after"
    assert {"e-0", "e-2", "after"} <= await database.read(_known)


async def test_what_was_submitted_before_the_end_is_written(empty_url: str):
    with Database(empty_url) as database:
        with database.transaction() as connection:
            SEEN.create(connection)
        waiting = [asyncio.ensure_future(database.write(_write(f"e-{number}"))) for number in range(200)]
        await asyncio.sleep(0)
    assert len(await asyncio.wait_for(asyncio.gather(*waiting), 10)) == 200
    with pytest.raises(RuntimeError):
        await database.write(_write("late"))
    database.close()
    with Database(empty_url) as again:
        assert len(await again.read(_known)) == 200


async def test_a_thousand_small_writes_are_written_in_a_few_commits(database: Database):
    commits = 0

    def count(_: Connection) -> None:
        nonlocal commits
        commits += 1

    event.listen(database.engine, "commit", count)
    began = monotonic()
    await asyncio.gather(*(database.write(_write(f"e-{number}")) for number in range(1_000)))
    assert monotonic() - began < 5
    assert len(await database.read(_known)) == 1_000
    assert commits <= 1_000
    if database.is_sqlite:
        assert commits < 50


async def test_many_threads_write_at_once(database: Database):
    def many(thread: int) -> None:
        for number in range(50):
            with database.transaction() as connection:
                assert outbox.first_times(connection, f"thread-{thread}", [f"e-{number}"])

    others = [asyncio.to_thread(many, thread) for thread in range(4)]
    own = [database.write(_write(f"own-{number}")) for number in range(200)]
    await asyncio.wait_for(asyncio.gather(*others, *own), 60)
    assert len(await database.read(lambda connection: connection.execute(select(SEEN)).all())) == 400


# --- reading --------------------------------------------------------------------------------------------------------


async def test_a_read_sees_one_moment(database: Database):
    with database.snapshot() as reader:
        before = reader.execute(select(func.count()).select_from(SEEN)).scalar_one()
        await database.write(_write("e-1"))
        assert reader.execute(select(func.count()).select_from(SEEN)).scalar_one() == before == 0
    assert await database.read(_known) == {"e-1"}


async def test_a_reader_waits_for_no_writer(database: Database):
    may_end, held = await _held_up(database)
    try:
        assert await asyncio.wait_for(database.read(_known), 5) == set()
    finally:
        may_end.set()
        await held


# --- a database that is away ----------------------------------------------------------------------------------------


@pytest.mark.postgres
async def test_a_server_that_stops_is_named_and_used_again_when_it_returns(
    postgres_database: Database, postgres: PostgresServer
):
    await postgres_database.write(_write("before"))
    await postgres_database.read(_known)
    postgres.stop()
    try:
        for attempt in (postgres_database.write(_write("lost")), postgres_database.read(_known)):
            with pytest.raises(DatabaseUnreachable):
                await attempt
        with pytest.raises(DatabaseUnreachable), postgres_database.transaction():
            pass
    finally:
        postgres.start()
    await postgres_database.write(_write("after"))
    assert await postgres_database.read(_known) == {"before", "after"}


@pytest.mark.postgres
async def test_a_connection_that_lay_idle_while_the_server_restarted_is_not_used(
    postgres_database: Database, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("registry.database._IDLE_SECONDS", 0.0)
    await postgres_database.write(_write("before"))
    postgres.stop()
    postgres.start()
    await postgres_database.write(_write("after"))
    assert await postgres_database.read(_known) == {"before", "after"}


@pytest.mark.postgres
async def test_a_server_that_dies_in_the_middle_of_a_write_is_named(
    postgres_database: Database, postgres: PostgresServer
):
    def work(connection: Connection) -> None:
        _write("lost")(connection)
        postgres.kill()
        connection.execute(select(SEEN)).all()

    try:
        with pytest.raises(DatabaseUnreachable):
            await postgres_database.write(work)
    finally:
        postgres.start()
    assert await postgres_database.read(_known) == set()


async def test_a_full_disk_loses_the_whole_group_and_nothing_of_it_is_written(sqlite_database: Database):
    pages = await sqlite_database.read(lambda connection: connection.execute(text("pragma page_count")).scalar_one())

    def fill(connection: Connection) -> None:
        connection.execute(text(f"pragma max_page_count={pages + 2}"))
        connection.execute(insert(SEEN).values(reader="big", event_id="x" * 100_000))

    def relieve(connection: Connection) -> None:
        connection.execute(text("pragma max_page_count=1000000"))

    results = await _queued(sqlite_database, _write("e-1"), fill, _write("e-2"))
    assert [type(result) for result in results] == [DatabaseUnreachable] * 3
    assert "disk is full" in str(results[0])
    assert await sqlite_database.read(_known) == set()
    await sqlite_database.write(relieve)
    await sqlite_database.write(_write("e-1"))
    assert await sqlite_database.read(_known) == {"e-1"}


def test_a_file_that_cannot_be_opened_is_unreachable(tmp_path: Path):
    with Database(f"sqlite:///{tmp_path}/missing/muster.db") as database:  # noqa: SIM117 - what is tried is one thing
        with pytest.raises(DatabaseUnreachable, match="unable to open"), database.snapshot():
            pass


async def test_a_file_that_another_holds_too_long_is_unreachable(sqlite_database: Database):
    path = sqlite_database.engine.url.database or ""

    def hurry(connection: Connection) -> None:
        connection.exec_driver_sql("pragma busy_timeout=50")

    await sqlite_database.write(hurry)  # the pool gives the same connection again
    holder = sqlite3.connect(path, isolation_level=None)
    try:
        holder.execute("begin immediate")
        with pytest.raises(DatabaseUnreachable, match="locked"):
            await sqlite_database.write(_write("e-1"))
    finally:
        holder.close()
    assert await sqlite_database.write(_write("e-1")) == "e-1"


def test_who_writes_has_the_turn_until_it_has_committed(sqlite_database: Database):
    path = sqlite_database.engine.url.database or ""
    with closing(sqlite3.connect(path, timeout=0.01, factory=sqlite.Connection)) as other:
        with sqlite_database.transaction(), pytest.raises(sqlite3.OperationalError, match="database is locked"):
            other.take_turn()
        with sqlite_database.snapshot():
            other.take_turn()


async def test_a_write_whose_turn_does_not_come_in_time_is_unreachable_and_may_come_later(sqlite_database: Database):
    path = sqlite_database.engine.url.database or ""

    def hurry(connection: Connection) -> None:
        connection.connection.dbapi_connection.patience = 0.01  # type: ignore[union-attr]

    await sqlite_database.write(hurry)  # the pool gives the same connection again
    with closing(sqlite3.connect(path, factory=sqlite.Connection)) as other:
        other.take_turn()
        with pytest.raises(DatabaseUnreachable, match="locked"):
            await sqlite_database.write(_write("e-1"))
    assert await sqlite_database.write(_write("e-1")) == "e-1"
