"""One appeal under fire: launched, hit at seeded moments, run to its end, and judged by the gateway and the ledger."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field

from bench.fire.faults import Fault
from bench.fire.front import PATIENCE, Front, Stuck
from bench.fire.voices import Hearing, Voices
from muster.demo.story import drill_spec, launch
from registry.ledger import Fate

_OVER = 0.95  # of the messages
NOBODY = Hearing(0, 0, 0)


@dataclass
class Toll:
    """What one fault cost.  Lost and doubled, messages and people's words, are the whole appeal's, charged to each fault that
    hit it.
    """

    fault: Fault
    resumed: float | None = None
    lost: int = 0
    doubled: int = 0
    trouble: str = ""
    heard: Hearing = NOBODY
    owners: Counter[str] = field(default_factory=Counter)  # who had claimed those who are uncertain

    @property
    def uncertain(self) -> int:
        return self.owners.total()

    def __str__(self) -> str:
        resumed = "" if self.resumed is None else f", resumed after {self.resumed:.1f} s"
        bad = f", LOST {self.lost}, DOUBLED {self.doubled}" if self.lost or self.doubled else ""
        parts = sorted((+self.owners).values())
        of = f" of {len(parts)} workers {parts}" if len(parts) > 1 else ""
        return f"{self.fault.name}: {self.uncertain} uncertain{of}{resumed}{bad} {self.trouble}"


@dataclass
class Blame:
    """Whose doing it is that members are uncertain: the death of who had claimed them, or else the latest blow.

    Who was called uncertain too early, by a successor of one who lives and still told what became of them, is taken off
    again.
    """

    killed: dict[str, Toll] = field(default_factory=dict)
    charged: Counter[str] = field(default_factory=Counter)
    by: dict[str, Toll] = field(default_factory=dict)

    def charge(self, now: Counter[str], tolls: list[Toll]) -> None:
        for owner in now.keys() | self.charged.keys():
            change = now[owner] - self.charged[owner]
            if change:
                toll = self.by[owner] if change < 0 else self.killed.get(owner) or tolls[-1]
                toll.owners[owner] += change
                self.by[owner] = toll
        self.charged = now


async def take_toll(front: Front, faults: list[Fault], number: int) -> list[Toll]:
    """Launch, hit, judge, stop.  Faults for which the fan-out was over too soon are left out."""
    await front.trickle()  # the fan-out begins before the command that launches it has ended
    front.appeal = await launch(
        front.site.commands, drill_spec(front.members), front.site.plan.folder, f"appeal-{number}"
    )
    voices = Voices(front)
    speaking = asyncio.create_task(voices.speak())
    try:
        tolls = await _hit(front, faults)
    finally:
        speaking.cancel()
        (ended,) = await asyncio.gather(speaking, return_exceptions=True)
    if isinstance(ended, Exception):
        raise ended
    heard = await voices.judge()
    print(f"  {heard}", flush=True)
    for toll in tolls:
        toll.heard = heard
    await front.site.commands.run("appeal", "stop", front.appeal, "--reason", "measured")
    return tolls


async def _hit(front: Front, faults: list[Fault]) -> list[Toll]:
    moments = sorted(front.chance.uniform(0.02, 0.85) for _ in faults)
    await front.misbehave()
    tolls: list[Toll] = []
    blame, began = Blame(), time.monotonic()
    for fault, moment in zip(faults, moments, strict=True):
        toll = Toll(fault)
        front.dead.clear()
        try:
            if await front.until_seen(int(moment * front.members)) > _OVER * front.members:
                break
            blame.charge(await front.uncertain(), tolls)
            tolls.append(toll)
            print(f"  {time.monotonic() - began:6.1f} s, {moment:4.0%} sent: {fault.name}", flush=True)
            await asyncio.sleep(front.chance.uniform(0, 0.1))
            toll.resumed = await fault.hit(front)
            blame.killed |= dict.fromkeys(front.dead, toll)
            await front.misbehave()
        except Stuck as exc:
            blame.killed |= dict.fromkeys(front.dead, toll)
            toll.trouble = str(exc)
            if toll not in tolls:
                tolls.append(toll)
            await _mend(front)
    await _until_all_told(front)
    await front.site.witness.settle(quiet=0.3)
    blame.charge(await front.uncertain(), tolls)
    verdict = await front.site.judge(front.appeal)
    # Whoever was never begun counts as withdrawn there; but nobody has stopped this appeal.
    never_begun = verdict.withdrawn - (await front.fates()).get(Fate.WITHDRAWN, 0)
    lost = verdict.lost + never_begun + max(0, front.members - verdict.invited)
    for toll in tolls:
        toll.lost, toll.doubled = lost, verdict.doubled
    return tolls


async def _mend(front: Front) -> None:
    """Replace workers that fell, so that the others' part can still be counted."""
    await front.misbehave()
    for worker in [worker for worker in front.workers if worker.code is not None]:
        front.workers.remove(worker)
        await front.add_worker()


async def _until_all_told(front: Front) -> None:
    """Return when every invited member has a fate, or when none is told any more."""
    told, since = -1, time.monotonic()
    while time.monotonic() - since < PATIENCE and told < front.members:
        now = sum((await front.fates()).values())
        if now > told:
            told, since = now, time.monotonic()
        await asyncio.sleep(0.1)
