"""SQLite files whose writers take turns, the checkpoint that follows a commit included.

SQLite lets one connection copy the write-ahead log into the file while another commits.  Before 3.51.3 (Debian 12 has 3.40.1)
that may lose what has been committed: a copier that is held up after it has read how far the log goes may find, when it goes
on, that all of it was copied and a commit has begun the log anew; it then marks that commit as copied, too.  A machine under
load holds it up often enough.  Source: https://sqlite.org/wal.html#walresetbug
"""

import fcntl
import os
import sqlite3
import time
from typing import Any

_PAUSE_SECONDS = 0.0005


class Connection(sqlite3.Connection):
    """Given to `sqlite3.connect` as its `factory`; its `timeout` is also its `patience`: the seconds it waits for its turn.

    Whoever writes takes the turn first and commits or rolls back with the methods of these names, which end it.  It dies with
    the process.
    """

    def __init__(self, database: str | os.PathLike[str], timeout: float = 5.0, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(database, timeout, *args, **options)
        self._path = f"{os.path.realpath(database)}.turn.lock"
        self.patience = timeout
        self._turn: int | None = None  # the lock file, from the first turn on

    def take_turn(self) -> None:
        """Before `begin immediate`.  Raises `sqlite3.OperationalError`, as that would, when the others take too long."""
        if self._turn is None:
            try:
                self._turn = os.open(self._path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as exc:
                raise sqlite3.OperationalError(f"{self._path}: {exc.strerror}") from exc
        deadline = time.monotonic() + self.patience
        while not _try_lock(self._turn):
            if time.monotonic() >= deadline:
                raise sqlite3.OperationalError("database is locked")
            time.sleep(_PAUSE_SECONDS)

    def commit(self) -> None:
        """With the checkpoint, if it is time for one.  After a failure it takes `rollback` to end the turn."""
        super().commit()
        self._end_turn()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self._end_turn()

    def close(self) -> None:
        try:
            super().close()
        finally:
            if self._turn is not None:
                os.close(self._turn)
            self._turn = None

    def _end_turn(self) -> None:
        if self._turn is not None:
            fcntl.flock(self._turn, fcntl.LOCK_UN)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
