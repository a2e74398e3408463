"""What a worker keeps of members in memory follows the registry, also while nobody asks."""

from contextlib import suppress

import numpy as np

from agents.audience import Audience
from decisions.shards import shards_of
from registry.database import Database
from registry.erasure import erase
from registry.errors import DatabaseUnreachable
from registry.metadata import METADATA
from tests.registry.audience.people import NOW, Person, store

SHARDS = 3
EVERYBODY = np.arange(1, 7)


class Over(Exception):
    """Ends what never ends."""


class AwayOnce(Database):
    """Cannot be reached when it is read for the second time: once, after everybody has been loaded."""

    reads = 0

    async def read(self, work):
        self.reads += 1
        if self.reads == 2:
            raise DatabaseUnreachable("connection refused")
        return await super().read(work)


async def test_the_number_of_somebody_who_has_been_erased_leaves_memory_by_itself(empty_url: str):
    pauses = iter((None, None))

    async def sleep(_: float) -> None:
        if next(pauses, Over) is Over:
            raise Over

    with AwayOnce(empty_url) as database:
        with database.transaction() as connection:
            METADATA.create_all(connection)
            store(connection, [Person() for _ in EVERYBODY])
        audience = Audience(database, SHARDS, sleep=sleep)
        await audience.load_all()
        with database.transaction() as connection:
            erase(connection, 4, at=NOW)
        with suppress(Over):
            await audience.follow()
        known = {
            int(member)
            for shard in range(SHARDS)
            for member in EVERYBODY[shards_of(EVERYBODY, SHARDS) == shard]
            if audience._indexes[shard].look_up(np.array([member]), ("mobile",))[0]["mobile"][0]
        }
        assert known == {1, 2, 3, 5, 6}
