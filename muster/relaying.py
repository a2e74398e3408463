"""On servers the relay has a process of its own, beside the worker.

What people wait for goes through it twice: their reply, and what answers it.  Each time it asks the database and the broker
half a dozen short questions one after the other, and in the worker every answer waited for its turn in an interpreter that
is busy sending.  On the embedded log it stays inside: there it would be one more writer of the same file.
"""

import asyncio
from functools import partial

from agents.relay import PUBLISHED, Relay
from muster.beside import Beside, Brief, serve
from muster.settings import Settings
from registry.database import Database
from registry.locks import one_at_a_time
from streams.publisher import open_publisher

_COUNTED = {"published": PUBLISHED}


class RelayingBrief(Brief):
    """From which outbox to which log."""

    database: str
    log: str


def relaying_beside(settings: Settings) -> Beside:
    """The process, not yet started."""
    brief = RelayingBrief(log_level=settings.log_level, database=settings.database, log=settings.log)
    return Beside("muster.relaying", brief, _COUNTED)


async def _relay(brief: RelayingBrief, nudged: asyncio.Event) -> None:
    with Database(brief.database) as database:
        publisher = open_publisher(brief.log)
        try:
            await Relay(database, publisher, partial(one_at_a_time, database, "relay"), nudged=nudged).run()
        finally:
            publisher.close()


if __name__ == "__main__":
    serve(RelayingBrief, _relay, _COUNTED)
