"""The codec: exact octets, and no octets that upset it."""

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifiers.ports import Letter
from notifiers.smpp.codec import HEADER, Address, Bind, ProtocolError, ShortMessage, pdu
from notifiers.smpp.dates import absolute_time, receipt_date
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.template import compose
from notifiers.smpp.words import Command, Status, Tag

BEIJING = timezone(timedelta(hours=8))

# Written down octet by octet from SMPP 3.4, issue 1.2, sections 4.1.5 and 4.4.1.
BIND_TRANSCEIVER = bytes.fromhex(
    "00000027 00000009 00000000 00000001"
    "6d757374657200"  # system_id "muster"
    "73656372657400"  # password "secret"
    "43504100"  # system_type "CPA"
    "34 01 01"  # interface_version, ton, npi
    "3900"  # address_range "9"
)
SUBMIT_SM = bytes.fromhex(
    "0000005d 00000004 00000000 00000002"
    "00"  # service_type
    "01 01 3130363930303030 3037 00"  # source: 10690000 and slot 07
    "01 01 38363137393030303030303031 00"  # destination: 8617900000001
    "00 00 01"  # esm_class, protocol_id, priority_flag
    "00"  # schedule_delivery_time
    "323631313234313833303030303332 2b 00"  # validity_period: 261124183000032+
    "01 00 08 00"  # registered_delivery, replace_if_present, data_coding, default message
    "04 8840 6025"  # sm_length, short_message: 血急
    "1500 000d 6d6173732f612d303030312f31"  # vendor TLV: mass/a-0001/1
)
DELIVER_SM = bytes.fromhex(
    "00000032 00000005 00000000 00000003"
    "00"
    "01 01 38363137393030303030303031 00"
    "01 01 313036 00"
    "00 00 00 00 00 00 00 00 00"
    "01 31"
)


def test_a_bind_is_written_octet_by_octet():
    bind = Bind(b"muster", b"secret", b"CPA", addr_ton=1, addr_npi=1, address_range=b"9")
    assert pdu(Command.BIND_TRANSCEIVER, 0, 1, bind.encode()) == BIND_TRANSCEIVER
    assert Bind.decode(BIND_TRANSCEIVER[16:]) == bind


def test_a_letter_is_written_octet_by_octet():
    letter = Letter(
        text="血急",
        reference="mass/a-0001/1",
        slot=7,
        not_after=datetime(2026, 11, 24, 18, 30, tzinfo=BEIJING),
    )
    template = compose(letter, SMSSettings(), concatenation=0, urgent=True)
    assert template.to([b"8617900000001"]).render([0], 2) == SUBMIT_SM


def test_a_letter_in_parts_carries_headers_and_asks_for_one_receipt():
    letter = Letter(text="血" * 71, reference="r", slot=0, not_after=datetime(2026, 11, 24, tzinfo=UTC))
    template = compose(letter, SMSSettings(user_message_reference=True), concatenation=0x145, urgent=False)
    octets = template.to([b"8617900000001", b"86179000000020"]).render([0, 1, 2, 3], 9)
    found = list(_split(octets))
    assert [sequence for sequence, _ in found] == [9, 10, 11, 12]
    messages = [message for _, message in found]
    assert [message.destination.digits for message in messages] == [b"8617900000001"] * 2 + [b"86179000000020"] * 2
    assert [message.octets[:6].hex() for message in messages[:2]] == ["050003450201", "050003450202"]
    assert [message.esm_class for message in messages[:2]] == [0x40, 0x40]
    assert [message.registered_delivery for message in messages[:2]] == [0, 1]
    assert b"".join(message.octets[6:] for message in messages[:2]).decode("utf-16-be") == letter.text
    assert all(len(message.tlv(Tag.USER_MESSAGE_REFERENCE) or b"") == 2 for message in messages)


def _split(octets):
    while octets:
        length, command, status, sequence = HEADER.unpack_from(octets)
        assert (command, status) == (Command.SUBMIT_SM, 0)
        yield sequence, ShortMessage.decode(octets[16:length])
        octets = octets[length:]


def test_a_members_message_is_read_octet_by_octet():
    length, command, status, sequence = HEADER.unpack_from(DELIVER_SM)
    assert (length, command, status, sequence) == (len(DELIVER_SM), Command.DELIVER_SM, 0, 3)
    message = ShortMessage.decode(DELIVER_SM[16:])
    assert message == ShortMessage(source=Address(b"8617900000001"), destination=Address(b"106"), octets=b"1")


