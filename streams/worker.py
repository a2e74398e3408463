"""Running Faust apps and plain services together in one process and one event loop, until told to stop or broken."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Sequence

import faust
import structlog

LOG = structlog.get_logger("muster.worker")
Service = Callable[[], Awaitable[None]]
_STOP_SECONDS = 60.0


class WorkerBroken(Exception):
    """A reaction or a service had a bug: the worker has stopped with nothing of it acknowledged."""


async def _nothing() -> None:
    """There is nothing to finish."""


async def run(
    apps: Sequence[faust.App],
    services: Sequence[Service],
    *,
    ready: Callable[[], None],
    finish: Service = _nothing,
) -> None:
    """Start the services, then the apps; on SIGTERM or SIGINT `finish` what must not be cut off, and stop in reverse order.

    Raises `WorkerBroken`.
    """
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    running = [asyncio.create_task(_named(service)) for service in services]
    started: list[faust.App] = []
    # A bug in the first event ends the worker, too: Faust's start would then wait for ever for its streams.
    starting, over = asyncio.create_task(_start(apps, started)), asyncio.create_task(_until_over(stop, running, apps))
    try:
        await asyncio.wait([starting, over], return_when=asyncio.FIRST_COMPLETED)
        if not over.done():
            await starting
            ready()
        await over
        await finish()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
        starting.cancel()
        for app in reversed(started):
            await _stop(app)
        for task in (over, *running):
            task.cancel()
        await asyncio.gather(starting, over, *running, return_exceptions=True)


async def _start(apps: Sequence[faust.App], started: list[faust.App]) -> None:
    for app in apps:
        app.finalize()
        started.append(app)
        await app.start()


async def _stop(app: faust.App) -> None:
    """A part of it that never answers must not keep a worker from ending that others wait to replace."""
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await app.stop()
    except TimeoutError:
        LOG.error("an app did not stop in time and is left as it is", seconds=_STOP_SECONDS)  # noqa: TRY400 - there is no bug to show


async def _named(service: Service) -> None:
    await service()


async def _until_over(stop: asyncio.Event, running: Sequence[asyncio.Task[None]], apps: Sequence[faust.App]) -> None:
    waits = [asyncio.create_task(stop.wait()), *(asyncio.create_task(_crashed(app)) for app in apps)]
    try:
        done, _ = await asyncio.wait([*waits, *running], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waits:
            task.cancel()
    for task in done:
        if task is not waits[0]:
            reason = task.exception() if not task.cancelled() else None
            raise WorkerBroken(f"a part of the worker ended: {reason!r}") from reason
    LOG.info("the worker stops in good order")


async def _crashed(app: faust.App) -> None:
    await app._crashed.wait()  # noqa: SLF001 - Faust has no other way to say so
    raise WorkerBroken(repr(app.crash_reason)) from app.crash_reason
