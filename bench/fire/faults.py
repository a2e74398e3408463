"""The faults: each hits a running fan-out once and returns the seconds until messages leave again (none: not counted)."""

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.fire.front import TROUBLED_PACE, Front, Stuck, set_clock

Hit = Callable[[Front], Awaitable[float | None]]
FROZEN_SECONDS = 8.0  # longer than a session on Kafka (4 s) and a lease (3 s)
AWAY_SECONDS = 3.0
TROUBLE_SECONDS = 2.0
STEP_SECONDS = 300  # 50 minutes of appeal time


@dataclass(frozen=True, slots=True)
class Fault:
    """`deaths`: how many windows of members it may leave uncertain at most."""

    name: str
    hit: Hit
    deaths: int = 0
    on: tuple[str, ...] = ("embedded", "kafka")


# --- processes --------------------------------------------------------------------------------------------------------


async def kill_worker(front: Front) -> float | None:
    """One worker dies and another is started at once, as a supervisor would."""
    victim = front.chance.choice(front.workers)
    owner, died = front.owners[victim.pid], time.monotonic()
    await front.kill_worker(victim)
    return await _come_back(front, [owner], died)


async def kill_all_workers(front: Front) -> float | None:
    owners, died = [front.owners[worker.pid] for worker in front.workers], time.monotonic()
    for worker in list(front.workers):
        await front.kill_worker(worker)
    return await _come_back(front, owners, died)


async def _come_back(front: Front, owners: list[str], died: float) -> float | None:
    starting = [asyncio.create_task(front.add_worker()) for _ in owners]
    resumed: float | None
    if front.workers:  # the others go on; what counts is when they have the dead one's part, too
        await front.misbehave(pace=TROUBLED_PACE)
        resumed = await front.until_taken_over(owners[0], died)
        await front.trickle()
    else:
        await front.trickle()
        await asyncio.sleep(0.3)  # what lay in sockets when it died still arrives
        resumed = await front.until_more(died)
    await asyncio.gather(*starting)
    return resumed


async def stop_worker(front: Front) -> float:
    """A worker is told to end, and another is started: what an upgrade does."""
    stopped = time.monotonic()
    await front.replace_worker()
    return await front.until_more(stopped)


async def freeze_worker(front: Front) -> float:
    """A worker sleeps longer than its session and its lease, and wakes."""
    sleeper = front.chance.choice(front.workers)
    sleeper.freeze()
    await front.trickle()
    try:
        await asyncio.sleep(FROZEN_SECONDS)
    finally:
        woke = time.monotonic()
        sleeper.thaw()
    return await front.until_more(woke)


async def kill_publisher(front: Front) -> float:
    """Somebody's command dies at some moment of its life, and is typed again: a pause, and then the resume."""
    await front.trickle()
    for verb in ("pause", "resume"):
        command = front.begin_command("appeal", verb, front.appeal)
        await asyncio.sleep(front.chance.uniform(0.1, 1.2))
        with suppress(ProcessLookupError):
            os.killpg(command.pid, 9)
        command.wait()
        typed = time.monotonic()
        again = front.begin_command("appeal", verb, front.appeal)
        code = await asyncio.to_thread(again.wait)
        if code not in {0, 3}:  # 3: refused, the first one had been heard
            raise Stuck(f"muster appeal {verb} ended with {code}")
    return await front.until_more(typed)


# --- servers ----------------------------------------------------------------------------------------------------------


async def kill_broker(front: Front) -> float:
    assert front.broker is not None
    await asyncio.to_thread(front.broker.kill)
    await front.trickle()
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(front.broker.start)
    return await front.until_more(time.monotonic())


async def kill_database(front: Front) -> float:
    assert front.postgres is not None
    await asyncio.to_thread(front.postgres.kill)
    await front.trickle()
    await asyncio.sleep(AWAY_SECONDS)
    await asyncio.to_thread(front.postgres.start)
    return await front.until_more(time.monotonic())


async def fill_disk(front: Front) -> float:
    """Nothing more can be written under the embedded log for a while."""
    await front.trickle()
    if front.disk is not None:
        filler = front.disk / "filler"
        await asyncio.to_thread(_fill, filler)
        await asyncio.sleep(AWAY_SECONDS)
        filler.unlink()
    else:
        # No file system may be mounted here: the worker's files may grow no further instead.
        pid = front.workers[0].pid
        usual = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        size = max(path.stat().st_size for path in front.site.plan.folder.glob("*.db*"))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, usual[1]))
        await asyncio.sleep(AWAY_SECONDS)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, usual)
    return await front.until_more(time.monotonic())


def _fill(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            with suppress(OSError):
                while file.write(b"\0" * size):
                    pass


# --- the gateway ------------------------------------------------------------------------------------------------------


async def cut_link(front: Front) -> float:
    cut = time.monotonic()
    await front.misbehave(cut=True)
    resumed = await front.until_more(cut)
    # What the cut leaves uncertain is written down a moment later: else the next fault would be charged with it.
    await front.until_recorded()
    return resumed


def trouble(**mischief: object) -> Hit:
    """The gateway does this for a while, and then behaves."""

    async def hit(front: Front) -> float:
        await front.misbehave(**{"pace": TROUBLED_PACE, **mischief})
        await asyncio.sleep(TROUBLE_SECONDS)
        await front.trickle()
        return await front.until_more(time.monotonic())

    return hit


# --- the clock --------------------------------------------------------------------------------------------------------


def step_clock(seconds: int) -> Hit:
    """The workers' clock is wrong by so much for a while, and then right again: two steps."""

    async def hit(front: Front) -> float:
        await front.misbehave(pace=TROUBLED_PACE)
        set_clock(front.clock, seconds)
        await asyncio.sleep(TROUBLE_SECONDS)
        set_clock(front.clock, 0)
        return await front.until_more(time.monotonic())

    return hit


FAULTS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("worker killed", kill_worker, deaths=1),
        Fault("worker stopped", stop_worker),
        Fault("all workers killed", kill_all_workers, deaths=2, on=("kafka",)),
        Fault("command killed", kill_publisher),
        Fault("broker killed", kill_broker, on=("kafka",)),
        Fault("database killed", kill_database, on=("kafka",)),
        Fault("worker frozen", freeze_worker, deaths=1),
        Fault("link cut mid-PDU", cut_link, deaths=1),
        Fault("gateway slow", trouble(latency_ms=1500)),
        Fault("gateway throttles", trouble(throttle=500)),
        Fault("gateway answers errors", trouble(trouble_rate=0.2)),
        Fault("receipts before the answer", trouble(receipts_early=True)),
        Fault("receipts twice", trouble(receipts_twice=True)),
        Fault("receipts of unknown messages", trouble(unknown_receipts=2000)),
        Fault("disk full", fill_disk, on=("embedded",)),
        Fault("clock stepped back", step_clock(-STEP_SECONDS)),
        Fault("clock stepped forth", step_clock(STEP_SECONDS)),
    )
}
