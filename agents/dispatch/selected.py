"""The members of the batches that this worker sends: a selection never changes, so it is read once and kept a while."""

from collections import OrderedDict
from functools import partial

from sqlalchemy import Connection

from agents.dispatch.batch import Batch
from decisions.batches import first_of
from registry import selections, uncertain
from registry.database import Database
from registry.ledger_copy import LedgerCopy, Repeated
from registry.selections import Ids

_KEPT = 32  # selections; one of 1.8 million members in 8 shards takes 1.8 MB a shard


class Selected:
    """Raises `DatabaseUnreachable`."""

    def __init__(self, database: Database, copy: LedgerCopy) -> None:
        self._database = database
        self._copy = copy
        self._kept: OrderedDict[tuple[str, int, int], Ids] = OrderedDict()

    async def members(self, batch: Batch) -> tuple[int, ...]:
        """Who is meant by each position of this batch; (0,) for an answer to a message of somebody unknown."""
        if batch.slice is None:
            return batch.members or (0,)
        selection = await self._selection((batch.appeal_id or "", batch.wave, batch.slice.shard))
        first = batch.slice.number * batch.slice.size
        members = selection[first : first + batch.slice.size]
        if batch.again:
            members = members[list(await self._database.write(partial(self._fix_repeat, batch_id=batch.id)))]
        return tuple(members.tolist())

    def _fix_repeat(self, connection: Connection, batch_id: str) -> tuple[int, ...]:
        positions = uncertain.fix_repeat(connection, first_of(batch_id))
        self._copy.append([Repeated(batch_id, uncertain.packed(positions))])
        return positions

    async def _selection(self, key: tuple[str, int, int]) -> Ids:
        found = self._kept.get(key)
        if found is None:
            appeal_id, wave, shard = key
            read = partial(selections.members, appeal_id=appeal_id, wave=wave, shard=shard)
            found = await self._database.read(read)
            if found.size:
                self._kept[key] = found
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found
