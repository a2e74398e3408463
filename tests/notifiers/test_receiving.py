"""What members and the gateway say back: committed first, then acknowledged."""

import asyncio

import pytest

from decisions.segments import part_header, segment
from notifiers.ports import Incoming, State
from notifiers.smpp.codec import Address, ShortMessage
from notifiers.smpp.words import Command, Status, Tag
from tests.notifiers.conftest import LETTER, number, yes
from tests.notifiers.smsc import BOUND, Submitted

ANN = number(1)


def from_ann(octets: bytes, *, coding: int = 0, esm_class: int = 0, tlvs=()) -> ShortMessage:
    return ShortMessage(
        source=Address(ANN[1:].encode()),
        destination=Address(b"1069000007"),
        octets=octets,
        data_coding=coding,
        esm_class=esm_class,
        tlvs=tuple(tlvs),
    )


def parts(text: str, reference: int = 1) -> list[ShortMessage]:
    cut = segment(text)
    total = len(cut.parts)
    return [
        from_ann(part_header(reference, total, at) + octets, coding=int(cut.alphabet), esm_class=0x40)
        for at, octets in enumerate(cut.parts, start=1)
    ]


def receipt(gateway_id: str, state: str = "DELIVRD") -> ShortMessage:
    text = f"id:{gateway_id} sub:001 dlvrd:001 submit date:2611241030 done date:2611241031 stat:{state} err:000 text:"
    return from_ann(text.encode(), esm_class=0x04)


async def test_a_reply_is_committed_and_then_acknowledged(smsc, channel, desk):
    desk.open.clear()
    await channel()
    await smsc.until_bound()
    pushed = asyncio.ensure_future(smsc.line.deliver(from_ann("愿意".encode("utf-16-be"), coding=8)))
    await asyncio.wait_for(desk.began.wait(), BOUND)
    # Whatever else the gateway asks is answered meanwhile; this is not.
    assert await smsc.line.ask(Command.ENQUIRE_LINK) == 0
    assert not pushed.done()
    desk.open.set()
    assert await pushed == Status.ROK
    assert desk.incoming == [Incoming(address=ANN, text="愿意", slot=7)]


async def test_what_was_not_committed_is_pushed_again(smsc, channel, desk, metric):
    desk.broken = True
    await channel()
    await smsc.until_bound()
    assert await smsc.line.deliver(from_ann(b"1")) == Status.RX_T_APPN
    desk.broken = False
    assert await smsc.line.deliver(from_ann(b"1")) == Status.ROK
    assert [incoming.text for incoming in desk.incoming] == ["1"]
    assert metric("delivered_total", what="not-committed") == 1


async def test_a_commit_that_takes_too_long_is_pushed_again(smsc, channel, desk):
    desk.open.clear()
    await channel(commit_seconds=0.05)
    await smsc.until_bound()
    assert await smsc.line.deliver(from_ann(b"1")) == Status.RX_T_APPN
    assert not desk.incoming


async def test_a_receipt_is_committed_and_then_acknowledged(smsc, channel, desk):
    sms = await channel()
    [outcome] = await sms.send(LETTER, [ANN], yes)
    assert await smsc.line.deliver(receipt(outcome.gateway_id)) == Status.ROK
    [got] = desk.receipts
    assert (got.gateway_id, got.state, got.address) == (outcome.gateway_id, "DELIVRD", ANN)
    desk.broken = True
    assert await smsc.line.deliver(receipt("7")) == Status.RX_T_APPN


async def test_a_receipt_may_overtake_the_answer(smsc, channel, desk):
    held: list[Submitted] = []
    smsc.script = held.append
    sms = await channel()
    sending = asyncio.ensure_future(sms.send(LETTER, [ANN], yes))
    await smsc.until_submitted(1)
    assert await smsc.line.deliver(receipt("42")) == Status.ROK
    held[0].answer(message_id="42")
    assert [outcome.gateway_id for outcome in await sending] == ["42"] == [got.gateway_id for got in desk.receipts]


async def test_a_receipt_that_comes_twice_is_passed_on_twice(smsc, channel, desk):
    # Whoever stores them knows them by their id; the channel remembers nothing.
    await channel()
    await smsc.until_bound()
    for _ in range(2):
        assert await smsc.line.deliver(receipt("42")) == Status.ROK
    assert [got.gateway_id for got in desk.receipts] == ["42", "42"]


async def test_an_unreadable_receipt_is_acknowledged_and_passed_on_to_whoever_reads_it(smsc, channel, desk, metric):
    await channel()
    await smsc.until_bound()
    assert await smsc.line.deliver(from_ann(b"nonsense", esm_class=0x04)) == Status.ROK
    assert not desk.receipts
    assert metric("delivered_total", what="receipt") == 1


async def test_receipts_that_come_together_are_all_answered(smsc, channel, desk, metric):
    await channel()
    await smsc.until_bound()
    answers = await asyncio.gather(*(smsc.line.deliver(receipt(str(at))) for at in range(1, 501)))
    assert answers == [Status.ROK] * 500
    assert sorted(int(got.gateway_id) for got in desk.receipts) == list(range(1, 501))
    assert metric("delivered_total", what="receipt") == 500


async def test_a_long_reply_is_one_message(smsc, channel, desk):
    await channel()
    await smsc.until_bound()
    text = "可以，" * 60
    answers = await asyncio.gather(*(smsc.line.deliver(part) for part in reversed(parts(text))))
    assert answers == [Status.ROK] * 3
    assert desk.incoming == [Incoming(address=ANN, text=text, slot=7)]


