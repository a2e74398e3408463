"""What comes back after a message was accepted: receipts, replies, calls, and nothing for those who were not reached."""

import struct
from pathlib import Path

import pytest

from rehearsal.smsc.deliver import Split, member_message
from rehearsal.smsc.settings import HandsetSettings
from tests.rehearsal.conftest import Running, Start
from tests.rehearsal.esme import ACCESS, PDU, PLEA, said, submit, tlv

EAGER = HandsetSettings(yes_match=1, yes_other=0, call_share=0, reply_median_minutes=5, reply_sigma=0)
COUNT = 200


def batch(**settings: object) -> bytes:
    return b"".join(submit(f"179{n:08d}", sequence=n + 1, **settings) for n in range(COUNT))  # type: ignore[arg-type]


async def send(running: Running, octets: bytes, count: int = COUNT) -> None:
    """Send, read all answers, and let the network see the messages."""
    client = running.clients[0] if running.clients else await running.client()
    client.write(octets)
    assert {answer.status for answer in await client.read_many(count)} == {0}
    running.simulator.tick()


def stat(message: bytes) -> str:
    return message.split(b"stat:")[1][:7].decode()


async def test_receipts_tell_who_was_reached_and_the_others_never_answer(start: Start, people: Path) -> None:
    running = await start(undelivered=0.3, receipt_sigma=0, people=people, handsets=EAGER)
    await send(running, batch(registered=1))
    running.clock.advance(minutes=4)
    client = running.clients[0]
    receipts = await client.read_many(COUNT)
    for pdu in receipts:
        client.answer(pdu)
    stats = {said(pdu)[0]: stat(said(pdu)[2]) for pdu in receipts}
    assert set(stats.values()) == {"DELIVRD", "UNDELIV"}
    reached = {number for number, state in stats.items() if state == "DELIVRD"}
    assert 110 <= len(reached) <= 170
    running.clock.advance(minutes=2)
    matching = {number for number in reached if int(number) % 2 == 0}
    assert {said(pdu)[0] for pdu in await client.read_many(len(matching))} == matching
    assert running.simulator.network.replies == len(matching)


async def test_receipts_wait_for_their_delay_in_appeal_time(start: Start) -> None:
    running = await start(receipt_median_seconds=30, receipt_sigma=0)
    await send(running, submit(registered=1), 1)
    running.clock.advance(seconds=29)
    running.simulator.tick()
    assert running.simulator.network.receipts == 0
    running.clock.advance(seconds=1.1)
    running.simulator.tick()
    assert running.simulator.network.receipts == 1


@pytest.mark.parametrize(("registered", "count"), [(0, 0), (1, COUNT), (2, 62)])
async def test_receipts_come_for_those_who_asked(start: Start, registered: int, count: int) -> None:
    running = await start(undelivered=0.3, seed=1)
    await send(running, batch(registered=registered))
    running.clock.advance(hours=1)
    running.simulator.tick()
    assert running.simulator.network.receipts == pytest.approx(count, abs=25 if registered == 2 else 0)


async def test_receipts_may_be_lost_on_the_way(start: Start) -> None:
    running = await start(receipts=0.5)
    await send(running, batch(registered=1))
    running.clock.advance(hours=1)
    running.simulator.tick()
    assert 70 <= running.simulator.network.receipts <= 130


async def test_receipts_carry_id_state_and_reference(start: Start) -> None:
    running = await start(undelivered=0, decimal_ids=True)
    await send(running, b"".join(submit(sequence=n) for n in range(1, 26)), 25)
    await send(running, submit(registered=1, reference="ack/a-0001/0"), 1)
    running.clock.advance(hours=1)
    source, target, text, esm_class, tlvs = said(await running.clients[0].read())
    assert (source, target, esm_class) == ("17900000001", ACCESS, 0x04)
    assert text.startswith(b"id:0000000026 sub:001 dlvrd:001 submit date:2611241830 done date:26112418")
    assert tlvs == tlv(0x1E, b"00000000001a\0") + tlv(0x427, b"\x02") + tlv(0x1500, b"ack/a-0001/0")


async def test_receipts_without_tlvs_for_older_gateways(start: Start) -> None:
    running = await start(undelivered=0, receipt_tlvs=False)
    await send(running, submit(registered=1), 1)
    running.clock.advance(hours=1)
    _, _, text, _, tlvs = said(await running.clients[0].read())
    assert text.startswith(b"id:000000000001 ")
    assert tlvs == b""


