"""One database behind one URL: SQLite (embedded) or PostgreSQL, written by functions that run in a transaction.

A function handed to `write` gets a connection inside a transaction and may run again if the database was away, so it
has no other effect than its statements.  On SQLite one thread commits whatever has queued up together (one `fsync` for
many writers); a function that fails takes only its own savepoint with it.
"""

import asyncio
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from registry.errors import DatabaseUnreachable

T = TypeVar("T")
Work = Callable[[Connection], T]
_GROUP = 64  # functions that share one commit, at most
_POSTGRES_THREADS = 4


def open_engine(url: str) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://...`, set up for durability; opens no connection yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_size=8, pool_pre_ping=True)
    engine = create_engine(parsed, connect_args={"timeout": 30, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


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
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


class Database:
    """Transactions for everybody: `write` and `read` from coroutines, `transaction` and `snapshot` from plain code."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = open_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.after_commit: Callable[[], None] | None = None  # called in the event loop after every `write`
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="registry-read")
        self._writers = _SQLiteWriter(self.engine) if self.is_sqlite else _PoolWriter(self.engine)

    async def write(self, work: Work[T]) -> T:
        """What `work` returns, once it is durable.  Raises `DatabaseUnreachable`, or what `work` raised."""
        result = await asyncio.wrap_future(self._writers.submit(work))
        if self.after_commit is not None:
            self.after_commit()
        return result

    async def read(self, work: Work[T]) -> T:
        """What `work` reads in one snapshot.  Raises `DatabaseUnreachable`, or what `work` raised."""
        return await asyncio.wrap_future(self._readers.submit(self._read, work))

    def _read(self, work: Work[T]) -> T:
        with self.snapshot() as connection:
            return work(connection)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A write transaction for plain code: commands and imports.  Raises `DatabaseUnreachable`."""
        with _unreachable_named(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read transaction for plain code.  Raises `DatabaseUnreachable`."""
        with _unreachable_named(), self.engine.connect().execution_options(reading=True) as connection:
            yield connection

    def close(self) -> None:
        self._writers.close()
        self._readers.shutdown()
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _unreachable_named() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as exc:
        raise DatabaseUnreachable(str(exc.orig).splitlines()[0]) from exc
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise DatabaseUnreachable(str(exc.orig).splitlines()[0]) from exc
        raise


class _PoolWriter:
    """PostgreSQL commits many transactions at once by itself: a few threads, a transaction each."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(_POSTGRES_THREADS, thread_name_prefix="registry-write")

    def submit(self, work: Work[T]) -> Future[T]:
        return self._pool.submit(self._run, work)

    def _run(self, work: Work[T]) -> T:
        with _unreachable_named(), self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self._pool.shutdown()


class _SQLiteWriter:
    """One thread that runs what has queued up in one transaction and commits once for all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="registry-write", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future

    def close(self) -> None:
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            while len(group) < _GROUP and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._commit(group)
                    return
                group.append(following)
            self._commit(group)

    def _commit(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        done: list[tuple[Future[Any], Any]] = []
        try:
            with _unreachable_named(), self._engine.begin() as connection:
                for work, future in group:
                    try:
                        if len(group) == 1:
                            done.append((future, work(connection)))
                        else:
                            with connection.begin_nested():
                                done.append((future, work(connection)))
                    except (OperationalError, InterfaceError):
                        raise
                    except Exception as exc:  # noqa: BLE001 - handed to whoever asked
                        future.set_exception(exc)
                        if len(group) == 1:
                            connection.rollback()
                            return
        except Exception as exc:  # noqa: BLE001 - handed to everybody who waits for this commit
            for _, future in group:
                if not future.done():
                    future.set_exception(exc)
            return
        for future, result in done:
            future.set_result(result)
