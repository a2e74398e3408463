"""The simulator as a process: two ports, until it is told to stop."""

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from rehearsal.smsc.questions import http_app
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.simulator import Simulator

_GOODBYE = 2.0  # seconds that open HTTP requests get


@dataclass(frozen=True, slots=True)
class Listening:
    """The ports that were taken."""

    port: int
    http_port: int


async def serve(
    settings: SimSettings,
    now: Callable[[], datetime],
    speed: float,
    *,
    ready: Callable[[Listening], None] | None = None,
) -> None:
    """Simulate until cancelled or until SIGTERM or SIGINT.

    Raises `RecordUnreadable`, `PeopleUnreadable`, and `OSError` when a port or file cannot be had.
    """
    stop = asyncio.Event()
    with _signals(stop):
        async with simulating(settings, now, speed) as (simulator, listening):
            if ready:
                ready(listening)
            await _first_to_end(simulator.run(), stop.wait())


@asynccontextmanager
async def simulating(
    settings: SimSettings, now: Callable[[], datetime], speed: float
) -> AsyncIterator[tuple[Simulator, Listening]]:
    """A simulator that listens on both ports; whoever opened it lets it tick."""
    simulator = Simulator(settings, now, speed)
    try:
        server = await asyncio.get_running_loop().create_server(simulator.session, settings.host, settings.port)
        runner = web.AppRunner(http_app(simulator), access_log=None, shutdown_timeout=_GOODBYE)
        try:
            await runner.setup()
            site = web.TCPSite(runner, settings.host, settings.http_port)
            await site.start()
            yield simulator, Listening(server.sockets[0].getsockname()[1], runner.addresses[0][1])
        finally:
            server.close()
            await runner.cleanup()
    finally:
        simulator.close()


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears signals
        return
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _first_to_end(*works: Coroutine[Any, Any, object]) -> None:
    """Wait for the first of these to end, end the others, and pass on what went wrong."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