async def test_what_comes_after_its_validity_is_not_read_by_anybody(start: Start, people: Path) -> None:
    running = await start(people=people, handsets=EAGER, undelivered=0)
    await send(running, batch(registered=1, validity=b"261124182959032+"))
    running.clock.advance(hours=1)
    received = await running.clients[0].read_many(COUNT)
    assert {stat(said(pdu)[2]) for pdu in received} == {"EXPIRED"}
    assert running.simulator.network.replies == 0


async def test_people_may_call_instead_of_writing(start: Start, people: Path) -> None:
    handsets = EAGER.model_copy(update={"call_share": 1})
    running = await start(people=people, handsets=handsets, undelivered=0)
    await send(running, batch())
    running.clock.advance(minutes=4)
    assert (await running.get("/calls"))["calls"] == []
    running.clock.advance(minutes=2)
    calls = (await running.get("/calls", wait="5"))["calls"]
    assert [call["id"] for call in calls] == list(range(1, 101))
    assert {int(call["from"]) % 2 for call in calls} == {0}
    assert [call["id"] for call in (await running.get("/calls", after="98"))["calls"]] == [99, 100]
    assert (await running.get("/calls", after="100"))["calls"] == []


async def test_some_replies_are_pushed_twice_a_minute_apart(start: Start, people: Path) -> None:
    running = await start(people=people, handsets=EAGER.model_copy(update={"pushed_twice": 1}), undelivered=0)
    await send(running, submit("17900000002"), 1)
    client = running.clients[0]
    running.clock.advance(minutes=5.1)
    first = await client.read()
    client.answer(first)
    running.clock.advance(minutes=1.1)
    assert said(await client.read()) == said(first)


async def test_a_restart_sends_what_was_not_taken_and_nothing_else(start: Start, people: Path, tmp_path: Path) -> None:
    settings = {"people": people, "handsets": EAGER, "undelivered": 0, "state_dir": tmp_path / "state"}
    running = await start(**settings)
    await send(running, submit("17900000002", registered=1) + submit("17900000004", sequence=2), 2)
    client = running.clients[0]
    running.clock.advance(minutes=4)
    client.answer(await client.read())  # the receipt
    running.clock.advance(minutes=2)
    replies = await client.read_many(2)
    client.answer(replies[0])
    assert (await client.ask(0x15)).command == 0x80000015
    running.simulator.close()

    again = await start(**settings)
    missed = await (await again.client()).read()
    assert said(missed) == said(replies[1])
    assert again.simulator.deliveries.waiting == 1


@pytest.mark.parametrize("text", ["可以，晚上八点后" * 20, "yes in 2 hours {" * 20 + "€", "🩸" * 50])
@pytest.mark.parametrize("split", list(Split))
def test_long_words_of_members_are_split_as_phones_do(text: str, split: Split) -> None:
    bodies = member_message("17900000001", ACCESS, text, split=split, reference=0x1234)
    assert len(bodies) > 1
    whole, places = b"", []
    for body in bodies:
        pdu = struct.pack(">IIII", 16 + len(body), 5, 0, 1) + body
        octets, esm_class, tlvs = _spoken(pdu)
        if split is Split.SAR:
            places.append((tlvs[4:6], tlvs[10], tlvs[15]))
        else:
            assert esm_class == 0x40
            size = octets[0] + 1
            places.append((octets[3 : size - 2], octets[size - 2], octets[size - 1]))
            assert len(octets) <= (160 if text.isascii() or "€" in text else 140)
            octets = octets[size:]
        whole += octets
    mark = b"\x34" if split is Split.UDH8 else b"\x12\x34"
    assert places == [(mark, len(bodies), place) for place in range(1, len(bodies) + 1)]
    expected = (
        text.encode("utf-16-be") if ord(text[0]) > 255 else text.replace("{", "\x1b(").replace("€", "\x1be").encode()
    )
    assert whole == expected


def _spoken(pdu: bytes) -> tuple[bytes, int, bytes]:
    _, _, octets, esm_class, tlvs = said(PDU(5, 0, 1, pdu[16:]))
    return octets, esm_class, tlvs


def test_a_short_reply_is_one_plain_message() -> None:
    (body,) = member_message("17900000001", ACCESS, PLEA[:10], split=Split.UDH8, reference=1)
    assert body.endswith(bytes((0, 0, 0)) + b"\0\0" + bytes((0, 0, 8, 0, 20)) + PLEA[:10].encode("utf-16-be"))
