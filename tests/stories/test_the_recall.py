"""A recall: the deciding confirmation comes while most of the messages are still to leave."""

import asyncio
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from muster.demo.desk import RehearsalDesk
from muster.demo.processes import ensure_alive
from muster.demo.recall import recall
from muster.demo.site import Plan, Site, open_site
from registry import appeals
from rehearsal.generate import generate_members
from schemas.appeals import AppealFilled
from schemas.dispatch import SendingStopped
from schemas.envelope import Envelope
from schemas.reader import read
from streams.tail import read_to_end
from tests.stories.ids import new_id

pytestmark = pytest.mark.slow

MEMBERS, INVITED = 110_000, 75_000
RATE = 10_000  # messages a second: what is on its way when the stop comes is small beside what is not


async def test_what_has_not_left_is_withdrawn_and_nobody_is_asked_twice(tmp_path: Path):
    plan = Plan(tmp_path, settings={"sms": {"rate": RATE}})
    table = tmp_path / "members.csv"
    await asyncio.to_thread(generate_members, MEMBERS, seed=5, out=table)
    async with open_site(plan) as site:
        await site.commands.run("members", "import", str(table))
        worker = await site.start_worker()
        desk = RehearsalDesk(site.database, shards=site.settings.shards, now=site.clock.now, new_id=new_id)
        alive = partial(ensure_alive, worker)
        verdict, _ = await recall(site, desk, size=INVITED, share=0.1, alive=alive)
        stopped, filled = await _endings(site)
        ended_at, told = await _told_of_the_end(site)

    assert verdict.invited == INVITED
    assert verdict.withdrawn > 50_000
    assert verdict.seen + verdict.withdrawn == INVITED
    assert (verdict.lost, verdict.doubled, verdict.uncertain) == (0, 0, 0)
    # What an officer is told of the end holds for what the gateway saw.
    assert verdict.last <= ended_at.timestamp() + told["last_message_after_ms"] / 1000 + 0.001
    assert told["messages_after_end"] < verdict.seen
    # An order's id is that of its input and its place among what followed from it, which is the order of publishing.
    input_, _, place = stopped.rpartition(":")
    assert (place, filled) == ("0", f"{input_}:1")


async def _told_of_the_end(site: Site) -> tuple[datetime, dict[str, Any]]:
    """When the appeal ended, and what its status says of it."""
    (row,) = await site.database.read(appeals.appeals)
    return row.closed_at, await site.commands.run("appeal", "status", row.appeal_id)


async def _endings(site: Site) -> tuple[str, str]:
    """The ids of the one stop and the one fact that the log holds."""
    stops = await _ids(site, "controls", SendingStopped)
    facts = await _ids(site, "appeals", AppealFilled)
    assert (len(stops), len(facts)) == (1, 1)
    return stops[0], facts[0]


async def _ids(site: Site, topic: str, kind: type) -> list[str]:
    records = [record async for record in read_to_end(site.settings.log, topic)]
    return [Envelope.from_headers(record.headers).id for record in records if isinstance(read(record.value), kind)]