async def test_a_long_reply_by_parameters_is_one_message(smsc, channel, desk):
    await channel()
    await smsc.until_bound()
    pieces = [
        from_ann(
            octets,
            tlvs=(
                (Tag.SAR_MSG_REF_NUM, b"\0\1"),
                (Tag.SAR_TOTAL_SEGMENTS, b"\2"),
                (Tag.SAR_SEGMENT_SEQNUM, bytes([at])),
            ),
        )
        for at, octets in enumerate((b"yes in 2 ", b"hours"), start=1)
    ]
    await asyncio.gather(*(smsc.line.deliver(piece) for piece in pieces))
    assert [incoming.text for incoming in desk.incoming] == ["yes in 2 hours"]


async def test_no_part_is_acknowledged_before_the_whole_is_committed(smsc, channel, desk):
    desk.broken = True
    sms = await channel()
    await smsc.until_bound()
    first, second = parts("a" * 200)
    assert await asyncio.gather(smsc.line.deliver(first), smsc.line.deliver(second)) == [Status.RX_T_APPN] * 2
    desk.broken = False
    assert await asyncio.gather(smsc.line.deliver(first), smsc.line.deliver(second)) == [Status.ROK] * 2
    # The answer to one part was lost on its way: the part is no message of its own.
    assert await smsc.line.deliver(second) == Status.ROK
    await sms.close()
    assert [incoming.text for incoming in desk.incoming] == ["a" * 200]


async def test_a_gateway_that_pushes_one_part_at_a_time_is_not_kept_waiting(smsc, channel, desk, monkeypatch):
    monkeypatch.setattr("notifiers.smpp.inbound.HOLD_SECONDS", 0.02)
    await channel()
    await smsc.until_bound()
    for part in parts("b" * 400):
        assert await smsc.line.deliver(part) == Status.ROK
    assert [incoming.text for incoming in desk.incoming] == ["b" * 400]


async def test_parts_whose_others_never_come_reach_a_person(smsc, channel, desk, monkeypatch, metric):
    monkeypatch.setattr("notifiers.smpp.inbound.HOLD_SECONDS", 0.01)
    await channel(part_seconds=0.05)
    await smsc.until_bound()
    assert await smsc.line.deliver(parts("c" * 200)[0]) == Status.ROK
    await asyncio.wait_for(desk.began.wait(), BOUND)
    await asyncio.sleep(0)
    assert [incoming.text for incoming in desk.incoming] == ["c" * 153 + "[…]"]
    assert metric("delivered_total", what="incomplete") == 1


async def test_closing_keeps_the_parts_that_came(smsc, channel, desk, monkeypatch):
    monkeypatch.setattr("notifiers.smpp.inbound.HOLD_SECONDS", 0.01)
    sms = await channel()
    await smsc.until_bound()
    assert await smsc.line.deliver(parts("d" * 200)[0]) == Status.ROK
    await sms.close()
    assert [incoming.text for incoming in desk.incoming] == ["d" * 153 + "[…]"]


async def test_closing_answers_what_is_being_committed(smsc, channel, desk):
    desk.open.clear()
    sms = await channel()
    await smsc.until_bound()
    pushed = asyncio.ensure_future(smsc.line.deliver(from_ann(b"1")))
    await asyncio.wait_for(desk.began.wait(), BOUND)
    closing = asyncio.ensure_future(sms.close())
    await asyncio.sleep(0)
    # From now on the gateway is asked to come again later.
    assert await smsc.line.deliver(from_ann(b"2")) == Status.RX_T_APPN
    desk.open.set()
    await closing
    assert await pushed == Status.ROK
    assert [incoming.text for incoming in desk.incoming] == ["1"]


async def test_a_flood_is_slowed_down_and_the_answers_still_come(smsc, channel, desk, monkeypatch):
    monkeypatch.setattr("notifiers.smpp.session.MOST_DELIVERIES", 10)
    desk.open.clear()
    sms = await channel()
    await smsc.until_bound()
    pushed = [asyncio.ensure_future(smsc.line.deliver(from_ann(b"1"))) for _ in range(15)]
    assert [outcome.state for outcome in await sms.send(LETTER, [ANN], yes)] == [State.SENT]
    desk.open.set()
    answers = await asyncio.gather(*pushed)
    assert answers.count(Status.ROK) == 10
    assert answers.count(Status.RX_T_APPN) == 5


@pytest.mark.parametrize("failing", [False, True])
async def test_logs_know_no_number_no_text_and_no_password(smsc, channel, desk, capsys, failing):
    secrets = [ANN[3:], "血小板", "愿意", "canary1"]

    def script(submitted: Submitted) -> None:
        if failing:
            submitted.answer(Status.RINVDSTADR if len(smsc.submitted) % 2 else 0x0A)
        else:
            smsc.accept(submitted)

    smsc.script = script
    smsc.bind_statuses = [0x0E]
    desk.broken = failing
    sms = await channel(password="canary1", simulator=True)
    await smsc.until_bound()
    await sms.send(LETTER, [ANN, number(2), "not a number"], yes)
    await smsc.line.deliver(from_ann("愿意".encode("utf-16-be"), coding=8))
    await smsc.line.deliver(from_ann(b"nonsense", esm_class=0x04))
    await smsc.line.ask(Command.DELIVER_SM, ANN.encode())
    await sms.close()
    shown = "".join(capsys.readouterr())
    assert "a link is bound" in shown
    assert not [secret for secret in secrets if secret in shown]