@pytest.mark.parametrize(
    ("moment", "written"),
    [
        (datetime(2026, 11, 24, 18, 30, tzinfo=BEIJING), b"261124183000032+"),
        (datetime(2026, 11, 24, 18, 30, 5, 678_000, tzinfo=UTC), b"261124183005600+"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=-9, minutes=-30))), b"260102030405038-"),
        (datetime(2026, 11, 24, 18, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))), b"261124183000023+"),
        (datetime(2026, 11, 24, 18, 30, tzinfo=timezone(timedelta(hours=14))), b"261124043000000+"),
        (datetime(2026, 11, 24, 18, 30, tzinfo=timezone(timedelta(minutes=7))), b"261124182300000+"),
    ],
)
def test_absolute_times_name_their_zone(moment, written):
    assert absolute_time(moment) == written


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="aware"):
        absolute_time(datetime(2026, 11, 24))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("digits", "expected"),
    [
        ("2611241031", datetime(2026, 11, 24, 10, 31, tzinfo=BEIJING)),
        ("261124103120", datetime(2026, 11, 24, 10, 31, 20, tzinfo=BEIJING)),
        ("20261124103120", datetime(2026, 11, 24, 10, 31, 20, tzinfo=BEIJING)),
        ("2613241031", None),
        ("26112410", None),
        ("", None),
        ("２６１１２４１０３１", None),
    ],
)
def test_dates_of_receipts(digits, expected):
    assert receipt_date(digits, BEIJING) == expected


FIELD = st.binary(max_size=20).filter(lambda octets: 0 not in octets)
ADDRESSES = st.builds(Address, FIELD, st.integers(0, 255), st.integers(0, 255))
MESSAGES = st.builds(
    ShortMessage,
    source=ADDRESSES,
    destination=ADDRESSES,
    octets=st.binary(max_size=254),
    esm_class=st.integers(0, 255),
    data_coding=st.integers(0, 255),
    registered_delivery=st.integers(0, 255),
    validity_period=FIELD.map(lambda octets: octets[:16]),
    service_type=FIELD.map(lambda octets: octets[:5]),
    protocol_id=st.integers(0, 255),
    priority_flag=st.integers(0, 255),
    schedule_delivery_time=FIELD.map(lambda octets: octets[:16]),
    replace_if_present=st.integers(0, 255),
    default_message_id=st.integers(0, 255),
    tlvs=st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=300)), max_size=5).map(tuple),
)


@given(MESSAGES)
def test_messages_come_back_as_they_were(message):
    assert ShortMessage.decode(message.encode()) == message


@given(st.binary(max_size=400))
def test_garbage_is_a_protocol_error_and_nothing_else(octets):
    for decode in (ShortMessage.decode, Bind.decode):
        with contextlib.suppress(ProtocolError):
            decode(octets)


@given(MESSAGES, st.data())
def test_a_message_cut_off_is_a_protocol_error_or_another_message(message, data):
    octets = message.encode()
    cut = data.draw(st.integers(0, len(octets) - 1))
    with contextlib.suppress(ProtocolError):
        # Only between two optional parameters a message may end early.
        shorter = ShortMessage.decode(octets[:cut])
        assert replace(message, tlvs=shorter.tlvs) == shorter


@pytest.mark.parametrize("longest", [b"x" * 21, b"with\0null"])
def test_fields_that_do_not_fit_are_refused(longest):
    with pytest.raises(ValueError, match="at most"):
        Address(longest).encode()


def test_a_short_message_has_254_octets_at_most():
    message = ShortMessage(source=Address(b"1"), destination=Address(b"2"), octets=b"x" * 255)
    with pytest.raises(ValueError, match="254"):
        message.encode()


def test_errors_say_what_to_answer():
    with pytest.raises(ProtocolError) as error:
        ShortMessage.decode(
            ShortMessage(source=Address(b"1"), destination=Address(b"2")).encode() + b"\x15\x00\x00\x09x"
        )
    assert error.value.status == Status.RINVOPTPARSTREAM


def test_nothing_personal_is_shown_by_repr():
    message = ShortMessage(source=Address(b"8617900000001"), destination=Address(b"1"), octets=b"words")
    shown = repr((message, message.source, Bind(b"muster", b"secret")))
    assert not any(word in shown for word in ("179", "words", "secret"))
