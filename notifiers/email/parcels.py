"""Letters under way: what one `send` asked for, and the queue from which the connections take them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from notifiers.ports import Outcome, Silent, State, nobody


class Batch:
    """The outcomes of one `send`, each settled exactly once."""

    def __init__(self, size: int, may_send: Callable[[], bool], silent: Silent = nobody) -> None:
        self.may_send = may_send
        self.silent = silent
        self._outcomes: list[Outcome | None] = [None] * size
        self._left = size
        self._done = asyncio.Event()
        if not size:
            self._done.set()

    def settled(self, place: int) -> bool:
        return self._outcomes[place] is not None

    def settle(self, place: int, outcome: Outcome) -> None:
        if self._outcomes[place] is None:
            self._outcomes[place] = outcome
            self._left -= 1
            if not self._left:
                self._done.set()

    async def wait(self, seconds: float) -> bool:
        """True as soon as all are settled, False when the time is over before."""
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError:
            return False
        return True

    def outcomes(self) -> list[Outcome]:
        """All outcomes in order.  Only when all are settled."""
        return [outcome for outcome in self._outcomes if outcome is not None]


@dataclass(slots=True, eq=False)
class Parcel:
    """One letter to one address, ready for the wire."""

    batch: Batch
    place: int
    nonce: str
    sender: bytes  # the MAIL command
    recipient: bytes  # the RCPT command
    content: bytes
    member: int = 0  # 0: nobody
    urgent: bool = False
    tries: int = 0
    seen_sent: int = 0  # how many letters had left when this one last got stuck
    under_way: bool = False  # a connection has it
    written: bool = False  # its content has been handed to the socket

    @property
    def settled(self) -> bool:
        return self.batch.settled(self.place)

    def may_send(self) -> bool:
        """Asked immediately before every write."""
        return self.batch.may_send() and not self.batch.silent((self.member,))

    def settle(self, state: State, status: int = 0, *, bad_address: bool = False) -> None:
        gateway_id = self.nonce if state is State.SENT else ""
        self.batch.settle(self.place, Outcome(state, gateway_id, status, bad_address))


def hold(parcels: Iterable[Parcel]) -> None:
    """Settle as held whatever no connection has taken yet."""
    for parcel in parcels:
        if not parcel.under_way:
            parcel.settle(State.HELD)


class Lanes:
    """Two queues with one counter: urgent letters are taken first.  Settled ones are passed over by who takes them."""

    def __init__(self) -> None:
        self._urgent: deque[Parcel] = deque()
        self._bulk: deque[Parcel] = deque()
        self._claims = asyncio.Semaphore(0)

    def put(self, parcel: Parcel) -> None:
        parcel.under_way = parcel.written = False
        (self._urgent if parcel.urgent else self._bulk).append(parcel)
        self._claims.release()

    def put_back(self, parcel: Parcel) -> None:
        """Return it to the head of its lane: it was not its fault."""
        parcel.under_way = parcel.written = False
        (self._urgent if parcel.urgent else self._bulk).appendleft(parcel)
        self._claims.release()

    async def claim(self) -> None:
        """Wait until there is a parcel for whoever asks: each claim gives the right to one `take`."""
        await self._claims.acquire()

    def wake(self, waiters: int) -> None:
        """Let so many claims through although there may be nothing to take."""
        for _ in range(waiters):
            self._claims.release()

    def take(self) -> Parcel | None:
        """The next parcel, the urgent ones first; it may be settled already.  None only after `wake`."""
        lane = self._urgent or self._bulk
        return lane.popleft() if lane else None

    def idle(self) -> bool:
        """True when nothing that waits still has to be sent."""
        return all(parcel.settled for lane in (self._urgent, self._bulk) for parcel in lane)
