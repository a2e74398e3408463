"""Numbers of the member card (京卡): one way to write them."""

import re
import unicodedata
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s\-\u2010-\u2015\u2212]+")
SHORTEST: Final = 4
LONGEST: Final = 32


def card_of(text: str) -> str | None:
    """The number in capitals and half-width digits, without spaces and dashes; none if it can be no card number."""
    if not (text.isascii() and text.isalnum()):
        text = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    number = text.upper()
    if not (SHORTEST <= len(number) <= LONGEST and number.isascii() and number.isalnum()):
        return None
    return number
