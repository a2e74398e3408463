"""A worker ends when it is told to and when it is broken, also before all of it has started."""

import asyncio
import os
import signal
from typing import Any

import pytest

from streams.worker import WorkerBroken, run

BOUND = 10


class App:
    """One whose start waits, as Faust's does for the streams that a bug has ended; with `stops` False its stop does, too."""

    def __init__(self, *, stops: bool = True) -> None:
        self._stops = stops
        self._crashed = asyncio.Event()
        self.crash_reason = RuntimeError("a bug in the first event")
        self.starting = asyncio.Event()
        self.stopped = False

    def finalize(self) -> None:
        pass

    async def start(self) -> None:
        self.starting.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        if not self._stops:
            await asyncio.Event().wait()
        self.stopped = True

    def crash(self) -> None:
        self._crashed.set()


def _never_ready() -> None:
    raise AssertionError("it said that it was ready")


async def _begin(*apps: Any) -> asyncio.Task[None]:
    running = asyncio.create_task(run(apps, [], ready=_never_ready))
    await asyncio.wait_for(apps[0].starting.wait(), BOUND)
    return running


async def test_a_bug_while_it_starts_ends_it():
    first, second = App(), App()
    running = await _begin(first, second)
    first.crash()
    with pytest.raises(WorkerBroken, match="a bug in the first event"):
        await asyncio.wait_for(running, BOUND)
    assert (first.stopped, second.stopped) == (True, False)


async def test_told_to_stop_while_it_starts_it_stops():
    app = App()
    running = await _begin(app)
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(running, BOUND)
    assert app.stopped


async def test_one_that_does_not_stop_keeps_nobody_waiting_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streams.worker._STOP_SECONDS", 0.01)
    app = App(stops=False)
    running = await _begin(app)
    app.crash()
    with pytest.raises(WorkerBroken):
        await asyncio.wait_for(running, BOUND)
