"""Who waits for an answer is served before mass messages, which wait for him, but not for ever."""

import asyncio

from agents.gather import Gather
from agents.precedence import Precedence
from registry.database import Database


async def test_who_can_wait_begins_when_the_last_person_is_served():
    precedence, order = Precedence(longest=5.0), []

    async def mass() -> None:
        async with precedence.after():
            order.append("mass")

    async with precedence.first(), precedence.first():
        waiting = asyncio.create_task(mass())
        await asyncio.sleep(0.01)
        order.append("people")
    await waiting
    assert order == ["people", "mass"]


async def test_people_do_not_wait_for_what_has_begun():
    precedence = Precedence()
    async with precedence.after(), asyncio.timeout(1), precedence.first():
        pass


async def test_mass_messages_go_on_however_many_people_come():
    precedence = Precedence(longest=0.01)
    async with precedence.first(), asyncio.timeout(1), precedence.after():
        pass


async def test_what_comes_while_a_queue_waits_for_its_turn_shares_the_commit(database: Database):
    precedence, commits = Precedence(longest=5.0), []

    def write(_: object, items: object) -> list[None]:
        commits.append(list(items))
        return [None] * len(items)

    mass: Gather[int, None] = Gather(database, write, turn=precedence.after)
    people: Gather[int, None] = Gather(database, write, turn=precedence.first)
    async with precedence.first():
        early = mass.put(1)
        await asyncio.sleep(0.01)
        late = mass.put(2)
        await people.add(3)
    await asyncio.gather(early, late)
    assert commits == [[3], [1, 2]]
