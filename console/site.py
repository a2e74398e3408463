"""The HTTP door: opting out by one click, health, metrics."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

from console.opt_out import OptOutPages
from notifiers.email.links import OptOutLinks
from notifiers.ports import OptOutDoor

LOG = structlog.get_logger("muster.console")
LARGEST_BODY = 4096
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# The address of a page is a key to somebody's subscription: it is neither kept, sent on nor shown in a frame.
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}

# What is well reads "ok"; anything else says in one line what is wrong and what to do.
Health = Callable[[], Awaitable[Mapping[str, str]]]


def create_site(
    doors: OptOutDoor, links: OptOutLinks, *, health: Health, registry: CollectorRegistry
) -> web.Application:
    """The application.  Serve it with `serving`, which keeps no access log: a path may hold an opt-out token."""
    site = web.Application(client_max_size=LARGEST_BODY, middlewares=[_guarded])
    OptOutPages(doors, links, registry).attach(site)

    async def show_health(_request: web.Request) -> web.Response:
        parts = dict(await health())
        well = all(state == "ok" for state in parts.values())
        return web.json_response({"ok": well, "parts": parts}, status=200 if well else 503)

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": METRICS_TYPE})

    site.router.add_get("/health", show_health)
    site.router.add_get("/metrics", show_metrics)
    return site


@asynccontextmanager
async def serving(site: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve the site; yields the port, which matters when 0 was asked for."""
    runner = web.AppRunner(site, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The same headers on every answer, and no trace of a bug in one."""
    try:
        answer = await handler(request)
    except web.HTTPException as exc:
        exc.headers.update(HEADERS)
        raise
    except Exception as exc:  # noqa: BLE001 - the last door: outside nobody can do anything with the details
        LOG.error("console_failed", error=type(exc).__name__, route=_route(request))  # noqa: TRY400 - a trace may hold data
        answer = web.Response(status=500, text="Something went wrong. 出错了，请稍后再试。")
    answer.headers.update(HEADERS)
    return answer


def _route(request: web.Request) -> str:
    """The pattern of the path, without what stood in its place."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"
