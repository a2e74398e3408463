"""What every channel offers, and what it needs from the rest of the house."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple, Protocol, Self, overload

from schemas.words import Channel, Purpose


class State(IntEnum):
    """What is known of one message after its hand-over; the numbers are stored, one byte a member."""

    SENT = 1  # the gateway accepted it
    REFUSED = 2  # the gateway refused it for good
    UNCERTAIN = 3  # it may or may not have arrived: never sent again by itself
    HELD = 4  # never written: `may_send` said no before it left


@dataclass(frozen=True, slots=True)
class Outcome:
    """The fate of one message: the gateway's id when sent, its status code when refused.

    `bad_address`: the refusal was about the address itself, which is not worth another message.
    """

    state: State
    gateway_id: str = ""
    status: int = 0
    bad_address: bool = False


class Outcomes(Sequence[Outcome]):
    """The fates of some messages, in order, kept in columns: they come by the hundred thousand.

    `states` holds one `State` a message in a byte; `gateway_ids` runs parallel; `refused` tells more of those that were
    refused, by their place.
    """

    __slots__ = ("gateway_ids", "refused", "states")

    def __init__(self, states: bytes, gateway_ids: Sequence[str], refused: Mapping[int, Outcome]) -> None:
        self.states = states
        self.gateway_ids = gateway_ids
        self.refused = refused

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Self:
        """The same, in columns."""
        return cls(
            bytes(outcome.state for outcome in outcomes),
            [outcome.gateway_id for outcome in outcomes],
            {place: outcome for place, outcome in enumerate(outcomes) if outcome.state is State.REFUSED},
        )

    def __len__(self) -> int:
        return len(self.states)

    @overload
    def __getitem__(self, place: int) -> Outcome: ...
    @overload
    def __getitem__(self, place: slice) -> list[Outcome]: ...
    def __getitem__(self, place: int | slice) -> Outcome | list[Outcome]:
        if isinstance(place, slice):
            return [self[each] for each in range(len(self))[place]]
        place = range(len(self))[place]
        return self.refused.get(place) or Outcome(State(self.states[place]), self.gateway_ids[place])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Letter:
    """What is said to a range of addresses: everything but the address, rendered once."""

    text: str
    reference: str  # "kind/appeal/wave", ASCII, which the gateway sees with every message
    slot: int  # extension of the sender address, 0..99
    not_after: datetime  # aware; becomes the validity period
    subject: str = ""  # e-mail only; without one the first line of the text serves
    purpose: Purpose | None = None  # which list an opt-out link in the message leaves; none: all of them


class Receipt(NamedTuple):
    """What a gateway reported of one message it had accepted: `state` in the words of SMPP 3.4 (DELIVRD ...)."""

    gateway_id: str
    state: str
    final: bool
    error: str
    address: str
    reference: str
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A message from a member.  `slot` is the extension it was sent to; `key` is the appeal key an e-mail answers to."""

    address: str
    text: str
    slot: int | None
    gateway_id: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Receipts:
    """Receipts that say the same of several messages, whose ids and addresses run parallel."""

    said: Receipt  # its id and its address are those of the first
    gateway_ids: list[str]
    addresses: list[str]


@dataclass(frozen=True, slots=True)
class Bodies:
    """Messages of one size as their protocol words them, one after the other."""

    size: int  # octets of each
    octets: bytes

    @classmethod
    def of(cls, body: bytes) -> Self:
        return cls(len(body), body)

    @property
    def count(self) -> int:
        return len(self.octets) // self.size

    def each(self) -> list[bytes]:
        return [self.octets[place : place + self.size] for place in range(0, len(self.octets), self.size)]


# Those of these members who must not be written to any more, asked like `may_send`; what they want may have changed since.
Silent = Callable[[Sequence[int]], Collection[int]]


def nobody(_members: Sequence[int]) -> Collection[int]:
    """`Silent` where nobody's wishes are known."""
    return ()


# Receipts in groups that say the same.  Those that name no message or no state are left out.
ReadReceipts = Callable[[Sequence[Bodies]], Sequence[Receipts]]

# All are awaited before the gateway is told "received": whoever implements them commits first.
OnIncoming = Callable[[Incoming], Awaitable[None]]
OnReceipt = Callable[[Receipt], Awaitable[None]]
OnReceipts = Callable[[Sequence[Bodies]], Awaitable[None]]  # by the hundred thousand: unread, for a `ReadReceipts`


class Progress(Protocol):
    """Keeps what is known of messages, by their place among the addresses, so that it survives this process."""

    def note(self, places: Sequence[int], state: State, gateway_ids: Sequence[str] = ()) -> None:
        """UNCERTAIN before they leave; then what became of them, HELD if the gateway does not have them after all.

        Raises OSError when it cannot be kept.
        """


class Placed:
    """The progress of some of the addresses, whose places there are `positions`."""

    def __init__(self, progress: Progress, positions: Sequence[int]) -> None:
        self._progress = progress
        self._positions = positions

    def note(self, places: Sequence[int], state: State, gateway_ids: Sequence[str] = ()) -> None:
        positions = self._positions
        if isinstance(places, range) and isinstance(positions, range):
            self._progress.note(positions[places.start : places.stop], state, gateway_ids)
        else:
            self._progress.note([positions[place] for place in places], state, gateway_ids)


class OptOutDoor(Protocol):
    """Where a member's wish to hear no more is written down, whichever channel brought it."""

    async def opt_out_member(self, member_id: int, purpose: Purpose | None, channel: Channel, source: str) -> None:
        """Commit before returning; a second call changes nothing.  No purpose means every purpose."""


class Window(Protocol):
    """Room for messages that are claimed and not yet durably recorded; of a range whose progress is kept, for those that have
    left and are not answered.
    """  # noqa: D205

    @property
    def limit(self) -> int:
        """Places in all, now."""

    @property
    def pace(self) -> float:
        """Messages a second that the channel takes at most, as far as known; infinite where nothing is."""

    async def take(self, wanted: int, *, urgent: bool = False) -> int:
        """Wait for room, then take between 1 and `wanted` places; a tenth is kept free for `urgent`."""

    def give_back(self, places: int, *, urgent: bool = False, recorded: asyncio.Future[Any] | None = None) -> None:
        """The record of who had them stands in the queue of this lane: who takes them there claims behind it.  For the other
        lane they are free when it is `recorded`; without a record at once.
        """  # noqa: D205


class Notifier(Protocol):
    """One channel, sending.  Throttling, a full queue and a missing link are waited out inside, bounded by `may_send`."""

    @property
    def window(self) -> Window: ...

    @property
    def keeps_progress(self) -> bool:
        """Whether `send` tells a `progress`, and then keeps within the window by itself."""

    async def send(
        self,
        letter: Letter,
        addresses: Sequence[str],
        may_send: Callable[[], bool],
        *,
        urgent: bool = False,
        members: Sequence[int] = (),
        silent: Silent = nobody,
        progress: Progress | None = None,
    ) -> Outcomes:
        """One outcome per address, in order.  `members` runs parallel to `addresses` (0: nobody).

        What `progress` cannot keep is `HELD`.  `may_send` is asked immediately before every write and every retry; once it
        says no, what is unwritten is `HELD`.  So is, alone, a message to somebody whom `silent` names at that moment,
        unless a part of it has left.  A link that is lost makes what was written and not answered `UNCERTAIN`.  Never
        raises for the gateway's sake; cancelling it leaves everything that was written uncertain.
        """
