"""Simulated seats and coordinators work through doors that they are given."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import pytest

from rehearsal.coordinators import screen_answers
from rehearsal.desk import DeskBusy, HotlineCall, OpenYes
from rehearsal.seats import staff_seats
from rehearsal.telephone import Telephone
from tests.rehearsal.conftest import AppealClock, Start
from tests.rehearsal.esme import submit

FAST = 1e9  # appeal seconds in a second: nobody waits


class Office:
    """A desk, a hotline and a telephone in one; busy as often as it is told."""

    def __init__(self, clock: AppealClock, *, busy: int = 0) -> None:
        self.answers: list[tuple[str, bool]] = []
        self.decisions: list[tuple[str, int, bool]] = []
        self.open: list[OpenYes] = []
        self.calls: list[HotlineCall] = []
        self.rung: list[str] = []
        self.changed = asyncio.Event()
        self._clock = clock
        self._busy = Counter({"left": busy})

    def _maybe_busy(self) -> None:
        if self._busy["left"]:
            self._busy["left"] -= 1
            raise DeskBusy("later")

    async def record_answer(self, mobile: str, *, said_yes: bool) -> None:
        self._maybe_busy()
        self.answers.append((mobile, said_yes))
        self.changed.set()

    async def open_yes(self) -> Sequence[OpenYes]:
        return list(self.open)

    async def confirm(self, appeal_id: str, member_id: int, *, matched: bool) -> None:
        self._maybe_busy()
        self.open = [answer for answer in self.open if answer.member_id != member_id]
        await asyncio.sleep(0.5)  # the board shows it before the answer is back
        self.decisions.append((appeal_id, member_id, matched))
        self.changed.set()

    async def calls_after(self, last: int) -> Sequence[HotlineCall]:
        found = [call for call in self.calls if call.id > last]
        if not found:
            await asyncio.sleep(0.01)
        return found

    async def ask_type(self, mobile: str) -> str | None:
        self.rung.append(mobile)
        return {"1": "AB", "2": "O"}.get(mobile)

    async def until(self, done: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not done():
                self.changed.clear()
                await self.changed.wait()


async def during(staff: Coroutine[Any, Any, None], then: Awaitable[None]) -> None:
    """Let the staff work until something has happened."""
    work = asyncio.create_task(staff)
    try:
        await then
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


def skipping(clock: AppealClock) -> Callable[[], Any]:
    """A clock that runs away whenever somebody looks at it."""

    def now() -> Any:
        clock.advance(minutes=5)
        return clock()

    return now


@pytest.mark.parametrize("busy", [0, 1])
async def test_seats_record_what_callers_say_even_if_the_desk_is_busy_first(clock: AppealClock, busy: int) -> None:
    office = Office(clock, busy=busy)
    office.calls = [HotlineCall(1, "11", "愿意"), HotlineCall(2, "22", "不能"), HotlineCall(3, "33", "1")]
    await during(
        staff_seats(office, office, skipping(clock), FAST, seats=1), office.until(lambda: len(office.answers) == 3)
    )
    assert office.answers == [("11", True), ("22", False), ("33", True)]


async def test_callers_talk_for_minutes_of_appeal_time(clock: AppealClock) -> None:
    office = Office(clock)
    office.calls = [HotlineCall(1, "11", "愿意")]
    work = asyncio.create_task(staff_seats(office, office, clock, 1000.0))
    await asyncio.sleep(0.3)
    assert office.answers == []
    clock.advance(minutes=10)
    await office.until(lambda: office.answers == [("11", True)])
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


@pytest.mark.parametrize("busy", [0, 1])
async def test_coordinators_confirm_only_a_true_match_and_once(clock: AppealClock, busy: int) -> None:
    office = Office(clock, busy=busy)
    office.open = [OpenYes("a-0001", member, str(member), "AB") for member in (1, 2, 3)]
    await during(
        screen_answers(office, office, skipping(clock), FAST), office.until(lambda: len(office.decisions) == 3)
    )
    assert sorted(office.decisions) == [("a-0001", 1, True), ("a-0001", 2, False), ("a-0001", 3, False)]
    assert sorted(office.rung) == ["1", "2", "3"]


async def test_nobody_is_rung_after_being_stood_down(clock: AppealClock) -> None:
    office = Office(clock)
    office.open = [OpenYes("a-0001", 1, "1", "AB")]
    work = asyncio.create_task(screen_answers(office, office, clock, FAST))
    await asyncio.sleep(0.1)  # it is noted, and waits for a clock that stands still
    office.open = []
    await asyncio.sleep(0.5)
    clock.advance(hours=1)
    office.open = [OpenYes("a-0001", 2, "2", "AB")]
    await asyncio.sleep(0.5)
    clock.advance(hours=1)
    await office.until(lambda: bool(office.decisions))
    assert office.rung == ["2"]
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_the_telephone_reaches_the_simulator(start: Start, people: Path) -> None:
    handsets = {"yes_match": 1, "call_share": 1, "reply_median_minutes": 1, "reply_sigma": 0}
    running = await start(people=people, handsets=handsets, undelivered=0)
    telephone = Telephone(running.session, running.base)
    client = await running.client()
    client.write(submit("17900000002"))
    await client.read()
    running.simulator.tick()
    running.clock.advance(minutes=2)
    (call,) = await telephone.calls_after(0)
    assert (call.id, call.mobile) == (1, "17900000002")
    assert await telephone.ask_type("17900000002") == "AB"
    assert await telephone.ask_type("17999999999") is None


async def test_a_simulator_that_is_away_is_busy(start: Start) -> None:
    running = await start()
    with pytest.raises(DeskBusy, match="/ask"):
        await Telephone(running.session, "http://127.0.0.1:9").ask_type("17900000002")
