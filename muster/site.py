"""The web pages put together: one-click opt-out, health and metrics, in a process of their own or beside a worker."""

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime

from prometheus_client import REGISTRY
from sqlalchemy import text

from agents.inbound import OptOutsByLink
from console.site import create_site, serving
from muster.listening import port_named
from muster.settings import Settings
from notifiers.email.links import OptOutLinks
from notifiers.email.settings import EmailSettings
from registry.database import Database
from registry.errors import DatabaseUnreachable

_PATIENCE = 5.0


@asynccontextmanager
async def open_site(
    settings: Settings, email: EmailSettings, database: Database, now: Callable[[], datetime]
) -> AsyncIterator[int]:
    """Serve the pages while entered; the port.  Raises `PortTaken`."""

    async def health() -> Mapping[str, str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                await database.read(lambda connection: connection.execute(text("select 1")).scalar())
        except (DatabaseUnreachable, TimeoutError):
            return {"database": "cannot be reached: check MUSTER_DATABASE, and that the server runs"}
        return {"database": "ok"}

    opt_outs = OptOutsByLink(database, now=now, new_id=lambda: uuid.uuid4().hex[:16])
    links = OptOutLinks(email.secret.get_secret_value().encode())
    site = create_site(opt_outs, links, health=health, registry=REGISTRY)
    async with AsyncExitStack() as stack:
        with port_named("MUSTER_HTTP_PORT", settings.http_host, settings.http_port):
            port = await stack.enter_async_context(serving(site, settings.http_host, settings.http_port))
        yield port


async def serve(
    settings: Settings, email: EmailSettings, now: Callable[[], datetime], ready: Callable[[int], None]
) -> None:
    """Serve the pages until SIGTERM or SIGINT.  Raises `PortTaken`."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with Database(settings.database) as database:
        async with open_site(settings, email, database, now) as port:
            ready(port)
            await stop.wait()
