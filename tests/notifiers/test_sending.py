"""What is written, what is answered, and what the caller is told."""

import asyncio
from dataclasses import replace

import pytest

from notifiers.ports import Outcome, State
from notifiers.smpp.metrics import Barred
from notifiers.sms import STATUSES
from tests.notifiers.conftest import LETTER, number, numbers, yes
from tests.notifiers.smsc import BOUND, SMSC, Submitted, statuses

THROTTLED, QUEUE_FULL = 0x58, 0x14


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.state for outcome in outcomes]


async def test_a_letter_reaches_everybody_once(smsc, channel, metric):
    sms = await channel(window=4096)
    outcomes = await sms.send(LETTER, numbers(1000), yes)
    assert states(outcomes) == [State.SENT] * 1000
    assert [submitted.to for submitted in smsc.submitted] == [address[1:] for address in numbers(1000)]
    assert [outcome.gateway_id for outcome in outcomes] == [f"{at:08X}" for at in range(1, 1001)]
    message = smsc.submitted[0].message
    assert message.octets.decode("utf-16-be") == LETTER.text
    assert message.source.digits == b"1069000007"
    assert message.tlv(0x1500) == b"mass/a-0001/1"
    assert message.validity_period == b"261124103000000+"
    assert message.registered_delivery == 1
    assert metric("messages_total", outcome="sent") == 1000
    assert metric("answers_total", verdict="accepted") == 1000


async def test_nobody_to_send_to(channel):
    sms = await channel()
    assert await sms.send(LETTER, [], yes) == []


async def test_a_letter_in_parts_is_sent_when_all_parts_are_accepted(smsc, channel):
    sms = await channel()
    long = replace(LETTER, text="血" * 100)
    outcomes = await sms.send(long, numbers(3), yes)
    assert states(outcomes) == [State.SENT] * 3
    # The last part asks for the receipt, so its id is the message's.
    assert [outcome.gateway_id for outcome in outcomes] == ["00000002", "00000004", "00000006"]
    headers = [submitted.message.octets[:6] for submitted in smsc.submitted]
    assert [header[-2:] for header in headers] == [b"\x02\x01", b"\x02\x02"] * 3


async def test_neighbouring_letters_in_parts_have_different_references(smsc, channel):
    sms = await channel()
    long = replace(LETTER, text="血" * 100)
    await sms.send(long, numbers(1), yes)
    await sms.send(long, numbers(1), yes)
    references = [submitted.message.octets[3] for submitted in smsc.submitted]
    assert references[0] == references[1] != references[2] == references[3]


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ((0x0B, 0x00), Outcome(State.REFUSED, status=0x0B, bad_address=True)),
        ((0x00, 0x0B), Outcome(State.REFUSED, status=0x0B, bad_address=True)),
        ((0x0B, None), Outcome(State.REFUSED, status=0x0B, bad_address=True)),
        ((0x45, 0x00), Outcome(State.REFUSED, status=0x45)),  # the message, not the number
        ((0x00, None), Outcome(State.UNCERTAIN)),
    ],
)
async def test_a_letter_in_parts_fares_as_its_worst_part(smsc, channel, answers, expected):
    def script(submitted: Submitted) -> None:
        status = answers[submitted.message.octets[5] - 1]
        if status is not None:
            submitted.answer(status, "id")

    smsc.script = script
    sms = await channel(response_seconds=0.1)
    assert await sms.send(replace(LETTER, text="血" * 100), numbers(1), yes) == [expected]


@pytest.mark.parametrize("status", [0x0B, 0x51, 0x0A, 0x61])
async def test_what_is_refused_for_good_is_not_tried_again(smsc, channel, status):
    smsc.script = statuses(0, status)(smsc)
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(3), yes)
    assert states(outcomes) == [State.SENT, State.REFUSED, State.SENT]
    assert outcomes[1].status == status
    assert len(smsc.submitted) == 3


@pytest.mark.parametrize("status", [THROTTLED, QUEUE_FULL])
async def test_throttling_loses_nothing_and_doubles_nothing(smsc, channel, metric, status):
    taken: list[str] = []

    def script(submitted: Submitted) -> None:
        # Every third attempt is accepted, however often it must come.
        if len(smsc.submitted) % 3:
            submitted.answer(status)
        else:
            taken.append(submitted.to)
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel(window=16, pause_seconds=0.001, longest_pause_seconds=0.002)
    outcomes = await sms.send(LETTER, numbers(40), yes)
    assert states(outcomes) == [State.SENT] * 40
    assert sorted(taken) == [address[1:] for address in numbers(40)]
    assert metric("answers_total", verdict="throttled") >= 80


