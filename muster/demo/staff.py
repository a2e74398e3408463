"""Who works during a rehearsal: sixty seats at the hotline, and a coordinator who screens everybody who said yes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from muster.demo.desk import RehearsalDesk
from muster.demo.site import Site
from rehearsal.coordinators import screen_answers
from rehearsal.seats import staff_seats
from rehearsal.telephone import Telephone


@asynccontextmanager
async def at_work(site: Site, desk: RehearsalDesk, *, seed: int) -> AsyncIterator[None]:
    """They work while entered, and go home at the end."""
    telephone = Telephone(site.session, site.witness.url)
    now, speed = site.clock.now, site.plan.speed
    async with asyncio.TaskGroup() as people:
        working = [
            people.create_task(staff_seats(telephone, desk, now, speed, seed=seed)),
            people.create_task(screen_answers(desk, telephone, now, speed, seed=seed)),
        ]
        yield
        for task in working:
            task.cancel()
