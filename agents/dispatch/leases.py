"""Keeps this worker's leases: taken when the first batch of a partition comes, renewed in time, given up when it has none."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import structlog
from sqlalchemy import Connection

from registry import leases
from registry.database import Database
from registry.errors import DatabaseUnreachable
from registry.leases import Lease
from streams.errors import Busy

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
        self._users: Counter[str] = Counter()
        self._idle: set[str] = set()  # held, and used by nobody at the last renewal
        self._taking: dict[str, asyncio.Lock] = {}

    @contextmanager
    def used(self, name: str) -> Iterator[None]:
        """As long as somebody works under it, the lease is kept once it is ours."""
        self._users[name] += 1
        try:
            yield
        finally:
            self._users[name] -= 1
            self._idle.discard(name)

    async def hold(self, name: str) -> Lease:
        """The lease, once it is ours: a dead owner's ends by itself within seconds.

        Raises `Busy` when somebody else keeps it, so that whoever asks can look whether the partition is still ours;
        and `DatabaseUnreachable`.
        """
        give_up_at = self._now() + self._seconds  # counted from here, so that all who wait give up together
        async with self._taking.setdefault(name, asyncio.Lock()):
            while not self.valid(name):
                take = partial(leases.acquire, name=name, owner=self.owner, seconds=self._seconds)
                if lease := await self._database.write(take):
                    self._held[name] = lease
                    LOG.info("lease taken", lease=name, epoch=lease.epoch)
                elif self._now() >= give_up_at:
                    raise Busy(f"{name}: another worker holds the lease")
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
                try:
                    await self._give_up_idle()
                    await self._renew()
                except DatabaseUnreachable as exc:
                    LOG.warning("leases could not be renewed", held=len(self._held), reason=str(exc))
        finally:
            await self._give_up(list(self._held))

    async def _renew(self) -> None:
        """All by one statement: one after the other, on a slow disk the last ones would end before their turn."""
        names = sorted(self._held)
        if not names:
            return
        renew = partial(leases.renew, names=names, owner=self.owner, seconds=self._seconds)
        renewed = await self._database.write(renew)
        for name in names:
            if name in renewed:
                self._held[name] = renewed[name]
            elif self._held.pop(name, None):
                LOG.warning("a lease was lost", lease=name)

    async def _give_up_idle(self) -> None:
        """A lease that nobody has used since the last renewal may be wanted where its partition is now."""
        unused = {name for name in self._held if not self._users[name]}
        await self._give_up(sorted(unused & self._idle))
        self._idle = unused - self._idle

    async def _give_up(self, names: Sequence[str]) -> None:
        given = [self._held.pop(name) for name in names]
        if given:
            await self._database.write(partial(_release, given=given))


def _release(connection: Connection, given: Sequence[Lease]) -> None:
    for lease in given:
        leases.release(connection, lease)
