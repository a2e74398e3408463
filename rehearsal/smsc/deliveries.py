"""deliver_sm on their way to the client: a window per bind, and again after 1, 5 and 10 minutes of appeal time.

At least once: what the client acknowledged and we did not hear of comes again, as it does from real gateways.

Receipts come in thousands a moment and are kept so: as bundles and flights, tables of equally long PDUs, never as one
object each.  The simulator shares its processors with whoever is measured against it.
"""

import os
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Numbers
from rehearsal.smsc.agenda import Agenda
from rehearsal.smsc.runs import Rows

RETRY_AFTER = (60.0, 300.0, 600.0)  # seconds of appeal time, as Aliyun pushes members' messages


@dataclass(frozen=True, slots=True)
class Bundle:
    """deliver_sm of one length, without sequence numbers; their `keys` are the same after a restart."""

    keys: Numbers
    pdus: Rows
    urgent: bool
    failures: int = 0

    def only(self, which: slice | NDArray[np.bool_]) -> "Bundle":
        return replace(self, keys=self.keys[which], pdus=self.pdus[which])


@dataclass(slots=True)
class Flight:
    """What was written at once: its sequence numbers count up from `first`, `open` are those without an answer."""

    bundle: Bundle
    first: int
    sent: float
    open: NDArray[np.bool_]

    def land(self, sequences: NDArray[np.int64]) -> Bundle:
        """Those of these sequence numbers that were still open, and now no longer are."""
        places = sequences - self.first
        answered = np.zeros(len(self.open), dtype=np.bool_)
        answered[places[(places >= 0) & (places < len(self.open))]] = True
        answered &= self.open
        self.open &= ~answered
        return self.bundle.only(answered)


class Link(Protocol):
    """A bind that takes deliver_sm."""

    def send_deliveries(self, pdus: Rows) -> int:
        """Write them at once; the sequence number of the first, from which the others count up."""


class Acknowledged:
    """Remembers across restarts which deliver_sm the client has taken."""

    def __init__(self, path: Path | None) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600) if path else None
        known = array("Q")
        if self._fd is not None:
            octets = os.pread(self._fd, os.fstat(self._fd).st_size, 0)
            known.frombytes(octets[: len(octets) // known.itemsize * known.itemsize])
        self.before = np.unique(np.array(known, dtype=np.uint64))

    def add(self, keys: Numbers) -> None:
        if self._fd is not None:
            os.write(self._fd, keys.tobytes())

    def close(self) -> None:
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


class Deliveries:
    """Queues, windows, time-outs and retries over all receiving binds."""

    def __init__(
        self,
        agenda: Agenda,
        acknowledged: Acknowledged,
        appeal_time: Callable[[], float],
        *,
        window: int,
        timeout: float,
    ) -> None:
        self.acknowledged = 0
        self.given_up = 0
        self._agenda = agenda
        self._journal = acknowledged
        self._appeal_time = appeal_time
        self._window = window
        self._timeout = timeout
        self._urgent: deque[Bundle] = deque()
        self._patient: deque[Bundle] = deque()
        self._flying: dict[Link, list[Flight]] = {}

    @property
    def waiting(self) -> int:
        queued = sum(len(bundle.keys) for bundle in (*self._urgent, *self._patient))
        return queued + sum(map(_unanswered, self._flying.values()))

    def offer(self, bundle: Bundle) -> None:
        """Send it as soon as a bind has room, without what the client took before a restart."""
        if len(self._journal.before):
            bundle = bundle.only(~np.isin(bundle.keys, self._journal.before))
        if len(bundle.keys):
            (self._urgent if bundle.urgent else self._patient).append(bundle)

    def attach(self, link: Link) -> None:
        self._flying[link] = []

    def detach(self, link: Link) -> None:
        """The bind is gone: what it had not acknowledged is tried again later."""
        for flight in self._flying.pop(link, []):
            self._failed(flight.bundle.only(flight.open))

    def answered(self, link: Link, sequences: Sequence[int], *, ok: bool) -> None:
        """The client took these, or refused them; the room that they leave is filled at once if it is worth it."""
        flights = self._flying.get(link, [])
        landed = np.array(sequences, dtype=np.int64)
        low, high = int(landed.min()), int(landed.max())
        for flight in flights:
            if flight.first <= high and low < flight.first + len(flight.open):
                self._settle(flight.land(landed), ok=ok)
        flights[:] = [flight for flight in flights if flight.open.any()]
        if link in self._flying and self._window - _unanswered(flights) >= self._window // 4:
            self._fill(link, flights)

    def pump(self) -> None:
        """Fill the windows of all binds, members' messages before receipts."""
        for link, flights in list(self._flying.items()):
            self._fill(link, flights)

    def give_up_waiting(self) -> None:
        """What has not been answered for too long counts as not taken."""
        oldest = time.monotonic() - self._timeout
        for flights in self._flying.values():
            for flight in flights:
                if flight.sent < oldest:
                    self._failed(flight.bundle.only(flight.open))
            flights[:] = [flight for flight in flights if flight.sent >= oldest]

    def _fill(self, link: Link, flights: list[Flight]) -> None:
        room = self._window - _unanswered(flights)
        while room > 0 and (queue := self._urgent or self._patient):
            bundle = queue.popleft()
            if len(bundle.keys) > room:
                queue.appendleft(bundle.only(slice(room, None)))
                bundle = bundle.only(slice(room))
            size = len(bundle.keys)
            first = link.send_deliveries(bundle.pdus)
            flights.append(Flight(bundle, first, time.monotonic(), np.ones(size, dtype=np.bool_)))
            room -= size

    def _settle(self, landed: Bundle, *, ok: bool) -> None:
        if not ok:
            self._failed(landed)
        elif len(landed.keys):
            self.acknowledged += len(landed.keys)
            self._journal.add(landed.keys)

    def _failed(self, bundle: Bundle) -> None:
        if not len(bundle.keys):
            return
        if bundle.failures == len(RETRY_AFTER):
            self.given_up += len(bundle.keys)
            return
        due = self._appeal_time() + RETRY_AFTER[bundle.failures]
        again = replace(bundle, failures=bundle.failures + 1)
        self._agenda.note(due, lambda: self.offer(again))


def _unanswered(flights: Sequence[Flight]) -> int:
    return sum(int(np.count_nonzero(flight.open)) for flight in flights)
