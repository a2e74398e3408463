"""Wakes the deciders at the moments that they asked for, in appeal time."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

import structlog
from sqlalchemy import Connection

from agents.routes import post
from registry import appeals, outbox
from registry.database import Database
from registry.errors import DatabaseUnreachable
from schemas.appeals import Tick

LOG = structlog.get_logger("muster.ticker")
SOURCE = "/muster/ticker"


class Ticker:
    """Any number of workers may run one: a tick's id follows from the moment it is for, so that it counts once."""

    def __init__(
        self,
        database: Database,
        now: Callable[[], datetime],
        *,
        every: float = 0.05,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self._now = now
        self._every = every
        self._sleep = sleep
        self._told: dict[str, datetime] = {}
        self._waking: list[tuple[str, datetime]] = []

    async def run(self) -> None:
        with self._database.watch() as watch:
            stale = True
            while True:
                stale = watch.changed() or stale
                try:
                    if stale:
                        self._waking = await self._database.read(appeals.waking)
                        stale = False
                    await self._look()
                except DatabaseUnreachable as exc:
                    LOG.warning("no ticks while the database is away", reason=str(exc))
                await self._sleep(self._every)

    async def _look(self) -> None:
        now = self._now()
        fresh = [(appeal_id, due) for appeal_id, due in self._waking if due <= now and self._told.get(appeal_id) != due]
        if fresh:
            await self._database.write(partial(_tell, due=fresh, now=now))
            self._told.update(fresh)


def _tell(connection: Connection, *, due: list[tuple[str, datetime]], now: datetime) -> None:
    outbox.put(
        connection,
        [
            post(
                Tick(appeal_id=appeal_id, due=moment),
                event_id=f"{appeal_id}/tick/{moment.isoformat()}",
                source=SOURCE,
                time=now,
            )
            for appeal_id, moment in due
        ],
    )
