"""PDUs that left in one write, under consecutive sequence numbers, and wait for their answers."""

from bisect import bisect_right, insort
from collections.abc import Sequence
from typing import Final

import numpy as np

from notifiers.smpp.codec import pdus_of
from notifiers.smpp.shipment import Shipment
from notifiers.smpp.timing import Timer
from notifiers.smpp.words import Command

# Compared by identity; an id of these very letters would be another object.
SETTLED: Final = "settled before the flight ended"
_SUBMIT_SM_RESP: Final = int(Command.SUBMIT_SM_RESP)
_SHORTEST_RUN: Final = 4


class Flight:
    """`answers` is parallel to `indices`: the gateway's ids, none as long as there is no answer."""

    __slots__ = (
        "_apart", "_noted", "answers", "first", "in_order", "indices", "left", "odd", "shipment", "timer", "written_at",
    )  # fmt: skip

    def __init__(self, shipment: Shipment, indices: Sequence[int], first: int, written_at: float) -> None:
        self.shipment = shipment
        self.indices = indices
        self.first = first
        self.written_at = written_at
        self.answers: list[str | None] = [None] * len(indices)
        self.left = len(indices)
        self.in_order = 0  # so many, from the first on, were answered with yes in their order
        self.odd = False  # somebody else looks after some of them
        self._noted = 0  # of those answered in order, so many stand in the shipment's progress
        self._apart: list[int] = []  # answered with yes out of order, and not noted yet
        self.timer: Timer | None = None

    def accepted(self, bodies: bytes, count: int) -> None:
        """The next so many, in order; their answers' bodies one after the other."""
        self.answers[self.in_order : self.in_order + count] = self.shipment.spell(bodies, count)
        self.in_order += count

    def accepted_one(self, sequence: int, body: bytes) -> None:
        at = sequence - self.first
        (self.answers[at],) = self.shipment.spell(body, 1)
        if at == self.in_order:
            self.in_order += 1
        else:
            self._apart.append(at)

    def note(self) -> None:
        """Tell the shipment what was accepted since the last time."""
        if self.in_order > self._noted:
            fresh = slice(self._noted, self.in_order)
            self._noted = self.in_order
            self.shipment.note(self.indices[fresh], self.answers[fresh])  # type: ignore[arg-type]  # all are answered
        if self._apart:
            apart, self._apart = sorted(self._apart), []
            self.shipment.note([self.indices[at] for at in apart], [self.answers[at] for at in apart])  # type: ignore[misc]

    def settle(self, sequence: int) -> int:
        """Somebody else looks after this one; its index."""
        at = sequence - self.first
        self.answers[at] = SETTLED
        self.odd = True
        return self.indices[at]

    def land(self, unanswered: int) -> int:
        """Hand the answers to the shipment, and `unanswered` for those that never came; how many those are."""
        if self.timer is not None:
            self.timer.cancel()
        if not (self.left or self.odd) and isinstance(self.indices, range):
            self.shipment.accepted_run(self.indices, self.answers)  # type: ignore[arg-type]  # none is None any more
            return 0
        missing = 0
        shipment = self.shipment
        for index, answer in zip(self.indices, self.answers, strict=True):
            if answer is None:
                missing += 1
                shipment.settle(index, unanswered)
            elif answer is not SETTLED:
                shipment.accepted(index, answer)
        return missing


class Flights:
    """All flights of one connection that wait for answers, found by sequence number."""

    def __init__(self) -> None:
        self.unanswered = 0  # PDUs
        self.kept = 0  # those of them whose progress is kept
        self._firsts: list[int] = []
        self._by_first: dict[int, Flight] = {}

    def add(self, flight: Flight) -> None:
        insort(self._firsts, flight.first)
        self._by_first[flight.first] = flight
        self._count(flight, flight.left)

    def find(self, sequence: int) -> Flight | None:
        """The flight in which this PDU still waits for its answer."""
        place = bisect_right(self._firsts, sequence) - 1
        if place < 0:
            return None
        flight = self._by_first[self._firsts[place]]
        at = sequence - flight.first
        return flight if at < len(flight.answers) and flight.answers[at] is None else None

    def answered(self, flight: Flight, count: int) -> None:
        flight.left -= count
        self._count(flight, -count)
        if not flight.left:
            self.remove(flight)

    def remove(self, flight: Flight) -> None:
        """What is unanswered in it is waited for no more."""
        self._count(flight, -flight.left)
        del self._firsts[bisect_right(self._firsts, flight.first) - 1]
        del self._by_first[flight.first]

    def clear(self) -> list[Flight]:
        """All of them."""
        flights = list(self._by_first.values())
        self.__init__()  # type: ignore[misc]
        return flights

    def _count(self, flight: Flight, more: int) -> None:
        self.unanswered += more
        if flight.shipment.progress is not None:
            self.kept += more


def clean_run(buffer: bytes, at: int, length: int, sequence: int, flight: Flight) -> tuple[bytes, int]:
    """The bodies of answers that follow each other here, one after the other, and how many they are: all of one length, all
    accepted, all of this flight, in order and without a gap since its first.  None where that is not so: then they are read
    one by one.

    A gateway under load answers by the hundred in one go, so this is how nearly all of them are read.
    """  # noqa: D205
    done = flight.in_order
    count = min((len(buffer) - at) // length, flight.left)
    if count < _SHORTEST_RUN or sequence != flight.first + done or flight.left != len(flight.answers) - done:
        return b"", 0
    answers = np.frombuffer(buffer, pdus_of(length), count, at)
    good = answers["answer"] == np.arange(sequence, sequence + count, dtype=np.uint64)  # with a status of 0
    good &= answers["kind"] == length << 32 | _SUBMIT_SM_RESP
    if not good.all():
        count = int(good.argmin())
    return answers["body"][:count].tobytes(), count
