"""Pauses, the token bucket and the window, by a clock that the test moves."""

import asyncio
import random

import pytest

from notifiers.email.pace import Brake, LetterWindow, TokenBucket
from notifiers.email.settings import EmailSettings
from tests.notifiers_email.conftest import SECRET


class HandClock:
    """Time passes when somebody sleeps, and only then."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def brake(clock) -> Brake:
    settings = EmailSettings(secret=SECRET, pause_seconds=1, longest_pause_seconds=20)
    return Brake(settings, clock=clock, sleep=clock.sleep, chance=random.Random(1))


async def waited(clock, brake) -> float:
    began = clock.now
    await brake.passed()
    return clock.now - began


async def test_pauses_double_up_to_the_ceiling(clock, brake):
    pauses = []
    for _ in range(8):
        brake.trouble()
        pauses.append(await waited(clock, brake))

    for pause, most in zip(pauses, [1, 2, 4, 8, 16, 20, 20, 20], strict=True):
        assert most / 2 <= pause <= most


async def test_troubles_of_several_connections_at_once_count_as_one(clock, brake):
    for _ in range(10):
        brake.trouble()
    assert await waited(clock, brake) <= 1


async def test_a_success_ends_the_doubling(clock, brake):
    for _ in range(6):
        brake.trouble()
        await brake.passed()
    brake.release()
    brake.trouble()
    assert await waited(clock, brake) <= 1


async def test_without_trouble_nobody_waits(clock, brake):
    assert await waited(clock, brake) == 0


async def test_the_bucket_keeps_the_rate(clock):
    bucket = TokenBucket(50, clock=clock, sleep=clock.sleep)
    for _ in range(505):
        await bucket.take()
    assert clock.now - 100 == pytest.approx(10, rel=0.01)  # five at once, then fifty a second


async def test_a_bucket_that_rested_gives_no_more_than_its_burst(clock):
    bucket = TokenBucket(50, clock=clock, sleep=clock.sleep)
    clock.now += 3600
    for _ in range(55):
        await bucket.take()
    assert clock.now - 3700 == pytest.approx(1, rel=0.01)


async def test_a_token_given_back_is_a_token(clock):
    bucket = TokenBucket(1, clock=clock, sleep=clock.sleep)
    for _ in range(100):
        await bucket.take()
        bucket.give_back()
    assert clock.now == 100


async def test_without_a_rate_nobody_waits(clock):
    bucket = TokenBucket(None, clock=clock, sleep=clock.sleep)
    for _ in range(1000):
        await bucket.take()
    assert clock.now == 100


async def test_the_window_gives_what_there_is_and_keeps_a_tenth_for_the_urgent():
    window = LetterWindow(20)
    assert await window.take(256) == 18
    assert await window.take(256, urgent=True) == 2


async def test_a_full_window_waits_for_places_to_come_back():
    window = LetterWindow(20)
    await window.take(18)
    waiting = asyncio.create_task(window.take(5))
    await asyncio.sleep(0)
    assert not waiting.done()
    window.give_back(3)
    async with asyncio.timeout(1):
        assert await waiting == 3


async def test_places_nobody_took_cannot_come_back():
    window = LetterWindow(20)
    await window.take(4)
    with pytest.raises(ValueError, match="more places"):
        window.give_back(5)
