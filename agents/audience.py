"""The audience agent: each shard of the members, held in columns, counts and selects when the decider asks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import datetime
from functools import partial

from prometheus_client import Gauge, Histogram
from sqlalchemy import Connection

from agents.keeping import Keeper
from agents.patience import patient
from agents.routes import post
from registry import outbox, selections
from registry.audience.contacts import Contacts
from registry.audience.index import AudienceIndex, catch_up_all
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.ledger_copy import LedgerCopy, Selected
from schemas.appeals import ShardCounted, ShardSelected
from schemas.audience import InviteShard, ScanShard
from streams.inbox import Delivery

SOURCE = "/muster/audience"
SCAN_SECONDS = Histogram(
    "muster_audience_scan_seconds",
    "Time to filter and count one shard",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1),
)
_FOLLOW_SECONDS = 30.0
_NEXT_SHARD_SECONDS = 5.0  # after one was written
MEMBERS = Gauge("muster_audience_members", "Members that this worker holds in columns")


class Audience:
    """The shards that this worker has been asked about; each is loaded once and catches up before every answer."""

    def __init__(
        self,
        database: Database,
        shards: int,
        *,
        keeper: Keeper | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._shards = shards
        self._keeper = keeper
        self._sleep = sleep
        self._indexes: dict[int, AudienceIndex] = {}
        self._locks = [asyncio.Lock() for _ in range(shards)]

    async def load_all(self) -> None:
        """Load every shard now, so that the first appeal need not wait."""
        if self._keeper is not None:
            indexes = await self._keeper.load()
        else:
            load = partial(AudienceIndex.load_many, wanted=range(self._shards), shards=self._shards)
            indexes = await self._database.read(load)
        for index in indexes:
            self._indexes.setdefault(index.shard, index)
        MEMBERS.set(sum(len(known) for known in self._indexes.values()))

    def contacts(self) -> Contacts:
        """Where messages to these members go, once all shards are loaded."""
        return Contacts(self._database, self._indexes, self._shards)

    async def follow(self) -> None:
        """Catch up now and then, until cancelled, also while nobody asks: who has been erased is forgotten here, too."""
        pause = _FOLLOW_SECONDS
        while True:
            await self._sleep(pause)
            pause = _FOLLOW_SECONDS
            with suppress(DatabaseUnreachable):
                for shard in tuple(self._indexes):
                    await self.caught_up(shard)
                if self._keeper is not None and await self._keeper.keep(self._indexes):
                    pause = _NEXT_SHARD_SECONDS

    async def caught_up(self, shard: int) -> AudienceIndex:
        """The index of a shard with every change that was committed before this call."""
        async with self._locks[shard]:
            index = self._indexes.get(shard)
            if index is None:
                load = partial(AudienceIndex.load, shard=shard, shards=self._shards)
                index = self._indexes[shard] = await self._database.read(load)
            else:
                await self._database.read(index.catch_up)
            MEMBERS.set(sum(len(known) for known in self._indexes.values()))
            return index

    @asynccontextmanager
    async def steady(self) -> AsyncIterator[list[AudienceIndex]]:
        """All shards with every change that was committed before; they do not change while entered, so be quick."""
        async with AsyncExitStack() as stack:
            for lock in self._locks:
                await stack.enter_async_context(lock)
            indexes = [self._indexes[shard] for shard in range(self._shards)]
            await self._database.read(partial(catch_up_all, indexes=indexes))
            yield indexes


class AnswerScans:
    """The reaction to `audience-scans`."""

    def __init__(
        self, database: Database, audience: Audience, *, now: Callable[[], datetime], copy: LedgerCopy
    ) -> None:
        self._database = database
        self._audience = audience
        self._now = now
        self._copy = copy

    @patient
    async def __call__(self, delivery: Delivery) -> None:
        command = delivery.message
        if isinstance(command, ScanShard | InviteShard):
            index = await self._audience.caught_up(command.shard)
            await self._database.write(
                partial(self._answer, command=command, index=index, event_id=delivery.envelope.id)
            )

    def _answer(
        self, connection: Connection, *, command: ScanShard | InviteShard, index: AudienceIndex, event_id: str
    ) -> None:
        if isinstance(command, ScanShard):
            self._count(connection, command=command, index=index, event_id=event_id)
        else:
            self._select(connection, command=command, index=index, event_id=event_id)

    def _count(self, connection: Connection, *, command: ScanShard, index: AudienceIndex, event_id: str) -> None:
        asked = selections.asked_before(connection, command.appeal_id, command.shard, command.wave)
        with SCAN_SECONDS.time():
            found = index.scan(command.criteria, asked)
        counted = ShardCounted(
            appeal_id=command.appeal_id,
            wave=command.wave,
            shard=command.shard,
            members=found.members,
            bins=tuple(found.bins),
            excluded={reason.value: count for reason, count in found.excluded.items() if count},
        )
        outbox.put(connection, [post(counted, event_id=f"{event_id}/counted", source=SOURCE, time=self._now())])

    def _select(self, connection: Connection, *, command: InviteShard, index: AudienceIndex, event_id: str) -> None:
        asked = selections.asked_before(connection, command.appeal_id, command.shard, command.wave)
        members = index.select(command.criteria, asked, limit=command.limit, salt=command.appeal_id)
        size = selections.fix(connection, command.appeal_id, command.wave, command.shard, members)
        members = selections.members(connection, command.appeal_id, command.wave, command.shard)  # those that stand
        self._copy.append([Selected(command.appeal_id, command.wave, command.shard, members.tobytes())])
        selected = ShardSelected(appeal_id=command.appeal_id, wave=command.wave, shard=command.shard, members=size)
        outbox.put(connection, [post(selected, event_id=f"{event_id}/selected", source=SOURCE, time=self._now())])
