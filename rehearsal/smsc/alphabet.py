"""Octets to words and back: GSM 03.38 one code per octet, Latin-1 and UCS-2, as SMPP carries them."""

_BASIC = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_ESCAPE = 0x1B
_EXTENDED = {
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
_CODES = {char: bytes([code]) for code, char in enumerate(_BASIC) if code != _ESCAPE}
_CODES |= {char: bytes([_ESCAPE, code]) for code, char in _EXTENDED.items()}

GSM, ASCII, LATIN, UCS2 = 0, 1, 3, 8
_UNREADABLE = "\N{REPLACEMENT CHARACTER}"


def decode(octets: bytes, coding: int) -> str:
    """What was written; what cannot be read becomes a replacement character, so that it shows."""
    if coding == UCS2:
        return octets.decode("utf-16-be", errors="replace")
    if coding in (GSM, ASCII):
        return _decode_gsm(octets) if coding == GSM else octets.decode("ascii", errors="replace")
    return octets.decode("latin-1")


def _decode_gsm(octets: bytes) -> str:
    found: list[str] = []
    codes = iter(octets)
    for code in codes:
        if code == _ESCAPE:
            found.append(_EXTENDED.get(next(codes, -1), _UNREADABLE))
        else:
            found.append(_BASIC[code] if code < len(_BASIC) else _UNREADABLE)
    return "".join(found)


def encode(text: str) -> tuple[int, list[bytes]]:
    """The coding that can carry `text`, and its characters as octets that must stay together."""
    if all(char in _CODES for char in text):
        return GSM, [_CODES[char] for char in text]
    return UCS2, [char.encode("utf-16-be") for char in text]
