"""PDUs that smpplib writes are read by us, and PDUs that we write are read by smpplib."""

import struct
from dataclasses import replace

import pytest
import smpplib.consts
import smpplib.gsm
import smpplib.smpp

from decisions.segments import segment
from notifiers.smpp.codec import HEADER, Address, Bind, ShortMessage, pdu
from notifiers.smpp.incoming import decode_words, words_of
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.template import compose
from notifiers.smpp.words import Command, Tag
from tests.notifiers.conftest import LETTER

# smpplib splits what must not be split, so these are only compared as a whole.
PAIRS = ["a" * 152 + "€" + "b" * 200, "🩸" * 90]
TEXTS = ["plain €{}", LETTER.text, "血" * 202, "a" * 161, *PAIRS]


class Sequence:
    """All that smpplib's PDUs want of their client."""

    def next_sequence(self) -> int:
        return 77


def by_smpplib(octets: bytes, name: str):
    """Let smpplib read one PDU."""
    (length,) = struct.unpack_from(">I", octets)
    assert length == len(octets)
    found = smpplib.smpp.parse_pdu(octets, client=Sequence(), allow_unknown_opt_params=True)
    assert found.command == name
    return found


@pytest.mark.parametrize("text", TEXTS, ids=[f"{len(text)} characters" for text in TEXTS])
def test_our_letters_are_read(text):
    template = compose(replace(LETTER, text=text), SMSSettings(), concatenation=7, urgent=False)
    octets = template.to([b"8617900000001"]).render(list(range(template.parts)), 100)
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    words = b""
    for at in range(template.parts):
        (length,) = struct.unpack_from(">I", octets)
        found = by_smpplib(octets[:length], "submit_sm")
        octets = octets[length:]
        assert found.sequence == 100 + at
        assert found.source_addr == b"1069000007"
        assert found.destination_addr == b"8617900000001"
        assert (found.source_addr_ton, found.source_addr_npi, found.dest_addr_ton, found.dest_addr_npi) == (1, 1, 1, 1)
        assert (found.data_coding, found.esm_class) == (coding, esm_class)
        assert found.validity_period == b"261124103000000+"
        assert found.sm_length == len(found.short_message)
        # Both cut the text at the same places; only the reference of the header is each one's own.
        header = 6 if esm_class else 0
        words += found.short_message[header:]
        assert found.short_message[header:] == parts[at][header:] or text in PAIRS
    assert not octets
    assert words == b"".join(part[6 if esm_class else 0 :] for part in parts)


def test_our_bind_is_read():
    found = by_smpplib(
        pdu(Command.BIND_TRANSCEIVER, 0, 1, Bind(b"muster", b"secret", b"CPA").encode()), "bind_transceiver"
    )
    assert (found.system_id, found.password, found.system_type) == (b"muster", b"secret", b"CPA")
    assert found.interface_version == 0x34


@pytest.mark.parametrize("command", [Command.ENQUIRE_LINK, Command.ENQUIRE_LINK_RESP, Command.UNBIND])
def test_our_small_pdus_are_read(command):
    assert by_smpplib(pdu(command, 0, 7), command.name.lower()).sequence == 7


def their(name: str, **fields: object) -> tuple[int, int, bytes]:
    """Let smpplib write one PDU: command, sequence number, body."""
    octets = smpplib.smpp.make_pdu(name, client=Sequence(), **fields).generate()
    length, command, status, sequence = HEADER.unpack_from(octets)
    assert (length, status) == (len(octets), 0)
    return command, sequence, octets[16:]


@pytest.mark.parametrize("text", TEXTS, ids=[f"{len(text)} characters" for text in TEXTS])
def test_their_messages_are_read(text):
    parts, coding, esm_class = smpplib.gsm.make_parts(text)
    octets = b""
    for at, part in enumerate(parts, start=1):
        command, sequence, body = their(
            "deliver_sm",
            source_addr="8617900000001",
            destination_addr="1069000007",
            short_message=part,
            data_coding=coding,
            esm_class=esm_class,
        )
        assert (command, sequence) == (Command.DELIVER_SM, 77)
        message = ShortMessage.decode(body)
        assert message.source.digits == b"8617900000001"
        words = words_of(message)
        octets += words.octets
        if len(parts) > 1:
            assert words.part is not None
            assert (words.part.total, words.part.number) == (len(parts), at)
    assert decode_words(octets, coding, SMSSettings()) == text
    assert int(segment(text).alphabet) == coding


def test_their_parameters_are_read():
    _, _, body = their(
        "deliver_sm",
        source_addr="8617900000001",
        destination_addr="106",
        short_message=b"id:7 stat:DELIVRD",
        esm_class=smpplib.consts.SMPP_MSGTYPE_DELIVERYACK,
        receipted_message_id="C0FFEE",
        message_state=2,
    )
    message = ShortMessage.decode(body)
    assert message.source == Address(b"8617900000001", message.source.ton, message.source.npi)
    found = message.tlv(Tag.RECEIPTED_MESSAGE_ID)
    assert found is not None
    assert found.rstrip(b"\0") == b"C0FFEE"
    assert message.number(Tag.MESSAGE_STATE) == 2


def test_their_bind_is_read():
    _, _, body = their("bind_transceiver", system_id="muster", password="secret", system_type="CPA")
    bind = Bind.decode(body)
    assert (bind.system_id, bind.password, bind.system_type) == (b"muster", b"secret", b"CPA")
