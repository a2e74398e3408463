"""Receipts are joined to their members in a process of their own, beside the worker.

Both have hundreds of thousands of messages to look at, and one interpreter looks at one thing at a time: joined inside,
receipts took a third of it away from the sending.  The two share nothing but the database.  The process ends with its
worker, however that ends: it sees its input close.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator
from contextlib import suppress
from functools import partial

import structlog
from prometheus_client import Counter
from pydantic import AwareDatetime, SecretStr

from agents.receipts import JOINED, JoinReceipts
from agents.settling import SETTLED
from muster.clock import AppealClock, real_now
from muster.logs import set_up_logs
from muster.settings import Settings
from notifiers.smpp.receipt_tables import ReceiptReader
from notifiers.sms import SMSSettings
from registry.database import Database
from registry.locks import one_at_a_time
from schemas.base import Contract

LOG = structlog.get_logger("muster.joining")
_AGAIN_AFTER = 1.0  # seconds
_TELL_EVERY = 1.0  # seconds between two reports of what was counted
_POLITENESS = 15  # nice: where processors are short, sending goes first
# Counted there, shown by the worker.
_COUNTED: dict[str, Counter] = {"joined": JOINED, "settled": SETTLED}


class Brief(Contract):
    """What the process is told in its first line of input; a password in it is in no list of processes."""

    database: str
    sms: SMSSettings  # less its password
    start: AwareDatetime
    speed: float
    log_level: str


class JoiningBroken(Exception):
    """The process has a bug: it ended by itself, with this exit code."""


async def join_beside(settings: Settings) -> None:
    """Keep the process running until cancelled.  Raises `JoiningBroken`."""
    clock = settings.clock
    brief = Brief(
        database=settings.database,
        sms=settings.sms.model_copy(update={"password": SecretStr("")}),
        start=clock.start or real_now(),
        speed=clock.speed,
        log_level=settings.log_level,
    )
    while True:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=PIPE, stdout=PIPE)
        try:
            code = await _until_ended(process, brief)
        finally:
            await _end(process)
        if code >= 0:
            raise JoiningBroken(f"joining receipts ended with exit code {code}")
        LOG.warning("joining receipts was killed and begins again", signal=-code)
        await asyncio.sleep(_AGAIN_AFTER)


async def _until_ended(process: Process, brief: Brief) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(brief.model_dump_json().encode() + b"\n")
    async for line in process.stdout:
        for name, counts in json.loads(line).items():
            for outcome, more in counts.items():
                _COUNTED[name].labels(outcome=outcome).inc(more)
    return await process.wait()


async def _end(process: Process) -> None:
    """It commits what it is writing, and goes."""
    if process.returncode is None and process.stdin is not None:
        process.stdin.close()
        await process.wait()


def main() -> None:
    """The process itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what is for all of us is for the worker, which then closes our input
    os.nice(_POLITENESS)
    brief = Brief.model_validate_json(sys.stdin.readline())
    set_up_logs(brief.log_level)
    asyncio.run(_join(brief))


async def _join(brief: Brief) -> None:
    clock = AppealClock(brief.start, brief.speed)
    with Database(brief.database) as database:
        alone, read = partial(one_at_a_time, database, "receipts"), ReceiptReader(brief.sms).read
        joining = JoinReceipts(database, alone, read=read, now=clock.now)
        tasks = [asyncio.create_task(work) for work in (joining.run(), _tell(), asyncio.to_thread(sys.stdin.read))]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for task in done:
            task.result()


async def _tell() -> None:
    """Say on standard output how much more has been counted.  A worker that sleeps hears it when it wakes: this process holds
    the lock under which receipts are joined, and the others would wait with it.
    """  # noqa: D205
    told: dict[tuple[str, str], float] = {}
    os.set_blocking(sys.stdout.fileno(), False)
    while True:
        await asyncio.sleep(_TELL_EVERY)
        counted = dict(_counts())
        more: dict[str, dict[str, float]] = {}
        for (name, outcome), count in counted.items():
            if count > told.get((name, outcome), 0.0):
                more.setdefault(name, {})[outcome] = count - told.get((name, outcome), 0.0)
        if more:
            with suppress(BlockingIOError):  # so short a line is written whole or not at all
                os.write(sys.stdout.fileno(), json.dumps(more).encode() + b"\n")
                told = counted


def _counts() -> Iterator[tuple[tuple[str, str], float]]:
    for name, counter in _COUNTED.items():
        for sample in next(iter(counter.collect())).samples:
            if sample.name.endswith("_total"):
                yield (name, sample.labels["outcome"]), sample.value


if __name__ == "__main__":
    main()
