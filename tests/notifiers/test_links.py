"""Links that break, gateways that sleep, and octets that are no SMPP."""

import asyncio
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from notifiers.ports import State
from notifiers.smpp.codec import HEADER, Bind, pdu
from notifiers.smpp.link import BindRefused
from notifiers.smpp.metrics import SMSMetrics
from notifiers.smpp.session import Session
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.timing import Timing
from notifiers.smpp.words import LARGEST_SEQUENCE, Command, Status
from tests.notifiers.conftest import LETTER, QUICK, number, numbers, yes
from tests.notifiers.smsc import BINDS, BOUND, Submitted
from tests.notifiers.test_sending import states


async def test_a_lost_link_makes_what_was_written_uncertain_and_the_rest_waits(smsc, channel, metric):
    def script(submitted: Submitted) -> None:
        if len(smsc.submitted) == 9 and len(smsc.lines) == 1:
            submitted.line.cut()
        elif len(smsc.lines) > 1:
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel(window=10)
    outcomes = await sms.send(LETTER, numbers(20), yes)
    assert states(outcomes) == [State.UNCERTAIN] * 9 + [State.SENT] * 11
    # Nothing was sent twice.
    assert [submitted.to for submitted in smsc.submitted] == [address[1:] for address in numbers(20)]
    assert metric("lost_links_total") == 1
    assert metric("messages_total", outcome="uncertain") == 9


async def test_a_link_cut_in_the_middle_of_an_answer_leaves_it_uncertain(smsc, channel):
    def script(submitted: Submitted) -> None:
        if submitted.to == number(1)[1:]:
            submitted.line.write(HEADER.pack(30, Command.SUBMIT_SM_RESP, 0, submitted.sequence) + b"half")
            asyncio.get_running_loop().call_soon(submitted.line.writer.close)
        else:
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel()
    assert states(await sms.send(LETTER, [number(0), number(1)], yes)) == [State.SENT, State.UNCERTAIN]
    assert states(await sms.send(LETTER, [number(2)], yes)) == [State.SENT]
    assert len(smsc.submitted) == 3


async def test_a_gateway_that_is_away_is_waited_for(smsc, channel):
    await smsc.stop()
    sms = await channel()
    sending = asyncio.ensure_future(sms.send(LETTER, numbers(5), yes))
    await asyncio.sleep(0.05)
    assert not sending.done()
    await smsc.start()
    assert states(await asyncio.wait_for(sending, BOUND)) == [State.SENT] * 5


async def test_a_refused_bind_is_tried_again(smsc, channel, metric):
    smsc.bind_statuses = [Status.RALYBND, 0x0E, 0x0D]
    sms = await channel()
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.SENT]
    assert metric("bind_failures_total") == 3


async def test_every_link_is_bound_and_used(smsc, channel, metric):
    sms = await channel(binds=3, window=30)
    await smsc.until_bound(3)
    await sms.send(LETTER, numbers(300), yes)
    assert len({submitted.line for submitted in smsc.submitted}) == 3
    assert metric("links_count") == 3


async def test_the_other_links_carry_on(smsc, channel):
    def script(submitted: Submitted) -> None:
        if submitted.line is smsc.lines[0]:
            submitted.line.cut()
        else:
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel(binds=2, window=20, reconnect_seconds=60, longest_reconnect_seconds=60)
    await smsc.until_bound(2)
    outcomes = await sms.send(LETTER, numbers(60), yes)
    # Nine places a link are open to bulk; what the dead one had is uncertain, everything else was sent.
    assert states(outcomes).count(State.UNCERTAIN) == 9
    assert states(outcomes).count(State.SENT) == 51


async def test_a_bind_names_us(smsc, channel):
    seen: list[Bind] = []
    handle = smsc._handle

    async def spy(line, command, status, sequence, body):
        if command in BINDS:
            seen.append(Bind.decode(body))
        await handle(line, command, status, sequence, body)

    smsc._handle = spy
    await channel(system_id="centre", password="secret", system_type="CPA")
    await smsc.until_bound()
    assert seen == [Bind(b"centre", b"secret", b"CPA", interface_version=0x34)]


async def test_transmitters_have_a_receiver_beside_them(smsc, channel):
    sms = await channel(bind_mode="separate", binds=2)
    await smsc.until_bound(3)
    roles = sorted(line.role for line in smsc.lines)
    assert roles == [Command.BIND_RECEIVER, Command.BIND_TRANSMITTER, Command.BIND_TRANSMITTER]
    await sms.send(LETTER, numbers(50), yes)
    assert all(submitted.line.role == Command.BIND_TRANSMITTER for submitted in smsc.submitted)


async def test_the_gateway_is_asked_whether_it_lives(smsc, channel):
    await channel(enquire_seconds=0.02)
    await smsc.until(lambda: (Command.ENQUIRE_LINK, 0) in smsc.heard)


async def test_a_gateway_that_does_not_answer_is_left(smsc, channel):
    smsc.silent = True
    await channel(enquire_seconds=0.02, response_seconds=0.05)
    await smsc.until_bound(2)


async def test_we_answer_when_asked_whether_we_live(smsc, channel):
    await channel()
    await smsc.until_bound()
    assert await smsc.line.ask(Command.ENQUIRE_LINK) == 0


