"""Keeps the columns of the audience on disk, a shard now and then, so that the next worker is ready sooner.

A worker can do without: what cannot be kept is told and tried again.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog

from registry.audience.index import AudienceIndex
from registry.audience.snapshots import Snapshots
from registry.database import Database
from registry.marks import mark

LOG = structlog.get_logger("muster.audience")
_FEW: Final = 1000  # changes that are not worth writing a shard again, however small it is
_SHARE: Final = 50  # in a shard of this many members, one


class Keeper:
    """The folder of one worker; several of them may have it together."""

    def __init__(
        self, database: Database, snapshots: Snapshots, *, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        self._database = database
        self._snapshots = snapshots
        self._now = now
        self._new_id = new_id
        self._known_then: dict[int, int] = {}  # shard -> what it had taken in when it was written

    async def load(self) -> list[AudienceIndex]:
        """All shards as the database has them now."""
        indexes, kept = await self._database.read(self._snapshots.load)
        self._known_then = dict.fromkeys(kept, 0)
        LOG.info("the members are loaded", members=sum(map(len, indexes)), shards=len(indexes), from_disk=len(kept))
        try:
            await asyncio.to_thread(self._snapshots.tidy, kept)
            await asyncio.to_thread(self._forget_erased, indexes)
        except OSError as exc:
            _tell(exc)
        return indexes

    async def keep(self, indexes: Mapping[int, AudienceIndex]) -> bool:
        """Delete what holds somebody who has been erased; then write one shard, if one is missing or much has changed.

        One at a time, so that the disk has time for commits; whether it was written, and there may be another.  Raises
        `DatabaseUnreachable`.
        """
        try:
            due = await asyncio.to_thread(self._due, tuple(indexes.values()))
            if due is None:
                return False
            await self._write(due)
        except OSError as exc:
            _tell(exc)
            return False
        return True

    async def _write(self, index: AudienceIndex) -> None:
        taken_in = index.taken_in
        held = await asyncio.to_thread(index.held)
        marking = partial(mark, revision=held.revision, name=self._new_id(), at=self._now())
        name = await self._database.write(marking)
        await asyncio.to_thread(self._snapshots.write, index.shard, held, name)
        self._known_then[index.shard] = taken_in

    def _forget_erased(self, indexes: Sequence[AudienceIndex]) -> None:
        for index in indexes:
            kept = self._snapshots.revision(index.shard) if index.last_erasure else None
            if kept is not None and kept < index.last_erasure:
                self._snapshots.drop(index.shard)

    def _due(self, indexes: Sequence[AudienceIndex]) -> AudienceIndex | None:
        self._forget_erased(indexes)
        return next((index for index in indexes if self._is_due(index)), None)

    def _is_due(self, index: AudienceIndex) -> bool:
        if self._snapshots.revision(index.shard) is None:
            return True
        changed = index.taken_in - self._known_then.get(index.shard, 0)
        return changed > max(_FEW, len(index) // _SHARE)


def _tell(error: OSError) -> None:
    LOG.warning("members cannot be kept on disk", reason=error.strerror or str(error), file=error.filename)
