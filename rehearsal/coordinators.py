"""Simulated coordinators: ring everybody who said yes, ask for the blood group, confirm or decline."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

from rehearsal.desk import Desk, OpenYes, Phone
from rehearsal.draws import draw_key, lognormal, uniform_one
from rehearsal.patience import insist, until

_DELAY_MEDIAN, _DELAY_SIGMA = 300.0, 0.5  # seconds of appeal time from a yes to its screening
_LOOK_AGAIN = 0.2  # seconds of real time


async def screen_answers(desk: Desk, phone: Phone, now: Callable[[], datetime], speed: float, *, seed: int = 1) -> None:
    """Screen every open yes once, until cancelled.  A yes that comes back after it was gone is screened again."""
    key = draw_key(seed, "screening")
    begun: dict[tuple[str, int], _Screening] = {}
    async with asyncio.TaskGroup() as shift:
        while True:
            waiting = {(answer.appeal_id, answer.member_id): answer for answer in await insist(desk.open_yes)}
            for gone in begun.keys() - waiting.keys():
                begun.pop(gone).call_off()
            for case in waiting.keys() - begun.keys():
                answer = waiting[case]
                delay = lognormal(_DELAY_MEDIAN, _DELAY_SIGMA, uniform_one(key, answer.member_id))
                begun[case] = screening = _Screening(answer, desk, phone)
                screening.task = shift.create_task(screening.run(now() + timedelta(seconds=delay), now, speed))
            await asyncio.sleep(_LOOK_AGAIN)


class _Screening:
    """One yes on its way to a decision."""

    def __init__(self, answer: OpenYes, desk: Desk, phone: Phone) -> None:
        self.task: asyncio.Task[None] | None = None
        self._answer = answer
        self._desk = desk
        self._phone = phone
        self._deciding = False

    async def run(self, due: datetime, now: Callable[[], datetime], speed: float) -> None:
        answer = self._answer
        await until(due, now, speed)
        abo = await insist(lambda: self._phone.ask_type(answer.mobile))
        self._deciding = True
        await insist(lambda: self._desk.confirm(answer.appeal_id, answer.member_id, matched=abo == answer.wanted))

    def call_off(self) -> None:
        """Nobody is rung in vain; but a decision that is being recorded is the reason why the yes is no longer open."""
        if self.task and not self._deciding:
            self.task.cancel()
