"""The relay: what waits in the outbox is published in order and then forgotten.

One relay publishes at a time; the others stand by.  After a crash some rows are published again under the same id; so
they are, late and in the middle of later ones, when a relay was frozen or cut off while another took over.  Of each id
the first publication comes in order: whoever follows a topic passes over the others, or does not mind them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from prometheus_client import Counter

from agents.alone import Ensure, OneAtATime, alone
from registry import outbox
from registry.database import Database
from schemas.outgoing import Outgoing
from streams.errors import LogUnreachable
from streams.publisher import Publisher

LOG = structlog.get_logger("muster.relay")
PUBLISHED = Counter("muster_relay_published_total", "Messages that the relay has published from the outbox")
_AT_ONCE = 500


def relay_once(database: Database, publisher: Publisher) -> int:
    """Publish what waits now; how many messages that was.  Raises `LogUnreachable` or `DatabaseUnreachable`."""
    with database.snapshot() as connection:
        rows = outbox.waiting(connection, _AT_ONCE)
    if rows:
        publisher.publish([message for _, message in rows])
        with database.transaction() as connection:
            outbox.published(connection, [position for position, _ in rows])
    return len(rows)


class Relay:
    """Publishes as soon as a transaction of this process has left something, and looks for others' rows in between."""

    def __init__(
        self,
        database: Database,
        publisher: Publisher,
        one_at_a_time: OneAtATime,
        *,
        idle: float = 0.01,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._one_at_a_time = one_at_a_time
        self._idle = idle
        self._sleep = sleep
        self._nudged = asyncio.Event()

    def nudge(self) -> None:
        """Something was put into the outbox."""
        self._nudged.set()

    async def run(self) -> None:
        await alone(self._one_at_a_time, self._publish_for_ever, pause=0.5, sleep=self._sleep)

    async def _publish_for_ever(self, ensure_alone: Ensure) -> None:
        """Raises `DatabaseUnreachable`."""
        with self._database.watch() as watch:
            stale = True
            while True:
                self._nudged.clear()
                # Most commits of others are claims and records, after which nothing waits.
                stale = stale or (watch.changed() and self._database.peek(outbox.WAITS) != 0)
                if stale:
                    stale = await self._publish_waiting(ensure_alone)
                if not stale:
                    await self._pause()

    async def _publish_waiting(self, ensure_alone: Ensure) -> bool:
        """Publish the oldest of what waits; whether more may wait."""
        rows = await self._database.read(partial(outbox.waiting, limit=_AT_ONCE))
        if not rows:
            return False
        await ensure_alone()
        try:
            await self._publish(rows)
        except LogUnreachable as exc:
            LOG.warning("the outbox waits", reason=str(exc))
            await self._sleep(1.0)
        return True

    async def _pause(self) -> None:
        """Until something of ours waits, or it is time to look whether something of others' does."""
        try:
            async with asyncio.timeout(self._idle):
                await self._nudged.wait()
        except TimeoutError:
            pass

    async def _publish(self, rows: list[tuple[int, Outgoing]]) -> None:
        await asyncio.to_thread(self._publisher.publish, [message for _, message in rows])
        positions = [position for position, _ in rows]
        await self._database.write(partial(outbox.published, positions=positions))
        PUBLISHED.inc(len(rows))
