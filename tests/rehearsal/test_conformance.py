"""An SMPP client that others wrote (smpplib) finds nothing strange."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from tests.rehearsal.conftest import Start
from tests.rehearsal.esme import ACCESS, PLEA

T = TypeVar("T")


@contextmanager
def smpplib_client(port: int, **credentials: str) -> Iterator[Any]:
    client = smpplib.client.Client("127.0.0.1", port, timeout=5, allow_unknown_opt_params=True)
    client.sent, client.received, client.errors = [], [], []
    client.set_message_sent_handler(lambda pdu: client.sent.append(pdu.message_id))
    client.set_message_received_handler(lambda pdu: client.received.append(pdu))  # noqa: PLW0108
    client.set_error_pdu_handler(lambda pdu: client.errors.append(pdu.status))
    client.connect()
    try:
        client.bind_transceiver(**{"system_id": "muster", "password": "secret", **credentials})
        yield client
        client.unbind()
    finally:
        client.disconnect()


async def apart(work: Callable[[], T]) -> T:
    async with asyncio.timeout(20):
        return await asyncio.to_thread(work)


def send(client: Any, text: str, to: str = "17900000001") -> None:
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    for part in parts:
        client.send_message(
            source_addr=ACCESS,
            destination_addr=to,
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
            registered_delivery=1,
        )
    for _ in parts:
        client.read_once()


@pytest.mark.parametrize("text", ["plain €{}", PLEA, "血" * 202, "a" * 152 + "€" + "b" * 200, "🩸" * 90])
async def test_the_witness_reads_what_the_client_wrote(start: Start, text: str) -> None:
    running = await start()

    def talk() -> list[Any]:
        with smpplib_client(running.port) as client:
            send(client, text)
            return list(client.sent)

    ids = await apart(talk)
    seen = await running.get("/messages", to="17900000001")
    assert len(set(ids)) == len(ids)
    assert [message["text"] for message in seen["messages"]] == [text]
    assert seen["messages"][0]["parts"] == len(ids)


async def test_wrong_account_and_wrong_password_are_told_apart(start: Start) -> None:
    running = await start(system_id="muster", password="secret")

    def refused(**credentials: str) -> int:
        with pytest.raises(smpplib.exceptions.PDUError) as caught, smpplib_client(running.port, **credentials):
            raise AssertionError("the bind was accepted")
        return int(caught.value.args[1])

    assert await apart(lambda: refused(system_id="other")) == smpplib.consts.SMPP_ESME_RINVSYSID
    assert await apart(lambda: refused(password="wrong")) == smpplib.consts.SMPP_ESME_RINVPASWD


async def test_a_number_refused_for_good_gets_its_status(start: Start) -> None:
    running = await start(error_rate=1)

    def talk() -> list[Any]:
        with smpplib_client(running.port) as client:
            send(client, "hello")
            return list(client.errors)

    assert await apart(talk) == [smpplib.consts.SMPP_ESME_RINVDSTADR]
    assert (await running.get("/counts"))["refused"] == {"0x0b": 1}


async def test_receipt_and_reply_arrive_and_are_acknowledged(start: Start) -> None:
    running = await start(undelivered=0, receipt_median_seconds=30, receipt_sigma=0)

    def talk() -> list[Any]:
        with smpplib_client(running.port) as client:
            send(client, "hello")
            running.clock.advance(seconds=31)
            client.read_once()
            running.simulator.network.say("17900000001", ACCESS, "愿意")
            client.read_once()
            return [*client.sent, *client.received]

    # The member's message is said from the client's thread; nothing else touches the queue at that moment.
    message_id, receipt, reply = await apart(talk)
    assert receipt.esm_class & 0x3C == 0x04
    assert receipt.source_addr == b"17900000001"
    assert receipt.short_message.startswith(b"id:" + message_id + b" sub:001 dlvrd:001 submit date:2611241830 ")
    assert b"stat:DELIVRD err:000" in receipt.short_message
    assert receipt.receipted_message_id == message_id
    assert receipt.message_state == 2
    assert reply.destination_addr == ACCESS.encode()
    assert reply.short_message.decode("utf-16-be") == "愿意"
    counts = await running.get("/counts")
    assert counts["deliver"] == {"waiting": 0, "acknowledged": 2, "given_up": 0}
