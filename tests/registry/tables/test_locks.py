"""Work that one process at a time does: the lock is one, and it dies with whoever holds it."""

import pytest

from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.locks import one_at_a_time
from tests.servers.postgres import PostgresServer


def test_one_holds_it_and_the_others_are_told_at_once(database: Database):
    with (
        one_at_a_time(database, "relay") as mine,
        one_at_a_time(database, "relay") as second,
        one_at_a_time(database, "receipts") as other,
    ):
        assert [lock is not None for lock in (mine, second, other)] == [True, False, True]
    for _ in range(50):  # given back at once, not when the server notices that a session has ended
        with one_at_a_time(database, "relay") as again:
            assert again is not None
            again.ensure()


@pytest.mark.postgres
def test_it_is_lost_with_the_server_and_can_be_had_again_when_it_is_back(
    postgres_database: Database, postgres: PostgresServer
):
    with one_at_a_time(postgres_database, "relay") as mine:
        assert mine is not None
        mine.ensure()
        postgres.kill()
        with pytest.raises(DatabaseUnreachable):
            mine.ensure()
    try:
        with pytest.raises(DatabaseUnreachable), one_at_a_time(postgres_database, "relay"):
            pass
    finally:
        postgres.start()
    with one_at_a_time(postgres_database, "relay") as again:
        assert again is not None


@pytest.mark.postgres
def test_whoever_was_looking_elsewhere_while_the_server_was_away_learns_that_it_is_lost(
    postgres_database: Database, postgres: PostgresServer
):
    with one_at_a_time(postgres_database, "relay") as mine:
        assert mine is not None
        postgres.kill()
        postgres.start()
        with one_at_a_time(postgres_database, "relay") as theirs:
            assert theirs is not None
            for _ in range(2):  # asking does not get it back by the way
                with pytest.raises(DatabaseUnreachable):
                    mine.ensure()
            theirs.ensure()