async def test_a_throttled_link_pauses(smsc, channel):
    smsc.script = statuses(THROTTLED)(smsc)
    times: list[float] = []
    loop = asyncio.get_running_loop()

    def noting(submitted: Submitted, script=smsc.script) -> None:
        times.append(loop.time())
        script(submitted)

    smsc.script = noting
    sms = await channel(pause_seconds=0.2, longest_pause_seconds=0.2)
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.SENT]
    # Half of the pause is chance, which the fixture sets to a half: 0.15 s.
    assert times[1] - times[0] >= 0.149


async def test_throttled_messages_are_held_once_may_send_says_no(smsc, channel):
    allowed = True

    def script(submitted: Submitted) -> None:
        nonlocal allowed
        allowed = False
        submitted.answer(THROTTLED)

    smsc.script = script
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(5), lambda: allowed)
    assert states(outcomes) == [State.HELD] * 5
    assert len(smsc.submitted) == 5


async def test_who_wants_to_hear_no_more_is_left_out_even_of_what_waits_for_another_try(smsc, channel):
    quiet: set[int] = set()

    def script(submitted: Submitted) -> None:
        quiet.add(102)
        submitted.answer(THROTTLED if len(smsc.submitted) <= 3 else 0)

    smsc.script = script
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(3), yes, members=[101, 102, 103], silent=quiet.intersection)
    assert states(outcomes) == [State.SENT, State.HELD, State.SENT]
    assert len(smsc.submitted) == 5


async def test_a_long_message_of_which_a_part_has_left_goes_on(smsc, channel):
    quiet: set[int] = set()

    def script(submitted: Submitted) -> None:
        quiet.update((101, 102))
        submitted.answer()

    smsc.script = script
    sms = await channel(window=1, binds=1)
    long = replace(LETTER, text="急" * 100)
    outcomes = await sms.send(long, numbers(2), yes, members=[101, 102], silent=quiet.intersection)
    assert states(outcomes) == [State.SENT, State.HELD]
    assert len(smsc.submitted) == 2


async def test_transient_errors_are_tried_again_a_few_times(smsc, channel):
    smsc.script = statuses(0x08, 0x45)(smsc)
    sms = await channel(attempts=3)
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.SENT]
    assert len(smsc.submitted) == 3


async def test_transient_errors_that_last_are_refusals(smsc, channel):
    smsc.script = lambda submitted: submitted.answer(0x64)
    sms = await channel(attempts=3)
    assert await sms.send(LETTER, numbers(1), yes) == [Outcome(State.REFUSED, status=0x64)]
    assert len(smsc.submitted) == 3


async def test_vendors_errors_are_tried_once_more(smsc, channel):
    smsc.script = lambda submitted: submitted.answer(0x401)
    sms = await channel()
    assert await sms.send(LETTER, numbers(1), yes) == [Outcome(State.REFUSED, status=0x401)]
    assert len(smsc.submitted) == 2


async def test_before_another_attempt_may_send_is_asked(smsc, channel):
    smsc.script = lambda submitted: submitted.answer(0x08)
    sms = await channel()
    assert states(await sms.send(LETTER, numbers(1), lambda: not smsc.submitted)) == [State.HELD]
    assert len(smsc.submitted) == 1


async def test_a_response_that_never_comes_is_uncertain_and_never_sent_again(smsc, channel, metric):
    def script(submitted: Submitted) -> None:
        if submitted.to != number(1)[1:]:
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel(response_seconds=0.1)
    assert states(await sms.send(LETTER, numbers(3), yes)) == [State.SENT, State.UNCERTAIN, State.SENT]
    # The place is free again, and a late answer upsets nobody.
    smsc.submitted[1].answer(message_id="late")
    assert states(await sms.send(LETTER, [number(5)], yes)) == [State.SENT]
    assert len(smsc.submitted) == 4
    assert metric("timeouts_total") == 1
    assert metric("late_answers_total") == 1


async def test_a_generic_nack_is_an_answer(smsc, channel):
    smsc.script = lambda submitted: submitted.nack(0x03)
    sms = await channel()
    assert await sms.send(LETTER, numbers(1), yes) == [Outcome(State.REFUSED, status=0x03)]


async def test_answers_may_come_in_any_order(smsc, channel):
    def script(submitted: Submitted) -> None:
        if len(smsc.submitted) == 20:
            for earlier in reversed(smsc.submitted):
                earlier.answer(message_id=earlier.to)

    smsc.script = script
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(20), yes)
    assert [outcome.gateway_id for outcome in outcomes] == [address[1:] for address in numbers(20)]


