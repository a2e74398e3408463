"""Which events begin, whatever comes and ends in whatever order."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from streams.acks import InOrder
from streams.turns import MOST_WAITING, Turns


async def test_a_partition_whose_owner_died_waits_for_nobody_elses_events():
    mine, inherited, begun = InOrder(), InOrder(), []
    turns = Turns(2)
    for name in ("a", "b", "c"):
        await turns.put(mine, lambda name=name: begun.append(name))
    await turns.put(inherited, lambda: begun.append("first"))
    await turns.put(inherited, lambda: begun.append("second"))
    assert begun == ["a", "b", "first"]
    turns.end(mine)
    assert begun == ["a", "b", "first"]  # three were under way, two are
    turns.end(inherited)
    assert begun == ["a", "b", "first", "second"]  # who has nothing under way goes first
    turns.end(inherited)
    assert begun == ["a", "b", "first", "second", "c"]


async def test_who_reads_on_is_held_up_when_very_many_wait():
    turns, partition = Turns(1), InOrder()
    for _ in range(MOST_WAITING):
        await turns.put(partition, lambda: None)
    reading = asyncio.ensure_future(turns.put(partition, lambda: None))
    await asyncio.sleep(0)
    assert not reading.done()
    turns.end(partition)
    turns.end(partition)
    await asyncio.wait_for(reading, 1)


async def test_what_was_taken_away_begins_no_more():
    turns, gone, stays, begun = Turns(1), InOrder(), InOrder(), []
    for name in ("under way", "waits"):
        await turns.put(gone, lambda name=name: begun.append(name))
    await turns.put(stays, lambda: begun.append("stays"))
    await turns.put(stays, lambda: begun.append("stays, too"))
    turns.drop(gone)
    turns.end(gone)
    turns.end(stays)
    assert begun == ["under way", "stays", "stays, too"]


@given(st.lists(st.one_of(st.integers(0, 2), st.just("end")), max_size=60), st.integers(1, 4), st.randoms())
def test_so_many_at_a_time_and_one_of_each_partition_in_their_order(story, at_once, chance):
    partitions = [InOrder() for _ in range(3)]
    came: list[list[int]] = [[], [], []]
    begun: list[list[int]] = [[], [], []]
    ended = [0, 0, 0]

    async def play() -> None:
        turns = Turns(at_once)
        for number, step in enumerate(story):
            if step == "end":
                busy = [at for at in range(3) if len(begun[at]) > ended[at]]
                if busy:
                    at = chance.choice(busy)
                    ended[at] += 1
                    turns.end(partitions[at])
            else:
                came[step].append(number)
                await turns.put(partitions[step], lambda at=step, number=number: begun[at].append(number))
            under_way = [len(each) - done for each, done in zip(begun, ended, strict=True)]
            for at in range(3):
                assert begun[at] == came[at][: len(begun[at])]
                waits = len(came[at]) > len(begun[at])
                assert not waits or (under_way[at] >= 1 and sum(under_way) >= at_once)
            assert sum(max(0, count - 1) for count in under_way) < at_once

    asyncio.run(play())
