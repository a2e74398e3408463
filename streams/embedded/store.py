"""The file: records by topic, partition and offset, and how far each group has come.

Offsets are allotted inside BEGIN IMMEDIATE; a deferred transaction that turned into a write would fail at once with
"database is locked".  No read transaction stays open, or the write-ahead log would grow without end.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from files import sqlite
from streams.errors import LogUnreachable, NoTopics, WrongVersion
from streams.partitions import partition_of

VERSION = 1
_PATIENCE_SECONDS = 30.0
Headers = Sequence[tuple[str, bytes]]

_SCHEMA = """
create table topics (
    name text primary key, partitions integer not null, retention_ms integer, compacted integer not null
) without rowid;
create table records (
    topic text not null, partition integer not null, offset integer not null,
    at integer not null, key blob, headers text not null, value blob,
    primary key (topic, partition, offset)
) without rowid;
create table ends (
    topic text not null, partition integer not null, next integer not null, primary key (topic, partition)
) without rowid;
create table committed (
    grp text not null, topic text not null, partition integer not null, next integer not null,
    primary key (grp, topic, partition)
) without rowid;
"""


class Record(NamedTuple):
    """One record as it lies in the log; `at` is milliseconds since 1970."""

    topic: str
    partition: int
    offset: int
    at: int
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


class Append(NamedTuple):
    """One record to be appended; the key decides the partition where none is given."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers
    partition: int | None = None


