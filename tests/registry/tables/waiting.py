"""For tests in which one transaction must wait for another."""

from threading import Event

from registry.database import Database

_BLOCKED = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"


def wait_for_a_blocked_session(database: Database) -> None:
    """Return once a session of this PostgreSQL database waits for a lock; fail after ten seconds."""
    for _ in range(1_000):
        with database.snapshot() as connection:
            if connection.exec_driver_sql(_BLOCKED).scalar_one():
                return
        Event().wait(0.01)
    raise AssertionError("nobody waited for a lock")
