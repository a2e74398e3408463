"""Numbers of the member card (京卡): one way to write them."""

import re
import unicodedata
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
_CARD: Final = re.compile(r"[0-9A-Z]{4,32}")


def card_of(text: str) -> str | None:
    """The number in capitals and half-width digits, without spaces and dashes; none if it can be no card number."""
    if text.isascii() and text.isdigit():
        number = text
    else:
        number = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    return number if _CARD.fullmatch(number) else None
