"""Writers of an SQLite file take turns, so that what was committed stays whatever holds a checkpoint up."""

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import pytest

from files import sqlite
from tests.files.held_up import Copying, Forgetting

PATIENCE = 30.0
FIXED = (3, 51, 3)
C = TypeVar("C", bound=sqlite3.Connection)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "file.db"
    with closing(sqlite3.connect(made, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode=WAL")
        connection.execute("create table said (number integer primary key, words text)")
    return made


def connect(path: Path, *, factory: type[C] = sqlite.Connection, timeout: float = PATIENCE) -> C:
    """Copies the log into the file after each commit; what it reads is mapped into memory, as in the registry."""
    connection = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False, factory=factory)
    connection.execute("pragma wal_autocheckpoint=1")
    connection.execute("pragma mmap_size=1000000")
    return connection


def say(connection: sqlite3.Connection, number: int) -> None:
    if isinstance(connection, sqlite.Connection):
        connection.take_turn()
    connection.execute("begin immediate")
    connection.execute("insert into said values (?, ?)", (number, "words" * 100))
    connection.commit()


def said(connection: sqlite3.Connection) -> list[int]:
    return [number for (number,) in connection.execute("select number from said order by number")]


# --- turns ------------------------------------------------------------------------------------------------------------


def test_whoever_writes_waits_for_who_has_begun(path: Path):
    with closing(connect(path)) as first, closing(connect(path)) as second, ThreadPoolExecutor(1) as pool:
        first.take_turn()
        writing = pool.submit(say, second, 1)
        assert not wait([writing], 0.05).done
        first.rollback()
        writing.result(PATIENCE)
        assert said(first) == [1]


def test_who_waits_too_long_is_told_as_by_sqlite_itself(path: Path):
    with closing(connect(path)) as first, closing(connect(path, timeout=0.01)) as second:
        first.take_turn()
        with pytest.raises(sqlite3.OperationalError, match="database is locked"):
            second.take_turn()


@pytest.mark.parametrize("end", [sqlite.Connection.commit, sqlite.Connection.rollback, sqlite.Connection.close])
def test_a_turn_ends_with_its_transaction_or_its_connection(path: Path, end: Callable[[sqlite.Connection], None]):
    with closing(connect(path)) as first, closing(connect(path, timeout=0.01)) as second:
        first.take_turn()
        first.execute("begin immediate")
        end(first)
        second.take_turn()


def test_who_only_reads_waits_for_nobody(path: Path):
    with closing(connect(path)) as first, closing(connect(path, timeout=0)) as second:
        first.take_turn()
        first.execute("begin immediate")
        assert said(second) == []


# --- what they are for ------------------------------------------------------------------------------------------------


def test_a_checkpoint_that_is_held_up_holds_the_next_commit_up(path: Path):
    with closing(connect(path)) as first, closing(connect(path, timeout=0.05)) as second, ThreadPoolExecutor(1) as pool:
        with Copying(path) as checkpoint:
            late = pool.submit(say, first, 1)
            checkpoint.until_there()
            assert said(second) == [1]  # it has committed
            with pytest.raises(sqlite3.OperationalError, match="database is locked"):
                say(second, 2)
        late.result(PATIENCE)
        say(second, 2)
        assert said(first) == said(second) == [1, 2]


@pytest.mark.skipif(sqlite3.sqlite_version_info >= FIXED, reason="this SQLite is mended")
def test_without_turns_what_was_committed_is_lost(path: Path):
    with closing(connect(path, factory=sqlite3.Connection)) as first:
        with closing(connect(path, factory=sqlite3.Connection)) as second:
            commit_beside_a_checkpoint_that_is_held_up(first, second, copy)
        assert not is_whole(path)


def test_with_turns_nothing_is_lost(path: Path):
    with closing(connect(path)) as first, closing(connect(path)) as second:
        commit_beside_a_checkpoint_that_is_held_up(first, second, copy_in_turn)
    assert is_whole(path)


def commit_beside_a_checkpoint_that_is_held_up(first: C, second: C, checkpoint: Callable[[C], None]) -> None:
    with ThreadPoolExecutor(2) as pool:
        for number in range(50):
            say(first, number)
        said(second)
        first.execute("pragma wal_autocheckpoint=0")
        for number in range(50, 90):
            say(first, number)
        checkpoint(first)
        with Forgetting() as forgetting:
            late = pool.submit(checkpoint, second)
            forgetting.until_there()
            beside = pool.submit(say, first, 90)  # everything has been copied: it begins the log anew
            wait([beside], 0.2)
        late.result(PATIENCE)
        beside.result(PATIENCE)
        first.execute("pragma wal_autocheckpoint=1")
        for number in range(91, 200):
            say(first, number)


def copy(connection: sqlite3.Connection) -> None:
    connection.execute("pragma wal_checkpoint(passive)")


def copy_in_turn(connection: sqlite.Connection) -> None:
    connection.take_turn()
    copy(connection)
    connection.rollback()


def is_whole(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as anew:
        try:
            return said(anew) == list(range(200)) and anew.execute("pragma integrity_check").fetchone() == ("ok",)
        except sqlite3.DatabaseError:
            return False
