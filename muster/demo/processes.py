"""The processes of a rehearsal: started with their settings, watched until they answer, ended by their process id."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

PATIENCE = 60.0


class Process(Protocol):
    """`code` is none while it runs; `log` is the file that it says everything into."""

    log: Path

    @property
    def code(self) -> int | None: ...


class ProcessFailed(Exception):
    """A process of the rehearsal ended or did not answer; the text ends with its last words."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def running(
    name: str,
    *arguments: str,
    environment: Mapping[str, str],
    logs: Path,
    ready: Callable[[], Awaitable[bool]],
    keep: bool = False,
    patience: float = PATIENCE,
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A `muster` process that has said it is ready.  Ended on the way out, unless it is to be kept."""
    log = logs / f"{name}.log"
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "muster",
            *arguments,
            env=dict(environment),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        await _until_ready(name, process, ready, log, patience)
        yield process
    finally:
        if not keep:
            await _end(process)


async def _until_ready(
    name: str, process: asyncio.subprocess.Process, ready: Callable[[], Awaitable[bool]], log: Path, patience: float
) -> None:
    try:
        async with asyncio.timeout(patience):
            while not await ready():
                if process.returncode is not None:
                    raise ProcessFailed(f"{name} ended with {process.returncode}: {last_words(log)}")
                await asyncio.sleep(0.05)
    except TimeoutError as exc:
        raise ProcessFailed(f"{name} did not answer within {patience:.0f} s: {last_words(log)}") from exc


def ensure_alive(process: Process) -> None:
    """Raise `ProcessFailed` with its last words when the process has ended by itself."""
    if process.code is not None:
        raise ProcessFailed(f"it ended with {process.code}: {last_words(process.log)}")


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def last_words(log: Path) -> str:
    return " / ".join(log.read_text(errors="replace").splitlines()[-5:]) or "it said nothing"
