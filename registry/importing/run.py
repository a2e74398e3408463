"""Imports a file of members: in chunks, each a short transaction, so that a crash costs one chunk and nobody waits long.

The same file again changes nothing; a file whose import was cut off goes on where it stopped.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from registry import revisions
from registry.database import Database
from registry.importing import progress
from registry.importing.alone import Alone, filling
from registry.importing.bulk import PostgresBulk, SQLiteBulk
from registry.importing.chunk import Chunk, Reject, Row
from registry.importing.merge import merging
from registry.importing.progress import Progress
from registry.importing.reading import Reading, read_apart
from registry.importing.rejects import RejectsFile
from registry.importing.store import Store, Stored
from registry.importing.survey import Survey, survey
from schemas.audience import MembersImported
from schemas.dispatch import OptedOut

CHUNK_BYTES: Final = 2 << 20  # an appeal that runs meanwhile waits for a chunk, not for the file
FIRST_CHUNK_BYTES: Final = 8 << 20  # as long as there is nobody to appeal to, nobody waits
News = Sequence[MembersImported | OptedOut]
Announce = Callable[[Connection, News], None]


@dataclass(frozen=True, slots=True)
class Milestone:
    """How far an import has come, for a progress bar."""

    bytes_done: int
    bytes_total: int
    rows: int
    rows_per_second: float


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a file: `rows` = `added` + `updated` + `unchanged` + `rejected`."""

    rows: int
    added: int
    updated: int
    unchanged: int
    rejected: int
    rejects_file: Path | None
    rows_per_second: float
    unknown_headers: tuple[str, ...]
    repeated_cards: int
    resumed_at_line: int | None


def import_members(
    database: Database,
    path: Path,
    *,
    now: datetime,
    shards: int,
    announce: Announce,
    milestone: Callable[[Milestone], None] = lambda _: None,
    stopwatch: Callable[[], float] = time.monotonic,
) -> ImportReport:
    """Bring the members in this file into the registry; `announce` puts news into the outbox.

    Raises `UnusableFile` before anything is written, `Refused` while another import of the same file runs, or
    `DatabaseUnreachable`: then the same call goes on where it stopped.
    """
    return _Import(database, survey(path), now, shards, announce, milestone, stopwatch).run()


@dataclass(frozen=True, slots=True)
class _Import:
    database: Database
    survey: Survey
    now: datetime
    shards: int
    announce: Announce
    milestone: Callable[[Milestone], None]
    stopwatch: Callable[[], float]

    def run(self) -> ImportReport:
        start = Progress(offset=self.survey.offset, line=self.survey.line)
        with self.database.transaction() as connection:
            stand = progress.begin(
                connection, digest=self.survey.digest, size=self.survey.size, start=start, at=self.now
            )
        resumed_at = stand.line if stand != start else None
        began, before = self.stopwatch(), stand.rows
        with (
            filling(self.database) as alone,
            RejectsFile(_rejects_path(self.survey.path), size=stand.rejects_size) as rejects,
            self._reading(stand, FIRST_CHUNK_BYTES if alone else CHUNK_BYTES) as chunks,
        ):
            store = self._store_for_this_file(alone)
            for chunk in chunks:
                stand = self._store(stand, chunk, store, rejects)
                speed = _speed(stand.rows - before, self.stopwatch() - began)
                self.milestone(Milestone(stand.offset, self.survey.size, stand.rows, speed))
            self._finish(stand)
        return self._report(stand, resumed_at, _speed(stand.rows - before, self.stopwatch() - began))

    def _reading(self, stand: Progress, size: int) -> AbstractContextManager[Iterator[Chunk]]:
        reading = Reading(self.survey, stand.offset, stand.line, size, self.now.date())
        return read_apart(reading) if reading.apart else nullcontext(reading.chunks())

    def _store_for_this_file(self, alone: Alone | None) -> Store:
        fields = {column.name for column in self.survey.columns if column}
        bulk = SQLiteBulk() if self.database.is_sqlite else PostgresBulk()
        return Store(merging(fields, today=self.now.date().isoformat()), bulk, alone)

    def _store(self, stand: Progress, chunk: Chunk, store: Store, rejects: RejectsFile) -> Progress:
        with self.database.transaction() as connection:
            stored = store.store(connection, chunk.rows, self.now)
            rejected = [*chunk.rejects, *map(_forgotten, stored.erased)]
            # The file comes first: what a crash leaves in it beyond the last commit is cut off, what is missing is not.
            size = rejects.add(sorted(rejected, key=lambda reject: reject.line))
            after = _after(stand, chunk, stored, size)
            self._advance(connection, stand, after, finished_at=None)
            self.announce(connection, stored.opted_out)
        return after

    def _finish(self, stand: Progress) -> None:
        with self.database.transaction() as connection:
            self._advance(connection, stand, stand, finished_at=self.now)
            if stand.added or stand.updated:
                if not self.database.is_sqlite:
                    # Else the planner knows nothing of them until some quiet minute, and an appeal may not wait for that.
                    connection.exec_driver_sql("ANALYZE members")
                revision = revisions.latest(connection)
                self.announce(
                    connection, [MembersImported(shard=shard, revision=revision) for shard in range(self.shards)]
                )

    def _advance(self, connection: Connection, before: Progress, after: Progress, finished_at: datetime | None) -> None:
        progress.advance(
            connection,
            digest=self.survey.digest,
            size=self.survey.size,
            before=before,
            after=after,
            finished_at=finished_at,
        )

    def _report(self, stand: Progress, resumed_at: int | None, speed: float) -> ImportReport:
        return ImportReport(
            rows=stand.rows,
            added=stand.added,
            updated=stand.updated,
            unchanged=stand.unchanged,
            rejected=stand.rejected,
            rejects_file=_rejects_path(self.survey.path) if stand.rejects_size else None,
            rows_per_second=round(speed, 1),
            unknown_headers=self.survey.unknown_headers,
            repeated_cards=len(self.survey.last_lines),
            resumed_at_line=resumed_at,
        )


def _after(stand: Progress, chunk: Chunk, stored: Stored, rejects_size: int) -> Progress:
    return Progress(
        offset=chunk.end,
        line=chunk.next_line,
        rows=stand.rows + chunk.records,
        added=stand.added + stored.added,
        updated=stand.updated + stored.updated,
        unchanged=stand.unchanged + stored.unchanged,
        rejected=stand.rejected + len(chunk.rejected_lines) + len(stored.erased),
        rejects_size=rejects_size,
    )


def _forgotten(row: Row) -> Reject:
    return Reject(
        row.line,
        "京卡号",
        "a card number",
        "this member asked to be forgotten",
        "take the row out of the file; if the member asks for it, readmit the card first: muster members readmit",
    )


def _rejects_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.rejects.csv")


def _speed(rows: int, seconds: float) -> float:
    return rows / seconds if seconds > 0 else 0.0
