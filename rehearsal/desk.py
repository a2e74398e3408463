"""What simulated staff need of the system under rehearsal, and of the simulated world."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class DeskBusy(Exception):
    """The system cannot be reached just now; the same call is tried again."""


@dataclass(frozen=True, slots=True)
class OpenYes:
    """A member who said yes and has not been screened; `wanted` is the ABO group that the appeal asks for."""

    appeal_id: str
    member_id: int
    mobile: str
    wanted: str


class Desk(Protocol):
    """The system's own doors, as staff use them.  Any method may raise `DeskBusy`."""

    async def record_answer(self, mobile: str, *, said_yes: bool) -> None:
        """A caller with this number has answered."""

    async def open_yes(self) -> Sequence[OpenYes]:
        """Everybody who waits for screening, in all open appeals."""

    async def confirm(self, appeal_id: str, member_id: int, *, matched: bool) -> None:
        """The screening of a yes has ended."""


@dataclass(frozen=True, slots=True)
class HotlineCall:
    """Somebody on the phone."""

    id: int
    mobile: str
    says: str


class Hotline(Protocol):
    """Where callers come in."""

    async def calls_after(self, last: int) -> Sequence[HotlineCall]:
        """Calls with an id above `last`; waits a while when there is none yet.  Raises `DeskBusy`."""


class Phone(Protocol):
    """A coordinator's telephone."""

    async def ask_type(self, mobile: str) -> str | None:
        """The true ABO group of whoever answers; None when nobody has this number.  Raises `DeskBusy`."""
