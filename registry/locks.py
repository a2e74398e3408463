"""A lock that all processes on one database share and that dies with its holder.

On PostgreSQL it also dies with its session, which its holder may not notice: who works for long under it asks `ensure`
now and then.  Between the answer and what is done next the lock may still be lost, so whatever is done under it must
bear being done twice.
"""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from zlib import crc32

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.unreachable import unreachable_named


class FileLock:
    """Nobody can take it away while its holder lives."""

    def ensure(self) -> None:
        """It is held."""


class SessionLock:
    """Held by a session of the server."""

    def __init__(self, session: Connection) -> None:
        self._session = session

    def ensure(self) -> None:
        """Raises `DatabaseUnreachable` when the session, and with it the lock, is gone."""
        if self._session.invalidated:
            raise DatabaseUnreachable("the session that held the lock has ended")
        with unreachable_named():
            self._session.execute(text("select 1"))


@contextmanager
def one_at_a_time(database: Database, name: str) -> Iterator[FileLock | SessionLock | None]:
    """The lock for the one process that may; the others get none at once.  Raises `DatabaseUnreachable`."""
    if database.is_sqlite:
        with _file_lock(Path(f"{database.engine.url.database}.{name}.lock")) as lock:
            yield lock
    else:
        with _session_lock(database, crc32(f"muster/{name}".encode())) as lock:
            yield lock


@contextmanager
def _file_lock(path: Path) -> Iterator[FileLock | None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield FileLock()


@contextmanager
def _session_lock(database: Database, key: int) -> Iterator[SessionLock | None]:
    with ExitStack() as session:
        with unreachable_named():
            connection = session.enter_context(
                database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            )
            # The session holds the lock: ending it, not just giving it back to the pool, frees it whatever happened.
            session.callback(connection.invalidate)
            mine = bool(connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": key}).scalar())
        if mine:
            session.callback(_unlock, connection, key)
        yield SessionLock(connection) if mine else None


def _unlock(connection: Connection, key: int) -> None:
    """The server hears of the session's end a moment later: whoever asks next would be told that we still have it."""
    with suppress(DBAPIError):
        if not connection.invalidated:
            connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})
