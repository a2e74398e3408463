"""What a member agreed to and what they refused, each as one whole number, so that millions are judged in one AND.

A scope is a purpose, a channel, both or neither (everything).  Every scope is one bit of a grid whose first row and
first column stand for "any"; so what somebody refused for any purpose also holds for a purpose that is added later.
Consent is given per channel and per purpose: an appeal needs both.  The bits are stored: words are only ever appended.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from schemas.words import Channel, Purpose

_ROWS: Mapping[Purpose | None, int] = {None: 0, Purpose.BLOOD: 1, Purpose.VOLUNTEER: 2, Purpose.BENEFITS: 3}
_COLUMNS: Mapping[Channel | None, int] = {None: 0, **{channel: n for n, channel in enumerate(Channel, start=1)}}
_WIDTH = 8  # columns in a row, so that a channel can be added without moving a bit


class Scope(NamedTuple):
    """What a consent or a refusal is about; none means any."""

    purpose: Purpose | None = None
    channel: Channel | None = None


EVERYTHING = Scope()


def bit(scope: Scope) -> int:
    """The one bit that stands for exactly this scope."""
    return 1 << (_ROWS[scope.purpose] * _WIDTH + _COLUMNS[scope.channel])


def needed(purpose: Purpose, channel: Channel) -> int:
    """The consents without which nobody is asked: all of these bits must be set."""
    return bit(Scope(purpose=purpose)) | bit(Scope(channel=channel))


def blocking(purpose: Purpose, channel: Channel) -> int:
    """The refusals that each alone forbid a message: none of these bits may be set."""
    return bit(EVERYTHING) | bit(Scope(purpose, channel)) | needed(purpose, channel)


def scopes(mask: int) -> Iterator[Scope]:
    """The scopes in this number, widest first."""
    for purpose in _ROWS:
        for channel in _COLUMNS:
            if mask & bit(Scope(purpose, channel)):
                yield Scope(purpose, channel)
