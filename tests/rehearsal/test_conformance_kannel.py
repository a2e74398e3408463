"""Kannel, a gateway that others run for real, as a client of our simulator."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest
from aiohttp import web

from tests.needs import need_program
from tests.rehearsal.conftest import Running, Start
from tests.rehearsal.esme import ACCESS, PLEA
from tests.servers.kannel import Kannel

pytestmark = pytest.mark.kannel

BOUND = 20.0
MEMBER = "17900000001"
DELIVERED, UNDELIVERED, WITH_THE_GATEWAY = "1", "2", "8"
Report = dict[str, str]


def raw_query(request: web.Request) -> list[list[str]]:
    return [field.split("=", 1) for field in request.rel_url.raw_query_string.split("&")]


class Callbacks:
    """What Kannel tells: reports about messages, and members' messages."""

    def __init__(self) -> None:
        self.reports: list[Report] = []
        self.incoming: list[tuple[str, str, str]] = []
        self._changed = asyncio.Condition()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(BOUND), self._changed:
            await self._changed.wait_for(true)

    async def report(self, request: web.Request) -> web.Response:
        self.reports.append(dict(request.query))
        return await self._noted()

    async def message(self, request: web.Request) -> web.Response:
        # Kannel leaves the octets of UCS-2 as they came, and says so.
        query = {name: unquote_to_bytes(value.replace("+", " ")) for name, value in raw_query(request)}
        text = query["text"].decode("utf-16-be" if query["coding"] == b"2" else "utf-8")
        self.incoming.append((query["from"].decode(), query["to"].decode(), text))
        return await self._noted()

    async def _noted(self) -> web.Response:
        async with self._changed:
            self._changed.notify_all()
        return web.Response(text="")


@pytest.fixture
async def callbacks() -> AsyncIterator[tuple[Callbacks, str]]:
    told = Callbacks()
    app = web.Application()
    app.add_routes([web.get("/report", told.report), web.get("/incoming", told.message)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield told, f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


Bound = Callable[..., Awaitable[tuple[Running, Kannel]]]


@pytest.fixture
async def bound(start: Start, callbacks: tuple[Callbacks, str], tmp_path: Path) -> AsyncIterator[Bound]:
    """A simulator with settings of the test's, and Kannel as its client."""
    programs = (need_program("bearerbox", package="kannel"), need_program("smsbox", package="kannel"))
    async with AsyncExitStack() as stack:

        async def begin(**settings: Any) -> tuple[Running, Kannel]:
            running = await start(system_id="muster", password="secret", **settings)
            kannel = Kannel(*programs, smsc_port=running.port, callbacks=callbacks[1], folder=tmp_path)
            await asyncio.to_thread(kannel.__enter__)
            stack.push_async_callback(asyncio.to_thread, kannel.__exit__)
            return running, kannel

        yield begin


async def heard(running: Running, to: str, count: int) -> list[Any]:
    """What the witness heard for this number, once it is that much."""
    async with asyncio.timeout(BOUND):
        while len(found := (await running.get("/messages", to=to))["messages"]) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    return list(found)


async def deliveries(running: Running, expected: dict[str, int]) -> None:
    """Wait, bounded, until this became of what the simulator pushed."""
    async with asyncio.timeout(BOUND):
        while (await running.get("/counts"))["deliver"] != expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_witness_reads_what_kannel_wrote(bound: Bound) -> None:
    texts = ["plain €{}", PLEA, "血" * 202, "a" * 152 + "€" + "b" * 200]
    running, kannel = await bound()
    for at, text in enumerate(texts):
        told = await asyncio.to_thread(kannel.send, text, sender=ACCESS, to=f"1790000000{at}")
        assert told.startswith("0: Accepted")
    for at, text in enumerate(texts):
        (message,) = await heard(running, f"1790000000{at}", 1)
        assert message["text"] == text
        assert message["from"] == ACCESS
        assert message["parts"] == (1, 1, 4, 3)[at]


@pytest.mark.parametrize(("undelivered", "state"), [(0, DELIVERED), (1, UNDELIVERED)])
async def test_receipts_come_back(
    bound: Bound, callbacks: tuple[Callbacks, str], undelivered: float, state: str
) -> None:
    running, kannel = await bound(undelivered=undelivered, receipt_median_seconds=30, receipt_sigma=0)
    told, _ = callbacks
    for at in range(10):
        await asyncio.to_thread(kannel.send, PLEA, sender=ACCESS, to=f"1790000000{at}", mark=f"m{at}")
    await told.until(lambda: len(told.reports) >= 10)
    assert {report["state"] for report in told.reports} == {WITH_THE_GATEWAY}
    running.clock.advance(seconds=31)
    await told.until(lambda: len(told.reports) >= 20)
    assert sorted(report["mark"] for report in told.reports[10:]) == [f"m{at}" for at in range(10)]
    assert {report["state"] for report in told.reports[10:]} == {state}
    await deliveries(running, {"waiting": 0, "acknowledged": 10, "given_up": 0})


@pytest.mark.parametrize("words", ["yes €{}", "愿意", "明天上午可以" * 30])
async def test_a_members_message_arrives(bound: Bound, callbacks: tuple[Callbacks, str], words: str) -> None:
    running, kannel = await bound()
    told, _ = callbacks
    await asyncio.to_thread(kannel.send, PLEA, sender=ACCESS, to=MEMBER)
    await heard(running, MEMBER, 1)
    running.simulator.network.say(MEMBER, ACCESS, words)
    await told.until(lambda: bool(told.incoming))
    assert told.incoming == [(f"+{MEMBER}", f"+{ACCESS}", words)]


async def test_kannel_waits_when_it_is_throttled(bound: Bound) -> None:
    running, kannel = await bound(throttle=100)
    for at in range(30):
        await asyncio.to_thread(kannel.send, f"message {at}", sender=ACCESS, to=MEMBER)
    found = await heard(running, MEMBER, 30)
    assert sorted(message["text"] for message in found) == sorted(f"message {at}" for at in range(30))
    assert (await running.get("/counts"))["refused"].get("0x58", 0) > 0
