"""The same night on Apache Kafka and PostgreSQL: 50,000 members, and a second worker joins while the messages leave."""

import asyncio
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Connection, func, select

from muster import board
from muster.demo.desk import RehearsalDesk
from muster.demo.processes import ensure_alive
from muster.demo.site import Plan, Site, Worker, open_site
from muster.demo.staff import at_work
from muster.demo.story import launch, story_spec, until_closed
from registry.ledger import CLAIMS
from rehearsal.generate import generate_members
from tests.stories.ids import new_id

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow]

MEMBERS, SEED, NEED = 50_000, 13, 9
SPEED = 400  # the second wave leaves after 7 s, the need is met after some 34 s
# Members: what a worker has begun it finishes, so that of a few long batches nothing would be left to share.
BATCH = 512
RATE = 1_500  # messages a second of one worker: the second wave lasts 20 s, and a worker that joins needs up to ten of them


async def test_a_second_worker_joins_during_the_fan_out_and_nothing_is_lost_or_doubled(
    kafka_url: str, postgres_url: str, tmp_path: Path
):
    table = tmp_path / "members.csv"
    people = generate_members(MEMBERS, seed=SEED, out=table)
    gateway = ("--seed", str(SEED), "--people", str(people))
    settings = {"sms": {"rate": RATE}, "dispatch": {"batch_size": BATCH}}
    plan = Plan(tmp_path, kafka_url, postgres_url, SPEED, settings, gateway)
    async with open_site(plan) as site:
        assert (await site.commands.run("members", "import", str(table)))["added"] == MEMBERS
        first = await site.start_worker()
        desk = RehearsalDesk(site.database, shards=site.settings.shards, now=site.clock.now, new_id=new_id)
        async with at_work(site, desk, seed=SEED):
            story = await launch(site.commands, {**story_spec(NEED), "deadline": "12h"}, tmp_path, "story")
            await _second_wave_has_begun(site, story)
            second = await site.start_worker()
            at_the_join = await _sent(site, story)
            await _closed(site, story, first)
            await site.witness.settle()
        ensure_alive(second)
        # Read when all is quiet: whoever says yes while the need is being met is stood down a moment after the others.
        view = await _closed(site, story, first)
        verdict = await site.judge(story)
        told = (await site.witness.counts()).get(f"stand-down/{story}/0", {"messages": 0, "doubled": 0})
        claimed = await site.database.read(partial(_claimed_by, appeal_id=story))

    assert 0 < at_the_join < view.waves[1].invited, "nobody joined during the fan-out"
    assert (len(claimed), min(claimed.values()) > 0) == (2, True)
    assert (verdict.lost, verdict.doubled, verdict.uncertain) == (0, 0, 0)
    assert verdict.invited == view.invited == view.matched > MEMBERS * 0.6
    assert verdict.seen + verdict.withdrawn + verdict.refused == verdict.invited
    assert view.status == ("filled" if view.confirmed >= NEED else "expired")
    assert view.accepted >= view.confirmed > 0
    assert (told["messages"], told["doubled"]) == (view.stood_down, 0)


async def _second_wave_has_begun(site: Site, appeal: str) -> None:
    async with asyncio.timeout(60):
        while not await _sent(site, appeal):  # noqa: ASYNC110 - it happens in another process
            await asyncio.sleep(0.05)


async def _sent(site: Site, appeal: str) -> int:
    """How many messages of the second wave the witness has seen."""
    counts = await site.witness.counts()
    return int(counts.get(f"mass/{appeal}/2", {}).get("messages", 0))


async def _closed(site: Site, appeal: str, worker: Worker) -> board.View:
    alive = partial(ensure_alive, worker)
    return await until_closed(site.database, appeal, site.clock, lambda _: None, alive, limit=150)


def _claimed_by(connection: Connection, *, appeal_id: str) -> dict[str, int]:
    """How many members of the second wave each worker has claimed."""
    size = func.sum(CLAIMS.c.last - CLAIMS.c.first)
    second = CLAIMS.c.appeal_id == appeal_id, CLAIMS.c.wave == 2
    rows = connection.execute(select(CLAIMS.c.owner, size).where(*second).group_by(CLAIMS.c.owner))
    return {owner: int(claimed) for owner, claimed in rows}
