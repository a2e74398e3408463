"""deliver_sm bodies: members' messages, long ones in parts, and receipts."""

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

from rehearsal.smsc import alphabet, wire

_BEIJING = timezone(timedelta(hours=8))
_RECEIPT, _UDH, _PLAIN = 0x04, 0x40, 0x00
_WHOLE = {alphabet.GSM: 160, alphabet.UCS2: 140}
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
    """All that a receipt tells about one accepted message."""

    message: int
    number: int
    sender: str
    reference: str
    state: int
    submitted: float
    done: float


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


def receipt(notice: Notice, *, reference_tag: int, with_tlvs: bool, decimal_id: bool) -> bytes:
    """The deliver_sm body of a receipt, in the words of SMPP 3.4, appendix B, times in Beijing."""
    stat, error, delivered = _STAT[notice.state]
    shown = b"%010d" % notice.message if decimal_id else b"%012x" % notice.message
    text = b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%b text:" % (
        shown,
        delivered,
        _minute(notice.submitted),
        _minute(notice.done),
        stat,
        error,
    )
    tlvs = b""
    if with_tlvs:
        tlvs = wire.tlv(wire.TAG_RECEIPTED_ID, b"%012x\0" % notice.message)
        tlvs += wire.tlv(wire.TAG_MESSAGE_STATE, bytes([notice.state]))
        if notice.reference:
            tlvs += wire.tlv(reference_tag, notice.reference.encode())
    return _body(str(notice.number), notice.sender, esm_class=_RECEIPT, coding=alphabet.GSM, octets=text, tlvs=tlvs)


def _minute(epoch: float) -> bytes:
    return datetime.fromtimestamp(epoch, UTC).astimezone(_BEIJING).strftime("%y%m%d%H%M").encode()


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