async def test_answers_may_come_octet_by_octet(smsc, channel):
    def script(submitted: Submitted) -> None:
        if len(smsc.submitted) == 3:
            asyncio.get_running_loop().create_task(drip())

    async def drip() -> None:
        octets = b"".join(
            (33).to_bytes(4, "big")
            + bytes.fromhex("8000000400000000")
            + each.sequence.to_bytes(4, "big")
            + b"i" * 16
            + b"\0"
            for each in smsc.submitted
        )
        for at in range(len(octets)):
            smsc.line.write(octets[at : at + 1])
            await smsc.line.writer.drain()
            await asyncio.sleep(0)

    smsc.script = script
    sms = await channel()
    outcomes = await sms.send(LETTER, numbers(3), yes)
    assert outcomes == [Outcome(State.SENT, "i" * 16)] * 3


async def test_ids_meet_in_one_form(smsc, channel):
    smsc.script = lambda submitted: submitted.answer(message_id="00C0FFEE")
    sms = await channel(response_ids="hex")
    assert await sms.send(LETTER, numbers(1), yes) == [Outcome(State.SENT, "c0ffee")]


async def test_the_window_is_never_exceeded(smsc, channel):
    waiting: list[Submitted] = []
    most = 0

    def script(submitted: Submitted) -> None:
        nonlocal most
        waiting.append(submitted)
        most = max(most, len(waiting))
        asyncio.get_running_loop().call_later(0.002, answer)

    def answer() -> None:
        submitted = waiting.pop(0)
        smsc.accept(submitted)

    smsc.script = script
    sms = await channel(window=16, binds=2)
    await smsc.until_bound(2)
    results = await asyncio.gather(*(sms.send(LETTER, numbers(50), yes) for _ in range(4)))
    assert all(states(outcomes) == [State.SENT] * 50 for outcomes in results)
    assert 8 <= most <= 16


async def test_once_may_send_says_no_at_most_the_window_arrives(smsc, channel):
    allowed = True

    def script(submitted: Submitted) -> None:
        nonlocal allowed
        if len(smsc.submitted) == 30:
            allowed = False
        smsc.accept(submitted)

    smsc.script = script
    sms = await channel(window=20)
    outcomes = await sms.send(LETTER, numbers(500), lambda: allowed)
    sent = states(outcomes).count(State.SENT)
    assert states(outcomes) == [State.SENT] * sent + [State.HELD] * (500 - sent)
    assert 30 <= sent == len(smsc.submitted) <= 30 + 20


async def test_a_stop_is_noticed_while_nothing_can_be_sent(channel, smsc):
    await smsc.stop()
    allowed = True
    sms = await channel()
    sending = asyncio.ensure_future(sms.send(LETTER, numbers(10), lambda: allowed))
    await asyncio.sleep(0.05)
    assert not sending.done()
    allowed = False
    assert states(await asyncio.wait_for(sending, BOUND)) == [State.HELD] * 10


async def test_a_bug_in_may_send_comes_back_to_its_caller_alone(smsc, channel):
    sms = await channel()

    def bug() -> bool:
        raise LookupError("a bug")

    good = asyncio.ensure_future(sms.send(LETTER, numbers(300), yes))
    with pytest.raises(LookupError, match="a bug"):
        await sms.send(LETTER, numbers(3), bug)
    assert states(await good) == [State.SENT] * 300
    assert len(smsc.submitted) == 300


async def test_whoever_is_cancelled_sends_no_more(smsc, channel):
    held: list[Submitted] = []
    smsc.script = held.append
    sms = await channel(window=10)
    sending = asyncio.ensure_future(sms.send(LETTER, numbers(100), yes))
    await smsc.until_submitted(9)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    smsc.script = smsc.accept
    for submitted in held:
        submitted.answer(message_id="x")
    assert states(await sms.send(LETTER, numbers(5), yes)) == [State.SENT] * 5
    assert len(smsc.submitted) == 9 + 5


async def test_urgent_messages_overtake(smsc, channel):
    held: list[Submitted] = []
    smsc.script = held.append
    sms = await channel(window=20)
    bulk = asyncio.ensure_future(sms.send(LETTER, numbers(100), yes))
    await smsc.until_submitted(18)
    urgent = asyncio.ensure_future(sms.send(replace(LETTER, slot=8), [number(999)], yes, urgent=True))
    await smsc.until_submitted(19)
    assert smsc.submitted[18].to == number(999)[1:]
    assert smsc.submitted[18].message.priority_flag == 1
    smsc.script = smsc.accept
    for submitted in held:
        submitted.answer(message_id="x")
    assert states(await urgent) == [State.SENT]
    assert states(await bulk) == [State.SENT] * 100


