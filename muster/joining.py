"""Receipts are joined to their members in a process of their own, beside the worker.

Both have hundreds of thousands of messages to look at: joined inside, receipts took a third of the worker's interpreter
away from the sending.
"""

import asyncio
from functools import partial

from pydantic import AwareDatetime

from agents.receipts import JOINED, JoinReceipts
from agents.settling import SETTLED
from muster.beside import Beside, Brief, serve
from muster.clock import AppealClock, real_now
from muster.settings import Settings
from registry.database import Database
from registry.locks import one_at_a_time

_POLITENESS = 5  # nice: where processors are short, sending goes first
_COUNTED = {"joined": JOINED, "settled": SETTLED}


class JoiningBrief(Brief):
    """Whose receipts, and what time it is there."""

    database: str
    start: AwareDatetime
    speed: float


def joining_beside(settings: Settings) -> Beside:
    """The process, not yet started."""
    clock = settings.clock
    brief = JoiningBrief(
        log_level=settings.log_level, database=settings.database, start=clock.start or real_now(), speed=clock.speed
    )
    return Beside("muster.joining", brief, _COUNTED)


async def _join(brief: JoiningBrief, _nudged: asyncio.Event) -> None:
    clock = AppealClock(brief.start, brief.speed)
    with Database(brief.database) as database:
        await JoinReceipts(database, partial(one_at_a_time, database, "receipts"), now=clock.now).run()


if __name__ == "__main__":
    serve(JoiningBrief, _join, _COUNTED, politeness=_POLITENESS)
