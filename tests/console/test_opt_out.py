"""The one-click door over real HTTP: what it does, what it refuses, and what merely looking at it does not do."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from html.parser import HTMLParser

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from console.pages import NAMES, STYLE, WORDINGS, Page, page
from console.site import create_site, serving
from notifiers.email.links import OptOutLinks, Subscription
from schemas.words import Channel, Purpose

LINKS = OptOutLinks(b"a secret of the tests, long enough")
ANN = Subscription(42, Purpose.BLOOD)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
FORM = "application/x-www-form-urlencoded"


class Door:
    """Remembers who opted out; may fail or take for ever."""

    def __init__(self) -> None:
        self.opted_out: list[tuple] = []
        self.fails: Exception | None = None

    async def opt_out_member(self, member_id, purpose, channel, source) -> None:
        if self.fails:
            raise self.fails
        self.opted_out.append((member_id, purpose, channel, source))


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def parts() -> dict[str, str]:
    return {"database": "ok", "log": "ok"}


@pytest.fixture
def visiting(door, registry, parts):
    async def health() -> dict[str, str]:
        return parts

    @asynccontextmanager
    async def visit() -> AsyncIterator[aiohttp.ClientSession]:
        site = create_site(door, LINKS, health=health, registry=registry)
        async with (
            asyncio.timeout(20),
            serving(site, "127.0.0.1", 0) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", cookie_jar=aiohttp.DummyCookieJar()) as session,
        ):
            yield session

    return visit


def link(subscription: Subscription = ANN) -> str:
    return "/u/" + LINKS.token(subscription)


async def test_one_post_without_cookies_opts_out(visiting, door):
    async with visiting() as visitor:
        answer = await visitor.post(link(), data=b"List-Unsubscribe=One-Click", headers={"Content-Type": FORM})
        text = await answer.text()

    assert answer.status == 200
    assert len(text) < 100
    assert "Set-Cookie" not in answer.headers
    assert door.opted_out == [(42, Purpose.BLOOD, Channel.EMAIL, "one-click")]


@pytest.mark.parametrize("purpose", [None, *Purpose])
async def test_the_link_leaves_the_list_that_it_names(visiting, door, purpose):
    async with visiting() as visitor:
        assert (await visitor.post(link(Subscription(7, purpose)), data=ONE_CLICK)).status == 200
    assert door.opted_out == [(7, purpose, Channel.EMAIL, "one-click")]


@pytest.mark.parametrize("value", ["One-Click", "one-click", "ONE-CLICK", " One-Click "])
async def test_the_case_of_the_word_does_not_matter(visiting, door, value):
    async with visiting() as visitor:
        assert (await visitor.post(link(), data={"List-Unsubscribe": value})).status == 200
    assert len(door.opted_out) == 1


async def test_a_form_in_parts_is_read_too(visiting, door):
    """RFC 8058, 3.2 prefers multipart/form-data."""
    form = aiohttp.FormData(ONE_CLICK, default_to_multipart=True)
    async with visiting() as visitor:
        assert (await visitor.post(link(), data=form)).status == 200
    assert len(door.opted_out) == 1


async def test_a_second_click_gets_the_same_answer(visiting, door):
    async with visiting() as visitor:
        first, second = [await visitor.post(link(), data=ONE_CLICK) for _ in range(2)]
        assert (first.status, await first.text()) == (second.status, await second.text())
    assert len(door.opted_out) == 2  # the door itself is idempotent


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_looking_changes_nothing(visiting, door, method):
    async with visiting() as visitor:
        answer = await visitor.request(method, link())
        body = await answer.text()
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert bool(body) == (method == "GET")
    assert door.opted_out == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_not_allowed(visiting, door, method):
    async with visiting() as visitor:
        assert (await visitor.request(method, link(), data=ONE_CLICK)).status == 405
    assert door.opted_out == []


FORGED = {
    "made up": "a" * 40,
    "of another house": OptOutLinks(b"another secret").token(ANN),
    "one sign changed": LINKS.token(ANN)[:-1] + ("a" if LINKS.token(ANN)[-1] != "a" else "b"),
    "cut": LINKS.token(ANN)[:-1],
    "a number": "42",
    "a path": "..%2f..%2fetc",
    "not ASCII": "退订",
}


@pytest.mark.parametrize("token", FORGED.values(), ids=FORGED)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
async def test_a_forged_link_is_unknown(visiting, door, method, token):
    async with visiting() as visitor:
        assert (await visitor.request(method, "/u/" + token, data=ONE_CLICK)).status == 404
    assert door.opted_out == []


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", FORM),
        (b"List-Unsubscribe=", FORM),
        (b"List-Unsubscribe=Maybe", FORM),
        (b"List-Unsubscribe=One-Click", "text/plain"),
        (b'{"List-Unsubscribe": "One-Click"}', "application/json"),
        (b"not what it says", "multipart/form-data; boundary=x"),
        (b"x", "multipart/form-data"),
        (b"List-Unsubscribe=%ff%fe", FORM),
        (b"List-Unsubscribe=One-Click", FORM + "; charset=nonsense"),
    ],
)
async def test_a_post_that_does_not_ask_for_it_does_nothing(visiting, door, body, kind):
    async with visiting() as visitor:
        assert (await visitor.post(link(), data=body, headers={"Content-Type": kind})).status == 400
    assert door.opted_out == []


async def test_a_huge_post_is_refused(visiting, door):
    async with visiting() as visitor:
        assert (await visitor.post(link(), data={**ONE_CLICK, "x": "y" * 10_000})).status == 413
    assert door.opted_out == []


@pytest.mark.parametrize("by_page", [False, True])
async def test_what_could_not_be_stored_is_not_called_done(visiting, door, registry, by_page):
    door.fails = ConnectionError("the database is away")
    async with visiting() as visitor:
        answer = await visitor.post(link(), data={**ONE_CLICK, **({"by": "page"} if by_page else {})})
        text = await answer.text()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "database" not in text
    assert ("12351" in text) == by_page
    assert registry.get_sample_value("muster_console_opt_outs_total", {"outcome": "not-committed"}) == 1


class Form(HTMLParser):
    """A browser as far as this page needs one: where its one form goes and what it sends."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.method = self.action = ""
        self.fields: dict[str, str] = {}
        self.buttons = 0
        self.outside: list[str] = []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "form":
            self.method, self.action = given["method"], given.get("action", "")
        elif tag == "input":
            self.fields[given["name"]] = given["value"]
        self.buttons += tag == "button"
        self.outside += [
            given[name] for name in ("src", "href") if name in given and not given[name].startswith("tel:")
        ]


