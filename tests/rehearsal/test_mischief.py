"""What a rehearsal may make the gateway do wrong, and that it behaves again afterwards."""

import pytest

from rehearsal.smsc.wire import DELIVER_SM, SUBMIT_SM_RESP
from tests.rehearsal.conftest import Running, Start
from tests.rehearsal.esme import PDU, said, submit


async def misbehave(running: Running, **mischief: object) -> None:
    async with running.session.post(f"{running.base}/misbehave", json=mischief) as answer:
        assert answer.status == 200, await answer.text()


async def statuses(running: Running, count: int) -> list[int]:
    client = await running.client()
    client.write(b"".join(submit(f"179{number:08d}", sequence=number) for number in range(1, count + 1)))
    return [pdu.status for pdu in await client.read_many(count)]


async def test_a_link_is_cut_in_the_middle_of_an_answer_and_what_was_taken_stays_taken(start: Start):
    running = await start()
    client = await running.client()
    await misbehave(running, cut=True)
    client.write(submit("17900000001", sequence=1) + submit("17900000002", sequence=2))
    whole = await client.read()
    assert (whole.command, whole.sequence) == (SUBMIT_SM_RESP, 1)
    assert await client.hung_up() is False  # half an answer came, and then the end
    assert (await running.get("/counts"))["messages"] == 2
    assert await statuses(running, 1) == [0]  # once


async def test_trouble_by_chance_is_over_when_the_gateway_behaves_again(start: Start):
    running = await start()
    await misbehave(running, trouble_rate=0.5)
    troubled = await statuses(running, 200)
    assert set(troubled) == {0, 0x08}
    assert 60 < troubled.count(0x08) < 140
    assert (await running.get("/counts"))["messages"] == troubled.count(0)
    await misbehave(running)
    assert set(await statuses(running, 200)) == {0}


async def test_receipts_may_overtake_the_answer_or_come_twice(start: Start):
    running = await start(undelivered=0)
    client = await running.client()
    await misbehave(running, receipts_early=True, receipts_twice=True)
    client.write(submit("17900000001", registered=1))
    came = [await _answered(client, pdu) for pdu in await client.read_many(3)]
    assert [pdu.command for pdu in came] == [DELIVER_SM, DELIVER_SM, SUBMIT_SM_RESP]
    assert said(came[0]) == said(came[1])
    assert came[2].body.rstrip(b"\0") in came[0].body


async def test_receipts_come_for_messages_that_nobody_sent(start: Start):
    running = await start()
    client = await running.client()
    await misbehave(running, unknown_receipts=3)
    texts = [said(await client.read())[2] for _ in range(3)]
    assert len(set(texts)) == 3
    assert all(b"stat:DELIVRD" in text for text in texts)


@pytest.mark.parametrize("mischief", [{"latency_ms": -1}, {"temper": "bad"}, {"trouble_rate": 2}])
async def test_mischief_that_makes_no_sense_is_refused(start: Start, mischief: dict):
    running = await start()
    async with running.session.post(f"{running.base}/misbehave", json=mischief) as answer:
        assert answer.status == 400
        assert next(iter(mischief)) in await answer.text()


async def _answered(client, pdu: PDU) -> PDU:
    if pdu.command == DELIVER_SM:
        client.answer(pdu)
    return pdu
