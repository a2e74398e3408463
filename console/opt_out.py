"""Opting out by a link: a mail program posts (RFC 8058), a person sees one page with one button."""

import asyncio

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter

from console.pages import CONTENT_SECURITY, Page, page
from notifiers.email.links import OptOutLinks, Subscription
from notifiers.ports import OptOutDoor
from schemas.words import Channel

LOG = structlog.get_logger("muster.console")
FIELD, VALUE = "List-Unsubscribe", "one-click"
BY_PAGE = "page"
PATIENCE = 10.0  # seconds; mailbox providers give up soon and count it against us
AGAIN_AFTER = "60"
OUTCOMES = ("one-click", "page", "unknown-link", "bad-form", "not-committed")


class OptOutPages:
    """`/u/{token}`: GET asks, POST does it.  Nothing but a POST changes anything, since scanners open every link."""

    def __init__(self, doors: OptOutDoor, links: OptOutLinks, registry: CollectorRegistry) -> None:
        self._doors = doors
        self._links = links
        self._counted = Counter("muster_console_opt_outs_total", "Opt-out requests", ["outcome"], registry=registry)
        for outcome in OUTCOMES:
            self._counted.labels(outcome)

    def attach(self, site: web.Application) -> None:
        site.router.add_get("/u/{token}", self.ask)  # aiohttp answers HEAD likewise
        site.router.add_post("/u/{token}", self.opt_out)

    async def ask(self, request: web.Request) -> web.Response:
        """The page with the button; changes nothing."""
        subscription = self._links.read(request.match_info["token"])
        if subscription is None:
            return self._unknown(by_page=True)
        return _html(Page.ASK, 200, subscription)

    async def opt_out(self, request: web.Request) -> web.Response:
        """Write the wish down, then say so; a second time says the same."""
        try:
            form = await request.post()
        except (ValueError, LookupError):
            # A body in no form, or in a charset that there is none of, asks for nothing.
            form = {}  # type: ignore[assignment]
        by_page = form.get("by") == BY_PAGE
        subscription = self._links.read(request.match_info["token"])
        if subscription is None:
            return self._unknown(by_page=by_page)
        if str(form.get(FIELD, "")).strip().lower() != VALUE:
            self._counted.labels("bad-form").inc()
            return web.Response(status=400, text=f"expected the form field {FIELD}=One-Click\n")
        source = "page" if by_page else "one-click"
        try:
            async with asyncio.timeout(PATIENCE):
                await self._doors.opt_out_member(subscription.member_id, subscription.purpose, Channel.EMAIL, source)
        except Exception as exc:  # noqa: BLE001 - whatever kept it from being stored, the member must learn that it was not
            LOG.warning("opt_out_not_committed", error=type(exc).__name__)
            self._counted.labels("not-committed").inc()
            answer = _html(Page.LATER, 503, subscription) if by_page else web.Response(status=503, text="try again\n")
            answer.headers["Retry-After"] = AGAIN_AFTER
            return answer
        self._counted.labels(source).inc()
        return _html(Page.DONE, 200, subscription) if by_page else web.Response(text="unsubscribed 已退订\n")

    def _unknown(self, *, by_page: bool) -> web.Response:
        self._counted.labels("unknown-link").inc()
        return _html(Page.UNKNOWN, 404) if by_page else web.Response(status=404, text="unknown link\n")


def _html(which: Page, status: int, subscription: Subscription | None = None) -> web.Response:
    body = page(which, subscription.purpose if subscription else None)
    headers = {"Content-Security-Policy": CONTENT_SECURITY, "Content-Language": "zh-CN, en"}
    return web.Response(text=body, status=status, content_type="text/html", charset="utf-8", headers=headers)
