"""Keeps this worker's leases: taken when the first batch of a partition comes, renewed in time, given up at the end."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from registry import leases
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.leases import Lease

LOG = structlog.get_logger("muster.leases")
_MARGIN = 0.2  # seconds before its end at which we stop believing in a lease: one write takes less


class Leases:
    """`valid` is asked before every write to a gateway, so it only compares two numbers."""

    def __init__(
        self,
        database: Database,
        owner: str,
        *,
        seconds: float = 3.0,
        now: Callable[[], float] = leases.boottime,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._database = database
        self.owner = owner
        self._seconds = seconds
        self._now = now
        self._sleep = sleep
        self._held: dict[str, Lease] = {}
        self._taking: dict[str, asyncio.Lock] = {}

    async def hold(self, name: str) -> Lease:
        """The lease, once it is ours: a dead owner's ends by itself within seconds.  Raises `DatabaseUnreachable`."""
        async with self._taking.setdefault(name, asyncio.Lock()):
            while not self.valid(name):
                lease = await self._database.write(
                    partial(leases.acquire, name=name, owner=self.owner, seconds=self._seconds)
                )
                if lease is not None:
                    self._held[name] = lease
                    LOG.info("lease taken", lease=name, epoch=lease.epoch)
                else:
                    await self._sleep(0.1)
            return self._held[name]

    def valid(self, name: str) -> bool:
        held = self._held.get(name)
        return held is not None and self._now() < held.until - _MARGIN

    async def run(self) -> None:
        """Renew what is held, three times in a lease's life, until cancelled; then give everything up."""
        try:
            while True:
                await self._sleep(self._seconds / 3)
                for name in list(self._held):
                    await self._renew(name)
        finally:
            for lease in self._held.values():
                await self._database.write(partial(leases.release, lease=lease))
            self._held.clear()

    async def _renew(self, name: str) -> None:
        try:
            lease = await self._database.write(
                partial(leases.acquire, name=name, owner=self.owner, seconds=self._seconds)
            )
        except DatabaseUnreachable as exc:
            LOG.warning("a lease could not be renewed", lease=name, reason=str(exc))
            return
        if lease is None:
            LOG.warning("a lease was lost", lease=name)
            del self._held[name]
        else:
            self._held[name] = lease
