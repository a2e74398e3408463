"""How a text becomes short messages: which alphabet it needs, how many parts, and what each part carries.

GSM 03.38 and 03.40.  On SMPP a GSM 7-bit part travels unpacked, one code per octet; `pack_septets` is for protocols
that pack.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final

_ESCAPE: Final = 0x1B
# The escape stands in its own place (0x1B) so that positions are codes; it is no character of the alphabet.
_BASE: Final = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}
_CODES: Final = {
    **{char: bytes([code]) for code, char in enumerate(_BASE) if code != _ESCAPE},
    **{char: bytes([_ESCAPE, code]) for code, char in _EXTENSION.items()},
}
_MOST_PARTS: Final = 255
_SEPTET: Final = 0x7F


class Alphabet(IntEnum):
    """The two alphabets that we send in; the numbers are SMPP's data_coding."""

    GSM7 = 0x00
    UCS2 = 0x08


# Units (septets, or UTF-16 code units) that fit into: one message, a part with an 8-bit, a part with a 16-bit reference.
_ROOM: Final = {Alphabet.GSM7: (160, 153, 152), Alphabet.UCS2: (70, 67, 66)}


class TextTooLong(ValueError):
    """The text needs more than 255 parts."""


@dataclass(frozen=True, slots=True)
class Segments:
    """A text cut up: the octets of each part, without headers, and the units that each part takes."""

    alphabet: Alphabet
    parts: tuple[bytes, ...]
    units: tuple[int, ...]


def alphabet_of(text: str) -> Alphabet:
    """GSM 7-bit if every character is in it, else UCS-2."""
    return Alphabet.GSM7 if all(char in _CODES for char in text) else Alphabet.UCS2


@lru_cache(maxsize=256)  # a mass message is the same for every range
def segment(text: str, *, wide: bool = False) -> Segments:
    """Cut a text into as few parts as fit; `wide` leaves room for 16-bit references.  Raises `TextTooLong`.

    Neither an escape pair nor a surrogate pair is split.
    """
    alphabet = alphabet_of(text)
    single, narrow_part, wide_part = _ROOM[alphabet]
    width = 1 if alphabet is Alphabet.GSM7 else 2
    # A lone surrogate is no text: it becomes a question mark, as in every other encoder.
    chars = [_CODES[char] if width == 1 else char.encode("utf-16-be", "replace") for char in text]
    whole = b"".join(chars)
    if len(whole) <= single * width:
        parts: tuple[bytes, ...] = (whole,)
    else:
        parts = tuple(_fill(chars, (wide_part if wide else narrow_part) * width))
    if len(parts) > _MOST_PARTS:
        raise TextTooLong(f"{len(parts)} parts, {_MOST_PARTS} are possible")
    return Segments(alphabet, parts, tuple(len(part) // width for part in parts))


def _fill(chars: Iterable[bytes], room: int) -> Iterable[bytes]:
    part = bytearray()
    for char in chars:
        if len(part) + len(char) > room:
            yield bytes(part)
            part.clear()
        part += char
    yield bytes(part)


def part_header(reference: int, total: int, number: int, *, wide: bool = False) -> bytes:
    """The user data header of part `number` of `total`; the reference is cut to 8 bits, or 16 if `wide`."""
    if not 1 <= number <= total <= _MOST_PARTS:
        raise ValueError(f"there is no part {number} of {total}")
    if wide:
        return bytes((6, 8, 4, reference >> 8 & 0xFF, reference & 0xFF, total, number))
    return bytes((5, 0, 3, reference & 0xFF, total, number))


def encode_gsm7(text: str) -> bytes:
    """One code per octet.  Raises KeyError for a character outside the alphabet."""
    return b"".join(_CODES[char] for char in text)


def decode_gsm7(codes: bytes) -> str:
    """The text of unpacked codes.  Never fails: what has no meaning becomes U+FFFD, as does a dangling escape."""
    text: list[str] = []
    escaped = False
    for code in codes:
        if escaped:
            # The standard asks receivers to show the base character for an extension that they do not know.
            text.append(_EXTENSION.get(code) or _base(code))
            escaped = False
        elif code == _ESCAPE:
            escaped = True
        else:
            text.append(_base(code))
    return "".join(text) + ("\ufffd" if escaped else "")


def _base(code: int) -> str:
    return "\ufffd" if code > _SEPTET or code == _ESCAPE else _BASE[code]


def pack_septets(codes: bytes) -> bytes:
    """Eight 7-bit codes into seven octets, low bits first (GSM 03.38, 6.1.2.1)."""
    bits = 0
    for at, code in enumerate(codes):
        bits |= (code & _SEPTET) << 7 * at
    return bits.to_bytes((len(codes) * 7 + 7) // 8, "little")


def unpack_septets(octets: bytes, count: int) -> bytes:
    """The first `count` 7-bit codes of packed octets."""
    bits = int.from_bytes(octets, "little")
    return bytes(bits >> 7 * at & _SEPTET for at in range(count))
