"""Servers that are away, die, refuse us, or want to be spoken to in private."""

import asyncio
import socket
from collections import Counter
from pathlib import Path

import pytest
from pydantic import SecretStr

from notifiers.ports import State
from tests.notifiers_email.conftest import mail_server, yes

TLS = Path(__file__).parent / "tls"
TO = [f"m{number}@members.test" for number in range(300)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def until(true) -> None:
    """Wait for something that only a metric shows; the caller bounds it."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_a_missing_server_is_waited_for(make_notifier, letter, tmp_path, registry):
    port = free_port()
    async with asyncio.timeout(30), make_notifier(port, connections=2) as notifier:
        sending = asyncio.create_task(notifier.send(letter, TO[:5], yes))
        await until(lambda: registry.get_sample_value("muster_email_connect_failures_total"))
        assert not sending.done()
        with mail_server(tmp_path, "--port", str(port)) as server:
            outcomes = await sending
            assert server.recipients() == TO[:5]

    assert {outcome.state for outcome in outcomes} == {State.SENT}


async def test_a_missing_server_holds_everything_once_may_send_says_no(make_notifier, letter):
    asked = 0

    def may_send() -> bool:
        nonlocal asked
        asked += 1
        return asked < 3

    async with asyncio.timeout(10), make_notifier(free_port()) as notifier:
        outcomes = await notifier.send(letter, TO, may_send)

    assert {outcome.state for outcome in outcomes} == {State.HELD}


@pytest.mark.parametrize("options", [(), ("--pipelining",)], ids=["one by one", "pipelining"])
async def test_a_killed_server_loses_and_doubles_nothing(make_notifier, letter, tmp_path, options):
    with mail_server(tmp_path, *options) as server:
        asked = 0

        def may_send() -> bool:
            nonlocal asked
            asked += 1
            if asked == 200:
                server.process.kill()
                server.process.wait()
            return server.process.poll() is None

        async with asyncio.timeout(30), make_notifier(server.port, connections=4) as notifier:
            outcomes = await notifier.send(letter, TO, may_send)
        seen = Counter(server.recipients())

    by_state = {state: {to for to, o in zip(TO, outcomes, strict=True) if o.state is state} for state in State}
    assert not by_state[State.REFUSED]
    assert by_state[State.SENT] <= set(seen)
    assert set(seen) <= by_state[State.SENT] | by_state[State.UNCERTAIN]
    assert max(seen.values()) == 1
    assert len(by_state[State.UNCERTAIN]) <= 4
    assert by_state[State.HELD]


async def test_a_server_that_hangs_up_after_some_letters_gets_the_rest_on_a_new_connection(
    make_notifier, letter, tmp_path
):
    with mail_server(tmp_path, "--per-connection", "7", "--pipelining") as server:
        async with asyncio.timeout(30), make_notifier(server.port, connections=2) as notifier:
            outcomes = await notifier.send(letter, TO[:40], yes)
        seen = server.seen()

    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert sorted(to for letter in seen for to in letter.to) == sorted(TO[:40])
    assert max(Counter(letter.connection for letter in seen).values()) <= 7


@pytest.mark.parametrize("options", [(), ("--pipelining",)], ids=["one by one", "pipelining"])
async def test_a_server_that_refuses_us_burns_no_member(make_notifier, letter, tmp_path, registry, options):
    asked = 0

    def may_send() -> bool:
        nonlocal asked
        asked += 1
        return asked < 20

    with mail_server(tmp_path, "--deny-sender", *options) as server:
        async with asyncio.timeout(20), make_notifier(server.port) as notifier:
            outcomes = await notifier.send(letter, TO[:10], may_send)
        assert server.seen() == []

    assert {outcome.state for outcome in outcomes} == {State.HELD}
    assert registry.get_sample_value("muster_email_retries_total", {"fate": "busy"}) > 0


async def test_it_encrypts_and_logs_in(make_notifier, letter, tmp_path):
    options = ("--auth", "--cert", str(TLS / "cert.pem"), "--key", str(TLS / "key.pem"))
    account = {"username": "muster", "password": SecretStr("open sesame"), "starttls": True}
    with mail_server(tmp_path, *options) as server:
        async with (
            asyncio.timeout(20),
            make_notifier(server.port, **account, ca_file=TLS / "cert.pem", host="localhost") as notifier,
        ):
            outcomes = await notifier.send(letter, TO[:20], yes)
        assert all(seen.tls for seen in server.seen())
        assert len(server.seen()) == 20

    assert {outcome.state for outcome in outcomes} == {State.SENT}


@pytest.mark.parametrize(
    "changes",
    [{"password": SecretStr("wrong")}, {"ca_file": None}],
    ids=["a wrong password", "a certificate that nobody vouches for"],
)
async def test_without_trust_nothing_leaves(make_notifier, letter, tmp_path, registry, changes):
    options = ("--auth", "--cert", str(TLS / "cert.pem"), "--key", str(TLS / "key.pem"))
    account = {
        "username": "muster",
        "password": SecretStr("open sesame"),
        "starttls": True,
        "ca_file": TLS / "cert.pem",
    }
    with mail_server(tmp_path, *options) as server:
        async with asyncio.timeout(20), make_notifier(server.port, **{**account, **changes}) as notifier:
            outcomes = await notifier.send(
                letter, TO[:3], lambda: not registry.get_sample_value("muster_email_connect_failures_total")
            )
        assert server.seen() == []

    assert {outcome.state for outcome in outcomes} == {State.HELD}


async def test_an_idle_connection_is_closed(make_notifier, letter, server, registry):
    def connections() -> float:
        return registry.get_sample_value("muster_email_connections_count")

    async with asyncio.timeout(20), make_notifier(server.port, idle_seconds=0.05) as notifier:
        await notifier.send(letter, TO[:4], yes)
        assert connections() > 0
        await until(lambda: not connections())
        outcomes = await notifier.send(letter, TO[:4], yes)

    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert connections() == 0