async def test_a_gateway_may_send_us_away(smsc, channel):
    sms = await channel()
    await smsc.until_bound()
    assert await smsc.line.ask(Command.UNBIND) == 0
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.SENT]
    assert smsc.binds == 2


async def test_we_say_goodbye(smsc, channel):
    sms = await channel()
    await smsc.until_bound()
    await sms.send(LETTER, numbers(1), yes)
    await sms.close()
    assert (Command.UNBIND, 0) in smsc.heard


async def test_a_link_that_was_never_bound_is_bound_anew(smsc, channel):
    def script(submitted: Submitted) -> None:
        if len(smsc.submitted) == 1:
            submitted.answer(Status.RINVBNDSTS)
        else:
            smsc.accept(submitted)

    smsc.script = script
    sms = await channel()
    assert states(await sms.send(LETTER, numbers(3), yes)) == [State.SENT] * 3
    assert smsc.binds == 2
    assert len(smsc.submitted) == 4


async def test_an_unknown_command_is_refused_and_the_link_stays(smsc, channel, metric):
    sms = await channel()
    await smsc.until_bound()
    assert await smsc.line.ask(0x0103) == Status.RINVCMDID
    assert (Command.GENERIC_NACK, Status.RINVCMDID) in smsc.heard
    await sms.send(LETTER, numbers(1), yes)
    assert smsc.binds == 1
    assert metric("protocol_errors_total") == 1


async def test_an_unreadable_delivery_is_refused_and_the_link_stays(smsc, channel):
    await channel()
    await smsc.until_bound()
    assert await smsc.line.ask(Command.DELIVER_SM, b"\0\1") == Status.RINVCMDLEN
    assert await smsc.line.ask(Command.ENQUIRE_LINK) == 0


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFFFFFF])
async def test_a_length_that_no_pdu_has_ends_the_link(smsc, channel, length):
    sms = await channel()
    await smsc.until_bound()
    smsc.line.write(HEADER.pack(length, Command.DELIVER_SM, 0, 1))
    await smsc.until_bound(2)
    assert (Command.GENERIC_NACK, Status.RINVCMDLEN) in smsc.heard
    assert states(await sms.send(LETTER, numbers(1), yes)) == [State.SENT]


async def test_what_needs_no_answer_gets_none(smsc, channel):
    await channel()
    await smsc.until_bound()
    smsc.line.write(pdu(Command.ALERT_NOTIFICATION, 0, 5) + pdu(Command.OUTBIND, 0, 6))
    assert await smsc.line.ask(Command.ENQUIRE_LINK) == 0
    assert not [command for command, _ in smsc.heard if command == Command.GENERIC_NACK]


async def test_checking_binds_and_unbinds(smsc, channel):
    sms = await channel()
    await smsc.until_bound()
    await sms.check()
    assert smsc.binds == 2
    assert smsc.heard.count((Command.UNBIND, 0)) == 1
    smsc.bind_statuses = [0x0E]
    with pytest.raises(BindRefused, match="0xe") as refusal:
        await sms.check()
    assert refusal.value.status == 0x0E
    await smsc.stop()
    with pytest.raises(OSError, match=r"."):
        await sms.check()


class Wire(asyncio.Transport):
    """A transport into nowhere that remembers what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.ended

    def close(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.ended = True


class Nobody:
    def answered(self, *_: object) -> None:
        pass

    def expired(self) -> None:
        pass


def a_session() -> tuple[Session, Wire]:
    async def receive(_: object) -> Status:
        return Status.ROK

    session = Session(
        SMSSettings(**QUICK), events=Nobody(), receive=receive, metrics=SMSMetrics(CollectorRegistry()), timing=Timing()
    )
    wire = Wire()
    session.connection_made(wire)
    return session, wire


PDUS = st.builds(
    pdu,
    st.sampled_from([*Command, 0x0103, 0xFFFFFFFF]),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=80),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(PDUS, st.binary(max_size=60)), max_size=8), st.integers(1, 50))
def test_whatever_comes_and_however_it_is_cut_nothing_is_raised(pieces, size):
    async def story() -> None:
        session, wire = a_session()
        octets = b"".join(pieces)
        for at in range(0, len(octets), size):
            if not wire.ended:
                session.data_received(octets[at : at + size])
        await asyncio.wait_for(session.deliveries_answered(), BOUND)
        # What was answered is SMPP, whatever the question was.
        rest = wire.written
        while rest:
            length, command, _, _ = HEADER.unpack_from(rest)
            assert command in set(Command)
            assert 16 <= length <= len(rest)
            rest = rest[length:]
        session.connection_lost(None)

    asyncio.run(story())


async def test_sequence_numbers_begin_again():
    session, _ = a_session()
    session._sequence = LARGEST_SEQUENCE - 5
    assert session._reserve(5) == LARGEST_SEQUENCE - 4
    assert session._reserve(1) == 1


async def test_a_request_on_a_broken_link_fails_at_once():
    session, _ = a_session()
    asking = asyncio.ensure_future(session.request(Command.ENQUIRE_LINK, seconds=60))
    await asyncio.sleep(0)
    session.connection_lost(None)
    with suppress(ConnectionError):
        await asyncio.wait_for(asking, BOUND)
        pytest.fail("the request was answered by nobody")
