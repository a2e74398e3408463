"""Simulated hotline seats: take calls in order, listen for a while, record the answer through the system's own door."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from rehearsal.desk import Desk, Hotline, HotlineCall
from rehearsal.draws import draw_key, lognormal, uniform_one
from rehearsal.handsets import mood_of
from rehearsal.patience import insist, until

_TALK_MEDIAN, _TALK_SIGMA = 120.0, 0.4  # seconds of appeal time


async def staff_seats(
    hotline: Hotline, desk: Desk, now: Callable[[], datetime], speed: float, *, seats: int = 60, seed: int = 1
) -> None:
    """Answer the hotline until cancelled.  With all seats taken callers wait."""
    waiting: asyncio.Queue[HotlineCall] = asyncio.Queue()
    async with asyncio.TaskGroup() as shift:
        for _ in range(seats):
            shift.create_task(_sit(waiting, desk, now, speed, draw_key(seed, "talk")))
        last = 0
        while True:
            for call in await insist(partial(hotline.calls_after, last)):
                waiting.put_nowait(call)
                last = max(last, call.id)


async def _sit(
    waiting: asyncio.Queue[HotlineCall], desk: Desk, now: Callable[[], datetime], speed: float, key: int
) -> None:
    while True:
        call = await waiting.get()
        talk = lognormal(_TALK_MEDIAN, _TALK_SIGMA, uniform_one(key, call.id))
        await until(now() + timedelta(seconds=talk), now, speed)
        await insist(partial(desk.record_answer, call.mobile, said_yes=mood_of(call.says) == "yes"))
