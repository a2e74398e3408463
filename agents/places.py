"""Where each message stands in the ledger, by the id that the gateway gave it; forgets what has grown old."""

from collections.abc import Sequence
from typing import NamedTuple

from registry.ledger import Record


class PlacedBatch(NamedTuple):
    """A batch of which some messages have ids."""

    id: str
    appeal_id: str
    wave: int


Place = tuple[PlacedBatch, int]  # and the position in the batch


class Places:
    """Two generations of what waits for a receipt, and two of what lately got one, so that a receipt which comes twice
    finds its message again.
    """  # noqa: D205

    def __init__(self, *, joined_kept: int = 50_000) -> None:
        self._joined_kept = joined_kept
        self._new: dict[str, Place] = {}
        self._old: dict[str, Place] = {}
        self._joined: dict[str, Place] = {}
        self._joined_before: dict[str, Place] = {}

    def learn(self, record: Record, settled: bytes = b"") -> None:
        """The ids of this record; not of positions whose state, of the batch's in `settled`, is known already."""
        batch = PlacedBatch(record.range.batch_id, record.appeal_id, record.wave)
        for position, gateway_id in enumerate(record.gateway_ids, start=record.range.first):
            if gateway_id and not (position < len(settled) and settled[position]):
                self._new[gateway_id] = (batch, position)

    def find(self, gateway_ids: Sequence[str]) -> list[Place | None]:
        """The place of each."""
        found = list(map(self._new.get, gateway_ids))
        if None in found:
            found = [place or self._find(gateway_id) for place, gateway_id in zip(found, gateway_ids, strict=True)]
        return found

    def _find(self, gateway_id: str) -> Place | None:
        return self._old.get(gateway_id) or self._joined.get(gateway_id) or self._joined_before.get(gateway_id)

    def joined(self, gateway_ids: Sequence[str]) -> None:
        """Their receipts have come and are written down."""
        for gateway_id in gateway_ids:
            place = self._new.pop(gateway_id, None) or self._old.pop(gateway_id, None)
            if place is not None:
                self._joined[gateway_id] = place
        if len(self._joined) >= self._joined_kept:
            self._joined_before, self._joined = self._joined, {}

    def turn_old(self) -> None:
        """What was old is forgotten, and what is new is old from now on."""
        self._old, self._new = self._new, {}
