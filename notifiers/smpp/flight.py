"""PDUs that left in one write, under consecutive sequence numbers, and wait for their answers."""

from notifiers.smpp.shipment import Shipment
from notifiers.smpp.timing import Timer

# Compared by identity; an answer of these very octets would be another object.
SETTLED = b"settled before the flight ended"


class Flight:
    """`answers` is parallel to `indices`: none as long as there is no answer."""

    __slots__ = ("answers", "first", "indices", "left", "shipment", "timer", "written_at")

    def __init__(self, shipment: Shipment, indices: list[int], first: int, written_at: float) -> None:
        self.shipment = shipment
        self.indices = indices
        self.first = first
        self.written_at = written_at
        self.answers: list[bytes | None] = [None] * len(indices)
        self.left = len(indices)
        self.timer: Timer | None = None

    def settle(self, sequence: int) -> int:
        """Somebody else looks after this one; its index."""
        at = sequence - self.first
        self.answers[at] = SETTLED
        return self.indices[at]

    def land(self, unanswered: int) -> int:
        """Hand the answers to the shipment, and `unanswered` for those that never came; how many those are."""
        if self.timer is not None:
            self.timer.cancel()
        missing = 0
        shipment = self.shipment
        for index, answer in zip(self.indices, self.answers, strict=True):
            if answer is None:
                missing += 1
                shipment.settle(index, unanswered)
            elif answer is not SETTLED:
                shipment.accepted(index, answer)
        return missing
