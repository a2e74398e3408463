"""Where each message stands in the ledger, by the id that the gateway gave it; forgets what has grown old."""

from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from registry.ledger import Record

# A place is one number, batch and position in one: hundreds of thousands are looked up and sorted in a minute.
_BITS = 16
Numbers = NDArray[np.int64]


def batches_of(places: Numbers) -> tuple[Numbers, Numbers]:
    """Numbers of the batches of these places, equal for equal batches, and the positions in them."""
    return places >> _BITS, places & ((1 << _BITS) - 1)


class PlacedBatch(NamedTuple):
    """A batch of which some messages have ids."""

    id: str
    appeal_id: str
    wave: int


class Places:
    """Two generations of what waits for a receipt, and two of what lately got one, so that a receipt which comes twice
    finds its message again.
    """  # noqa: D205

    def __init__(self, *, joined_kept: int = 50_000) -> None:
        self._joined_kept = joined_kept
        self._new: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._joined: dict[str, int] = {}
        self._joined_before: dict[str, int] = {}
        self._batches: dict[int, PlacedBatch] = {}
        self._numbers: dict[PlacedBatch, int] = {}
        self._next = 0
        self._turns = (0, 0)  # the first batch of the old generation, and of the new one

    def learn(self, record: Record, settled: bytes = b"") -> None:
        """The ids of this record; not of positions whose state, of the batch's in `settled`, is known already."""
        first = (self._number(PlacedBatch(record.range.batch_id, record.appeal_id, record.wave)) << _BITS) + (
            record.range.first
        )
        ids = record.gateway_ids
        if "" not in ids and not any(settled):
            self._new.update(zip(ids, range(first, first + len(ids)), strict=True))
            return
        for at, gateway_id in enumerate(ids):
            position = record.range.first + at
            if gateway_id and not (position < len(settled) and settled[position]):
                self._new[gateway_id] = first + at

    def find(self, gateway_ids: Sequence[str]) -> list[int | None]:
        """The place of each, as far as it is known."""
        found = list(map(self._new.get, gateway_ids))
        if None in found:
            found = [
                self._find(gateway_id) if place is None else place
                for place, gateway_id in zip(found, gateway_ids, strict=True)
            ]
        return found

    def batch(self, place: int) -> PlacedBatch:
        """The batch of a place."""
        return self._batches[place >> _BITS]

    def joined(self, gateway_ids: Sequence[str], places: Sequence[int]) -> None:
        """The receipts of these have come and are written down."""
        for known in filter(None, (self._new, self._old)):
            deque(map(known.pop, gateway_ids, repeat(None)), maxlen=0)  # a loop that runs in C
        self._joined.update(zip(gateway_ids, places, strict=True))
        if len(self._joined) >= self._joined_kept:
            self._joined_before, self._joined = self._joined, {}

    def turn_old(self) -> None:
        """What was old is forgotten, and what is new is old from now on."""
        self._old, self._new = self._new, {}
        before, now = self._turns
        for number in [number for number in self._batches if number < before]:
            del self._numbers[self._batches.pop(number)]
        self._turns = now, self._next

    def _find(self, gateway_id: str) -> int | None:
        for known in (self._old, self._joined, self._joined_before):
            place = known.get(gateway_id)
            if place is not None:
                return place if place >> _BITS in self._batches else None
        return None

    def _number(self, batch: PlacedBatch) -> int:
        number = self._numbers.get(batch)
        if number is None:
            number = self._numbers[batch] = self._next
            self._batches[number] = batch
            self._next += 1
        return number
