"""Processes of their own beside the worker: its interpreter looks at one thing at a time, and sending comes first.

What is done there shares nothing with the worker but the database and the log.  Such a process is told what it needs in the
first line of its input, and every further line says that something waits for it; what it counts it says on its output, and
the worker shows it.  It ends with its worker, however that ends: it sees its input close.
"""

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import TypeVar

import structlog
from prometheus_client import Counter

from muster.logs import set_up_logs
from schemas.base import Contract

LOG = structlog.get_logger("muster.beside")
_AGAIN_AFTER = 1.0  # seconds
_TELL_EVERY = 1.0  # seconds between two reports of what was counted
_NUDGE = b"\n"
Counters = Mapping[str, Counter]


class Brief(Contract):
    """What such a process is told; a password in it is in no list of processes."""

    log_level: str


B = TypeVar("B", bound=Brief)


class BesideBroken(Exception):
    """The process has a bug: it ended by itself."""


class Beside:
    """A process beside this one that runs the module `name`, whose main function is `serve`."""

    def __init__(self, name: str, brief: Brief, counters: Counters) -> None:
        self._name = name
        self._brief = brief
        self._counters = counters  # counted there, shown here
        self._process: Process | None = None

    async def run(self) -> None:
        """Keep the process running until cancelled.  Raises `BesideBroken`."""
        while True:
            process = await asyncio.create_subprocess_exec(sys.executable, "-m", self._name, stdin=PIPE, stdout=PIPE)
            self._process = process
            try:
                code = await self._until_ended(process)
            finally:
                self._process = None
                await _end(process)
            if code >= 0:
                raise BesideBroken(f"{self._name} ended with exit code {code}")
            LOG.warning("a process beside the worker was killed and begins again", module=self._name, signal=-code)
            await asyncio.sleep(_AGAIN_AFTER)

    def nudge(self) -> None:
        """Something waits for it.  Nothing is lost where nobody is there to hear this: it looks when it begins."""
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(_NUDGE)

    async def _until_ended(self, process: Process) -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(self._brief.model_dump_json().encode() + b"\n")
        async for line in process.stdout:
            for name, counts in json.loads(line).items():
                for labels, more in counts:
                    counter = self._counters[name]
                    (counter.labels(**labels) if labels else counter).inc(more)
        return await process.wait()


async def _end(process: Process) -> None:
    """It commits what it is writing, and goes."""
    if process.returncode is None and process.stdin is not None:
        process.stdin.close()
        await process.wait()


# --- the other side ---------------------------------------------------------------------------------------------------


def serve(
    brief_type: type[B],
    work: Callable[[B, asyncio.Event], Awaitable[None]],
    counters: Counters,
    *,
    politeness: int = 0,
) -> None:
    """Be such a process: do `work`, whose event is set by every nudge, until the worker is gone.  `politeness` as in `nice`."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # what is for all of us is for the worker, which then closes our input
    os.nice(politeness)
    brief = brief_type.model_validate_json(os.fsdecode(_first_line()))
    set_up_logs(brief.log_level)
    asyncio.run(_serve(brief, work, counters))


def _first_line() -> bytes:
    """Not a byte more is read: nudges may follow."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(sys.stdin.fileno(), 1)):
        line += byte
    return bytes(line)


async def _serve(brief: B, work: Callable[[B, asyncio.Event], Awaitable[None]], counters: Counters) -> None:
    nudged = asyncio.Event()
    tasks = [asyncio.ensure_future(part) for part in (work(brief, nudged), _tell(counters), _listen(nudged))]
    done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    for task in done:
        task.result()


async def _listen(nudged: asyncio.Event) -> None:
    """Until the input closes."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    with suppress(ConnectionError):
        while await reader.read(4096):
            nudged.set()


async def _tell(counters: Counters) -> None:
    """Say on standard output how much more has been counted.  A worker that sleeps hears it when it wakes: nothing waits for
    it here, least of all a relay that the other workers rely on.
    """  # noqa: D205
    told: dict[str, float] = {}
    os.set_blocking(sys.stdout.fileno(), False)
    while True:
        await asyncio.sleep(_TELL_EVERY)
        counted = {f"{name} {labels}": (name, labels, count) for name, labels, count in _counts(counters)}
        more: dict[str, list[tuple[dict[str, str], float]]] = {}
        for key, (name, labels, count) in counted.items():
            if count > told.get(key, 0.0):
                more.setdefault(name, []).append((labels, count - told.get(key, 0.0)))
        if more:
            with suppress(BlockingIOError):  # so short a line is written whole or not at all
                os.write(sys.stdout.fileno(), json.dumps(more).encode() + b"\n")
                told = {key: count for key, (_, _, count) in counted.items()}


def _counts(counters: Counters) -> Iterator[tuple[str, dict[str, str], float]]:
    for name, counter in counters.items():
        for sample in next(iter(counter.collect())).samples:
            if sample.name.endswith("_total"):
                yield name, sample.labels, sample.value
