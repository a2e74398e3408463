"""A lock that all processes on one database share and that dies with its holder."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from zlib import crc32

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from registry.database import Database
from registry.unreachable import unreachable_named


@contextmanager
def one_at_a_time(database: Database, name: str) -> Iterator[bool]:
    """True for the one process that may; the others get False at once.  Raises `DatabaseUnreachable`."""
    if database.is_sqlite:
        with _file_lock(Path(f"{database.engine.url.database}.{name}.lock")) as mine:
            yield mine
    else:
        with _advisory_lock(database, crc32(f"muster/{name}".encode())) as mine:
            yield mine


@contextmanager
def _file_lock(path: Path) -> Iterator[bool]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def _advisory_lock(database: Database, key: int) -> Iterator[bool]:
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
        yield mine


def _unlock(connection: Connection, key: int) -> None:
    """The server hears of the session's end a moment later: whoever asks next would be told that we still have it."""
    with suppress(DBAPIError):
        connection.execute(text("select pg_advisory_unlock(:key)"), {"key": key})