async def test_a_person_presses_one_button(visiting, door, registry):
    async with visiting() as visitor:
        form = Form(await (await visitor.get(link())).text())
        assert (form.method, form.action, form.buttons) == ("post", "", 1)
        done = await visitor.post(link(), data=form.fields)
        text = await done.text()

    assert done.status == 200
    assert door.opted_out == [(42, Purpose.BLOOD, Channel.EMAIL, "page")]
    assert "已退订献血征集邮件" in text
    assert Form(text).buttons == 0
    assert registry.get_sample_value("muster_console_opt_outs_total", {"outcome": "page"}) == 1


async def test_pages_are_kept_by_nobody_and_framed_by_nobody(visiting):
    async with visiting() as visitor:
        answers = [await visitor.get(link()), await visitor.get("/u/x"), await visitor.get("/nowhere")]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
    policy = answers[0].headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert f"'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'" in policy


async def test_a_bug_shows_nothing_outside(visiting, parts, capsys):
    parts["database"] = object()  # cannot be written as JSON
    async with visiting() as visitor:
        answer = await visitor.get("/health")
        text = await answer.text()
    assert answer.status == 500
    assert "object" not in text
    assert "console_failed" in capsys.readouterr().out


async def test_no_log_line_holds_a_token(visiting, door, caplog, capfd):
    caplog.set_level("DEBUG")
    async with visiting() as visitor:
        await visitor.get(link())
        await visitor.post(link(), data=ONE_CLICK)
        door.fails = ConnectionError("away")
        await visitor.post(link(), data=ONE_CLICK)
    out, err = capfd.readouterr()
    assert "opt_out_not_committed" in out + err + caplog.text
    assert LINKS.token(ANN) not in out + err + caplog.text


async def test_health_says_which_part_is_ill(visiting, parts):
    async with visiting() as visitor:
        well = await visitor.get("/health")
        assert (well.status, await well.json()) == (200, {"ok": True, "parts": {"database": "ok", "log": "ok"}})
        parts["log"] = "cannot be reached: start the broker"
        ill = await visitor.get("/health")
        assert (ill.status, (await ill.json())["ok"]) == (503, False)


async def test_metrics_are_what_prometheus_reads(visiting):
    async with visiting() as visitor:
        await visitor.post(link(), data=ONE_CLICK)
        answer = await visitor.get("/metrics")
        text = await answer.text()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'muster_console_opt_outs_total{outcome="one-click"} 1.0' in text


@pytest.mark.parametrize("which", Page)
@pytest.mark.parametrize("purpose", [None, *Purpose])
def test_every_page_says_it_twice_and_loads_nothing(which, purpose):
    source = page(which, purpose)
    form = Form(source)
    assert '<html lang="zh-CN">' in source
    assert 'name="viewport"' in source
    assert source.count('lang="en"') >= 3
    assert form.outside == []
    assert form.buttons == WORDINGS[which].button
    assert "{" not in source.replace(STYLE, "")
    if which in (Page.ASK, Page.DONE):
        assert all(name in source.replace("&#x27;", "'") for name in NAMES[purpose])


def luminance(colour: str) -> float:
    """WCAG 2.1, relative luminance."""
    full = colour if len(colour) == 6 else "".join(sign * 2 for sign in colour)
    parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "paper"), [("ink", "paper"), ("soft", "paper"), ("on-act", "act"), ("act", "paper")])
def test_everything_can_be_read(scheme, ink, paper):
    """WCAG AA asks for 4.5; a tired eye on a telephone gets 7 for all that is text, 4.5 for the link."""
    colours = dict(re.findall(r"--([a-z-]+):#([0-9a-f]+)", re.findall(r":root\{[^}]*\}", STYLE)[scheme]))
    lighter, darker = sorted((luminance(colours[ink]), luminance(colours[paper])), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 7
