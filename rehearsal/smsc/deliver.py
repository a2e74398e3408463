"""deliver_sm bodies: members' messages, long ones in parts, and receipts."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

from rehearsal.draws import Numbers
from rehearsal.smsc import alphabet, wire
from rehearsal.smsc.runs import Rows, decimal, hexadecimal, repeated

_BEIJING = timezone(timedelta(hours=8))
_RECEIPT, _UDH, _PLAIN = 0x04, 0x40, 0x00
_WHOLE = {alphabet.GSM: 160, alphabet.UCS2: 140}
_DECIMAL, _HEXADECIMAL = 10, 12  # digits of a message id
_NUMBERING = b"\x01\x01"  # TON international, NPI E.164


class Split(StrEnum):
    """How the parts of a long message are marked."""

    UDH8 = "udh8"
    UDH16 = "udh16"
    SAR = "sar"


_PER_PART = {
    (alphabet.GSM, Split.UDH8): 153,
    (alphabet.GSM, Split.UDH16): 152,
    (alphabet.GSM, Split.SAR): 153,
    (alphabet.UCS2, Split.UDH8): 134,
    (alphabet.UCS2, Split.UDH16): 132,
    (alphabet.UCS2, Split.SAR): 134,
}
_STAT = {
    wire.STATE_DELIVERED: (b"DELIVRD", b"000", b"001"),
    wire.STATE_EXPIRED: (b"EXPIRED", b"001", b"000"),
    wire.STATE_UNDELIVERABLE: (b"UNDELIV", b"005", b"000"),
}


@dataclass(frozen=True, slots=True)
class Notice:
    """All that a receipt tells about one accepted message, or that several have in common."""

    message: int
    number: int
    sender: str
    reference: str
    state: int
    submitted: float
    done: float


@dataclass(frozen=True, slots=True)
class ReceiptForm:
    """How a gateway writes receipts."""

    reference_tag: int
    with_tlvs: bool
    decimal_id: bool


def member_message(source: str, target: str, text: str, *, split: Split, reference: int) -> list[bytes]:
    """One deliver_sm body, or one per part when the text is long."""
    coding, characters = alphabet.encode(text)
    whole = b"".join(characters)
    if len(whole) <= _WHOLE[coding]:
        return [_body(source, target, esm_class=_PLAIN, coding=coding, octets=whole)]
    pieces = _pieces(characters, _PER_PART[coding, split])
    return [
        _part(source, target, coding, piece, split, reference, (place, len(pieces)))
        for place, piece in enumerate(pieces, start=1)
    ]


def receipts(notice: Notice, messages: Numbers, numbers: Numbers, form: ReceiptForm) -> Rows:
    """What `notice` says, about each of these messages to numbers of as many digits as its own."""
    pdu = wire.pdu(wire.DELIVER_SM, wire.ROK, 0, receipt(notice, form))
    rows, source = repeated(pdu, len(messages)), wire.HEADER_SIZE + len(b"\0" + _NUMBERING)
    width = len(str(notice.number))
    rows[:, source : source + width] = decimal(numbers, width)
    text = pdu.index(b"id:", source + width) + len(b"id:")
    if form.decimal_id:
        rows[:, text : text + _DECIMAL] = decimal(messages, _DECIMAL)
    else:
        rows[:, text : text + _HEXADECIMAL] = hexadecimal(messages, _HEXADECIMAL)
    if form.with_tlvs:
        tagged = pdu.index(_receipted(notice.message), text) + len(wire.tlv(0, b""))
        rows[:, tagged : tagged + _HEXADECIMAL] = hexadecimal(messages, _HEXADECIMAL)
    return rows


def minute(epoch: float) -> bytes:
    """As receipts write it, in Beijing."""
    return datetime.fromtimestamp(epoch, UTC).astimezone(_BEIJING).strftime("%y%m%d%H%M").encode()


def receipt(notice: Notice, form: ReceiptForm) -> bytes:
    """The deliver_sm body of a receipt, in the words of SMPP 3.4, appendix B."""
    stat, error, delivered = _STAT[notice.state]
    shown = b"%0*d" % (_DECIMAL, notice.message) if form.decimal_id else b"%0*x" % (_HEXADECIMAL, notice.message)
    text = b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:" % (
        shown,
        delivered,
        minute(notice.submitted),
        minute(notice.done),
        stat,
        error,
    )
    tlvs = b""
    if form.with_tlvs:
        tlvs = _receipted(notice.message)
        tlvs += wire.tlv(wire.TAG_MESSAGE_STATE, bytes([notice.state]))
        if notice.reference:
            tlvs += wire.tlv(form.reference_tag, notice.reference.encode())
    return _body(str(notice.number), notice.sender, esm_class=_RECEIPT, coding=alphabet.GSM, octets=text, tlvs=tlvs)


def _receipted(message: int) -> bytes:
    return wire.tlv(wire.TAG_RECEIPTED_ID, b"%0*x\0" % (_HEXADECIMAL, message))


def _pieces(characters: list[bytes], room: int) -> list[bytes]:
    pieces: list[bytes] = []
    piece = b""
    for character in characters:
        if len(piece) + len(character) > room:
            pieces.append(piece)
            piece = b""
        piece += character
    return [*pieces, piece]


def _part(
    source: str, target: str, coding: int, piece: bytes, split: Split, reference: int, place: tuple[int, int]
) -> bytes:
    number, total = place
    match split:
        case Split.UDH8:
            octets, esm_class, tlvs = bytes((5, 0, 3, reference & 0xFF, total, number)) + piece, _UDH, b""
        case Split.UDH16:
            header = b"\x06\x08\x04" + struct.pack(">HBB", reference & 0xFFFF, total, number)
            octets, esm_class, tlvs = header + piece, _UDH, b""
        case Split.SAR:
            octets, esm_class = piece, _PLAIN
            tlvs = wire.tlv(wire.TAG_SAR_REFERENCE, struct.pack(">H", reference & 0xFFFF))
            tlvs += wire.tlv(wire.TAG_SAR_TOTAL, bytes([total])) + wire.tlv(wire.TAG_SAR_NUMBER, bytes([number]))
    return _body(source, target, esm_class=esm_class, coding=coding, octets=octets, tlvs=tlvs)


def _body(source: str, target: str, *, esm_class: int, coding: int, octets: bytes, tlvs: bytes = b"") -> bytes:
    return b"".join(
        (
            b"\0" + _NUMBERING + source.encode() + b"\0" + _NUMBERING + target.encode() + b"\0",
            bytes((esm_class, 0, 0)) + b"\0\0" + bytes((0, 0, coding, 0, len(octets))),
            octets,
            tlvs,
        )
    )
