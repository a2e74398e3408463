"""A simulator on free ports whose appeal time stands still until a test moves it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from rehearsal.smsc.server import simulating
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.simulator import Simulator
from tests.rehearsal.esme import ESME


class AppealClock:
    def __init__(self) -> None:
        self.at = datetime(2026, 11, 24, 10, 30, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def advance(self, **by: float) -> None:
        self.at += timedelta(**by)


@dataclass
class Running:
    simulator: Simulator
    port: int
    base: str
    clock: AppealClock
    session: ClientSession
    clients: list[ESME] = field(default_factory=list)

    async def get(self, path: str, **query: str) -> Any:
        async with self.session.get(self.base + path, params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def client(self, command: int = 9) -> ESME:
        self.clients.append(await ESME.bound(self.port, command))
        return self.clients[-1]


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def clock() -> AppealClock:
    return AppealClock()


@pytest.fixture
async def start(clock: AppealClock) -> AsyncIterator[Start]:
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(ClientSession())
        clients: list[ESME] = []
        ticking: list[asyncio.Task[None]] = []

        async def begin(**settings: Any) -> Running:
            given = SimSettings(**{"port": 0, "http_port": 0, **settings})
            simulator, at = await stack.enter_async_context(simulating(given, clock, 1.0))
            ticking.append(asyncio.create_task(simulator.run()))
            return Running(simulator, at.port, f"http://127.0.0.1:{at.http_port}", clock, session, clients)

        yield begin
        for client in clients:
            client.close()
        for task in ticking:
            task.cancel()
        await asyncio.gather(*ticking, return_exceptions=True)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two hundred people: every second one is AB, every fourth RhD-negative, every tenth reads English."""
    path = tmp_path / "people.csv"
    rows = (
        f"179{n:08d},{'AB' if n % 2 == 0 else 'O'},{'neg' if n % 4 == 0 else 'pos'},{'en' if n % 10 == 0 else 'zh'}"
        for n in range(200)
    )
    path.write_text("\n".join(("mobile,abo,rhd,language", *rows, "")))
    return path
