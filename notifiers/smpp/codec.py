"""PDUs to bytes and back.  Whatever cannot be read raises `ProtocolError`, which says what to answer."""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Self

import numpy as np

from notifiers.smpp.words import VERSION, Status

HEADER: Final = struct.Struct(">IIII")
HEADER_SIZE: Final = HEADER.size
LARGEST_PDU: Final = 70_000  # a message_payload holds 65,535 octets
_TLV: Final = struct.Struct(">HH")
_LONGEST_SHORT_MESSAGE: Final = 254

TLVs = tuple[tuple[int, bytes], ...]


class ProtocolError(Exception):
    """The gateway sent something that is not SMPP; `status` is what it is told.  Never quotes what was sent."""

    def __init__(self, status: Status, what: str) -> None:
        super().__init__(what)
        self.status = status


def pdu(command: int, status: int, sequence: int, body: bytes = b"") -> bytes:
    return HEADER.pack(HEADER_SIZE + len(body), command, status, sequence) + body


@cache
def pdus_of(length: int) -> np.dtype[Any]:
    """The rows of a table of PDUs of this length; `kind` is length and command, `answer` status and sequence number."""
    fields = ["length", "command", "kind", "status", "sequence", "answer", "body"]
    formats = [">u4", ">u4", ">u8", ">u4", ">u4", ">u8", f"V{length - HEADER_SIZE}"]
    return np.dtype({"names": fields, "formats": formats, "offsets": [0, 4, 0, 8, 12, 8, HEADER_SIZE]})


def c_octets(value: bytes, longest: int) -> bytes:
    """A null-terminated field of at most `longest` octets, the null included.  Raises ValueError."""
    if len(value) >= longest or 0 in value:
        raise ValueError(f"a field takes at most {longest - 1} octets, none of them null")
    return value + b"\0"