async def test_urgent_messages_may_have_a_link_of_their_own(smsc, channel):
    sms = await channel(binds=2, urgent_bind=True)
    await smsc.until_bound(2)
    await sms.send(LETTER, numbers(60), yes)
    await sms.send(LETTER, numbers(2), yes, urgent=True)
    bulk = {submitted.line for submitted in smsc.submitted[:60]}
    urgent = {submitted.line for submitted in smsc.submitted[60:]}
    assert len(bulk) == len(urgent) == 1
    assert bulk != urgent


async def test_letters_take_turns(smsc, channel):
    held: list[Submitted] = []
    smsc.script = held.append
    sms = await channel(window=10)
    blocker = asyncio.ensure_future(sms.send(LETTER, numbers(9), yes))
    await smsc.until_submitted(9)
    letters = [asyncio.ensure_future(sms.send(replace(LETTER, slot=slot), numbers(27), yes)) for slot in (1, 2)]
    await asyncio.sleep(0)
    smsc.script = smsc.accept
    for submitted in held:
        submitted.answer(message_id="x")
    await asyncio.gather(blocker, *letters)
    order = [submitted.message.source.digits[-1:] for submitted in smsc.submitted[9:]]
    # Neither letter waits until the other is through.
    assert order.index(b"2") < 27
    assert order[::-1].index(b"1") < 27


async def test_the_rate_is_kept(smsc, channel):
    sms = await channel(rate=200)
    loop = asyncio.get_running_loop()
    began = loop.time()
    outcomes = await sms.send(LETTER, numbers(80), yes)
    assert states(outcomes) == [State.SENT] * 80
    # 18 may go at once, the rest at 200 a second.
    assert loop.time() - began >= (80 - 20) / 200


@pytest.mark.parametrize(
    ("settings", "address", "reason"),
    [
        ({"simulator": False}, number(1), Barred.MADE_UP),
        ({"simulator": True, "drill_only": True}, "+8613800138000", Barred.NOT_MADE_UP),
        ({}, "nobody", Barred.NOT_A_NUMBER),
        ({}, "", Barred.NOT_A_NUMBER),
        ({}, "+" + "1" * 21, Barred.NOT_A_NUMBER),
        ({}, "+８６１７９", Barred.NOT_A_NUMBER),
    ],
)
async def test_some_numbers_never_reach_the_gateway(smsc, channel, metric, settings, address, reason):
    sms = await channel(**settings)
    outcomes = await sms.send(LETTER, [address], yes)
    assert outcomes == [Outcome(State.REFUSED, status=STATUSES[reason])]
    assert not smsc.submitted
    assert metric("barred_total", reason=reason.value) == 1


async def test_the_others_of_the_range_are_sent(smsc, channel):
    sms = await channel()
    outcomes = await sms.send(LETTER, [number(1), "x", number(2)], yes)
    assert states(outcomes) == [State.SENT, State.REFUSED, State.SENT]
    assert [outcome.gateway_id for outcome in outcomes] == ["00000001", "", "00000002"]


async def test_numbers_can_be_written_without_the_country(smsc, channel):
    sms = await channel(national_numbers=True)
    await sms.send(LETTER, [number(1)], yes)
    assert smsc.submitted[0].to == "17900000001"


async def test_a_letter_too_long_is_refused(channel):
    sms = await channel()
    outcomes = await sms.send(replace(LETTER, text="血" * 67 * 256), numbers(2), yes)
    assert outcomes == [Outcome(State.REFUSED, status=STATUSES[Barred.TOO_LONG])] * 2


async def test_a_slot_that_does_not_fit_is_a_bug(channel):
    sms = await channel()
    with pytest.raises(ValueError, match="slot"):
        await sms.send(replace(LETTER, slot=100), numbers(1), yes)


async def test_closing_holds_what_is_unwritten(smsc: SMSC, channel):
    held: list[Submitted] = []
    smsc.script = held.append
    sms = await channel(window=10, close_seconds=0.1)
    sending = asyncio.ensure_future(sms.send(LETTER, numbers(20), yes))
    await smsc.until_submitted(9)
    await sms.close()
    outcomes = await sending
    assert states(outcomes) == [State.UNCERTAIN] * 9 + [State.HELD] * 11
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.HELD]


async def test_closing_waits_for_answers_under_way(smsc: SMSC, channel):
    smsc.script = lambda submitted: asyncio.get_running_loop().call_later(0.05, submitted.answer, 0, "x") and None
    sms = await channel()
    sending = asyncio.ensure_future(sms.send(LETTER, numbers(5), yes))
    await smsc.until_submitted(5)
    await sms.close()
    assert states(await sending) == [State.SENT] * 5
