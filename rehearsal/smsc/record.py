"""What the witness saw: every message that was accepted, in columns, with the questions that may be asked of it."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rehearsal.draws import Floats, Numbers
from rehearsal.smsc import alphabet
from rehearsal.smsc.parts import Assembly
from rehearsal.smsc.submission import Letter
from rehearsal.smsc.tally import Tally


@dataclass(frozen=True, slots=True)
class Saying:
    """A whole text as handsets see it, with what only the gateway sees of it."""

    text: str
    sender: str
    reference: str
    parts: int
    valid_until: float


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks, as epoch seconds."""

    real: float
    appeal: float


@dataclass(frozen=True, slots=True)
class Heard:
    """One whole message to one number."""

    saying: Saying
    at: Moment


@dataclass(frozen=True, slots=True)
class Fresh:
    """Whole messages that came in since the last look, told the same thing."""

    saying: Saying
    numbers: Numbers
    appeal: Floats


class Record:
    """Only ever grows.  Parts are joined before they count as a message."""

    def __init__(self) -> None:
        self.segments = 0
        self._numbers = array("Q")
        self._sayings = array("I")
        self._real = array("d")
        self._appeal = array("d")
        self._known: list[Saying] = []
        self._index: dict[Saying, int] = {}
        self._of_letter: dict[int, tuple[Letter, int]] = {}
        self._assembly = Assembly()
        self._tallies: dict[str, Tally] = {}
        self._tallied = 0
        self._looked = 0

    def add(self, numbers: Sequence[int], letters: Sequence[Letter], at: Moment, *, plain: bool) -> None:
        """Remember accepted messages; `plain` promises that none of them is a part."""
        self.segments += len(numbers)
        if plain:
            self._append(numbers, self._all_sayings(letters), at)
            return
        for number, letter in zip(numbers, letters, strict=True):
            if letter.part is None:
                self._append([number], [self._saying_of(letter)], at)
            elif whole := self._assembly.add(number, letter, letter.part):
                self._append([number], [self._intern(whole)], at)

    def fresh(self) -> list[Fresh]:
        """What has been added since the last call, by saying."""
        start, self._looked = self._looked, len(self._numbers)
        sayings, numbers = self._view(self._sayings, start), self._view(self._numbers, start)
        appeal = self._view(self._appeal, start)
        return [
            Fresh(self._known[saying], numbers[sayings == saying], appeal[sayings == saying])
            for saying in np.unique(sayings).tolist()
        ]

    def heard_by(self, number: int) -> list[Heard]:
        """Every whole message to `number`, in order of arrival."""
        rows = np.nonzero(self._view(self._numbers, 0) == np.uint64(number))[0].tolist()
        return [Heard(self._known[self._sayings[row]], Moment(self._real[row], self._appeal[row])) for row in rows]

    def tallies(self) -> dict[str, Tally]:
        """Per reference, up to now."""
        start, self._tallied = self._tallied, len(self._numbers)
        sayings, numbers, real = (
            self._view(self._sayings, start),
            self._view(self._numbers, start),
            self._view(self._real, start),
        )
        for index in np.unique(sayings).tolist():
            saying, mine = self._known[index], sayings == index
            tally = self._tallies.setdefault(saying.reference, Tally())
            tally.add(numbers[mine], real[mine], parts=saying.parts)
        return self._tallies

    def incomplete(self) -> dict[str, tuple[int, int]]:
        """Per reference: messages that lack a part, and the parts of them that are there."""
        return self._assembly.incomplete()

    def numbers_of(self, reference: str) -> Iterator[list[int]]:
        """Each number once, in order, in portions."""
        tally = self.tallies().get(reference)
        distinct = tally.distinct if tally else np.empty(0, dtype=np.uint64)
        for start in range(0, len(distinct), 5_000):
            yield distinct[start : start + 5_000].tolist()

    def _append(self, numbers: Sequence[int], sayings: Sequence[int], at: Moment) -> None:
        count = len(numbers)
        self._numbers.extend(numbers)
        self._sayings.extend(sayings)
        self._real.extend(array("d", (at.real,)) * count)
        self._appeal.extend(array("d", (at.appeal,)) * count)

    def _all_sayings(self, letters: Sequence[Letter]) -> Sequence[int]:
        first = letters[0]
        # The usual case: a batch that says one thing.  The reader hands out the same object for the same words.
        if letters.count(first) == len(letters):
            return array("I", (self._saying_of(first),)) * len(letters)
        return [self._saying_of(letter) for letter in letters]

    def _saying_of(self, letter: Letter) -> int:
        found = self._of_letter.get(id(letter))
        if found is None:
            # The letter is kept beside its number, so that its id cannot pass to another object.
            found = self._of_letter[id(letter)] = (letter, self._intern([letter]))
        return found[1]

    def _intern(self, pieces: Sequence[Letter]) -> int:
        first = pieces[0]
        saying = Saying(
            text=alphabet.decode(b"".join(piece.octets for piece in pieces), first.coding),
            sender=first.sender,
            reference=first.reference,
            parts=len(pieces),
            valid_until=first.valid_until,
        )
        known = self._index.setdefault(saying, len(self._known))
        if known == len(self._known):
            self._known.append(saying)
        return known

    @staticmethod
    def _view(column: "array[int] | array[float]", start: int) -> NDArray[Any]:
        # A copy, because an array that lends out its memory cannot grow.
        return np.frombuffer(memoryview(column)[start:], dtype=column.typecode).copy()
