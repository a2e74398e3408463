"""Where Muster is measured: a registry on either log, with the servers it needs, that ends however the bench ends."""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

from muster.demo.site import Plan, open_site
from rehearsal.generate import generate_members
from tests.servers.kafka import KafkaBroker
from tests.servers.postgres import PostgresServer

T = TypeVar("T")

# Handsets confirm after seconds or minutes of appeal time, which is none of what is measured.
SPEED = 100.0


def plan_on(log: str, home: Path, servers: ExitStack) -> Plan:
    """On `embedded` everything lies in `home`; on `kafka` a broker and a database run until `servers` closes, and workers
    share their journals, as in docker-compose.yml.
    """
    if log == "embedded":
        return Plan(home)
    database = servers.enter_context(servers.enter_context(PostgresServer()).database())
    broker = servers.enter_context(KafkaBroker())
    return Plan(home, log=broker.url, database=database, settings={"journals": home})


async def fill_registry(plan: Plan, messages: int) -> None:
    """Import enough members, once, that the drill's wave finds `messages` of them."""
    table = plan.folder / "members.csv"
    if table.exists():
        return
    await asyncio.to_thread(generate_members, round(messages * 3 / 2) + 1000, seed=1, out=table)
    async with open_site(plan) as site:
        await site.commands.run("members", "import", str(table))


async def until_told_to_stop(work: Coroutine[Any, Any, T]) -> T:
    """Its result; on SIGTERM and SIGINT it is cancelled, so that what it started ends with it."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    return await task
