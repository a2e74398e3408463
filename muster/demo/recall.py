"""The recall drill: an appeal that is filled by one confirmation while its messages leave."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from muster.demo.desk import RehearsalDesk
from muster.demo.site import Site
from muster.demo.story import drill_spec, launch, until_closed
from muster.demo.witness import Verdict

T = TypeVar("T")


async def recall(
    site: Site, desk: RehearsalDesk, *, size: int, share: float, alive: Callable[[], None] = lambda: None
) -> tuple[Verdict, float]:
    """What became of `size` invited members when the need was met after this share of the messages, and the milliseconds
    from the acknowledgement of the deciding confirmation to the last message at the gateway.
    """  # noqa: D205
    appeal_id = await launch(site.commands, drill_spec(size), site.plan.folder, "drill")
    reference = f"mass/{appeal_id}/1"
    numbers = await _until(partial(site.witness.numbers, reference), bool, every=0.02)
    await desk.record_answer(min(numbers), said_yes=True)
    waiting = await _until(desk.open_yes, lambda found: any(entry.appeal_id == appeal_id for entry in found))
    decisive = next(entry for entry in waiting if entry.appeal_id == appeal_id)
    await _until(
        site.witness.counts, lambda counts: counts.get(reference, {}).get("messages", 0) >= size * share, every=0.01
    )
    await desk.confirm(appeal_id, decisive.member_id, matched=True)
    acknowledged = time.time()
    await until_closed(site.database, appeal_id, site.clock, lambda _: None, alive, limit=60)
    await site.witness.settle()
    verdict = await site.judge(appeal_id)
    return verdict, max(0.0, (verdict.last - acknowledged) * 1000)


async def _until(ask: Callable[[], Awaitable[T]], good: Callable[[T], bool], *, every: float = 0.05) -> T:
    """What `ask` answers once it is good.  Raises `TimeoutError` after a minute."""
    async with asyncio.timeout(60):
        found = await ask()
        while not good(found):
            await asyncio.sleep(every)
            found = await ask()
    return found
