"""Whoever looks again and again misses no commit, and is told when there was none."""

from registry.database import Database
from registry.leases import LEASES

HOLDS = "select exists (select 1 from %s)"


def _commit(database: Database) -> None:
    row = {"name": "x", "owner": "", "epoch": 0, "until": 0.0, "boot": ""}
    with database.transaction() as connection:
        connection.execute(LEASES.delete())
        connection.execute(LEASES.insert(), row)


def test_a_commit_is_told_once(sqlite_database: Database):
    with sqlite_database.watch() as watch, Database(sqlite_database.url) as another_process:
        assert watch.changed()
        assert not watch.changed()
        _commit(another_process)
        assert watch.changed()
        assert not watch.changed()
        _commit(sqlite_database)
        assert watch.changed()
        with sqlite_database.snapshot() as connection:
            connection.execute(LEASES.select()).all()
        assert not watch.changed()


def test_an_empty_table_is_told_from_one_with_rows(sqlite_database: Database):
    assert sqlite_database.peek(HOLDS % "leases") == 0
    _commit(sqlite_database)
    assert sqlite_database.peek(HOLDS % "leases") == 1
    assert sqlite_database.peek(HOLDS % "nothing") is None  # who then reads it learns what is wrong


def test_where_nobody_can_tell_the_answer_is_yes(postgres_database: Database):
    with postgres_database.watch() as watch:
        assert watch.changed()
        assert watch.changed()
    assert postgres_database.peek(HOLDS % "leases") is None