class Store:
    """One connection to the file.  Not shared between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partitions: dict[str, int] = {}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path,
                timeout=_PATIENCE_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=sqlite.Connection,
            )
        except (sqlite3.Error, OSError) as exc:
            raise LogUnreachable(f"{path}: {exc}") from exc
        try:
            self._prepare()
        except sqlite3.DatabaseError as exc:
            self._db.close()
            raise LogUnreachable(f"{path}: {exc}") from exc
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        """Make the tables of a new log; nothing is written to a file that is not ours."""
        known = self._check()
        self._use_wal()
        self._db.execute("pragma synchronous=FULL")
        if not known:
            with self._transaction():
                if not self._check():
                    for statement in _SCHEMA.split(";"):
                        self._db.execute(statement)
                    self._db.execute(f"pragma user_version={VERSION}")

    def _use_wal(self) -> None:
        """Where several open a new file at once, SQLite refuses the change instead of waiting for whoever makes it."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self._db.execute("pragma journal_mode=WAL")
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
            else:
                return

    def _check(self) -> bool:
        """Whether the file is a log of this version, not a new one.  Raises `WrongVersion` when it is neither."""
        # One statement, so that nobody can make the tables between two looks.
        version, tables = self._db.execute(
            "select user_version, (select count(*) from sqlite_master) from pragma_user_version"
        ).fetchone()
        if version != VERSION and (version or tables):
            raise WrongVersion(
                f"{self.path} is no log of this version (found {version}, known {VERSION}): "
                "point MUSTER_LOG at another file, or run the version of Muster that wrote it"
            )
        return bool(version)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.take_turn()
            try:
                self._db.execute("begin immediate")
                yield
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise
        except sqlite3.OperationalError as exc:
            raise LogUnreachable(f"{self.path}: {exc}") from exc

    # --- topics -------------------------------------------------------------------------------------------------

    def declare(self, name: str, partitions: int, *, retention_ms: int | None, compacted: bool) -> None:
        """Make the topic if there is none of that name."""
        if self.partitions(name) is None:
            with self._transaction():
                self._db.execute(
                    "insert or ignore into topics values (?, ?, ?, ?)", (name, partitions, retention_ms, compacted)
                )

    def partitions(self, topic: str) -> int | None:
        """How many partitions the topic has; none when there is no such topic."""
        if topic not in self._partitions:
            row = self._db.execute("select partitions from topics where name = ?", (topic,)).fetchone()
            if row is None:
                return None
            self._partitions[topic] = row[0]
        return self._partitions[topic]

    def topics(self) -> dict[str, tuple[int, int | None, bool]]:
        """Partitions, retention in ms and compaction by topic."""
        rows = self._db.execute("select name, partitions, retention_ms, compacted from topics")
        return {name: (partitions, retention, bool(compacted)) for name, partitions, retention, compacted in rows}

    # --- records ------------------------------------------------------------------------------------------------

    def append(self, records: Iterable[Append]) -> list[tuple[str, int, int]]:
        """Append in one durable transaction; topic, partition and offset of each."""
        placed: list[tuple[str, int, int]] = []
        at = time.time_ns() // 1_000_000
        with self._transaction():
            nexts: dict[tuple[str, int], int] = {}
            rows = []
            for record in records:
                partition = self._place(record)
                where = (record.topic, partition)
                if where not in nexts:
                    nexts[where] = self._end(*where)
                offset = nexts[where]
                nexts[where] += 1
                headers = json.dumps([[name, value.decode("latin-1")] for name, value in record.headers])
                rows.append((record.topic, partition, offset, at, record.key, headers, record.value))
                placed.append((record.topic, partition, offset))
            self._db.executemany("insert into records values (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.executemany(
                "insert or replace into ends values (?, ?, ?)",
                [(topic, partition, following) for (topic, partition), following in nexts.items()],
            )
        return placed

    def _place(self, record: Append) -> int:
        return self.place(record.topic, record.key) if record.partition is None else record.partition

    def place(self, topic: str, key: bytes | None) -> int:
        """The partition of this key.  Raises `LogUnreachable` when there is no such topic."""
        partitions = self.partitions(topic)
        if partitions is None:
            raise NoTopics(f"the log has no topic {topic}: run `muster topics create`")
        return partition_of(key or b"", partitions)

    def ends(self) -> dict[tuple[str, int], int]:
        """The end of every partition that has any record."""
        rows = self._db.execute("select topic, partition, next from ends")
        return {(topic, partition): following for topic, partition, following in rows}

    def _end(self, topic: str, partition: int) -> int:
        row = self._db.execute("select next from ends where topic = ? and partition = ?", (topic, partition)).fetchone()
        return row[0] if row else 0

    def end(self, topic: str, partition: int) -> int:
        """The offset that the next record will get."""
        return self._end(topic, partition)

    def earliest(self, topic: str, partition: int) -> int:
        """The offset of the oldest record, or the end of an empty partition."""
        row = self._db.execute(
            "select offset from records where topic = ? and partition = ? order by offset limit 1", (topic, partition)
        ).fetchone()
        return row[0] if row else self._end(topic, partition)

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[Record]:
        """Records from this offset on, at most `limit`."""
        rows = self._db.execute(
            "select topic, partition, offset, at, key, headers, value from records"
            " where topic = ? and partition = ? and offset >= ? order by offset limit ?",
            (topic, partition, offset, limit),
        ).fetchall()
        return [Record(t, p, o, at, key, _headers(headers), value) for t, p, o, at, key, headers, value in rows]

    def changed(self) -> int:
        """A number that differs after another connection has committed."""
        return int(self._db.execute("pragma data_version").fetchone()[0])

    # --- groups -------------------------------------------------------------------------------------------------

    def commit(self, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
        """The group has dealt with everything below these offsets."""
        with self._transaction():
            self._db.executemany(
                "insert or replace into committed values (?, ?, ?, ?)",
                [(group, topic, partition, following) for (topic, partition), following in offsets.items()],
            )

    def committed(self, group: str, topic: str, partition: int) -> int | None:
        row = self._db.execute(
            "select next from committed where grp = ? and topic = ? and partition = ?", (group, topic, partition)
        ).fetchone()
        return row[0] if row else None

    # --- housekeeping -------------------------------------------------------------------------------------------

    def clean(self, now_ms: int) -> int:
        """Drop what retention allows and all but the latest of each key in compacted topics; how many records went."""
        gone = 0
        for name, (_, retention, compacted) in self.topics().items():
            with self._transaction():
                if retention is not None and not compacted:
                    gone += self._db.execute(
                        "delete from records where topic = ? and at < ?", (name, now_ms - retention)
                    ).rowcount
                if compacted:
                    gone += self._db.execute(_COMPACT, (name, name)).rowcount
        return gone

    def close(self) -> None:
        self._db.close()


# The newest record of a partition always stays, even a tombstone, so that offsets are never given twice.
_COMPACT = """
delete from records where topic = ? and (topic, partition, offset) not in (
    select topic, partition, max(offset) from records where topic = ? group by topic, partition, key
)
"""


def _headers(text: str) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(text))