class Cursor:
    """Reads the fields of one body, in order."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0

    def octet(self) -> int:
        if self._at >= len(self._body):
            raise ProtocolError(Status.RINVCMDLEN, "the body ends before its last field")
        self._at += 1
        return self._body[self._at - 1]

    def octets(self, count: int) -> bytes:
        if self._at + count > len(self._body):
            raise ProtocolError(Status.RINVMSGLEN, "a length goes beyond the body")
        self._at += count
        return self._body[self._at - count : self._at]

    def c_octets(self, longest: int) -> bytes:
        end = self._body.find(0, self._at, self._at + longest)
        if end < 0:
            raise ProtocolError(Status.RINVCMDLEN, "a field is too long or does not end")
        value = self._body[self._at : end]
        self._at = end + 1
        return value

    def tlvs(self) -> TLVs:
        """All that is left, as optional parameters."""
        found: list[tuple[int, bytes]] = []
        while self._at < len(self._body):
            if self._at + _TLV.size > len(self._body):
                raise ProtocolError(Status.RINVOPTPARSTREAM, "an optional parameter is cut off")
            tag, length = _TLV.unpack_from(self._body, self._at)
            self._at += _TLV.size
            if self._at + length > len(self._body):
                raise ProtocolError(Status.RINVOPTPARSTREAM, "an optional parameter is cut off")
            found.append((tag, self._body[self._at : self._at + length]))
            self._at += length
        return tuple(found)


def write_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)


@dataclass(frozen=True, slots=True)
class Bind:
    """The body of bind_transceiver, bind_transmitter and bind_receiver."""

    system_id: bytes
    password: bytes
    system_type: bytes = b""
    interface_version: int = VERSION
    addr_ton: int = 0
    addr_npi: int = 0
    address_range: bytes = b""

    def encode(self) -> bytes:
        return b"".join(
            (
                c_octets(self.system_id, 16),
                c_octets(self.password, 9),
                c_octets(self.system_type, 13),
                bytes((self.interface_version, self.addr_ton, self.addr_npi)),
                c_octets(self.address_range, 41),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        cursor = Cursor(body)
        return cls(
            cursor.c_octets(16),
            cursor.c_octets(9),
            cursor.c_octets(13),
            cursor.octet(),
            cursor.octet(),
            cursor.octet(),
            cursor.c_octets(41),
        )

    def __repr__(self) -> str:
        return "Bind(...)"  # the password stays out of logs and tracebacks


@dataclass(frozen=True, slots=True)
class Address:
    """An address as the gateway writes it: type of number, numbering plan, digits."""

    digits: bytes
    ton: int = 1
    npi: int = 1

    def encode(self) -> bytes:
        return bytes((self.ton, self.npi)) + c_octets(self.digits, 21)

    @classmethod
    def read(cls, cursor: Cursor) -> Self:
        ton, npi = cursor.octet(), cursor.octet()
        return cls(cursor.c_octets(21), ton, npi)

    def __repr__(self) -> str:
        return "Address(...)"  # a phone number


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortMessage:
    """The body of submit_sm and of deliver_sm: both have the same fields."""

    source: Address
    destination: Address
    octets: bytes = b""
    esm_class: int = 0
    data_coding: int = 0
    registered_delivery: int = 0
    validity_period: bytes = b""
    service_type: bytes = b""
    protocol_id: int = 0
    priority_flag: int = 0
    schedule_delivery_time: bytes = b""
    replace_if_present: int = 0
    default_message_id: int = 0
    tlvs: TLVs = ()

    def encode(self) -> bytes:
        """Raises ValueError if a field is too long."""
        return self.head() + c_octets(self.destination.digits, 21) + self.tail()

    def head(self) -> bytes:
        """All that stands before the digits of the destination."""
        return b"".join(
            (
                c_octets(self.service_type, 6),
                self.source.encode(),
                bytes((self.destination.ton, self.destination.npi)),
            )
        )

    def tail(self) -> bytes:
        """All that stands after the null that ends the destination."""
        if len(self.octets) > _LONGEST_SHORT_MESSAGE:
            raise ValueError(f"a short message takes at most {_LONGEST_SHORT_MESSAGE} octets")
        return b"".join(
            (
                bytes((self.esm_class, self.protocol_id, self.priority_flag)),
                c_octets(self.schedule_delivery_time, 17),
                c_octets(self.validity_period, 17),
                bytes((self.registered_delivery, self.replace_if_present, self.data_coding)),
                bytes((self.default_message_id, len(self.octets))),
                self.octets,
                write_tlvs(self.tlvs),
            )
        )

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Raises `ProtocolError`."""
        cursor = Cursor(body)
        service_type = cursor.c_octets(6)
        source, destination = Address.read(cursor), Address.read(cursor)
        esm_class, protocol_id, priority_flag = cursor.octet(), cursor.octet(), cursor.octet()
        schedule, validity = cursor.c_octets(17), cursor.c_octets(17)
        registered, replace, coding, default_id = (cursor.octet() for _ in range(4))
        return cls(
            service_type=service_type,
            source=source,
            destination=destination,
            esm_class=esm_class,
            protocol_id=protocol_id,
            priority_flag=priority_flag,
            schedule_delivery_time=schedule,
            validity_period=validity,
            registered_delivery=registered,
            replace_if_present=replace,
            data_coding=coding,
            default_message_id=default_id,
            octets=cursor.octets(cursor.octet()),
            tlvs=cursor.tlvs(),
        )

    def tlv(self, tag: int) -> bytes | None:
        """The first optional parameter of this tag."""
        return next((value for found, value in self.tlvs if found == tag), None)

    def number(self, tag: int) -> int | None:
        """The first optional parameter of this tag as a number."""
        value = self.tlv(tag)
        return None if value is None else int.from_bytes(value, "big")

    def __repr__(self) -> str:
        return f"ShortMessage({len(self.octets)} octets)"  # numbers and words stay out of logs
