"""Where faults happen: a gateway, workers, a log and a database that can be hit, over and over, on one registry."""

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Connection, select

from muster.demo.processes import last_words
from muster.demo.site import Plan, Site, Worker, open_site
from muster.demo.story import CommandFailed
from registry import ledger
from registry.ledger import CLAIMS, RECORDS, Fate
from rehearsal.generate import generate_members
from tests.servers.kafka import KafkaBroker
from tests.servers.postgres import PostgresServer

WINDOW = 1024
# Messages a second that the gateway reads: a fan-out lasts long enough to be hit, and is not over before a hit is.
PACE, TROUBLED_PACE, TRICKLE = 6000, 1500, 40
PATIENCE = 120.0
SPEED = 10.0
_SAME_RANGE = (CLAIMS.c.batch_id == RECORDS.c.batch_id) & (CLAIMS.c.first == RECORDS.c.first)
# The session is that of docker-compose.yml, shorter than a broker allows unless it is told; workers share their journals, too.
_SETTINGS = {"session_seconds": 4, "sms": {"window": WINDOW, "binds": 2, "longest_reconnect_seconds": 2}}


class Stuck(Exception):
    """Nothing moved for too long."""


@dataclass
class Front:
    """`broker` and `database` are none on the embedded log; `disk` is the small one under it, if there is one."""

    site: Site
    members: int
    chance: random.Random
    broker: KafkaBroker | None
    postgres: PostgresServer | None
    disk: Path | None
    workers: list[Worker] = field(default_factory=list)
    appeal: str = ""
    owners: dict[int, str] = field(default_factory=dict)  # how the ledger names each worker, by process id
    dead: list[str] = field(default_factory=list)  # those that the present blow has killed

    @property
    def reference(self) -> str:
        return f"mass/{self.appeal}/1"

    @property
    def clock(self) -> Path:
        """By how much the workers' clock is wrong."""
        return self.site.plan.folder / "clock"

    async def misbehave(self, **mischief: object) -> None:
        """As the gateway's own door, but at the pace of this bench."""
        await self.site.misbehave(**{"pace": PACE, **mischief})

    async def trickle(self) -> None:
        """Something leaves all the time, but little, until the blow has been dealt with."""
        await self.misbehave(pace=TRICKLE)

    # --- looking ------------------------------------------------------------------------------------------------

    async def seen(self) -> int:
        """Mass messages of this appeal that the gateway has accepted."""
        counts = await self.site.witness.counts()
        return int(counts.get(self.reference, {}).get("messages", 0))

    async def fates(self) -> dict[Fate, int]:
        return await self.site.database.read(partial(ledger.fates, appeal_id=self.appeal))

    async def uncertain(self) -> Counter[str]:
        """Members of this appeal who are uncertain, by the worker that had claimed them."""

        def count(connection: Connection) -> Counter[str]:
            rows = connection.execute(
                select(CLAIMS.c.owner, RECORDS.c.fates)
                .join(RECORDS, _SAME_RANGE)
                .where(RECORDS.c.appeal_id == self.appeal, RECORDS.c.wave > 0)
            )
            found: Counter[str] = Counter()
            for owner, fates in rows:
                found[owner] += bytes(fates).count(Fate.UNCERTAIN)
            return found

        return await self.site.database.read(count)

    async def until_recorded(self) -> None:
        """Return when what is claimed now, by workers that live, is also recorded.  Raises `Stuck`."""
        deadline = time.monotonic() + PATIENCE
        unrecorded = partial(self._unrecorded, owners=[self.owners[worker.pid] for worker in self.workers])
        claimed = await self.site.database.read(unrecorded)
        while claimed & await self.site.database.read(unrecorded):
            if time.monotonic() > deadline:
                raise Stuck(f"what was claimed was not recorded in {PATIENCE:.0f} s")
            self.ensure_nobody_fell()
            await asyncio.sleep(0.02)

    def _unrecorded(self, connection: Connection, owners: Collection[str]) -> set[tuple[str, int]]:
        rows = connection.execute(
            select(CLAIMS.c.batch_id, CLAIMS.c.first)
            .outerjoin(RECORDS, _SAME_RANGE)
            .where(CLAIMS.c.appeal_id == self.appeal, CLAIMS.c.wave > 0, CLAIMS.c.owner.in_(owners))
            .where(RECORDS.c.number.is_(None))
        )
        return {(row.batch_id, row.first) for row in rows}

    async def until_seen(self, count: int) -> int:
        """How many the gateway has, once it has so many.  Raises `Stuck`."""
        best, since = -1, time.monotonic()
        while (now := await self.seen()) < count:
            if now > best:
                best, since = now, time.monotonic()
            elif time.monotonic() - since > PATIENCE:
                raise Stuck(f"{now} of {count} messages, and nothing more for {PATIENCE:.0f} s")
            self.ensure_nobody_fell()
            await asyncio.sleep(0.02)
        return now

    async def until_more(self, since: float) -> float:
        """Seconds from `since` until something more leaves, or everybody is accounted for.  Raises `Stuck`."""
        before, deadline = await self.seen(), time.monotonic() + PATIENCE
        while await self.seen() == before:
            if time.monotonic() > deadline:
                raise Stuck(f"no message for {PATIENCE:.0f} s")
            if await self.all_told():
                return 0.0
            self.ensure_nobody_fell()
            await asyncio.sleep(0.02)
        return time.monotonic() - since

    async def all_told(self) -> bool:
        return sum((await self.fates()).values()) >= self.members

    def ensure_nobody_fell(self) -> None:
        """Raises `Stuck` when a worker that nobody hit has ended."""
        for worker in self.workers:
            if worker.code is not None:
                raise Stuck(f"a worker ended by itself with {worker.code}: {last_words(worker.log)}")

    # --- workers ------------------------------------------------------------------------------------------------

    async def add_worker(self) -> Worker:
        worker = await self.site.start_worker(**_stepping(self.clock))
        self.workers.append(worker)
        self.owners[worker.pid] = _owner(worker.log)
        return worker

    async def replace_worker(self) -> None:
        """Stop one in good order, at full speed, and start another."""
        worker = self.workers.pop(0)
        self.dead.append(self.owners[worker.pid])
        await worker.stop()
        await self.trickle()
        await self.add_worker()

    async def kill_worker(self, worker: Worker) -> None:
        self.workers.remove(worker)
        self.dead.append(self.owners[worker.pid])
        await worker.kill()

    async def until_taken_over(self, owner: str, since: float) -> float | None:
        """Seconds from `since` until somebody else goes on with a batch that this owner was sending; none when it was at none.

        Returns when somebody goes on with each of them, which names who is in doubt there.  Raises `Stuck`.
        """
        theirs = left = await self._begun_by([owner])
        deadline, resumed = time.monotonic() + PATIENCE, None
        while left:
            if left < theirs and resumed is None:
                resumed = time.monotonic() - since
            if time.monotonic() > deadline:
                raise Stuck(f"batches of {owner} were not taken over in {PATIENCE:.0f} s: {sorted(left)}")
            self.ensure_nobody_fell()
            await asyncio.sleep(0.05)
            left = await self._begun_by([owner])
        return resumed or (time.monotonic() - since if theirs else None)

    async def _begun_by(self, owners: Collection[str]) -> set[str]:
        """Batches in which one of these has claimed what is not recorded."""
        return {batch_id for batch_id, _ in await self.site.database.read(partial(self._unrecorded, owners=owners))}

    # --- commands -----------------------------------------------------------------------------------------------

    def begin_command(self, *words: str) -> subprocess.Popen[bytes]:
        """A `muster` command that may be killed before it ends."""
        return subprocess.Popen(
            [sys.executable, "-m", "muster", *words],
            env=dict(self.site.environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )


@asynccontextmanager
async def open_front(log: str, members: int, seed: int, folder: Path) -> AsyncIterator[Front]:
    """A registry of which `members` are invited by the drill, a gateway and one worker (Kafka: two)."""
    async with AsyncExitStack() as stack:
        broker = postgres = disk = None
        plan = Plan(
            folder,
            speed=SPEED,
            patience=PATIENCE,
            settings=_SETTINGS,
            gateway=("--undelivered", "0", "--seed", str(seed)),
        )
        if log == "kafka":
            broker = stack.enter_context(KafkaBroker())
            postgres = stack.enter_context(PostgresServer())
            database = stack.enter_context(postgres.database())
            settings = {**_SETTINGS, "journals": folder}
            plan = Plan(**{**_fields(plan), "log": broker.url, "database": database, "settings": settings})
        else:
            disk = stack.enter_context(_small_disk(folder / "disk"))
            where = disk or folder
            plan = Plan(
                **{**_fields(plan), "log": f"sqlite:///{where}/log.db", "database": f"sqlite:///{where}/muster.db"}
            )
        table = folder / "members.csv"
        await asyncio.to_thread(generate_members, round(members * 3 / 2) + 1000, seed=seed, out=table)
        site = await stack.enter_async_context(open_site(plan))
        await site.commands.run("members", "import", str(table))
        front = Front(site, members, random.Random(seed), broker, postgres, disk)
        await front.misbehave()
        await _make_topics(site)
        for _ in range(2 if broker else 1):
            await front.add_worker()
        yield front


async def _make_topics(site: Site) -> None:
    """On a busy machine a broker may need more time than a worker gives it.  Raises `CommandFailed`."""
    for left in reversed(range(5)):
        try:
            await site.commands.run("topics", "create")
        except CommandFailed:
            if not left:
                raise
        else:
            return


def set_clock(clock: Path, seconds: int) -> None:
    """In one go: it is read all the time."""
    fresh = clock.with_suffix(".new")
    fresh.write_text(f"{seconds}\n")
    fresh.replace(clock)


def _stepping(clock: Path) -> dict[str, str]:
    """The environment of a process whose clock is as wrong as this file says."""
    if not clock.exists():
        set_clock(clock, 0)
    return {"PYTHONPATH": str(Path(__file__).parent / "stepped"), "MUSTER_BENCH_CLOCK": str(clock)}


def _owner(log: Path) -> str:
    """What this worker says of itself when it is ready.  Raises `Stuck`."""
    for line in log.read_text(errors="replace").splitlines():
        if '"the worker is ready"' in line:
            return str(json.loads(line)["owner"])
    raise Stuck(f"{log.name} does not say who it is")


def _fields(plan: Plan) -> dict[str, object]:
    return {name: getattr(plan, name) for name in plan.__slots__}


@contextlib.contextmanager
def _small_disk(place: Path) -> Iterator[Path | None]:
    """A file system of its own in memory, where one may be mounted; else none."""
    place.mkdir()
    mounted = (
        os.geteuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1500m", "tmpfs", str(place)], check=False, capture_output=True
        ).returncode
    )
    try:
        yield place if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", "-l", str(place)], check=False)
