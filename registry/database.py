"""One database behind one URL: SQLite (embedded) or PostgreSQL, written by functions that run in a transaction.

A function handed to `write` gets a connection inside a transaction and may run again if the database was away, so it
has no other effect than its statements.  On SQLite one thread commits whatever has queued up together (one `fsync` for
many writers); a function that fails takes only its own savepoint with it.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from threading import Lock
from time import monotonic
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

from files import sqlite
from registry.errors import DatabaseUnreachable
from registry.unreachable import unreachable_named
from registry.writers import PoolWriter, SQLiteWriter, Work

T = TypeVar("T")
_READERS = 4
_IDLE_SECONDS = 1.0
_USED = "used"  # when a connection was last taken from the pool
# A server that vanished without a word is given up after so long, whatever TCP would wait.
_POSTGRES_PATIENCE = {
    "connect_timeout": 5,  # seconds
    "tcp_user_timeout": 10_000,  # milliseconds
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...`, set up for durability; opens no connection yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        engine = create_engine(
            parsed.set(drivername="postgresql+psycopg"),
            pool_size=16,
            hide_parameters=True,  # an error's text ends up in a log
            connect_args=_POSTGRES_PATIENCE,
        )
        event.listen(engine, "checkout", partial(_look_at_idle, engine))
        return engine
    options = {"timeout": 30, "check_same_thread": False, "factory": sqlite.Connection}
    engine = create_engine(parsed, connect_args=options, hide_parameters=True)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _look_at_idle(engine: Engine, connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:  # noqa: ANN401
    """See whether a connection that lay about still lives.  To ask one that was just used costs as much as any statement."""
    now = monotonic()
    if now - record.info.get(_USED, now) > _IDLE_SECONDS:
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as exc:
            raise InvalidatePoolError from exc  # the pool connects anew
    record.info[_USED] = now


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own object
    connection.isolation_level = None  # SQLAlchemy would begin too late: we say BEGIN ourselves
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "cache_size=-65536",
        "mmap_size=268435456",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # A deferred BEGIN that turns into a write fails at once with "database is locked", in spite of any time-out.
    if connection.get_execution_options().get("reading", False):
        connection.exec_driver_sql("BEGIN")
        return
    try:
        connection.connection.dbapi_connection.take_turn()  # type: ignore[union-attr]
    except sqlite3.OperationalError as exc:
        raise DatabaseUnreachable(str(exc)) from exc
    connection.exec_driver_sql("BEGIN IMMEDIATE")


class Watch:
    """Tells at next to no cost whether anybody may have committed since it was last asked, for who looks again and again.

    On SQLite it has a connection of its own, which sees the others' commits, this process's among them.  PostgreSQL has
    nothing as cheap: there the answer is always yes.
    """

    def __init__(self, engine: Engine) -> None:
        self._connection = sqlite3.connect(str(engine.url.database)) if engine.dialect.name == "sqlite" else None
        self._seen = -1

    def changed(self) -> bool:
        if self._connection is None:
            return True
        try:
            (now,) = self._connection.execute("pragma data_version").fetchone()
        except sqlite3.Error:
            return True  # who then reads it learns what is wrong
        before, self._seen = self._seen, now
        return bool(now != before)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()


class Database:
    """Transactions for everybody: `write` and `read` from coroutines, `transaction` and `snapshot` from plain code."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.after_notice: Callable[[], None] | None = None  # called in the event loop when one was left by a `write`
        self._noticed = False
        self._peeker: sqlite3.Connection | None = None
        self._peeking = Lock()
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="registry-read")
        self._writers = (SQLiteWriter if self.is_sqlite else PoolWriter)(self.engine, self._notice)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once it is durable.  Raises `DatabaseUnreachable`, or what `work` raised."""
        result = await asyncio.wrap_future(self._writers.submit(work))
        if self._noticed and self.after_notice is not None:
            self._noticed = False
            self.after_notice()
        return result

    def _notice(self) -> None:
        self._noticed = True

    async def read(self, work: Work[T]) -> T:
        """What `work` reads in one snapshot.  Raises `DatabaseUnreachable`, or what `work` raised."""
        return await asyncio.wrap_future(self._readers.submit(self._read, work))

    def _read(self, work: Work[T]) -> T:
        with self.snapshot() as connection:
            return work(connection)

    def peek(self, statement: str) -> int | None:
        """The number that this gives, as committed, in a few microseconds.  None where it takes a transaction to know: there
        is no such number, it cannot be read, or the database is PostgreSQL.
        """  # noqa: D205
        if not self.is_sqlite:
            return None
        with self._peeking:
            if self._peeker is None:
                file = str(self.engine.url.database)
                self._peeker = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
            try:
                row = self._peeker.execute(statement).fetchone()
            except sqlite3.Error:
                return None  # who then reads it in a transaction learns what is wrong
        return int(row[0]) if row else None

    @contextmanager
    def watch(self) -> Iterator[Watch]:
        """For one coroutine."""
        watch = Watch(self.engine)
        try:
            yield watch
        finally:
            watch.close()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction for plain code: commands and imports.  Raises `DatabaseUnreachable`."""
        with unreachable_named(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read transaction for plain code: all its statements see one moment.  Raises `DatabaseUnreachable`."""
        reading = {"reading": True} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with unreachable_named(), self.engine.connect() as connection:
            yield connection.execution_options(**reading)

    def close(self) -> None:
        self._writers.close()
        self._readers.shutdown()
        with self._peeking:
            if self._peeker is not None:
                self._peeker.close()
                self._peeker = None
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
