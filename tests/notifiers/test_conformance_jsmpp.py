"""Our client and a gateway that others wrote: jsmpp finds nothing strange, and nothing gets lost between the two."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest
import smpplib.gsm
from prometheus_client import CollectorRegistry

from notifiers.ports import Incoming, State
from notifiers.smpp.link import BindRefused
from notifiers.sms import SMSMetrics, SMSNotifier, SMSSettings
from tests.needs import missing
from tests.notifiers.conftest import LETTER, QUICK, Desk, number, numbers, yes
from tests.servers.jsmpp import PASSWORD, SYSTEM_ID, JsmppGateway
from tests.servers.process import ServerMissing

pytestmark = pytest.mark.jsmpp

BOUND = 20.0
SUBMIT_SM_RESP, ENQUIRE_LINK, UNBIND, RESPONSE = 0x80000004, 0x15, 0x06, 0x80000000
RTHROTTLED = 0x58
Open = Callable[..., Awaitable[SMSNotifier]]


@pytest.fixture(scope="module")
def only_one() -> Iterator[JsmppGateway]:
    try:
        gateway = JsmppGateway()
    except ServerMissing as exc:
        missing(str(exc))
    with gateway:
        yield gateway


@pytest.fixture
def jsmpp(only_one: JsmppGateway) -> JsmppGateway:
    return only_one.start()


def account(gateway: JsmppGateway, **settings: object) -> SMSSettings:
    ours = {"port": gateway.port, "system_id": SYSTEM_ID, "password": PASSWORD}
    return SMSSettings(**{**QUICK, **ours, "response_ids": "hex", "receipt_ids": "decimal", **settings})


@pytest.fixture
async def bound(jsmpp: JsmppGateway, desk: Desk, registry: CollectorRegistry) -> AsyncIterator[Open]:
    """Open the channel with settings of the test's; it closes with the test."""
    async with AsyncExitStack() as stack:

        async def open_channel(**settings: object) -> SMSNotifier:
            ours = account(jsmpp, **settings)
            return await stack.enter_async_context(
                SMSNotifier(
                    ours, SMSMetrics(registry), on_incoming=desk.on_incoming, on_receipts=desk.on_receipts(ours)
                )
            )

        yield open_channel


async def until(true: Callable[[], bool]) -> None:
    """Wait, bounded, for the other process."""
    async with asyncio.timeout(BOUND):
        while not true():  # noqa: ASYNC110 - another process sets no event of ours
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("text", ["plain €{} and no more", LETTER.text, "a" * 159 + "€" + "b" * 200, "血" * 202])
async def test_the_gateway_reads_what_the_client_wrote(jsmpp: JsmppGateway, bound: Open, text: str) -> None:
    channel = await bound()
    before = len(jsmpp.received())
    (outcome,) = await channel.send(replace(LETTER, text=text), [number(1)], yes)
    expected, coding, udh = smpplib.gsm.make_parts(text)
    await until(lambda: len(jsmpp.received()) == before + len(expected))
    received = jsmpp.received()[before:]
    assert outcome.state is State.SENT
    # jsmpp works with three threads, so its log may swap the parts.
    assert outcome.gateway_id in {format(int(part.message_id, 16), "x") for part in received}
    in_order = sorted((part.octets for part in received), key=lambda octets: octets[5] if udh else 0)
    header = 6 if udh else 0
    assert b"".join(octets[header:] for octets in in_order) == b"".join(part[header:] for part in expected)
    if udh:
        assert [octets[:3] for octets in in_order] == [b"\x05\0\x03"] * len(expected)
        assert [tuple(octets[4:6]) for octets in in_order] == [(len(expected), at + 1) for at in range(len(expected))]
    assert coding in (0, 8)


