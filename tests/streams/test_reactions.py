"""Bad, busy and broken are three things, and no event is acknowledged before those that came earlier."""

import asyncio
import json

import pytest

from streams.errors import Busy, LogUnreachable, Unprocessable
from streams.inbox import Delivery
from streams.reactions import TooManyDeadLetters
from tests.streams.feeding import GOOD, fed, nothing, settle

NEWER = json.dumps({"type": "muster.of-tomorrow"}).encode()


async def test_an_event_is_acknowledged_when_its_reaction_is_done():
    it = fed(GOOD, GOOD)
    seen: list[int] = []

    async def react(delivery: Delivery) -> None:
        assert it.stream.acknowledged == seen
        seen.append(delivery.offset)

    await it.feeder(react).run(it.stream)
    assert it.stream.acknowledged == [0, 1]


async def test_a_busy_reaction_gets_the_same_event_again_after_longer_and_longer_pauses():
    it = fed(GOOD, GOOD)
    tries: list[int] = []

    async def react(delivery: Delivery) -> None:
        tries.append(delivery.offset)
        if len(tries) <= 7:
            raise Busy("not yet")

    await it.feeder(react).run(it.stream)
    assert tries == [0] * 8 + [1]
    assert it.pauses == [0.05, 0.1, 0.2, 0.5, 1.0, 1.0, 1.0]
    assert it.stream.acknowledged == [0, 1]


async def test_what_a_reaction_can_never_use_is_kept_and_the_next_event_comes():
    it = fed(GOOD, GOOD)

    async def react(delivery: Delivery) -> None:
        if delivery.offset == 0:
            raise Unprocessable("no such appeal")

    await it.feeder(react).run(it.stream)
    assert it.letters.kept == [(0, "no such appeal")]
    assert it.stream.acknowledged == [0, 1]


@pytest.mark.parametrize("value", [b"no JSON", GOOD], ids=["unreadable", "unprocessable"])
async def test_a_dead_letter_that_cannot_be_kept_now_is_tried_again(value: bytes):
    it = fed(value, unreachable=3)

    async def react(_: Delivery) -> None:
        raise Unprocessable("no such appeal")

    await it.feeder(react).run(it.stream)
    assert [offset for offset, _ in it.letters.kept] == [0]
    assert (len(it.pauses), it.bugs, it.stream.acknowledged) == (3, [], [0])


async def test_a_reaction_that_cannot_reach_the_log_is_tried_again():
    it = fed(GOOD)

    async def react(_: Delivery) -> None:
        if not it.pauses:
            raise LogUnreachable("no broker answers")

    await it.feeder(react).run(it.stream)
    assert (len(it.pauses), it.bugs, it.stream.acknowledged) == (1, [], [0])


@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_bug_is_told_and_nothing_from_it_on_is_acknowledged(concurrency: int):
    it = fed(GOOD, GOOD, GOOD)
    bug = KeyError("a bug")

    async def react(delivery: Delivery) -> None:
        if delivery.offset == 1:
            raise bug

    async with it.feeding(react, concurrency=concurrency):
        await settle(lambda: it.bugs)
        await settle()
    assert it.bugs == [bug]
    assert it.stream.acknowledged == [0]


async def test_events_run_side_by_side_up_to_the_limit_and_are_acknowledged_in_order():
    it = fed(*[GOOD] * 6)
    gates = [asyncio.Event() for _ in range(6)]
    begun: list[int] = []

    async def react(delivery: Delivery) -> None:
        begun.append(delivery.offset)
        await gates[delivery.offset].wait()

    async with it.feeding(react, concurrency=3):
        await settle()
        assert begun == [0, 1, 2]
        for done, acknowledged in ((1, []), (0, [0, 1]), (3, [0, 1]), (2, [0, 1, 2, 3])):
            gates[done].set()
            await settle()
            assert it.stream.acknowledged == acknowledged
        assert begun == [0, 1, 2, 3, 4, 5]
    assert it.stream.acknowledged == [0, 1, 2, 3]


async def test_newer_events_are_passed_over_without_alarm_however_many():
    it = fed(*[NEWER] * 300)
    await it.feeder(nothing).run(it.stream)
    assert (it.letters.kept, it.bugs) == ([], [])
    assert it.stream.acknowledged == list(range(300))


async def test_twenty_bad_events_in_a_row_stop_the_worker_at_the_twentieth():
    it = fed(*[GOOD] * 5, *[b"bad"] * 30)
    async with it.feeding(nothing):
        await settle(lambda: it.bugs)
    assert [type(bug) for bug in it.bugs] == [TooManyDeadLetters]
    assert it.stream.acknowledged == list(range(5 + 19))


async def test_too_large_a_share_of_bad_events_stops_the_worker():
    it = fed(*[GOOD, GOOD, b"bad"] * 100)
    async with it.feeding(nothing):
        await settle(lambda: it.bugs)
    assert [type(bug) for bug in it.bugs] == [TooManyDeadLetters]
    assert it.stream.acknowledged == list(range(199))


async def test_a_few_bad_events_stop_nobody():
    it = fed(*[GOOD, GOOD, GOOD, GOOD, b"bad"] * 100)
    await it.feeder(nothing).run(it.stream)
    assert (len(it.letters.kept), it.bugs, len(it.stream.acknowledged)) == (100, [], 500)


async def test_a_busy_reaction_is_not_tried_again_once_its_partition_was_taken_away():
    it = fed(GOOD, GOOD)
    tries: list[int] = []

    async def react(delivery: Delivery) -> None:
        tries.append(delivery.offset)
        if delivery.offset == 0:
            feeder.revoked([("t", 0)])
            raise Busy("another worker holds the lease")

    feeder = it.feeder(react)
    await feeder.run(it.stream)
    assert tries == [0, 1]  # the place is free for what comes next
    assert it.stream.acknowledged == [1]  # the new owner's first event; the old one was left to it


async def test_a_partition_that_was_taken_away_leaves_no_hole_for_its_next_owner():
    it = fed(GOOD, GOOD, GOOD)
    ended = asyncio.Event()

    async def react(delivery: Delivery) -> None:
        if delivery.offset < 2:
            await ended.wait()

    def rebalance(offset: int) -> None:
        if offset == 2:
            feeder.revoked([("t", 0)])

    it.stream.before, it.stream.ends = rebalance, False
    feeder = it.feeder(react, concurrency=4)
    running = asyncio.create_task(feeder.run(it.stream))
    await settle(lambda: it.stream.acknowledged)
    assert it.stream.acknowledged == [2]  # what comes after the rebalance does not wait for what came before
    ended.set()
    await settle(lambda: len(it.stream.acknowledged) == 3)
    running.cancel()
    assert it.stream.acknowledged == [2, 0, 1]
