"""Receipts that name no message of ours: whom they may be about, and what they say."""

import re
from typing import Final, NamedTuple

from schemas.words import MessageKind

DELIVERED: Final = 1
FAILED: Final = 2
_MASS: Final = re.compile(rf"{MessageKind.MASS.value}/(a-[0-9a-z-]{{4,40}})/([1-9][0-9]{{0,3}})")


class WaveName(NamedTuple):
    appeal_id: str
    wave: int


def wave_of(reference: str) -> WaveName | None:
    """The wave whose mass message carried this reference; none for any other message."""
    found = _MASS.fullmatch(reference)
    return WaveName(found[1], int(found[2])) if found else None


def state_of(word: str) -> int:
    """What the gateway's word for the end of a message means to us."""
    return DELIVERED if word == "DELIVRD" else FAILED