async def test_each_message_gets_an_id_of_its_own_and_later_its_receipt(bound: Open, desk: Desk) -> None:
    channel = await bound(window=64)
    outcomes = await channel.send(LETTER, numbers(20), yes)
    await until(lambda: len(desk.receipts) >= 20)
    ids = [outcome.gateway_id for outcome in outcomes]
    assert len(set(ids)) == 20
    # The receipt names in decimal what the answer named in hexadecimal; its sender is the number we wrote to.
    assert {receipt.gateway_id: receipt.address for receipt in desk.receipts} == dict(
        zip(ids, numbers(20), strict=True)
    )
    assert {(receipt.state, receipt.final, receipt.error) for receipt in desk.receipts} == {("DELIVRD", True, "000")}
    assert all(receipt.done_at is not None for receipt in desk.receipts)


async def test_a_long_message_gets_one_receipt(jsmpp: JsmppGateway, bound: Open, desk: Desk) -> None:
    channel = await bound()
    before = len(jsmpp.received())
    long, short = replace(LETTER, text="血" * 202), replace(LETTER, text="short")
    outcomes = [*await channel.send(long, [number(1)], yes), *await channel.send(short, [number(2)], yes)]
    await until(lambda: len(desk.receipts) >= 2)
    assert len(jsmpp.received()) - before == 5
    assert {receipt.gateway_id for receipt in desk.receipts} == {outcome.gateway_id for outcome in outcomes}


async def test_a_message_to_us_arrives(bound: Open, desk: Desk) -> None:
    await bound()
    await until(lambda: bool(desk.incoming))
    assert desk.incoming == [Incoming(address="555", text="Hello World", slot=None)]


async def test_nothing_is_lost_when_the_gateway_throttles(
    jsmpp: JsmppGateway, bound: Open, metric: Callable[..., float]
) -> None:
    channel = await bound(window=400, registered_delivery=False)
    before, throttled = len(jsmpp.received()), jsmpp.pdus("Sending").count((SUBMIT_SM_RESP, RTHROTTLED))
    async with asyncio.timeout(BOUND):
        outcomes = await channel.send(LETTER, numbers(600), yes)
    accepted = Counter(format(int(message.message_id, 16), "x") for message in jsmpp.received()[before:])
    assert jsmpp.pdus("Sending").count((SUBMIT_SM_RESP, RTHROTTLED)) > throttled
    assert metric("answers_total", verdict="throttled") > 0
    assert {outcome.state for outcome in outcomes} == {State.SENT}
    assert Counter(outcome.gateway_id for outcome in outcomes) == accepted
    assert set(accepted.values()) == {1}


async def test_the_gateway_tells_that_it_lives(jsmpp: JsmppGateway, bound: Open, metric: Callable[..., float]) -> None:
    answered = (RESPONSE | ENQUIRE_LINK, 0)
    before = jsmpp.pdus("Sending").count(answered)
    await bound(enquire_seconds=0.05)
    await until(lambda: jsmpp.pdus("Sending").count(answered) >= before + 3)
    assert (metric("links_count"), metric("lost_links_total"), metric("protocol_errors_total")) == (1, 0, 0)


async def test_a_link_ends_with_unbind_and_its_answer(jsmpp: JsmppGateway, desk: Desk) -> None:
    unbound = jsmpp.pdus("Sending").count((RESPONSE | UNBIND, 0))
    ours = account(jsmpp)
    notifier = SMSNotifier(
        ours, SMSMetrics(CollectorRegistry()), on_incoming=desk.on_incoming, on_receipts=desk.on_receipts(ours)
    )
    await notifier.check()
    assert jsmpp.pdus("Sending").count((RESPONSE | UNBIND, 0)) == unbound + 1


@pytest.mark.parametrize(("wrong", "status"), [({"system_id": "other"}, 0x0F), ({"password": "wrong"}, 0x0E)])
async def test_a_refused_bind_says_why(jsmpp: JsmppGateway, desk: Desk, wrong: dict[str, str], status: int) -> None:
    ours = account(jsmpp, **wrong)
    notifier = SMSNotifier(
        ours, SMSMetrics(CollectorRegistry()), on_incoming=desk.on_incoming, on_receipts=desk.on_receipts(ours)
    )
    with pytest.raises(BindRefused) as refused:
        await notifier.check()
    assert refused.value.status == status
