"""Members' messages: which words a deliver_sm carries, and to which slot it was sent."""

from dataclasses import dataclass
from typing import Final

from decisions.mobiles import mobile_of
from decisions.segments import decode_gsm7
from notifiers.smpp.codec import ShortMessage
from notifiers.smpp.settings import SMSSettings
from notifiers.smpp.words import ESM, Tag

_SHORT_REFERENCE: Final = 0x00
_LONG_REFERENCE: Final = 0x08
_MOST_PARTS: Final = 255
_ELEMENT_SIZES: Final = {_SHORT_REFERENCE: 3, _LONG_REFERENCE: 4}
# data_coding and the message classes of GSM 03.38; 15 is what gateways in China call GB.
_GSM7: Final = frozenset({0x10, 0x11, 0x12, 0x13, 0xF0, 0xF1, 0xF2, 0xF3})
_CODECS: Final = {
    0x01: "ascii",
    0x03: "latin-1",
    0x08: "utf-16-be",
    0x0F: "gb18030",
    0x18: "utf-16-be",
    0x19: "utf-16-be",
    0x1A: "utf-16-be",
    0x1B: "utf-16-be",
}


@dataclass(frozen=True, slots=True)
class PartOf:
    """Which part of which longer message this is."""

    reference: int
    total: int
    number: int


@dataclass(frozen=True, slots=True)
class Words:
    """The octets of one deliver_sm without any header."""

    octets: bytes
    data_coding: int
    part: PartOf | None


def words_of(message: ShortMessage) -> Words:
    """What the message says, and which part it is: by its user data header, else by its sar parameters."""
    octets = message.octets or message.tlv(Tag.MESSAGE_PAYLOAD) or b""
    if message.esm_class & ESM.UDH and octets and octets[0] < len(octets):
        header, octets = octets[1 : octets[0] + 1], octets[octets[0] + 1 :]
        return Words(octets, message.data_coding, _part_in_header(header))
    return Words(octets, message.data_coding, _part_in_parameters(message))


def decode_words(octets: bytes, data_coding: int, settings: SMSSettings) -> str:
    """The text.  Never fails: what cannot be read becomes U+FFFD, and a person sees it."""
    if data_coding in _GSM7 or (data_coding == 0 and settings.default_alphabet == "gsm7"):
        return decode_gsm7(octets)
    if data_coding == 0:
        return octets.decode("latin-1")
    return octets.decode(_CODECS.get(data_coding, "utf-8"), "replace")


def slot_of(destination: str, settings: SMSSettings) -> int | None:
    """The slot behind our access number; none if the member wrote to another number or left the slot out."""
    digits = destination.removeprefix("+")
    if not digits.startswith(settings.access_number):
        digits = digits.removeprefix("86")
    extension = digits.removeprefix(settings.access_number)
    if extension == digits or len(extension) != settings.slot_digits:
        return None
    return int(extension) if extension.isascii() and extension.isdigit() else None


def member_address(digits: str) -> str:
    """A mobile as the registry writes it (+86 and 11 digits); any other sender as the gateway writes it."""
    return mobile_of(digits.removeprefix("86")) or mobile_of(digits) or digits


def _valid(reference: int, total: int, number: int) -> PartOf | None:
    # A receiver ignores what makes no sense (GSM 03.40, 9.2.3.24.1); a message of one part is no longer message.
    return PartOf(reference, total, number) if 1 <= number <= total and 1 < total <= _MOST_PARTS else None


def _part_in_header(header: bytes) -> PartOf | None:
    at = 0
    while at + 2 <= len(header):
        element, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if len(value) == size == _ELEMENT_SIZES.get(element):
            # 8- and 16-bit references are different numbers even when they are equal.
            reference = int.from_bytes(value[:-2], "big") + (0x10000 if element == _LONG_REFERENCE else 0)
            return _valid(reference, value[-2], value[-1])
        at += 2 + size
    return None


def _part_in_parameters(message: ShortMessage) -> PartOf | None:
    reference = message.number(Tag.SAR_MSG_REF_NUM)
    total = message.number(Tag.SAR_TOTAL_SEGMENTS)
    number = message.number(Tag.SAR_SEGMENT_SEQNUM)
    if reference is None or total is None or number is None:
        return None
    return _valid((reference & 0xFFFF) + 0x20000, total, number)
