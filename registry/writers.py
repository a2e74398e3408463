"""Run functions in write transactions, on threads of their own."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from registry.errors import DatabaseUnreachable
from registry.notices import take_notice
from registry.unreachable import is_unreachable, unreachable_named

T = TypeVar("T")
Work = Callable[[Connection], T]
_GROUP = 64  # functions that share one commit, at most
_POSTGRES_THREADS = 8


class PoolWriter:
    """PostgreSQL commits many transactions at once by itself: a few threads, a transaction each."""

    def __init__(self, engine: Engine, on_notice: Callable[[], None]) -> None:
        self._engine = engine
        self._on_notice = on_notice  # called in a thread of ours, before those who wait hear of their commit
        self._pool = ThreadPoolExecutor(_POSTGRES_THREADS, thread_name_prefix="registry-write")

    def submit(self, work: Work[T]) -> Future[T]:
        """The future of what `work` returns, done once it is durable.  Raises `RuntimeError` after `close`."""
        return self._pool.submit(self._run, work)

    def _run(self, work: Work[T]) -> T:
        with unreachable_named(), self._engine.begin() as connection:
            result = work(connection)
            noticed = take_notice(connection)
        if noticed:
            self._on_notice()
        return result

    def close(self) -> None:
        """Finish what was submitted."""
        self._pool.shutdown()


class SQLiteWriter:
    """One thread that runs what has queued up in one transaction and commits once for all."""

    def __init__(self, engine: Engine, on_notice: Callable[[], None]) -> None:
        self._engine = engine
        self._on_notice = on_notice  # called in a thread of ours, before those who wait hear of their commit
        self._queue: queue.SimpleQueue[tuple[Work[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="registry-write", daemon=True)
        self._thread.start()

    def submit(self, work: Work[T]) -> Future[T]:
        """The future of what `work` returns, done once it is durable.  Raises `RuntimeError` after `close`."""
        future: Future[T] = Future()
        with self._closing:  # what came after the end of the queue would be waited for in vain
            if self._closed:
                raise RuntimeError("the database is closed")
            self._queue.put((work, future))
        return future

    def close(self) -> None:
        """Finish what was submitted."""
        with self._closing:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        going_on = True
        while going_on:
            group, going_on = self._next_group()
            # Whoever gave up before we began is left out; from here on nobody can give up any more.
            group = [(work, future) for work, future in group if future.set_running_or_notify_cancel()]
            if group:
                self._run_group(group)

    def _next_group(self) -> tuple[list[tuple[Work[Any], Future[Any]]], bool]:
        """What has queued up, at least one item; False with it when it was the last."""
        group: list[tuple[Work[Any], Future[Any]]] = []
        while len(group) < _GROUP and (not group or not self._queue.empty()):
            item = self._queue.get()
            if item is None:
                return group, False
            group.append(item)
        return group, True

    def _run_group(self, group: list[tuple[Work[Any], Future[Any]]]) -> None:
        results: list[tuple[Future[Any], Any]] = []
        try:
            with unreachable_named(), self._engine.begin() as connection:
                if len(group) == 1:  # the transaction is savepoint enough
                    work, future = group[0]
                    results.append((future, work(connection)))
                else:
                    for work, future in group:
                        self._run_one(connection, work, future, results)
                noticed = take_notice(connection)
        except Exception as exc:  # noqa: BLE001 - handed to everybody who waits for this commit
            for _, future in group:
                if not future.done():
                    future.set_exception(exc)
            return
        if noticed:
            self._on_notice()
        for future, result in results:
            future.set_result(result)

    @staticmethod
    def _run_one(
        connection: Connection, work: Work[Any], future: Future[Any], results: list[tuple[Future[Any], Any]]
    ) -> None:
        """Run it in a savepoint of its own.  Raises only what has taken the whole transaction with it."""
        try:
            # Said by hand: SQLAlchemy's own nested transactions cost more than most of the work in them.
            connection.exec_driver_sql("SAVEPOINT one")
            try:
                result = work(connection)
            except Exception:
                connection.exec_driver_sql("ROLLBACK TO one")
                raise
            finally:
                connection.exec_driver_sql("RELEASE one")
        except Exception as exc:
            # SQLite rolls everything back by itself when the disk is full or fails.
            lost = not connection.connection.dbapi_connection.in_transaction  # type: ignore[union-attr]
            if lost:
                raise DatabaseUnreachable(_first_reason(exc)) from exc
            if is_unreachable(exc):
                raise
            future.set_exception(exc)
        else:
            results.append((future, result))


def _first_reason(exc: BaseException) -> str:
    """What went wrong first: that the savepoint is gone too is only its consequence."""
    reason = exc
    while exc.__context__ is not None:
        exc = exc.__context__
        if isinstance(exc, DBAPIError):
            reason = exc
    return str(reason.orig if isinstance(reason, DBAPIError) else reason).splitlines()[0]
