"""Long replies come in parts, in any order, some of them twice, some never."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from notifiers.smpp.incoming import PartOf, Words
from notifiers.smpp.timing import Timer, Timing

MOST_COLLECTIONS = 10_000
GAP = "[…]"

Key = tuple[str, str, PartOf]


@dataclass(slots=True)
class Collection:
    """The parts of one message so far.  `committed` will say whether the whole was stored.

    `acknowledged` are those parts that the gateway will not push again.
    """

    source: str
    destination: str
    total: int
    parts: dict[int, Words] = field(default_factory=dict)
    acknowledged: set[int] = field(default_factory=set)
    stored: bool = False
    committed: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    timer: Timer | None = None

    @property
    def complete(self) -> bool:
        return len(self.parts) == self.total

    def settle(self, *, stored: bool) -> None:
        """Tell those who wait.  What is not stored and not acknowledged either will be pushed again."""
        self.stored = stored
        if not stored:
            self.parts = {number: words for number, words in self.parts.items() if number in self.acknowledged}
        settled, self.committed = self.committed, asyncio.get_running_loop().create_future()
        if not settled.done():
            settled.set_result(stored)

    def text(self, decode: Callable[[bytes, int], str]) -> str:
        """All words in order, a mark where parts are missing.

        Neighbours of one coding are joined before they are decoded: a character may be cut in two between them.
        """
        runs: list[tuple[int | None, bytes]] = []
        for number in range(1, self.total + 1):
            words = self.parts.get(number)
            coding, octets = (None, b"") if words is None else (words.data_coding, words.octets)
            if runs and runs[-1][0] == coding:
                runs[-1] = (coding, runs[-1][1] + octets)
            else:
                runs.append((coding, octets))
        return "".join(GAP if coding is None else decode(octets, coding) for coding, octets in runs)


class Reassembly:
    """Collects parts; `on_overdue` gets a collection whose other parts have not come in time."""

    def __init__(self, seconds: float, on_overdue: Callable[[Collection], None], timing: Timing) -> None:
        self._seconds = seconds
        self._on_overdue = on_overdue
        self._timing = timing
        self._open: dict[Key, Collection] = {}

    def add(self, source: str, destination: str, words: Words, part: PartOf) -> Collection:
        """The collection to which this part belongs, with the part in it.  A repeated part replaces itself.

        What is stored is remembered for a while: a gateway that missed our answer pushes a part of it again.
        """
        key = (source, destination, PartOf(part.reference, part.total, 0))
        collection = self._open.get(key)
        if collection is not None and collection.stored:
            if collection.parts.get(part.number) == words:
                return collection
            self._drop(key)
            collection = None
        if collection is None:
            if len(self._open) >= MOST_COLLECTIONS:
                self._overdue(next(iter(self._open)))
            collection = self._open[key] = Collection(source, destination, part.total)
        collection.parts[part.number] = words
        if collection.timer is not None:
            collection.timer.cancel()
        collection.timer = self._timing.call_later(self._seconds, lambda: self._overdue(key))
        return collection

    def give_up(self) -> None:
        """No more parts will come: everything that waits is overdue now."""
        for key in list(self._open):
            self._overdue(key)

    def _overdue(self, key: Key) -> None:
        collection = self._drop(key)
        if collection is not None and collection.parts and not collection.stored:
            self._on_overdue(collection)

    def _drop(self, key: Key) -> Collection | None:
        collection = self._open.pop(key, None)
        if collection is not None and collection.timer is not None:
            collection.timer.cancel()
        return collection
