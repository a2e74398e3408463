"""Throttle, window, queue and bad numbers: refused exactly as set, and nothing refused is recorded."""

import struct

import pytest

from rehearsal.smsc.brakes import Brakes, Bucket
from rehearsal.smsc.settings import SimSettings
from rehearsal.smsc.submission import Letter
from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import submit

LETTER = Letter("1069", "mass/a-0001/1")
THROTTLED, QUEUE_FULL, BAD_NUMBER = 0x58, 0x14, 0x0B
EVERYBODY = 2**31


def judge(brakes: Brakes, count: int, *, now: float = 0.0, room: int = EVERYBODY, first: int = 0) -> list[int]:
    numbers = list(range(17_900_000_000 + first, 17_900_000_000 + first + count))
    return brakes.judge(numbers, [LETTER] * count, room=room, now=now, plain=True) or [0] * count


def batch(count: int, first: int = 0) -> bytes:
    return b"".join(submit(f"179{n:08d}", sequence=n + 1) for n in range(first, first + count))


def test_a_bucket_gives_what_it_has_and_fills_up_again() -> None:
    bucket = Bucket(rate=10, size=5)
    assert [bucket.take(9, 0.0), bucket.take(9, 0.25), bucket.take(9, 0.3125), bucket.take(9, 100.0)] == [5, 2, 1, 5]


def test_without_limits_nobody_is_refused() -> None:
    assert Brakes(SimSettings()).judge([1], [LETTER], room=EVERYBODY, now=0, plain=True) is None


def test_the_throttle_lets_its_rate_through_and_no_more() -> None:
    brakes = Brakes(SimSettings(throttle=1000))
    accepted = sum(judge(brakes, 50, now=tick / 100).count(0) for tick in range(1001))
    assert accepted == pytest.approx(1000 * 10 + 100, abs=1)  # ten seconds and the first burst
    assert set(judge(brakes, 500, now=10.0)) == {THROTTLED}


def test_the_queue_holds_its_size_and_drains() -> None:
    brakes = Brakes(SimSettings(queue=30, queue_drain=10))
    assert judge(brakes, 40) == [0] * 30 + [QUEUE_FULL] * 10
    assert judge(brakes, 40, now=1.0) == [0] * 10 + [QUEUE_FULL] * 30


def test_the_window_counts_what_is_unanswered() -> None:
    assert judge(Brakes(SimSettings(window=10)), 5, room=3) == [0, 0, 0, THROTTLED, THROTTLED]
    assert judge(Brakes(SimSettings(window=10)), 2, room=-4) == [THROTTLED, THROTTLED]


def test_bad_numbers_are_a_share_and_always_the_same() -> None:
    settings = SimSettings(error_rate=0.05, seed=3)
    first, second = judge(Brakes(settings), 40_000), judge(Brakes(settings), 40_000)
    assert first == second
    assert first.count(BAD_NUMBER) == pytest.approx(2000, abs=4 * (40_000 * 0.05 * 0.95) ** 0.5)
    assert judge(Brakes(SimSettings(error_rate=0.05, seed=4)), 40_000) != first


def test_a_bad_number_costs_no_token() -> None:
    brakes = Brakes(SimSettings(error_rate=0.5, throttle=1000))
    statuses = judge(brakes, 150)
    assert statuses.count(0) == min(100, 150 - statuses.count(BAD_NUMBER))


async def test_refused_messages_keep_their_sequence_and_leave_no_trace(start: Start) -> None:
    running = await start(queue=3, queue_drain=0.001)
    client = await running.client()
    client.write(batch(5))
    statuses = {answer.sequence: answer.status for answer in await client.read_many(5)}
    assert statuses == {1: 0, 2: 0, 3: 0, 4: QUEUE_FULL, 5: QUEUE_FULL}
    counts = await running.get("/counts")
    assert (counts["segments"], counts["refused"]) == (3, {"0x14": 2})
    assert [len((await running.get("/messages", to=f"179{n:08d}"))["messages"]) for n in range(5)] == [1, 1, 1, 0, 0]


async def test_a_full_window_opens_when_answers_leave(start: Start) -> None:
    running = await start(window=2, latency_ms=50)
    client = await running.client()
    client.write(batch(3))
    assert {answer.sequence: answer.status for answer in await client.read_many(3)} == {1: 0, 2: 0, 3: THROTTLED}
    client.write(batch(2))
    assert [answer.status for answer in await client.read_many(2)] == [0, 0]


async def test_a_silent_number_is_recorded_and_never_answered(start: Start) -> None:
    running = await start(silent_rate=1)
    client = await running.client()
    client.write(batch(3))
    assert (await client.ask(0x15)).command == 0x80000015  # answered in order: so nothing came before it
    counts = await running.get("/counts")
    assert (counts["segments"], counts["silent"]) == (3, 3)


async def test_a_slow_gateway_stops_reading_and_refuses_nothing(start: Start) -> None:
    running = await start(pace=400)
    client = await running.client()
    client.write(batch(60) + struct.pack(">IIII", 16, 0x15, 0, 99))
    answers = await client.read_many(61)
    assert [answer.sequence for answer in answers] == [*range(1, 61), 99]
    assert {answer.status for answer in answers} == {0}
    tally = running.simulator.record.tallies()["mass/a-0001/1"]
    assert tally.last - tally.first >= (60 - 20) / 400 * 0.9
