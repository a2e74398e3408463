"""SMPP 3.4 as a gateway speaks it: numbers, headers, strings and TLVs.

Written apart from Muster's own codec on purpose: a witness that shared it would share its mistakes.
"""

import struct
from collections.abc import Iterator

HEADER = struct.Struct(">IIII")
HEADER_SIZE = 16
LARGEST_PDU = 70_000  # a payload TLV holds 65,535 octets

GENERIC_NACK = 0x80000000
BIND_RECEIVER = 0x01
BIND_TRANSMITTER = 0x02
SUBMIT_SM = 0x04
SUBMIT_SM_RESP = 0x80000004
DELIVER_SM = 0x05
DELIVER_SM_RESP = 0x80000005
UNBIND = 0x06
BIND_TRANSCEIVER = 0x09
ENQUIRE_LINK = 0x15
ENQUIRE_LINK_RESP = 0x80000015
RESPONSE = 0x80000000

ROK = 0x00
RINVMSGLEN = 0x01
RINVCMDLEN = 0x02
RINVCMDID = 0x03
RINVBNDSTS = 0x04
RALYBND = 0x05
RSYSERR = 0x08
RINVSRCADR = 0x0A
RINVDSTADR = 0x0B
RBINDFAIL = 0x0D
RINVPASWD = 0x0E
RINVSYSID = 0x0F
RMSGQFUL = 0x14
RTHROTTLED = 0x58
RINVEXPIRY = 0x62
RINVOPTPARSTREAM = 0xC0

TAG_INTERFACE_VERSION = 0x0210
TAG_SAR_REFERENCE = 0x020C
TAG_SAR_TOTAL = 0x020E
TAG_SAR_NUMBER = 0x020F
TAG_PAYLOAD = 0x0424
TAG_RECEIPTED_ID = 0x001E
TAG_MESSAGE_STATE = 0x0427

RECEIPT_ON_FAILURE = 2  # registered_delivery, bits 1-0

STATE_DELIVERED = 2
STATE_EXPIRED = 3
STATE_UNDELIVERABLE = 5


class Malformed(Exception):
    """A PDU that cannot be read; `status` is what its sender is told."""

    def __init__(self, status: int) -> None:
        super().__init__(f"command_status {status:#x}")
        self.status = status


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER_SIZE + len(body), command, status, sequence) + body


def c_string(body: bytes, start: int) -> tuple[bytes, int]:
    """The octets up to the next null, and where the following field begins.  Raises `Malformed`."""
    end = body.find(0, start)
    if end < 0:
        raise Malformed(RINVMSGLEN)
    return body[start:end], end + 1


def tlv(tag: int, value: bytes) -> bytes:
    return struct.pack(">HH", tag, len(value)) + value


def tlvs(body: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The optional parameters from `start` to the end.  Raises `Malformed`."""
    while start < len(body):
        if start + 4 > len(body):
            raise Malformed(RINVOPTPARSTREAM)
        tag, length = struct.unpack_from(">HH", body, start)
        start += 4
        if start + length > len(body):
            raise Malformed(RINVOPTPARSTREAM)
        yield tag, body[start : start + length]
        start += length
