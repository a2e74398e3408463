"""Mobile numbers of mainland China: from whatever somebody typed to E.164.

The pattern keeps slips out; it is no directory.  Since 2019 numbers move between carriers, so a prefix says nothing
about the carrier.  Numbers of 179 belong to nobody: made-up members have them.
"""

import re
import unicodedata
from typing import Final

_COUNTRY: Final = "+86"
_MADE_UP: Final = _COUNTRY + "179"
_SEPARATORS: Final = re.compile(r"[\s().\-\u00ad\u2010-\u2015\u2212]+")
_NATIONAL: Final = re.compile(
    r"1(?:3[0-9]{3}|5[0-35-9][0-9]{2}|8[0-9]{3}|7(?:[0-35-9][0-9]{2}|4(?:0[0-9]|1[0-2]|9[0-9]))"
    r"|9[0-35-9][0-9]{2}|6[2567][0-9]{2}|4[579][0-9]{2})[0-9]{6}"
)

_NATIONALS: Final = re.compile(f"{_NATIONAL.pattern}(?:\n{_NATIONAL.pattern})*")


def mobile_of(text: str) -> str | None:
    """The number as +86 and 11 digits; none if a text message cannot reach it (landline, abroad, things, slips)."""
    if _NATIONAL.fullmatch(text):
        return _COUNTRY + text
    digits = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    if digits.startswith("00"):
        digits = "+" + digits[2:]
    if digits.startswith("+"):
        national = digits.removeprefix(_COUNTRY)
    else:
        national = digits[2:] if len(digits) == len("8613800138000") and digits.startswith("86") else digits
    return _COUNTRY + national if _NATIONAL.fullmatch(national) else None


def mobiles_of(nationals: str) -> list[str] | None:
    """Many at once: the numbers of these lines, each of which must be 11 plain digits; none if any is not."""
    if not _NATIONALS.fullmatch(nationals):
        return None
    return (_COUNTRY + nationals.replace("\n", "\n" + _COUNTRY)).split("\n")


def is_made_up(mobile: str) -> bool:
    """Whether this E.164 number belongs to nobody: drills use only such numbers, real gateways refuse them."""
    return mobile.startswith(_MADE_UP)
