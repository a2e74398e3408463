"""Neither direction leaves an address, a member or a text in a log or a metric."""

import asyncio
import logging

import pytest
from prometheus_client import generate_latest

from notifiers.ports import State
from tests.notifiers_email.conftest import yes
from tests.notifiers_email.test_inbound import an_answer, deliver, desk, listening  # noqa: F401 - fixtures

MEMBER = 8_123_459_876_543_210


@pytest.fixture
def everything_logged(caplog, capfd):
    caplog.set_level(logging.DEBUG)

    def read() -> str:
        out, err = capfd.readouterr()
        return caplog.text + out + err

    return read


def test_the_ear_hears(everything_logged):
    """Else the tests below could not fail."""
    logging.getLogger("some.part").debug("canary in the log")
    print("canary on the screen")  # noqa: T201
    assert everything_logged().count("canary") == 2


async def test_sending_with_every_kind_of_trouble_names_nobody(
    server, make_notifier, letter, registry, everything_logged
):
    to = [
        "gone-canary@members.test",
        "cut-dot-canary@members.test",
        "busy-1-canary@members.test",
        "canary-tail@members.test",
    ]
    async with asyncio.timeout(20), make_notifier(server.port) as notifier:
        outcomes = await notifier.send(letter, to, yes, members=range(MEMBER, MEMBER + 4))
    said = everything_logged() + generate_latest(registry).decode()

    assert {outcome.state for outcome in outcomes} == {State.REFUSED, State.UNCERTAIN, State.SENT}
    for secret in ("canary", "members.test", str(MEMBER)[:-1], "血小板"):
        assert secret not in said


async def test_receiving_names_nobody_even_when_it_fails(listening, desk, registry, everything_logged):  # noqa: F811
    async with listening() as inbound:
        await deliver(inbound.port, an_answer("canary words", author="canary@members.test"))
        desk.fails = True
        with pytest.raises(Exception, match=r"451|not stored"):
            await deliver(inbound.port, an_answer("canary words", author="canary@members.test"))
    said = everything_logged() + generate_latest(registry).decode()

    assert "email_not_committed" in said
    for secret in ("canary", "members.test"):
        assert secret not in said
